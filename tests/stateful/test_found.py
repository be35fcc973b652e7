"""Histories that once broke a promise, found by `test_office.py` and `test_interruptions.py`; they do not any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from sheetsync.localsheets import LocalSheets
from sheetsync.sync import kpi_rows
from tests.stateful.book import KPIS, POLICY
from tests.stateful.office import Office
from tests.stateful.people import Act
from tests.stateful.test_interruptions import BUSY

MEANWHILE = "before", 1  # between our read and our write
FOUND: dict[str, list[Act]] = {
    # our write fell into the inserted column and beside it, into keys even; what it covered was nowhere
    "a column inserted before a write": [
        ("operator", "set", "alpha", "s1", True),
        ("cron", "sync", [(*MEANWHILE, ("owner", "add_column", POLICY, 0))], 0.0),
    ],
    "a column inserted before a row is added": [
        *BUSY, ("cron", "sync", [(*MEANWHILE, ("owner", "add_column", KPIS, 1))], 0.0),
    ],
    "a column inserted before a write into two rows of one key": [
        ("owner", "copy_row", POLICY, 2),
        ("cron", "sync", [(*MEANWHILE, ("owner", "add_column", POLICY, 4))], 0.0),
    ],
    # the read that was to heal a race lacked a column; its cells were taken for cleared, a pending edit for withdrawn
    "a header renamed before a write": [
        *BUSY, ("cron", "sync", [("after", 0, ("owner", "rename_header", POLICY, 2))], 0.0),
    ],
    # what had been rejected, but stood there still, was taken for what the next edit started from: a false conflict
    "an edit over a rejected one, before it was written over": [
        ("owner", "type", POLICY, 0, 0), ("cron", "sync", (), 0.0), ("operator", "discard", "alpha"),
        ("cron", "pull", (), 0.0), ("owner", "type", POLICY, 0, 0), ("cron", "pull", (), 0.0),
    ],
    "an edit over a rejected one, while it was written over": [
        ("owner", "type", KPIS, 0, 2), ("cron", "sync", (), 0.0), ("operator", "discard", "alpha"),
        ("cron", "sync", [(*MEANWHILE, ("owner", "type", KPIS, 0, 2))], 0.0),
    ],
    # put back by a push, which takes nothing in, the edit was taken for agreed, and the next sync wrote over it
    "an edit covered by a push and healed by it": [
        ("operator", "set", "alpha", "s1"), ("cron", "push", [(*MEANWHILE, ("owner", "type", POLICY, 0, 0))], 0.0),
    ],
    "an edit covered and healed before it had settled": [
        ("operator", "set", "alpha", "s1"), ("cron", "sync", [(*MEANWHILE, ("owner", "type", POLICY, 0, 0))], 3.0),
    ],
    # the rest of the row was emptied, and from then on every sync ended with an error
    "nonsense in a KPI that was dropped": [
        ("operator", "kpi", "alpha", "k1", True), ("owner", "nonsense", KPIS, 0, 0, 3), ("cron", "sync", (), 0.0),
        ("owner", "type", KPIS, 0, 2), ("cron", "push", (), 0.0), ("cron", "sync", (), 3.0),
    ],
    "a KPI that was dropped, edited, and pushed": [
        ("operator", "kpi", "alpha", "k1", True), ("owner", "type", KPIS, 0, 2), ("cron", "push", (), 0.0),
        ("owner", "type", KPIS, 0, 3), ("cron", "sync", (), 3.0), ("cron", "pull", (), 0.0),
    ],
    # the draft would have had a lock without a firearm: it could not be made, and every later sync failed
    "no firearm, beside nonsense in the lock": [
        ("operator", "set", "alpha", "s1", True), ("owner", "none", 0), ("owner", "nonsense", POLICY, 0, 1, 7),
    ],
    # its like stood there, so it was not put back, and what people had beside it was nowhere
    "one of two rows of a key deleted by mistake": [
        ("owner", "copy_row", POLICY, 0), ("operator", "retire", "beta"),
        ("cron", "sync", [(*MEANWHILE, ("owner", "sort", POLICY, 5, True))], 3.0),
    ],
    # Google takes no error values: a row with one could not be put back, and every later sync failed on it
    "an error value in a row deleted by mistake": [
        ("owner", "nonsense", POLICY, 1, 0, 6), ("owner", "nonsense", POLICY, 0, 0, 6), ("operator", "retire", "beta"),
        ("cron", "sync", [(*MEANWHILE, ("owner", "move", POLICY, 0, 4))], 0.0),
    ],
    # the row was held back for its new value, and the conflict under the pending one went unmarked
    "a third value under an edit that cannot be taken": [
        ("operator", "publish", "gamma"), ("owner", "type", POLICY, 3, 0), ("cron", "pull", (), 0.0),
        ("owner", "none", 3), ("operator", "set", "gamma", "s1", True),
    ],
    # its connector was unknown, so its cells were not compared, and what we had written over one was not put back
    "a column inserted before an answer to a KPI of a retired connector": [
        ("operator", "retire", "beta"), ("cron", "sync", [("after", 1, ("owner", "add_kpi", 1, False))], 0.0),
        ("cron", "push", [(*MEANWHILE, ("owner", "add_column", KPIS, 0))], 0.0),
    ],
    # the draft would have had a KPI without its type: it could not be made, and every later sync failed
    "a needed cell cleared in a KPI that was dropped": [
        ("owner", "clear", KPIS, 0, 4),
        ("cron", "push", [("lock", 2, ("operator", "kpi", "alpha", "k1", True))], 0.0),
    ],
    # while a key stood twice, nothing was marked
    "a third value under an edit whose key stands twice": [
        ("owner", "type", POLICY, 0, 0), ("cron", "sync", (), 0.0), ("owner", "copy_row", POLICY, 0),
        ("operator", "set", "alpha", "s1", True),
    ],
    # three of its cells had settled, the fourth had not: the draft would have had a KPI without its formula
    "a KPI whose last cell has not settled": [
        ("owner", "add_kpi", 2, False), ("cron", "sync", (), 3.0), ("cron", "sync", (), 3.0),
        ("owner", "type", KPIS, 2, 5), ("cron", "pull", (), 3.0),
    ],
    # ours took its place, and it was nowhere
    "a note left on a cell while ours was on its way": [
        ("owner", "retype_key", POLICY, 1, 2), ("cron", "sync", [(*MEANWHILE, ("owner", "note", POLICY, 1, 0))], 0.0),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_what_was_once_broken_holds(tmp_path: Path, name: str) -> None:
    with LocalSheets(pages=False) as server:
        office = Office(server, tmp_path)
        try:
            office.play(FOUND[name])
            office.settle()
        finally:
            office.close()


def test_a_row_of_an_unknown_key_deleted_by_mistake_stands_again_and_stays(tmp_path: Path) -> None:
    """Put back, it was once taken for a row that the store had shown, and the next run deleted it for good."""
    with LocalSheets(pages=False) as server:
        office = Office(server, tmp_path)
        try:
            office.play([("owner", "retype_key", POLICY, 3, 1), ("cron", "sync", (), 0.0)])
            strange = office.book.lines(POLICY)[3].key
            office.play([
                ("operator", "retire", "beta"),
                ("cron", "sync", [(*MEANWHILE, ("owner", "move", POLICY, 3, 2))], 0.0), ("cron", "sync", (), 0.0),
            ])  # fmt: skip
            office.settle()
            assert [line.key for line in office.book.lines(POLICY)].count(strange) == 1
        finally:
            office.close()


def test_a_row_that_fits_no_draft_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule over whole rows that the comparison does not know (here it forgets one) is a problem of that row alone."""
    monkeypatch.setattr(kpi_rows, "_missing", lambda _outcomes, _values: [])
    with LocalSheets(pages=False) as server:
        office = Office(server, tmp_path)
        try:
            office.play([
                ("owner", "clear", KPIS, 0, 4), ("owner", "type", KPIS, 0, 2), ("owner", "type", KPIS, 1, 2),
                ("owner", "type", POLICY, 2, 0), ("cron", "sync", (), 0.0),
            ])  # fmt: skip
            bad, good = office.book.lines(KPIS)[:2]
            assert (bad.cells["impact_type"], bad.status.partition(":")[0]) == ("", "problem")
            assert good.status.startswith("pending in ")
            assert office.book.lines(POLICY)[2].status.startswith("pending in ")
            office.settle()
        finally:
            office.close()
