"""A journal's line whose checksum holds, but whose members are of a wrong type: damage that is named, never a crash."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sheetsync.cli.app import run
from sheetsync.domain.context import RequestContext
from sheetsync.errors import StoreDamagedError
from sheetsync.store import RecordId, SourceBytes, Store, fsck
from sheetsync.store.entry import Entry, decode_line
from sheetsync.store.media import open_backend

CTX: Final = RequestContext(user="ada")
SERIAL: Final = itertools.count()
GONE: Final = object()
Path_ = tuple[str | int, ...]
NAME: Final = "x--2026-01-07T12-00-00Z--00000000.json"
TIMES: Final = ["2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
PATHS: Final = [
    "../x/x--2026-01-07T12-00-00Z--00000000.json", "/x/x--2026-01-07T12-00-00Z--00000000.json", "x", "x/y",
    "x--2026-01-07T12-00-00Z--00000000.json", "journal/x--2026-01-07T12-00-00Z--00000000.json", "x/./y", "x y/z", "é/z",
]  # fmt: skip
SCALARS: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([-1, 0, 1, 2**31, 2**53, 2**63, 2**70, *TIMES, *PATHS]),
    st.sampled_from(["a" * 64, "A" * 64, "====", "\x00", "\ud800"]),
)  # fmt: skip
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)


def signed(value: Any) -> bytes:
    """The line of a value, with the checksum that it should have."""
    rest = json.dumps(value, separators=(",", ":"), ensure_ascii=False)[1:].encode("utf-8", "surrogatepass")
    return b'{"sum":"' + hashlib.sha256(rest).hexdigest().encode() + b'",' + rest


def sound_lines() -> list[dict[str, Any]]:
    """Entries with every member there is: contents of all kinds, details, a lease that is taken and given back."""
    url = f"memory://forms{next(SERIAL)}"
    with Store.open(url) as store:
        with store.transaction(CTX, why="one") as tx:
            tx.save(RecordId("default", ("things", "a"), "a"), {"n": 1})
            tx.save(RecordId("default", ("things", "b"), "b"), {"n": 2**70})
            tx.save(RecordId("default", ("providers", "p"), "t"), SourceBytes(b"let x", ".mjs"))
            tx.save(RecordId("default", ("providers", "p"), "u"), SourceBytes(b"\xff", ".mjs"))
        with store.transaction(CTX, why="two") as tx:
            tx.save(RecordId("default", ("things", "a"), "a"), {"n": 2})
        with store.lease("sync", who="ada"):
            store.note(CTX, "seen", {"healed": [1]})
        lines = [json.loads(line) for line in open_backend(url, tell=print).open_tenant("default").new_lines()]
    return [{name: part for name, part in line.items() if name != "sum"} for line in lines]


LINES: Final = sound_lines()


def places(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Every member of an entry, down to the contents, which may be anything."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*at, name)
        if isinstance(inner, dict | list) and name not in ("content", "details"):
            yield from places(inner, (*at, name))


PLACES: Final = [(index, place) for index, line in enumerate(LINES) for place in places(line)]


def changed(value: Any, place: Path_, new: object) -> Any:
    """A copy with another value (or none) at that place."""
    made = copy.deepcopy(value)
    inner = made
    for step in place[:-1]:
        inner = inner[step]
    if new is GONE:
        del inner[place[-1]]
    else:
        inner[place[-1]] = new
    return made


def store_of(lines: list[bytes]) -> str:
    """A store in memory with this journal, and the names in place that the sound entries put."""
    url = f"memory://forms{next(SERIAL)}"
    backend = open_backend(url, tell=print)
    backend.create_format(b'{"format":"sheetsync-island","version":1,"store_id":"1"}\n')
    part = backend.open_tenant("default")
    for number, line in enumerate(lines, start=1):
        assert part.add(number, line)
        for change in decode_line(signed(LINES[number - 1])).changes:
            part.put_snapshot(change.path, change.data(), verify=False)
    return url


def test_the_sound_lines_are_sound() -> None:
    assert fsck_is_sound_after_opening(store_of([signed(line) for line in LINES]))


def fsck_is_sound_after_opening(url: str) -> bool:
    Store.open(url).close()
    return fsck(url).exit_code == 0


@settings(deadline=None)  # some damage makes fsck look several times
@given(where=st.sampled_from(PLACES), new=st.one_of(VALUES, st.just(GONE)))
@example(where=(0, ("snapshots", 0, "content")), new=None)
@example(where=(0, ("snapshots", 0, "version")), new=True)
@example(where=(0, ("snapshots", 2, "text")), new="\ud800")
def test_any_value_in_the_place_of_a_member_gives_an_entry_or_names_it(where: tuple[int, Path_], new: Any) -> None:
    index, place = where
    line = signed(changed(LINES[index], place, new))
    for contents in (True, False):
        with suppress(StoreDamagedError):
            assert isinstance(decode_line(line, contents=contents), Entry)


@settings(deadline=None)  # some damage makes fsck look several times
@given(where=st.sampled_from(PLACES), new=st.one_of(VALUES, st.just(GONE)))
@example(where=(2, ("lease", "holder", "since")), new=2**63)
@example(where=(0, ("snapshots", 1, "content")), new={"n": [float("inf")]})
def test_whatever_a_line_holds_fsck_ends_with_0_or_9_and_a_store_opens_or_is_damaged(
    where: tuple[int, Path_], new: Any
) -> None:
    index, place = where
    lines = [signed(line) for line in [*LINES[:index], changed(LINES[index], place, new)]]
    url = store_of(lines)
    before = fsck(url).exit_code
    assert before in (0, 9)
    try:
        with Store.open(url) as store:
            list(store.log())
            store.held()
            store.compact()
            [snapshot.content for snapshot in store.latest_all("default")]
    except StoreDamagedError:
        assert before == 9


ILL_TYPED: Final[list[tuple[int, Path_, Any]]] = [
    (0, ("n",), True), (0, ("n",), "1"), (0, ("id",), 5), (0, ("at",), "2026-01-01T00:00:00"), (0, ("at",), 7),
    (0, ("who",), None), (0, ("why",), []), (0, ("prev",), 0), (0, ("snapshots",), {}), (0, ("snapshots", 0), []),
    (0, ("snapshots", 0, "path"), 1), (0, ("snapshots", 0, "path"), f"journal/x/{NAME}"),
    (0, ("snapshots", 0, "path"), f"things/x y/{NAME}"), (0, ("snapshots", 0, "path"), f"things/../x/{NAME}"),
    (0, ("snapshots", 0, "version"), True), (0, ("snapshots", 0, "version"), 0), (0, ("snapshots", 0, "version"), 2),
    (0, ("snapshots", 0, "hash"), "A" * 64), (0, ("snapshots", 0, "hash"), "a" * 63),
    (0, ("snapshots", 0, "before"), False), (0, ("snapshots", 0, "before"), 1),
    (0, ("snapshots", 0, "content"), []), (0, ("snapshots", 0, "content"), GONE), (0, ("snapshots", 0, "text"), "two"),
    (0, ("snapshots", 1, "wide"), 1), (0, ("snapshots", 2, "text"), 1), (0, ("snapshots", 3, "base64"), "?"),
    (2, ("lease",), None), (2, ("lease", "name"), 1), (2, ("lease", "epoch"), True), (2, ("lease", "holder"), "ada"),
    (2, ("lease", "holder", "who"), 1), (2, ("lease", "holder", "host"), GONE), (2, ("lease", "holder", "pid"), "1"),
    (2, ("lease", "holder", "since"), 2**63), (2, ("lease", "holder", "until"), 1.5), (3, ("details",), [1]),
]  # fmt: skip


@pytest.mark.parametrize(("index", "place", "new"), ILL_TYPED)
def test_a_member_of_the_wrong_type_is_named_with_its_entry(index: int, place: Path_, new: Any) -> None:
    with pytest.raises(StoreDamagedError) as caught:
        decode_line(signed(changed(LINES[index], place, new)))
    if place != ("n",):
        assert f"entry {index + 1}" in caught.value.message
    member = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place[:2]).lstrip(".")
    assert member in caught.value.message


IN_SNAPSHOTS: Final = [one for one in ILL_TYPED if one[1][0] == "snapshots" and one[1][2:]]


@pytest.mark.parametrize("snapshots", [2, 3, 50])
@pytest.mark.parametrize(("index", "place", "new"), IN_SNAPSHOTS)
def test_one_ill_typed_snapshot_among_many_is_named(snapshots: int, index: int, place: Path_, new: Any) -> None:
    line = changed(LINES[index], place, new)
    bad, good = line["snapshots"][int(place[1])], LINES[1]["snapshots"][0] | {"before": 0, "version": 1}
    line["snapshots"] = [good] * (snapshots - 1) + [bad]
    with pytest.raises(StoreDamagedError, match=rf"snapshots\[{snapshots - 1}\]"):
        decode_line(signed(line))


@settings(deadline=None)
@given(where=st.sampled_from([place for place in PLACES if place[1][0] == "snapshots"]), new=VALUES)
def test_many_snapshots_at_once_are_judged_as_each_alone(where: tuple[int, Path_], new: Any) -> None:
    index, place = where
    line = changed(LINES[index], place, new)
    if not isinstance(line["snapshots"], list):
        return
    others = LINES[1]["snapshots"] * 3
    for item in line["snapshots"]:
        alone, among = ({**line, "n": 9, "snapshots": some} for some in ([item], [item, *others]))
        assert is_entry(signed(alone)) == is_entry(signed(among))


def is_entry(line: bytes) -> bool:
    try:
        return len(decode_line(line).changes) > 0
    except StoreDamagedError:
        return False


COMMANDS: Final[list[tuple[str, ...]]] = [
    ("fsck",), ("fsck", "--repair"), ("lock", "show"), ("log",), ("store", "compact"), ("status",),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("index", "place", "new"),
    [
        (1, ("snapshots", 0, "version"), ""),
        (1, ("who",), None),
        (2, ("lease", "holder"), "ada"),
        (3, ("details",), "x"),
    ],
)
def test_the_command_line_says_damage_and_never_a_defect_of_ours(
    tmp_path: Path, index: int, place: Path_, new: Any, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "store"
    Store.open(folder).close()
    lines = [signed(line) for line in [*LINES[:index], changed(LINES[index], place, new)]]
    journal = folder / "default" / "journal" / "0000000001.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.write_bytes(b"".join(line + b"\n" for line in lines))
    assert run(["--store", str(folder), "--json", *command]) == StoreDamagedError.exit_code
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_a_line_says_beside_what_we_know_is_left_alone() -> None:
    line = changed(LINES[2], ("lease", "holder", "note"), 2**70) | {"new": {"a": 1}, "wide": True}
    entry = decode_line(signed(line))
    assert entry.lease is not None
    assert set(entry.lease["holder"]) == {"who", "host", "pid", "since", "until"}


def test_content_that_no_writer_of_ours_would_write_is_damage_or_what_it_says() -> None:
    """How deep a value the standard library writes depends on its version: 3.13 goes deeper than orjson reads."""
    deep = b'{"a":' * 1015 + b"1" + b"}" * 1015  # orjson reads it; writers of ours mark it as wide
    rest = signed(changed(LINES[1], ("snapshots", 0, "content"), "DEEP"))[74:].replace(b'"DEEP"', deep)
    entry = decode_line(b'{"sum":"' + hashlib.sha256(rest).hexdigest().encode() + b'",' + rest)
    told, data = "", deep
    try:
        data = entry.changes[0].data()
    except StoreDamagedError as error:
        told = error.message
    assert "no JSON form" in told or (told, data) == ("", deep)
