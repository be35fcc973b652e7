"""Field masks: the grammar, what they show, and what an update by one does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.localsheets import fields
from sheetsync.localsheets.errors import ApiError
from sheetsync.localsheets.fields import Mask

NAMES = st.sampled_from(["a", "b", "c", "d"])
TREES: st.SearchStrategy[Any] = st.recursive(
    st.none(), lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=8
).filter(lambda tree: tree is not None)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.integers(0, 3),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


def dots(tree: Mask) -> list[str]:
    """The mask's paths, one for each leaf."""
    found = []
    for name, below in tree.items():
        found += [name] if below is None else [f"{name}.{rest}" for rest in dots(below)]
    return found


def groups(tree: Mask) -> str:
    """The mask in the form `a(b,c)`."""
    return ",".join(name if below is None else f"{name}({groups(below)})" for name, below in tree.items())


@given(tree=TREES)
def test_dots_slashes_and_groups_mean_the_same(tree: Mask) -> None:
    written = ",".join(dots(tree))
    assert fields.parse(written) == fields.parse(written.replace(".", "/")) == fields.parse(groups(tree)) == tree


@given(tree=TREES, value=OBJECTS)
def test_selecting_twice_is_selecting_once_and_shows_nothing_else(tree: Mask, value: dict[str, Any]) -> None:
    once = fields.select(value, tree)
    assert fields.select(once, tree) == once
    assert set(once) == set(tree) & set(value)


@given(tree=TREES, value=OBJECTS)
def test_a_star_shows_everything_at_its_level(tree: Mask, value: dict[str, Any]) -> None:
    assert fields.select(value, {"*": None}) == value
    assert fields.select({"x": value}, {"*": tree}) == {"x": fields.select(value, tree)}


@given(mask=st.dictionaries(NAMES, st.none(), min_size=1), target=OBJECTS, source=OBJECTS)
def test_an_update_takes_the_masked_fields_and_leaves_the_others(
    mask: Mask, target: dict[str, Any], source: dict[str, Any]
) -> None:
    before = dict(target)
    merged = fields.merge(target, source, mask)
    assert target == before
    for name in {*merged, *target, *source}:
        assert merged.get(name) == (source if name in mask else target).get(name)


@pytest.mark.parametrize("text", ["", ",", "a,", "a..b", "a(b", "a)", "a(b))", "a b", "a(,b)", ".a", "a,,b", "a()"])
def test_what_is_no_mask_is_refused(text: str) -> None:
    with pytest.raises(fields.MaskSyntaxError):
        fields.parse(text)


def test_snake_case_is_understood() -> None:
    assert fields.parse("user_entered_value.number_value") == {"userEnteredValue": {"numberValue": None}}


@pytest.mark.parametrize("text", ["nosuch", "properties.nosuch", "sheets(data(nosuch))", "spreadsheetId.x"])
def test_a_response_mask_must_name_what_the_answer_has(text: str) -> None:
    with pytest.raises(ApiError):
        fields.response_mask(text, "Spreadsheet")


def grid(book: Any, mask: str) -> Any:
    answer = book.http.get(book.path, params={"fields": mask} if mask else {})
    return answer.json()


def test_a_mask_brings_the_grid_only_if_it_reaches_into_the_sheets(book: Any) -> None:
    book.put("A1", [["x"]])
    assert "data" not in grid(book, "*")["sheets"][0]
    assert "data" in grid(book, "sheets")["sheets"][0]
    assert grid(book, "sheets.data.rowData.values.formattedValue") == {
        "sheets": [{"data": [{"rowData": [{"values": [{"formattedValue": "x"}]}]}]}]
    }
    assert grid(book, "sheets(data(startRow),properties/title)") == {
        "sheets": [{"properties": {"title": "Sheet1"}, "data": [{}]}]
    }
    assert grid(book, "sheets.data.rowData.values.userEnteredValue.stringValue")["sheets"][0]["data"][0]["rowData"]
    ignored = book.http.get(book.path, params={"fields": "spreadsheetId", "includeGridData": "true"}).json()
    assert ignored == {"spreadsheetId": book.id}


def test_masks_cut_every_kind_of_answer(book: Any) -> None:
    book.put("A1", [["x"]])
    answer = book.http.get(f"{book.path}/values/A1?fields=values").json()
    assert answer == {"values": [["x"]]}
    reply = book.http.post(
        f"{book.path}:batchUpdate?fields=replies.addSheet.properties.title",
        json={"requests": [{"addSheet": {"properties": {"title": "t"}}}]},
    ).json()
    assert reply == {"replies": [{"addSheet": {"properties": {"title": "t"}}}]}
