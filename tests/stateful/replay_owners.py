"""Policy owners: every act of theirs in the model, done to the sheet over HTTP, and noted for the checker."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from typing import Any

from sheetsync.services.sync_state import current_view, load_state, tables_at
from sheetsync.sync.tabs import POLICY
from tests.stateful.replay_sheet import KEYS, OWN, RID, GridRow, SheetWorld, cell_key
from tests.stateful.witness import shown


class Owners(SheetWorld):
    """The world, with people in the sheet."""

    def row(self, i: int) -> GridRow | None:
        rows = self.grid()
        return rows[i % len(rows)] if rows else None

    def put(self, row: GridRow, value: str) -> None:
        if value == row.val:
            return
        if not row.rid:
            self.tag(row.index)
            row = next(one for one in self.grid() if one.index == row.index)
        self.covered = [c for c in self.covered if c[:2] != (row.key, row.val)]
        if sum(one.key == row.key for one in self.grid()) > 1 and row.key:
            self.doubled.add(row.key)
        self.toks[row.rid or "?"] = self.now
        self.undo_to[row.rid] = self.shown_before.get(row.rid, "")
        self.decided.append((row.key, self.now))
        state, _ = load_state(self.ws, self.sid)
        state.tables = tables_at(self.ws, state.commit, current_view(self.ws))
        base = state.value((POLICY, cell_key(row.key), "firearm_id")) if row.key in KEYS and row.key else None
        left = {(debt.cell[1], shown(debt.left)) for debt in state.debts}
        if value in (self.shown_before.get(row.rid), shown(base)) or (
            row.key in KEYS and (cell_key(row.key), value) in left
        ):
            self.toks.pop(row.rid, None)
        self.typed.add((row.key, value))

    def do_edit(self, i: int, value: str) -> None:
        row = self.row(i)
        if row:
            self.put(row, value)
            self.batch(self.put_cell(row.index, 2, "firearm." + value if value else ""))
            self.changed()

    def do_nonsense(self, i: int, text: str) -> None:
        """What is no firearm stands as a problem, and nothing else comes of it."""
        row = self.row(i)
        if row:
            self.put(row, shown(text))
            self.toks.pop(row.rid, None)
            self.batch(self.put_cell(row.index, 2, text))
            self.changed()

    def do_paste(self, i: int, values: list[str]) -> None:
        """A block pasted over several rows at once."""
        for offset, value in enumerate(values):
            if i + offset < len(self.grid()):
                self.do_edit(i + offset, value)

    def do_filter(self) -> None:
        tab = self.tab_id()
        if tab is not None:
            where = {"sheetId": tab, "startRowIndex": 0, "endRowIndex": len(self.grid()) + 1, "endColumnIndex": 7}
            self.batch({"setBasicFilter": {"filter": {"range": where | {"startColumnIndex": 0}}}})
            self.changed()

    def do_fault(self, line: str) -> None:
        """The network fails at one of the next calls, as the server's own script says."""
        self.faults.append(line)

    def do_undo(self, i: int) -> None:
        row = self.row(i)
        if row and row.rid:
            self.do_edit(i, self.undo_to.get(row.rid, self.shown_before.get(row.rid, "")))

    def do_sort(self, kind: int) -> None:
        rows, tab = self.grid(), self.tab_id()
        if len(rows) < 2:
            return
        if kind == 0:
            ends = {"sheetId": tab, "dimension": "ROWS", "startIndex": len(rows), "endIndex": len(rows) + 1}
            self.batch(
                *({"moveDimension": {"source": ends, "destinationIndex": at + 1}} for at in range(len(rows) - 1))
            )
        elif kind == 1:
            source = {"sheetId": tab, "dimension": "ROWS", "startIndex": 1, "endIndex": 2}
            self.batch({"moveDimension": {"source": source, "destinationIndex": len(rows) + 1}})
        else:
            where = {
                "sheetId": tab,
                "startRowIndex": 1,
                "endRowIndex": len(rows) + 1,
                "startColumnIndex": 0,
                "endColumnIndex": 7,
            }
            specs = [{"dimensionIndex": 2, "sortOrder": "ASCENDING"}]
            self.batch({"sortRange": {"range": where, "sortSpecs": specs}})
        self.changed()

    def do_blank(self, i: int) -> None:
        tab, rows = self.tab_id(), self.grid()
        if tab is not None:
            at = 1 + min(i, len(rows))
            where = {"sheetId": tab, "dimension": "ROWS", "startIndex": at, "endIndex": at + 1}
            self.batch({"insertDimension": {"range": where, "inheritFromBefore": True}})
            self.changed()

    def do_delrow(self, i: int) -> None:
        row, rows = self.row(i), self.grid()
        if row is None or len(rows) < 2:
            return
        where = {"sheetId": self.tab_id(), "dimension": "ROWS", "startIndex": row.index, "endIndex": row.index + 1}
        self.batch({"deleteDimension": {"range": where}})
        self.owned.pop(row.rid, None)
        self.toks.pop(row.rid, None)
        self.covered = [c for c in self.covered if c[:2] != (row.key, row.val)]
        self.changed()

    def do_duprow(self, i: int) -> None:
        row, tab = self.row(i), self.tab_id()
        if row is None:
            return
        at = row.index
        where = {"sheetId": tab, "dimension": "ROWS", "startIndex": at, "endIndex": at + 1}
        span = {"sheetId": tab, "startColumnIndex": 0, "endColumnIndex": OWN + 1}
        source = span | {"startRowIndex": at + 1, "endRowIndex": at + 2}
        target = span | {"startRowIndex": at, "endRowIndex": at + 1}
        self.batch(
            {"insertDimension": {"range": where, "inheritFromBefore": True}},
            {"copyPaste": {"source": source, "destination": target, "pasteType": "PASTE_NORMAL"}},
        )
        self.doubled.add(row.key or "")
        self.typed.add((row.key, row.val))
        self.tag(at)
        self.changed()

    def do_own(self, i: int) -> None:
        row = self.row(i)
        if row is None:
            return
        self.tag(row.index)
        self.batch(self.put_cell(row.index, OWN, f"own {self.now}.{i}"))
        if sum(one.key == row.key for one in self.grid()) > 1 and row.key:
            self.doubled.add(row.key)
        now = next(one for one in self.grid() if one.index == row.index)
        if now.rid:
            self.owned[now.rid] = (now.key or "", now.own)
        self.changed()

    def do_restore(self, back: int, whole: bool) -> None:
        """Version history: everything, the scratch tab too; or only the rows, pasted from an old version."""
        if not self.versions:
            return
        old = copy.deepcopy(self.versions[max(0, len(self.versions) - 1 - back)])
        if not whole:
            self.paste_rows(old)
            return
        if self.flight or load_state(self.ws, self.sid)[0].intended:
            self.doubled |= set(KEYS)
        self.server.workspace._loaded[self.sid] = old
        self.cause = True
        rows = self.grid()
        self.owned = {row.rid: (row.key or "", row.own) for row in rows if row.rid}
        self.typed |= {(row.key, row.val) for row in rows}
        self.doubled |= {key for key, n in Counter(row.key for row in rows).items() if n > 1 and key}
        self.toks.clear()
        self.covered.clear()
        self.decided += [(key, self.now) for key in KEYS]
        self.changed()

    def paste_rows(self, old: Any) -> None:
        loaded = self.server.workspace._loaded
        now, loaded[self.sid] = loaded[self.sid], old
        rows = self.grid_cells()
        loaded[self.sid] = now
        if self.tab_id() is None or not rows:
            return
        if self.flight or self.witness.state().intended:
            self.doubled |= set(KEYS)
        here = {row.rid: row for row in self.grid() if row.rid}
        blank: list[Any] = [{"values": [{} for _ in range(RID + 1)]} for _ in range(len(self.grid()))]
        body = [{"values": [{"userEnteredValue": one} if one else {} for one in row]} for row in rows]
        self.grow(len(rows) + 1)
        start = {"sheetId": self.tab_id(), "rowIndex": 1, "columnIndex": 0}
        for one in (blank, body):
            if one:
                self.batch({"updateCells": {"rows": one, "fields": "userEnteredValue", "start": start}})
        pasted = self.grid()
        self.owned = {row.rid: (row.key or "", row.own) for row in pasted if row.rid}
        self.toks = {rid: at for rid, at in self.toks.items() if rid in self.owned}
        for row in pasted:
            if row.rid in here and here[row.rid].val != row.val:
                self.put(replace(here[row.rid], key=row.key), row.val)
            self.typed.add((row.key, row.val))
            self.decided.append((row.key, self.now))
        self.doubled |= {key for key, n in Counter(row.key for row in pasted).items() if n > 1 and key}
        self.covered.clear()
        self.changed()

    def grow(self, rows: int) -> None:
        answer = self.api.get(self.sid, fields="sheets(properties(sheetId,gridProperties))")
        tab = self.tab_id()
        have = next(
            one["properties"]["gridProperties"]["rowCount"]
            for one in answer["sheets"]
            if one["properties"]["sheetId"] == tab
        )
        if have < rows:
            self.batch({"appendDimension": {"sheetId": tab, "dimension": "ROWS", "length": rows - have}})

    def do_unscratch(self) -> None:
        answer = self.api.get(self.sid, fields="sheets(properties(sheetId,title))")
        tabs = [
            one["properties"] for one in answer["sheets"] if one["properties"]["title"].startswith("sheetsync epoch")
        ]
        if not tabs:
            return
        state, _ = load_state(self.ws, self.sid)
        found = {f"sheetsync epoch {state.token.epoch}"} if state.token else set()
        if not {one["title"] for one in tabs} <= found:
            self.forgive()
            self.covered.clear()
        self.batch(*({"deleteSheet": {"sheetId": one["sheetId"]}} for one in tabs))
        self.cause = True
        self.changed()

    def forgive(self) -> None:
        self.typed |= {(row.key, row.val) for row in self.grid()}
        self.doubled |= set(KEYS)
        self.witness.forgive()
