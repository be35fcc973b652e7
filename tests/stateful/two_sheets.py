"""Two spreadsheets of one tenant, their owners, and operators: a published connector, and one never published.

Each value that an owner types is used once, so that it can be followed. An owner who typed one is *owed* it until
somebody who saw it types over it, or until an operator decides about its draft: so long it is in an open draft, in an
open conflict, or untaken in its cell, and no answer says that anybody took it back. Ever after it can be found.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from sheetsync.domain.draft import SheetOrigin, WorkbenchDraft
from sheetsync.errors import SheetSyncError
from sheetsync.localsheets import LocalSheets
from sheetsync.services import drafts
from sheetsync.services.syncing import Forces, pull, push, sync
from tests.sync.conftest import Desk

POLICY, KPIS = "Policy Matrix", "KPIs"
ALPHA, GAMMA = "alpha", "gamma"
SPECS = {ALPHA: ["s1", "s2"], GAMMA: ["s1", "s2"]}
TOOK_BACK = ("rejected: the edit was withdrawn", "rejected: the owners took back all their edits")
ROUNDS = 8
RUNS: dict[str, Any] = {"sync": sync, "pull": pull, "push": push}
ANYWAY = Forces(lost_rows=frozenset({POLICY, KPIS}), mass_edit=frozenset({POLICY, KPIS}))
Key = tuple[str, str]
Act = tuple[Any, ...]


class BrokenError(AssertionError):
    """A promise that did not hold."""


@dataclass
class Owed:
    """A value that an owner typed. `owed`: nobody who saw it took it back, and no operator decided about it."""

    title: str
    key: Key
    column: str
    value: Any
    owed: bool = True


@dataclass
class TwoSheets:
    """The world. An act is a tuple: its name, and what it is done to."""

    server: LocalSheets
    folder: Path
    typed: list[Owed] = field(default_factory=list)
    deletions: dict[Key, bool] = field(default_factory=dict)  # KPI rows that were deleted: is that still owed?
    took_back: set[Key] = field(default_factory=set)  # rows in which an owner took something back
    history: list[Act] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        self.desk = Desk(self.server, self.folder, firearms=tuple(f"firearm.v{n}" for n in range(60)))
        other = self.desk.api.create_spreadsheet("second")
        self.books = {"a": self.desk.book, "b": self.desk.open(other)}
        self.gateways = {"a": self.desk.gateway, "b": self.desk.gateway_for(other)}
        kpi = {"k1": {"impact_type": "cost", "formula": "usage.cost", "target": 5}}
        first = self.desk.draft(ALPHA, SPECS[ALPHA], {"s1": self.firearm(), "s2": self.firearm()}, kpis=kpi)
        self.desk.publish(first)
        self.desk.draft(GAMMA, SPECS[GAMMA], {"s1": self.firearm()}, kpis=kpi)
        for name in self.books:
            self.run(name, "sync")
        self.history.clear()

    def close(self) -> None:
        self.desk.close()

    def firearm(self) -> str:
        self.number += 1
        return f"firearm.v{self.number % 60}"

    def act(self, act: Act) -> None:
        self.history.append(act)
        self.desk.clock.advance(1)
        name, *rest = act
        with suppress(SheetSyncError):
            getattr(self, name)(*rest)

    # -- owners

    def rows(self, book: str, title: str) -> list[list[Any]]:
        self.desk.book = self.books[book]
        return [row for row in self.desk.values(title)[1:] if any(row[:2])]

    def seen(self, title: str, key: Key, values: list[Any]) -> None:
        """An owner who sees these values takes them back, or types over them."""
        for one in self.typed:
            if (one.title, one.key) == (title, key) and one.value in values:
                one.owed = False
                self.took_back.add(key)

    def type_in(self, book: str, title: str, at: int, column: str) -> None:
        """A new value; `back` as the column: what is published, typed over the row's first cell of ours."""
        rows = self.rows(book, title)
        if not rows:
            return
        row = rows[at % len(rows)]
        key, back = (row[0], row[1]), column == "back"
        column = ("firearm_id" if title == POLICY else "target") if back else column
        value = self.published(title, key, column) if back else self.fresh(column)
        if value is None:
            return
        place = self.desk.find(key, title)[0].index(column)
        self.seen(title, key, [row[place]])
        self.desk.edit(key, column, value, title)
        self.deletions.pop(key, None) if title == KPIS else None
        if not back:
            self.typed.append(Owed(title, key, column, value))

    def fresh(self, column: str) -> Any:
        if column == "firearm_id":
            return self.firearm()
        self.number += 1
        return 1000 + self.number if column == "target" else f"usage.cost * {1000 + self.number}"

    def published(self, title: str, key: Key, column: str) -> Any:
        live = self.desk.ws.catalogue().published(key[0])
        policy = live.policy() if live is not None else None
        if policy is None:
            return None
        if title == POLICY:
            bound = policy.firearms.get(key[1])
            return bound.shown() if bound is not None else None
        return policy.kpis[key[1]].target if key[1] in policy.kpis else None

    def add(self, book: str, connector: str, name: str) -> None:
        """A KPI row is added, or added again."""
        rows = self.rows(book, KPIS)
        key = (connector, name)
        if any((row[0], row[1]) == key for row in rows):
            return
        formula, target = self.fresh("formula"), self.fresh("target")
        at = len(self.desk.values(KPIS)) + 1
        self.desk.tab(KPIS).update([[*key, "cost", formula, target]], f"A{at}:E{at}")
        self.typed += [Owed(KPIS, key, "formula", formula), Owed(KPIS, key, "target", target)]
        self.deletions.pop(key, None)

    def delete(self, book: str, at: int) -> None:
        """A KPI row is deleted, with all that its owner sees in it."""
        rows = self.rows(book, KPIS)
        if not rows:
            return
        row = rows[at % len(rows)]
        key = (row[0], row[1])
        self.seen(KPIS, key, row)
        self.took_back.add(key)
        self.desk.tab(KPIS).delete_rows(1 + self.desk.find(key, KPIS)[1])
        self.deletions[key] = not any(one.key == key and one.owed for one in self.typed)

    # -- operators

    def decided(self, draft: WorkbenchDraft) -> None:
        """An operator decides about a draft: about what it holds, nothing is owed any more."""
        held = {(one.row_key, one.value) for one in edits_of(draft)} | {
            (one.row_key, value) for one in draft.conflicts for value in (one.yours, one.theirs)
        }
        for one in self.typed:
            if (one.key, one.value) in held:
                one.owed = False
        self.deletions = {key: owed for key, owed in self.deletions.items() if key[0] != draft.connector_id}

    def opened(self, connector: str, at: int = -1, *, sheet: bool = False) -> WorkbenchDraft | None:
        found = [one for one in self.desk.open_drafts() if one.connector_id == connector]
        found = [one for one in found if not sheet or isinstance(one.origin, SheetOrigin)]
        return found[at % len(found)] if found else None

    def new(self, connector: str, fewer: bool) -> None:
        """`draft new`; with a spec that lacks s2, what was pending there is rejected for that reason."""
        never = self.desk.ws.catalogue().published(connector) is None
        spec = {"id": connector, "version": "7.0.0", "name": connector, "scopes": [{"name": "s1"}]}
        drafts.new_draft(self.desk.ws, connector, spec if fewer and never else None)
        if fewer and never:
            for one in self.typed:
                one.owed = one.owed and one.key != (connector, "s2")

    def restore(self, connector: str, at: int) -> None:
        """Any draft there ever was, as it was first."""
        lines = self.desk.ws.catalogue().lines(None, connector)
        stored = self.desk.ws.catalogue().draft(lines[at % len(lines)].id)
        first = next(iter(self.desk.ws.store.history(stored.snapshot.record)))
        lost = set(SPECS[connector]) - set(stored.draft.spec_snapshot.scope_names())
        drafts.restore_draft(self.desk.ws, stored.draft.id, first.filename)
        if self.desk.ws.catalogue().published(connector) is None:
            for one in self.typed:
                one.owed = one.owed and not (one.key[0] == connector and one.key[1] in lost)

    def discard(self, connector: str, at: int) -> None:
        draft = self.opened(connector, at)
        if draft is not None:
            drafts.discard_draft(self.desk.ws, draft.id, "no")
            self.decided(draft)

    def publish(self, connector: str, at: int, without: bool) -> None:
        """Any open draft becomes live; `without` the KPIs that were proposed in it."""
        draft = self.opened(connector, at)
        if draft is None:
            return
        if without:
            gone = {one.row_key[1]: None for one in edits_of(draft) if one.tab == KPIS and one.base is None}
            drafts.edit_draft(
                self.desk.ws, draft.id, kpis={k: v for k, v in gone.items() if k in draft.policy_snapshot.kpis}
            )
        self.desk.publish(draft.id)
        self.decided(draft)

    def set_firearm(self, connector: str, scope: str) -> None:
        if self.desk.ws.catalogue().published(connector) is not None:
            self.desk.set(connector, scope, self.firearm())

    def drop(self, connector: str) -> None:
        live = self.desk.ws.catalogue().published(connector)
        if live is not None and "k1" in live.policy().kpis:
            self.desk.set_kpi(connector, {"k1": None})
            self.deletions.pop((connector, "k1"), None)

    def resolve(self, connector: str, side: Any) -> None:
        draft = self.opened(connector, sheet=True)
        if draft is not None and draft.open_conflicts():
            one = draft.open_conflicts()[0]
            drafts.resolve_conflict(self.desk.ws, draft.id, one.row_key, one.column, side)
            for owed in self.typed:
                owed.owed = owed.owed and owed.key != one.row_key
            self.deletions.pop((one.row_key[0], one.row_key[1]), None)

    # -- runs, and what must hold

    def run(self, book: str, mode: str) -> Any:
        return RUNS[mode](self.desk.ws, self.gateways[book], forces=ANYWAY)

    def settle(self) -> None:
        """Runs come to rest; then every promise holds."""
        for _ in range(ROUNDS):
            self.desk.clock.advance(1)
            head = self.desk.snapshots()
            writes = sum(self.run(name, "sync").calls["write"] for name in self.books)
            if not writes and self.desk.snapshots() == head:
                break
        else:
            raise BrokenError("runs do not come to rest")
        self.check()

    def check(self) -> None:
        stored = self.desk.ws.catalogue().drafts(None)
        opened = [one.draft for one in stored if one.draft.status == "open"]
        held = {place for draft in opened for place in held_by(draft)}
        ever = {place for one in stored for place in held_by(one.draft)}
        untaken = self.untaken()
        details = [dict(commit.details) for commit in self.desk.ws.store.log()]
        journal = json.dumps(details, default=str)
        told = {  # the connector's last draft was discarded, or it was retired, and its rows went with what was in them
            (tuple(one["row_key"]), one["column"], value_of(one["value"]))
            for each in details for one in each.get("overwritten", []) if one.get("message") == "the row was removed"
        }  # fmt: skip
        for one in self.typed:
            place = (one.key, one.column, one.value)
            if one.owed and place not in held and place not in untaken | told:
                raise BrokenError(f"{one.value} of {one.key} {one.column} is in no open draft or conflict")
            if place not in ever and place not in untaken and one.owed is False and not self.replaced(one, journal):
                raise BrokenError(f"{one.value} of {one.key} {one.column} is nowhere")
        for key, owed in self.deletions.items():
            live = self.desk.ws.catalogue().published(key[0])
            proposed = any((key, column, None) in held for column in ("kpi_name", "formula", "target"))
            if owed and live is not None and key[1] in live.policy().kpis and not proposed:
                raise BrokenError(f"the deletion of {key} is proposed nowhere")
        self.check_answers(opened)

    def untaken(self) -> set[tuple[Any, ...]]:
        found = set()
        for book in self.books:
            for title in (POLICY, KPIS):
                headers = [*self.rows(book, title), []] and self.desk.values(title)[0]
                for row in self.rows(book, title):
                    found |= {((row[0], row[1]), name, value) for name, value in zip(headers, row, strict=False)}
        return found

    def replaced(self, one: Owed, journal: str) -> bool:
        """Was it typed over before any run read it, or told in the journal?"""
        return one.key in self.took_back or str(one.value) in journal

    def check_answers(self, opened: list[WorkbenchDraft]) -> None:
        """What is pending is shown in both, and is told so; nobody is said to have taken back what nobody did."""
        for book in self.books:
            self.desk.book = self.books[book]
            for row in self.desk.values("Sync Status")[1:]:
                key = tuple(str(row[3]).split(" / "))
                if row[1] == "rejected" and row[8] in TOOK_BACK and key not in self.took_back:
                    raise BrokenError(f"{book} is told of {key}: {row[8]}")
            cells = self.untaken_in(book)
            for draft in opened:
                for edit in edits_of(draft):
                    if edit.value is None or edit.row_key not in cells:
                        continue
                    shown = cells[edit.row_key]
                    if str(shown["sync_status"]).startswith("problem"):
                        continue  # what its own owner typed stands there, and cannot be taken
                    if shown.get(edit.column) != edit.value:
                        raise BrokenError(f"{book} shows {shown}, and {edit.value} is pending in {draft.id}")
                    if not str(shown["sync_status"]).startswith(("pending", "conflict")):
                        raise BrokenError(f"{book} says {shown['sync_status']!r}, and {edit.value} is pending")

    def untaken_in(self, book: str) -> dict[Key, dict[str, Any]]:
        self.desk.book = self.books[book]
        found: dict[Key, dict[str, Any]] = {}
        for title in (POLICY, KPIS):
            headers, *rows = self.desk.values(title)
            found |= {(row[0], row[1]): dict(zip(headers, row, strict=False)) for row in rows}
        return found

    def told(self) -> str:
        return "[\n" + "".join(f"    {act!r},\n" for act in self.history) + "]"


