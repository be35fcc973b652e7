"""Random histories of push, sync, plan, apply, undo and resume against owners who type at any moment.

The oracle, after each run: what an owner last typed into a cell is in the sheet, or was in a draft, a conflict or a
report. No draft ever holds an edit that no owner made. At the end, after `resume` and `sync`, the sheet shows what the
store says. Every value typed is used once, so that it is told from all others.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sheetsync.errors import PlanMovedError, SheetSyncError, UsageError
from sheetsync.localsheets import LocalSheets
from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.localsheets.faults import Step
from sheetsync.localsheets.workspace import Workspace
from sheetsync.services.sync_plans import apply_plan, make_plan, resume, undo
from sheetsync.services.sync_report import SyncReport
from sheetsync.services.sync_state import current_view, load_state
from sheetsync.sync.tabs import KPIS, POLICY
from tests.sync.conftest import Desk

MATRIX, KPI_TAB = "Policy Matrix", "KPIs"
FIREARMS = tuple(f"firearm.f{number}" for number in range(150))
STEPS = 9
RUNS = ("push", "sync", "undo", "undo", "undo", "resume", "apply")
Place = tuple[str, tuple[str, str], str]  # tab, key, column


class History:
    """One random history, and what is known of it."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.rnd = desk, random.Random(seed)
        self.names = itertools.count(1)
        self.typed: dict[Place, Any] = {}  # what an owner last typed
        self.made: set[tuple[Any, ...]] = set()  # every edit an owner made: key, column, value
        self.told: set[Any] = set()
        self.log: list[str] = []
        self.kpis: dict[str, dict[str, Any]] = {"github": {}, "slack": {}}

    # -- operators

    def kpi(self) -> dict[str, Any]:
        return {"impact_type": "cost", "formula": f"usage.cost * {next(self.names)}", "unit": f"u{next(self.names)}"}

    def publish(self) -> None:
        live = sorted({key[0] for key in current_view(self.desk.ws).tables[POLICY]} & set(self.kpis))
        what = self.rnd.choice(["set", "set", "kpi", "drop", "new", "retire"])
        name = self.rnd.choice(live) if live else ""
        self.log.append(f"{what} {name}")
        if what == "new" or not live:
            name = f"c{next(self.names)}"
            self.kpis[name] = {"k": self.kpi()}
            policy = {"a": self.firearm(), "b": self.firearm() + "+lock"}
            self.desk.publish(self.desk.draft(name, ["a", "b", "c"], policy, kpis=self.kpis[name]))
        elif what == "set":
            self.desk.set(name, "a", self.firearm())
        elif what == "retire" and len(live) > 1:
            self.desk.retire(name)
            del self.kpis[name]
        elif what == "drop" and self.kpis[name]:
            self.kpis[name].popitem()
            self.desk.set_kpi(name, self.kpis[name])
        else:
            self.kpis[name][f"k{next(self.names)}"] = self.kpi()
            self.desk.set_kpi(name, self.kpis[name])

    def firearm(self) -> str:
        return FIREARMS[next(self.names) % len(FIREARMS)]

    # -- owners

    def choose(self) -> tuple[Place, str, Any] | None:
        """A cell, its address, and a value that nobody ever typed."""
        tab, columns = self.rnd.choice([(MATRIX, ["firearm_id", "note"]), (KPI_TAB, ["formula", "unit"])])
        rows = self.desk.values(tab)
        if len(rows) < 2:
            return None
        column = self.rnd.choice(columns)
        index = self.rnd.randrange(1, len(rows))
        value = {"firearm_id": self.firearm(), "formula": f"usage.cost * {next(self.names)}"}.get(column)
        value = value or f"v{next(self.names)}"
        place = (tab, (rows[index][0], rows[index][1]), column)
        return place, f"{chr(65 + rows[0].index(column))}{index + 1}", value

    def note(self, place: Place, value: Any) -> None:
        self.log.append(f"owner {place} {value}")
        self.typed[place] = value
        self.made.add((place[1], place[2], value))

    def owner_types(self) -> None:
        chosen = self.choose()
        if chosen:
            place, address, value = chosen
            self.desk.tab(place[0]).update([[value]], address)
            self.note(place, value)

    def owner_types_under_the_write(self) -> None:
        chosen = self.choose()
        if not chosen:
            return
        place, address, value = chosen

        def act(space: Workspace) -> None:
            self.note(place, value)
            Collaborator(space, self.desk.spreadsheet_id).type(f"{place[0]}!{address}", value)

        self.desk.server.script.act(act, "before", "write")

    # -- runs

    def run(self) -> None:
        name = self.rnd.choice(RUNS)
        chance = self.rnd.random()
        if chance < 0.4:
            self.owner_types_under_the_write()
        elif chance < 0.55:
            self.desk.server.script.add(
                Step.parse(self.rnd.choice(["403 before write times 1", "drop after write times 1"]))
            )
        self.log.append(f"{name} {self.desk.server.script.steps}")
        try:
            self.tell(self.do(name))
        except (SheetSyncError, PlanMovedError, UsageError) as error:
            self.log.append(f"  {error}")
        self.desk.server.script.steps.clear()
        self.check()

    def do(self, name: str) -> SyncReport:
        desk = self.desk
        desk.clock.advance(1)
        if name == "undo":
            return undo(desk.ws, desk.gateway)
        if name == "resume":
            return resume(desk.ws, desk.gateway)
        if name == "apply":
            return apply_plan(desk.ws, desk.gateway, make_plan(desk.ws, desk.gateway).to_json())
        return desk.push() if name == "push" else desk.sync()

    def tell(self, report: SyncReport) -> None:
        answer = report.to_json()
        for draft in report.drafts:
            for edit in draft.edits:
                made = (edit.row_key, edit.column, edit.value)
                assert made in self.made, f"nobody made the edit {made}: {self.log}"
        text = json.dumps([answer[name] for name in ("drafts", "pending", "conflicts", "healed", "problems")])
        self.told |= {value for value in self.typed.values() if f'"{value}"' in text}

    def removed(self) -> str:
        """What the journal keeps of rows that went with what was in them."""
        return json.dumps([entry.details.get("removed_rows", []) for entry in self.desk.ws.store.log()])

    def check(self) -> None:
        for draft in self.desk.open_drafts():  # a run that ended with an error may have made drafts
            for edit in draft.origin.edits:
                assert (edit.row_key, edit.column, edit.value) in self.made, f"invented {edit}: {self.log}"
                self.told.add(edit.value)
        rows = {(tab, (row[0], row[1]), column): cell
                for tab in (MATRIX, KPI_TAB) for table in [self.desk.values(tab)]
                for row in table[1:] for column, cell in zip(table[0], row, strict=False)}  # fmt: skip
        debts = {debt.covered for debt in load_state(self.desk.ws, self.desk.spreadsheet_id)[0].debts}
        missing = [(place, value) for place, value in self.typed.items()
                   if rows.get(place) != value and value not in self.told and value not in debts]  # fmt: skip
        if missing:
            removed = self.removed()
            missing = [one for one in missing if f'"{one[1]}"' not in removed]
        assert not missing, f"lost {missing}: {self.log}"

    def end(self) -> None:
        self.tell(resume(self.desk.ws, self.desk.gateway))
        for _ in range(3):
            self.tell(self.desk.sync())
        self.check()
        view = current_view(self.desk.ws)
        bad = {problem.row_key for problem in self.desk.sync().problems}
        for tab, role in ((MATRIX, POLICY), (KPI_TAB, KPIS)):
            headers, *rows = self.desk.values(tab)
            width = headers.index("sync_status")
            sheet = {(row[0], row[1]): tuple(row[:width]) for row in rows}
            shown = {key: tuple("" if cell is None else cell for cell in row) for key, row in view.shown[role].items()}
            assert sheet.keys() - bad == shown.keys() - bad, self.log
            assert {key: row for key, row in sheet.items() if key not in bad} == {
                key: row for key, row in shown.items() if key not in bad
            }, self.log


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[Desk]:
    """A desk with so many firearms that each is chosen once; two connectors, pushed, and people's own column."""
    with LocalSheets() as server:
        desk = Desk(server, tmp_path, firearms=FIREARMS)
        kpis = {"k": {"impact_type": "cost", "formula": "usage.cost"}}
        one = desk.draft("github", ["a", "b"], {"a": "firearm.f148", "b": "NONE"}, kpis=kpis)
        desk.publish(one, desk.draft("slack", ["a", "b"], {"a": "firearm.f149"}, kpis=kpis))
        desk.push()
        tab = desk.tab()
        more = {"sheetId": tab.id, "dimension": "COLUMNS", "length": 1}
        desk.book.batch_update({"requests": [{"appendDimension": more}]})
        tab.update([["note"]], "F1")
        yield desk
        desk.close()


def check_history(desk: Desk, seed: int) -> None:
    history = History(desk, seed)
    for name in ("github", "slack"):
        history.kpis[name] = {"k": {"impact_type": "cost", "formula": "usage.cost"}}
    for _ in range(STEPS):
        if history.rnd.random() < 0.8:
            history.publish()
        for _ in range(history.rnd.choice([0, 1, 2])):
            history.owner_types()
        history.run()
    history.end()


@pytest.mark.parametrize("seed", range(8))
def test_no_history_of_undo_loses_or_invents_an_edit(wide: Desk, seed: int) -> None:
    check_history(wide, seed)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(8, 400))
def test_no_history_of_undo_loses_or_invents_an_edit_at_length(wide: Desk, seed: int) -> None:
    check_history(wide, seed)
