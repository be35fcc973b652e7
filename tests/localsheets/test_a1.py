"""A1 and R1C1 notation: what is written is read again, whatever the order and the signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.localsheets import a1

COLUMNS = st.integers(0, a1.MAX_COLUMNS - 1)
ROWS = st.integers(0, 999_999)
TITLES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(index=COLUMNS)
def test_letters_and_numbers_of_columns_are_inverse(index: int) -> None:
    assert a1.column_index(a1.column_letters(index)) == index


@given(rows=st.tuples(ROWS, ROWS), cols=st.tuples(COLUMNS, COLUMNS))
def test_what_is_written_is_read_again_in_either_order(rows: tuple[int, int], cols: tuple[int, int]) -> None:
    span = a1.Span(min(rows), max(rows) + 1, min(cols), max(cols) + 1)
    written = a1.format_cells(*span)  # type: ignore[arg-type]
    assert a1.parse_cells(written) == span
    first, _, last = written.partition(":")
    if last:
        assert a1.parse_cells(f"{last}:{first}") == span
        assert a1.parse_cells(written.lower()) == span
    r1c1 = f"R{rows[0] + 1}C{cols[0] + 1}:R{rows[1] + 1}C{cols[1] + 1}"
    assert a1.parse_r1c1(r1c1) == span


@given(title=TITLES, row=ROWS, col=COLUMNS)
def test_a_quoted_title_is_read_again(title: str, row: int, col: int) -> None:
    cells = a1.format_cells(row, row + 1, col, col + 1)
    quoted = "'" + title.replace("'", "''") + "'"
    assert a1.split(f"{quoted}!{cells}") == (title, True, cells)
    assert a1.split(a1.format_range(title, row, row + 1, col, col + 1)).title == title


@pytest.mark.parametrize(
    ("title", "echoed"),
    [
        ("Sheet1", "Sheet1"),
        ("_x", "_x"),
        ("Policy Matrix", "'Policy Matrix'"),
        ("it's", "'it''s'"),
        ("D3", "'D3'"),
        ("CO2", "'CO2'"),
        ("2020", "'2020'"),
        ("été", "'été'"),
        ("a.b", "'a.b'"),
    ],
)
def test_titles_are_quoted_where_google_quotes_them(title: str, echoed: str) -> None:
    assert a1.quote_title(title) == echoed


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("A:A", a1.Span(None, None, 0, 1)),
        ("B:A", a1.Span(None, None, 0, 2)),
        ("3:2", a1.Span(1, 3, None, None)),
        ("A2:B", a1.Span(1, None, 0, 2)),
        ("A2:5", a1.Span(1, 5, 0, None)),
    ],
)
def test_open_ranges(text: str, span: a1.Span) -> None:
    assert a1.parse_cells(text) == span