def edits_of(draft: WorkbenchDraft) -> tuple[Any, ...]:
    return draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()


def value_of(told: Any) -> Any:
    """A value as the journal tells it, typed."""
    return int(told) if isinstance(told, str) and told.isdigit() else told


def held_by(draft: WorkbenchDraft) -> set[tuple[Any, ...]]:
    """What owners typed that a draft holds: (row, column, value)."""
    found = {(one.row_key, one.column, one.value) for one in edits_of(draft)}
    for one in draft.conflicts:
        found |= {(one.row_key, one.column, value) for value in (one.yours, one.theirs)}
    return found


def draw(rng: Random) -> Act:
    """One act of anybody."""
    book, connector, at = rng.choice("ab"), rng.choice([ALPHA, GAMMA, GAMMA]), rng.randrange(6)
    acts: list[Callable[[], Act]] = [
        lambda: ("type_in", book, POLICY, at, "firearm_id"), lambda: ("type_in", book, POLICY, at, "firearm_id"),
        lambda: ("type_in", book, KPIS, at, rng.choice(["target", "formula"])),
        lambda: ("type_in", book, rng.choice([POLICY, KPIS]), at, "back"),
        lambda: ("add", book, connector, rng.choice(["k1", "k2", "k3"])), lambda: ("delete", book, at),
        lambda: ("new", connector, rng.random() < 0.2), lambda: ("restore", connector, at),
        lambda: ("discard", connector, at), lambda: ("publish", connector, at, rng.random() < 0.4),
        lambda: ("set_firearm", connector, rng.choice(["s1", "s2"])), lambda: ("drop", connector),
        lambda: ("resolve", connector, rng.choice(["yours", "theirs"])),
    ]  # fmt: skip
    runs: list[Callable[[], Act]] = [lambda: ("run", book, rng.choice(["sync", "sync", "sync", "pull", "push"]))]
    return rng.choice([*acts, *runs * 7])()
