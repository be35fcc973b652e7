"""One busy sync of both tabs, disturbed at every single point; then the dust settles, and every promise holds.

Each fault at each call; each act of owners and operators between our read and our write, between our write and its
acknowledgement, and while damage is healed; kill -9 of a real process at each call and at each step of the store.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sheetsync.localsheets import LocalSheets
from tests.stateful.book import KPIS, POLICY
from tests.stateful.faults import FAULTS, TORN, Life
from tests.stateful.office import ANYWAY, Happening, Office
from tests.stateful.people import Act

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12 warns
# What stands before the sync: edits to take in, published changes to write, rows to add, to delete and to answer
BUSY: list[Act] = [
    ("operator", "set", "alpha", "s1", True), ("operator", "kpi", "beta", "k5"), ("owner", "type", POLICY, 1, 0),
    ("owner", "type", POLICY, 2, 1), ("owner", "type", KPIS, 0, 2), ("owner", "type", POLICY, 3, 0),
    ("owner", "add_kpi", 0), ("owner", "delete_row", KPIS, 1), ("owner", "nonsense", POLICY, 2, 0, 1),
]  # fmt: skip
PARTS = 8
CALLS = 3  # read, write, and a second write that heals
MEANWHILE: dict[str, list[Act]] = {
    "types where we write": [("aim", 0), ("aim", 1), ("aim", 2)],
    "types elsewhere": [("owner", "type", POLICY, 1, 0), ("owner", "type", KPIS, 0, 2)],
    "takes an edit back": [
        (
            "owner",
            "undo",
        ),
        (
            "owner",
            "undo",
        ),
    ],
    "types nonsense": [("owner", "nonsense", POLICY, 0, 0, 1), ("owner", "nonsense", KPIS, 0, 2, 2)],
    "types a formula": [("owner", "nonsense", POLICY, 0, 0, 2)],
    "pastes blocks": [("owner", "paste", POLICY, 0, 3), ("owner", "paste", KPIS, 0, 2)],
    "clears": [("owner", "clear", POLICY, 0, 0), ("owner", "clear", KPIS, 0, 2)],
    "sorts": [("owner", "sort", POLICY, 1, True), ("owner", "sort", KPIS, 3, True)],
    "sorts by the answers": [("owner", "sort", POLICY, 4, True)],
    "moves rows": [("owner", "move", POLICY, 0, 3), ("owner", "move", KPIS, 0, 2)],
    "filters": [("owner", "filter", POLICY), ("owner", "filter", KPIS)],
    "inserts rows above": [("owner", "insert_above", POLICY, 0), ("owner", "insert_above", KPIS, 0)],
    "deletes the row": [("owner", "delete_row", POLICY, 0), ("owner", "delete_row", KPIS, 0)],
    "deletes and brings back": [("owner", "delete_row", POLICY, 0), ("owner", "undo")],
    "copies the row": [("owner", "copy_row", POLICY, 0), ("owner", "copy_row", KPIS, 0)],
    "retypes keys": [("owner", "retype_key", POLICY, 0, 1), ("owner", "retype_key", KPIS, 0, 1)],
    "adds KPIs": [("owner", "add_kpi", 0), ("owner", "add_kpi", 1)],
    "adds a column before ours": [("owner", "add_column", POLICY, 0), ("owner", "add_column", KPIS, 0)],
    "adds a column between keys": [("owner", "add_column", POLICY, 1), ("owner", "add_column", KPIS, 1)],
    "adds a column between ours": [("owner", "add_column", POLICY, 3), ("owner", "add_column", KPIS, 4)],
    "adds a column behind ours": [("owner", "add_column", POLICY, 5), ("owner", "add_column", KPIS, 7)],
    "adds a column, then types": [("owner", "add_column", POLICY, 2), ("aim", 0), ("owner", "type", KPIS, 0, 2)],
    "renames a header": [("owner", "rename_header", POLICY, 2)],
    "renames the tabs": [("owner", "rename_tab", POLICY), ("owner", "rename_tab", KPIS)],
    "writes notes": [("owner", "note", POLICY, 0, 2), ("owner", "note", KPIS, 0, 2), ("owner", "remark", POLICY, 0)],
    "writes over our answers": [("owner", "scribble", POLICY, 0), ("owner", "scribble", KPIS, 0)],
    "publishes": [("operator", "set", "alpha", "s2"), ("operator", "kpi", "alpha", "k1")],
    "publishes the draft": [("operator", "publish", "alpha"), ("operator", "publish", "beta")],
    "publishes a new one": [("operator", "edit", "gamma", "s1"), ("operator", "publish", "gamma")],
    "discards": [("operator", "discard", "alpha"), ("operator", "discard", "beta")],
    "drops a KPI": [("operator", "kpi", "alpha", "k1", True)],
    "retires": [("operator", "retire", "beta")],
}
MOMENTS = [("after", 0), ("before", 1), ("after", 1), ("before", 2)]


@contextmanager
def an_office(folder: Path, *, opened: bool = True) -> Iterator[Office]:
    """A busy office; its history is printed if the test fails."""
    with LocalSheets(pages=False) as server:
        office = Office(server, folder, opened=opened)
        try:
            if opened:
                office.play(BUSY)
            yield office
        except BaseException:
            print(office.told())
            raise
        finally:
            office.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_call_loses_nothing(tmp_path: Path, fault: str) -> None:
    where = "after" if fault.endswith("after") and fault not in ("500 after", "503 after") else "before"
    for number in range(CALLS):
        for times in (1, 8):  # once, and for longer than a run has patience
            with an_office(tmp_path / f"{number}-{times}") as office:
                moments = [Happening(where, number + at, ("fault", fault)) for at in range(times)]
                assert office.cron("sync", moments).name in ("done", "later")
                office.settle()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_call_of_the_first_push_loses_nothing(tmp_path: Path, fault: str) -> None:
    for number in range(5):
        with an_office(tmp_path / str(number), opened=False) as office:
            office.cron("push", [Happening("before", number, ("fault", fault))], chunk_bytes=4000)
            office.flight.clear()
            assert office.cron("push").name == "done"
            office.settle_in()
            office.settle()


@pytest.mark.parametrize("what", MEANWHILE)
def test_people_who_act_while_we_write_lose_nothing(tmp_path: Path, what: str) -> None:
    for moment in MOMENTS:
        with an_office(tmp_path / "-".join(map(str, moment))) as office:
            happenings = [Happening(*moment, act) for act in MEANWHILE[what]]
            assert office.cron("sync", happenings).name in ("done", "later", "stop")
            office.settle()


@pytest.mark.parametrize("mode", ["pull", "push"])
@pytest.mark.parametrize("what", ["types where we write", "sorts", "deletes the row", "pastes blocks", "publishes"])
def test_people_who_act_while_a_pull_or_push_writes_lose_nothing(tmp_path: Path, what: str, mode: str) -> None:
    with an_office(tmp_path) as office:
        office.cron(mode, [Happening("before", 1, act) for act in MEANWHILE[what]])
        office.settle()


def test_people_who_act_while_their_damage_is_healed_lose_nothing(tmp_path: Path) -> None:
    for number, what in enumerate(["types where we write", "sorts", "deletes the row", "copies the row"]):
        with an_office(tmp_path / str(number)) as office:
            first = [Happening("before", 1, ("aim", at)) for at in range(3)]
            office.cron("sync", [*first, *(Happening("before", 2, act) for act in MEANWHILE[what])])
            office.settle()


@pytest.mark.parametrize("what", ["types where we write", "sorts", "deletes the row", "publishes"])
def test_a_batch_that_lands_late_covers_nothing(tmp_path: Path, what: str) -> None:
    with an_office(tmp_path) as office:
        office.cron("sync", [Happening("before", 1, ("fault", "late"))])
        office.play(MEANWHILE[what])
        office.act(("late",))
        office.settle()


# -- kill -9


def kill_at(office: Office, where: str, number: int, *, torn: bool = False) -> bool:
    """A real process makes a sync and is killed with -9 there. False if it never came there."""
    before = office.ledger.look()
    pid = os.fork()
    if pid == 0:
        try:
            run_to_the_death(office, where, number, torn=torn)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    office.book.tag_rows()
    office.ledger.delivered(before)
    return os.WIFSIGNALED(status)


def run_to_the_death(office: Office, where: str, number: int, *, torn: bool) -> None:
    def happen(at: str, count: int, what: str) -> str:
        if (at, count) != (where, number):
            return ""
        if torn and what in TORN:
            return "torn"
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    life = Life()
    life.die = lambda: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign, assignment, return-value]
    office.set_up = False  # the ledger is kept by those who live
    office._run("sync", happen, life, 0.0, ANYWAY, 1_900_000)


def points(folder: Path) -> list[tuple[str, int, bool]]:
    """Every call boundary, every step of the store, and every write half done."""
    names = names_of_steps(folder)
    calls = [(where, number, False) for number in range(CALLS) for where in ("before", "after")]
    steps = [
        ("step", number, torn)
        for number, name in enumerate(names)
        for torn in ((False, True) if name in TORN else (False,))
    ]
    return [*calls, *steps]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_process_killed_anywhere_loses_nothing(tmp_path: Path, part: int) -> None:
    killed = 0
    mine = points(tmp_path / "counting")[part::PARTS]
    for where, number, torn in mine:
        with an_office(tmp_path / f"{where}-{number}-{torn}") as office:
            killed += kill_at(office, where, number, torn=torn)
            office.settle()
    print(f"part {part}: {killed} processes killed with -9, no promise broken")
    assert killed >= len(mine) - 2  # the third call is made only if something was damaged


def names_of_steps(folder: Path) -> list[str]:
    """The steps of the busy sync on the disk; they are the same each time."""
    found: list[str] = []

    def happen(where: str, number: int, what: str) -> str:
        if where == "step":
            found.append(what)
        return ""

    with an_office(folder) as office:
        life = Life()
        office._run("sync", happen, life, 0.0, ANYWAY, 1_900_000)
        assert life.calls <= CALLS
    return found


def test_the_points_are_all_there(tmp_path: Path) -> None:
    names = names_of_steps(tmp_path)
    assert {"append", "sync"} <= set(names), names
    assert len(names) > 20
