"""The whole world of the model around the real engine, and the checker: the invariants I1 to I10 at rest.

Every action of `shared/model/sync_world.py` has its counterpart, by the same name. Invariants over batches and runs on
their way are in `witness`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.draft import SheetOrigin
from sheetsync.localsheets import LocalSheets
from tests.stateful.replay_operators import Operators
from tests.stateful.replay_sheet import KEYS, VALUES, GridRow
from tests.stateful.witness import Said, Violation, key_of, shown, what_the_store_says


class World(Operators):
    """Everybody; at the start two connectors are published (or B is a draft, or nothing is in the sheet yet)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.make("A", {"s1": "x", "s2": "y"}, publish=True)
        self.make("B", {"s1": "x"}, publish=bool(self.b_published))
        if self.b_published is not None:
            self.do_run(1)
            for row in self.grid():
                self.do_own(row.index - 1)
        self.typed.clear()  # no owner typed anything yet
        self.toks.clear()
        self.batches = 0
        self.witness.ever_retired.clear()

    def close(self) -> None:
        for process in self.procs.values():
            self.kill(process)
        self.store.close()
        self.api.close()

    def check(self, *, land: bool) -> None:
        """Quiescence, then the invariants I1 to I10 of the model."""
        for process in list(self.procs.values()):
            self.kill(process)
        self.procs.clear()
        self.faults.clear()
        while self.flight and land:
            self.act(("land",))
        idle, writes, pub = 0, self.batches, self.published()
        for _ in range(9):
            before = (self.batches, self.store.head())
            self.act(("run", 1))
            if self.last[1] == "stop":
                self.act(("accept", "adopt" if land else "store"))
                continue
            idle = idle + 1 if before == (self.batches, self.store.head()) else 0
            if idle == 2:
                break
        if idle < 2:
            raise Violation("I5", f"syncs do not come to rest: {self.last}")
        if self.batches - writes > 6:
            raise Violation("I7", f"{self.batches - writes} batches to come to rest")
        if self.published() != pub:
            raise Violation("I2", "published changed without publish")
        self.check_sheet()

    def published(self) -> dict[str, Any]:
        return {name: one.policy().to_json() for name, one in self.ws.catalogue().published_all().items()}

    def check_sheet(self) -> None:
        rows, said = self.grid(), what_the_store_says(self.ws)
        for key, value, at in self.covered:
            if (
                key in KEYS
                and not self.accounted(key, value, at)
                and not any((r.key, r.val) == (key, value) for r in rows)
            ):
                raise Violation("I1", f"the owner's {value!r} in {key} was overwritten and is nowhere")
        for key, one in said.items():
            here = [row for row in rows if row.key == key]
            if not here:
                raise Violation("I3", f"the row of {key} is missing")
            for row in here:
                self.check_row(row, one, twice=len(here) > 1)
            if one.pending is not None and len(here) == 1 and one.published not in (one.base, one.pending, one.theirs):
                raise Violation("I3", f"{key}: published is a third value, and there is no conflict: {one}")
        for row in rows:
            if row.key not in said and (row.val or row.status or row.key) and not row.status.startswith("problem"):
                raise Violation("I3", f"a row {row.key} is left with {row.val!r} ({row.status!r})")
            if row.key is None and row.val and row.rid not in self.toks and (None, row.val) not in self.typed:
                raise Violation("I3", f"our {row.val!r} is left in a blank row")
        self.check_people(rows)
        self.check_carried()
        self.witness.check_drafts()

    def check_carried(self) -> None:
        """A draft that supersedes a sheet draft has all its edits, but those that owners or operators decided about."""
        catalogue = self.ws.catalogue()
        for stored in catalogue.drafts("superseded"):
            draft = stored.draft
            if draft.superseded_by is None or not isinstance(draft.origin, SheetOrigin):
                continue
            after = catalogue.draft(draft.superseded_by).draft.origin
            kept = {edit.row_key for edit in after.edits} if isinstance(after, SheetOrigin) else set()
            made = int((draft.created_at - FakeClock().now()).total_seconds())
            at = self.read_for.get(made, made)  # what was decided since the read that it was made from
            for edit in draft.origin.edits:
                key = key_of(*edit.row_key)
                if edit.row_key not in kept and not any(k == key and t >= at for k, t in self.decided):
                    raise Violation("I1", f"the pending edit of {key} was not carried into {draft.superseded_by}")

    def check_row(self, row: GridRow, said: Said, *, twice: bool) -> None:
        if twice or row.val not in VALUES:
            good = row.status.startswith("problem")
        else:
            good = row.val == said.wanted and not row.status.startswith("problem")
            level = row.status.split(" ")[0].rstrip(":")
            good = good and (
                level == ("pending" if said.theirs is None else "conflict")
                if said.pending is not None
                else level not in ("pending", "conflict")
            )
        if not good:
            raise Violation("I3", f"{row.key} shows {row.val!r} ({row.status!r}), the store says {said}")

    def check_people(self, rows: list[GridRow]) -> None:
        here = Counter((row.key or "", row.own) for row in rows)
        journal = json.dumps([dict(commit.details) for commit in self.store.log()])
        for key, own in set(self.owned.values()):
            if own and key and not here[key, own] and key not in self.doubled and f'"{own}"' not in journal:
                raise Violation("I4", f"{own!r} of {key} is lost or on another row")
        for stored in self.ws.catalogue().drafts(None):
            origin = stored.draft.origin
            for edit in origin.edits if isinstance(origin, SheetOrigin) else ():
                if (key_of(*edit.row_key), shown(edit.value)) not in self.typed:
                    raise Violation("I8", f"a draft says an owner typed {edit.value!r} in {edit.row_key}; nobody did")
                if edit.base not in (None, "") and (key_of(*edit.row_key), shown(edit.base)) not in self.once:
                    raise Violation(
                        "I7", f"an edit of {edit.row_key} starts from {edit.base!r}, which never was published"
                    )
        for key, count in Counter(row.key for row in rows if row.key).items():
            if count > 1 and key not in self.doubled:
                raise Violation("I9", f"sheetsync itself made {key} occur twice")


def play(
    history: list[tuple[Any, ...]], server: LocalSheets, folder: Path, setup: tuple[bool | None, bool]
) -> Violation | None:
    """Play one history; the violation it shows, or None."""
    world = None
    try:
        world = World(server, folder, setup[0])
        for action in history:
            world.act(tuple(action))
        world.check(land=setup[1])
    except Violation as broken:
        return broken
    finally:
        if world is not None:
            world.close()
    return None
