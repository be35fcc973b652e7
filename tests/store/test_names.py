"""Names lead nowhere else, collide with nothing, and come back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.context import RequestContext, ScopeConfig
from sheetsync.errors import InvalidIdError
from sheetsync.store import RecordId, Store, VersionedStore
from sheetsync.store.names import (
    DEVICE,
    decode_part,
    decode_record,
    encode_part,
    encode_record,
    encode_tenant,
    format_stamp,
    parse_snapshot_name,
    parse_stamp,
    snapshot_filename,
)

PARTS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="/\\"), min_size=1, max_size=40
)
HOSTILE = [
    "..",
    ".",
    "",
    ".hidden",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    "x" * 300,
    "раураl",  # look-alike Cyrillic
    "ａbc",  # full width
    "a\u200bb",
    "é",
    "/etc/passwd",
    "../../etc",
    "a--b",
]


@given(PARTS.filter(lambda part: not part.startswith(".")))
def test_parts_come_back_and_are_safe_on_every_disk(part: str) -> None:
    for capitals in (False, True):
        encoded = encode_part(part, capitals=capitals)
        assert decode_part(encoded) == part
        assert "--" not in encoded
        assert not encoded.startswith(("-", "."))
        assert not encoded.endswith(".")
        assert not DEVICE.fullmatch(encoded)
        assert set(encoded) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-%")
        assert capitals or encoded == encoded.lower()


@given(PARTS, PARTS)
def test_encoded_parts_never_collide_on_a_case_insensitive_disk(one: str, other: str) -> None:
    if one != other and not one.startswith(".") and not other.startswith("."):
        assert encode_part(one).lower() != encode_part(other).lower()


@given(st.integers(min_value=0, max_value=253402300799))
def test_stamps_come_back_and_sort_by_age(seconds: int) -> None:
    text = format_stamp(seconds)
    assert parse_stamp(text) == seconds
    assert seconds == 0 or format_stamp(seconds - 1) < text
    parsed = parse_snapshot_name(snapshot_filename("draft_1", seconds, "0123456789", ".json"))
    assert parsed is not None
    assert (parsed.name, parsed.stamp, parsed.hash8, parsed.suffix) == ("draft_1", seconds, "01234567", ".json")


def test_plain_ids_stay_as_they_are() -> None:
    for part in ("draft_a1b2c3", "github", "ada@example.com", "x.y+z", "a-b"):
        assert encode_part(part) == part


@pytest.mark.parametrize(
    ("record", "key"),
    [
        (("sync_baselines", "1AbC--x"), "sync_baselines/1%41b%43-%2dx/1%41b%43-%2dx"),
        (("workbench_drafts", "Ada", "draft_1"), "workbench_drafts/%41da/draft_1/draft_1"),
        (("components", "con"), "components/co%6e/co%6e"),
        (("providers", "solscan", "getChainInfo", "schema"), "providers/solscan/getChainInfo/schema/schema"),
        (("notes", "ada", "Alpha"), "notes/ada/Alpha/Alpha"),
    ],
)
def test_records_are_encoded_as_the_format_says(record: tuple[str, ...], key: str) -> None:
    rid = RecordId("default", record, record[-1])
    assert encode_record(rid) == key
    assert decode_record("default", key) == rid


def test_a_tenant_that_is_called_like_a_device_or_like_the_file_format_gets_another_folder() -> None:
    assert encode_tenant("con") == "co%6e"
    assert encode_tenant("format") == "forma%74"
    assert decode_part("forma%74") == "format"
    assert encode_tenant("acme-1") == "acme-1"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_and_write_nothing(name: str, named: VersionedStore, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidIdError):
        named.save(name, {"x": 1})
    if name != "a--b":
        with pytest.raises(InvalidIdError):
            RecordId("default", ("things", name), "x")
        with pytest.raises(InvalidIdError):
            RecordId("default", ("things",), name)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("tenant", ["..", "A", "a/b", "", "a" * 64, "-a", "é"])
def test_hostile_tenants_are_refused(tenant: str, folder: Path) -> None:
    with pytest.raises(InvalidIdError):
        Store.open(folder, tenant=tenant)


def test_two_names_that_differ_only_in_case_are_one_too_many(named: VersionedStore) -> None:
    named.save("Alpha", {"x": 1})
    with pytest.raises(InvalidIdError, match=r"differs only in case from .*Alpha"):
        named.save("alpha", {"x": 2})
    both = named.transaction()
    both.save("Beta", {})
    both.save("beta", {})
    with pytest.raises(InvalidIdError), both:
        pass
    assert named.names() == ["Alpha"]
    named.save("Alpha", {"x": 3})


def test_names_that_differ_only_in_case_are_found_whichever_came_first_and_after_any_opening(folder: Path) -> None:
    def save(*names: str) -> None:
        with VersionedStore(RequestContext(user="ada"), url=folder) as opened, opened.transaction() as both:
            for name in names:
                both.save(name, {"x": 1})

    save("alpha", "beta")
    for names in (("Alpha",), ("gamma", "ALPHA"), ("gamma", "Gamma"), ("Gamma", "gamma")):
        with pytest.raises(InvalidIdError, match="differs only in case"):
            save(*names)
    with VersionedStore(RequestContext(user="ada"), url=folder) as opened:
        opened.save("gamma", {"x": 1})  # nothing has a capital until now
        opened.save("Delta", {"x": 1})
        for name in ("delta", "Gamma", "Beta"):
            with pytest.raises(InvalidIdError, match="differs only in case"):
                opened.save(name, {"x": 2})
        assert opened.names() == ["Delta", "alpha", "beta", "gamma"]
    with pytest.raises(InvalidIdError, match="Delta"):
        save("delta")


def test_users_that_differ_only_in_case_have_their_own_folders(folder: Path) -> None:
    for user in ("Ada", "ada"):
        VersionedStore(RequestContext(user=user), url=folder).save("alpha", {"by": user})
    names = sorted(path.name for path in (folder / "default/workbench_drafts").iterdir())
    assert names == ["%41da", "ada"]


def test_device_names_are_saved_under_other_names(named: VersionedStore, folder: Path) -> None:
    for name in ("CON", "nul", "com1", "aux.txt"):
        named.save(name, {"x": name})
    assert named.names() == ["CON", "aux.txt", "com1", "nul"]
    parts = [path.name for path in (folder / "default/workbench_drafts/ada@example.com").iterdir()]
    assert sorted(parts) == ["CO%4e", "au%78.txt", "com%31", "nu%6c"]


def test_the_scope_decides_the_folder(folder: Path) -> None:
    ctx = RequestContext(tenant="acme", user="ada")
    VersionedStore(ctx, "notes", ScopeConfig(user=False), folder).save("a", {})
    VersionedStore(ctx, "notes", ScopeConfig(tenant=False, user=False), folder).save("b", {})
    assert (folder / "acme/notes/a").is_dir()
    assert (folder / "default/notes/b").is_dir()
