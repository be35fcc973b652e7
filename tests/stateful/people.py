"""What policy owners do to the spreadsheet, by hand and without asking: both tabs, any row, at any moment.

Acts are values (`("type", tab, row, column, number)`), so that Hypothesis can draw and shrink them, and a failing
history can be copied into a test. Every value typed is a new one, so that it can be told wherever it turns up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sheetsync.localsheets.cell import Cell, settle
from tests.stateful.book import COLUMNS, EDITABLE, KEYS, KPIS, POLICY, RENAMED, TAG, Book, Line, Value
from tests.stateful.promises import IMPACTS, Ledger

Act = tuple[Any, ...]
TABS = (POLICY, KPIS)
NONSENSE = ("firearm.q", "maybe", "=1/0", " firearm.x ", "firearm.х", 12, "#REF!", "=A1", "NaN", "ja nein")
NEW_KPIS = (("alpha", "k7"), ("beta", "k8"), ("gamma", "k9"), ("nobody", "k1"), ("alpha", "Bad Name"))
LIMIT = 14  # rows of a tab, so that a search stays small


class Owners:
    """The policy owners. Every act is noted in the ledger."""

    def __init__(self, book: Book, ledger: Ledger) -> None:
        self.book, self.ledger = book, ledger
        self.numbers = 0
        self.undos: list[Callable[[], None]] = []

    def act(self, act: Act) -> None:
        """Do one act. What makes no sense just then is not done."""
        name, *args = act
        with self.ledger.people():
            getattr(self, "do_" + name)(*args)

    def fresh(self, column: str) -> Value:
        """A value of this column that nobody used yet (or, for locks and impact types, the next one)."""
        self.numbers += 1
        n = self.numbers
        if column == "firearm_id":
            return f"firearm.own{n}"
        if column == "formula":
            return f"usage.cost * {n}"
        if column == "target":
            return n
        return f"unit {n}"

    # -- places

    def line(self, tab: str, row: int) -> Line | None:
        lines = self.book.lines(tab)
        return lines[row % len(lines)] if lines else None

    def column(self, tab: str, name: str) -> int | None:
        return self.book.headers(tab).get(name)

    def _put(self, tab: str, index: int, values: dict[str, Value]) -> None:
        """Values into cells of one row, as one act; undone by putting the old cells back if they still stand there."""
        sheet = self.book.sheet(tab)
        for name, value in values.items():
            at = self.column(tab, name)
            if at is None:
                continue
            if index >= sheet.row_count:
                return
            old = sheet.cell(index, at) or Cell()
            new = old.with_value(_entered(value))
            self.book.put_lines(tab, index, at, [[new]])
            self.undos.append(lambda at=at, old=old, new=new: self._put_back(tab, index, at, old, new))  # type: ignore[misc]

    def _put_back(self, tab: str, index: int, at: int, old: Cell, new: Cell | None) -> None:
        if self.book.sheet(tab).cell(index, at) == new:
            self.book.put_lines(tab, index, at, [[settle(old)]])

    # -- cells

    def do_type(self, tab: str, row: int, column: int) -> None:
        """A new good value; a lock is turned over, an impact type moved on to the next."""
        line, name = self.line(tab, row), EDITABLE[tab][column % len(EDITABLE[tab])]
        if line is None or name not in line.cells:
            return
        now = line.cells[name]
        if name == "strategy_lock":
            value: Value = now is not True
        elif name == "impact_type":
            value = IMPACTS[(IMPACTS.index(str(now)) + 1) % len(IMPACTS)] if now in IMPACTS else IMPACTS[0]
        else:
            value = self.fresh(name)
        self._put(tab, line.index, {name: value})

    def type_at(self, tab: str, tag: str, name: str) -> None:
        """`type`, into a cell that is named by its row's tag."""
        rows = [row for row, line in enumerate(self.book.lines(tab)) if line.tag == tag]
        if rows:
            self.act(("type", tab, rows[0], EDITABLE[tab].index(name)))

    def do_clear(self, tab: str, row: int, column: int) -> None:
        line, name = self.line(tab, row), EDITABLE[tab][column % len(EDITABLE[tab])]
        if line is not None:
            self._put(tab, line.index, {name: ""})

    def do_none(self, row: int) -> None:
        """The decision that a scope needs no firearm."""
        line = self.line(POLICY, row)
        if line is not None:
            self._put(POLICY, line.index, {"firearm_id": "NONE"})

    def do_nonsense(self, tab: str, row: int, column: int, which: int) -> None:
        line, name = self.line(tab, row), EDITABLE[tab][column % len(EDITABLE[tab])]
        value = NONSENSE[which % len(NONSENSE)]
        good = (name == "unit" and not str(value).startswith("=")) or (
            isinstance(value, int) and name in ("formula", "target")
        )
        if line is not None and not good:
            self._put(tab, line.index, {name: value})

    def do_paste(self, tab: str, row: int, height: int) -> None:
        """A block over all editable columns of several rows, beyond the last row too."""
        lines = self.book.lines(tab)
        start = row % (len(lines) + 1)
        for index in range(start + 1, min(start + 1 + height, LIMIT)):
            values: dict[str, Value] = {
                name: True if name == "strategy_lock" else "count" if name == "impact_type" else self.fresh(name)
                for name in EDITABLE[tab]
            }
            self._put(tab, index, values)

    def do_retype_key(self, tab: str, row: int, column: int) -> None:
        line = self.line(tab, row)
        if line is not None and line.key[0]:
            self.numbers += 1
            self._put(tab, line.index, {KEYS[tab][column % 2]: f"renamed_{self.numbers}"})

    def do_scribble(self, tab: str, row: int) -> None:
        """Over our own answer."""
        line = self.line(tab, row)
        if line is not None:
            self._put(tab, line.index, {"sync_status": f"scribble {self.fresh('unit')}"})

    # -- rows

    def do_insert_above(self, tab: str, row: int) -> None:
        lines = self.book.lines(tab)
        at = 1 + row % (len(lines) + 1)
        if len(lines) < LIMIT:
            self.book.do({"insertDimension": {"range": self._rows(tab, at, 1), "inheritFromBefore": at > 1}})

    def do_delete_row(self, tab: str, row: int) -> None:
        line, lines = self.line(tab, row), self.book.lines(tab)
        if line is None or (tab == POLICY and len(lines) < 3):
            return
        kept = list(self.book.sheet(tab).row(line.index))
        self.book.do({"deleteDimension": {"range": self._rows(tab, line.index, 1)}})
        self.undos.append(lambda: self._bring_back(tab, line.index, kept))

    def _bring_back(self, tab: str, at: int, cells: list[Cell | None]) -> None:
        tags = {line.tag for line in self.book.lines(tab)}
        tag_at = self.column(tab, TAG)
        tag = cells[tag_at] if tag_at is not None and tag_at < len(cells) else None
        if at > self.book.sheet(tab).row_count or (tag is not None and tag.value in tags):
            return
        self.book.do({"insertDimension": {"range": self._rows(tab, at, 1), "inheritFromBefore": at > 1}})
        self.book.put_lines(tab, at, 0, [cells])

    def do_copy_row(self, tab: str, row: int) -> None:
        """The row twice, with people's own cells; the tag of the copy is a new one."""
        line = self.line(tab, row)
        if line is None or len(self.book.lines(tab)) >= LIMIT:
            return
        cells = list(self.book.sheet(tab).row(line.index))
        self.book.do({"insertDimension": {"range": self._rows(tab, line.index + 1, 1), "inheritFromBefore": True}})
        self.book.put_lines(tab, line.index + 1, 0, [cells])

    def do_add_kpi(self, which: int, whole: bool = True) -> None:
        """A row under the last one, for a connector that is there or not."""
        lines = self.book.lines(KPIS)
        index = lines[-1].index + 1 if lines else 1
        if index >= LIMIT:
            return
        key = NEW_KPIS[which % len(NEW_KPIS)]
        values: dict[str, Value] = dict(zip(KEYS[KPIS], key, strict=True))
        values |= {"impact_type": IMPACTS[which % 5], "formula": self.fresh("formula") if whole else ""}
        self._put(KPIS, index, values | {"target": self.fresh("target"), "unit": self.fresh("unit")})

    def do_sort(self, tab: str, column: int, down: bool) -> None:
        lines, headers = self.book.lines(tab), self.book.headers(tab)
        name = COLUMNS[tab][column % len(COLUMNS[tab])]
        if len(lines) < 2 or name not in headers:
            return
        spec = {"dimensionIndex": headers[name], "sortOrder": "DESCENDING" if down else "ASCENDING"}
        where = self._area(tab, 1, lines[-1].index + 1)
        self.book.do({"sortRange": {"range": where, "sortSpecs": [spec]}})

    def do_move(self, tab: str, row: int, to: int) -> None:
        lines = self.book.lines(tab)
        if len(lines) > 1:
            start, end = 1 + row % len(lines), 1 + to % (len(lines) + 1)
            if not start <= end <= start + 1:
                self.book.do({"moveDimension": {"source": self._rows(tab, start, 1), "destinationIndex": end}})

    def do_filter(self, tab: str) -> None:
        end = len(self.book.lines(tab)) + 1
        self.book.do({"setBasicFilter": {"filter": {"range": self._area(tab, 0, end)}}})

    # -- columns, headers, tabs

    def do_add_column(self, tab: str, at: int) -> None:
        """A column of their own, anywhere: before ours, between them, behind."""
        headers = self.book.headers(tab)
        if len(headers) > 11:
            return
        at = at % (max(headers.values()) + 2)
        span = {"sheetId": self.book.tab_ids[tab], "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1}
        self.numbers += 1
        self.book.do({"insertDimension": {"range": span, "inheritFromBefore": False}})
        lines = self.book.lines(tab)
        self.book.put_lines(tab, 0, at, [[Cell(f"own {self.numbers}")]])
        for line in lines:
            self.numbers += 1
            self.book.put_lines(tab, line.index, at, [[Cell(f"remark {self.numbers}")]])

    def do_remark(self, tab: str, row: int) -> None:
        """Into their own column: a new text, a colour and a note; a note beside an edit, too."""
        line, at = self.line(tab, row), self.column(tab, "remark")
        if line is None or at is None or not any(line.key):
            return
        self.numbers += 1
        colour = {"backgroundColor": {"red": (self.numbers % 4 + 1) / 5}}
        self.book.put_lines(tab, line.index, at, [[Cell(f"remark {self.numbers}", colour, f"note {self.numbers}")]])

    def do_note(self, tab: str, row: int, column: int) -> None:
        """A note of their own on a cell of ours, where there is none yet, or over ours."""
        line, name = self.line(tab, row), COLUMNS[tab][column % len(COLUMNS[tab])]
        if line is None or not any(line.key):
            return
        self.numbers += 1
        at = self.book.headers(tab)[name]
        old = self.book.sheet(tab).cell(line.index, at) or Cell()
        self.book.put_lines(tab, line.index, at, [[old.with_note(f"note {self.numbers}")]])

    def do_rename_header(self, tab: str, column: int) -> None:
        """Over a header of ours: nothing is synchronised until it is put back."""
        name = COLUMNS[tab][column % len(COLUMNS[tab])]
        self._header(tab, name, name + RENAMED)
        self.undos.append(self.put_headers_back)

    def put_headers_back(self) -> None:
        """The headers that people renamed get their names again."""
        for tab in TABS:
            for name in COLUMNS[tab]:
                self._header(tab, name, name)

    def _header(self, tab: str, name: str, text: str) -> None:
        at = self.column(tab, name)
        old = self.book.sheet(tab).cell(0, at) if at is not None else None
        if at is not None and old is not None and old.value != text:
            self.book.put_lines(tab, 0, at, [[old.with_value(text)]])

    def do_rename_tab(self, tab: str) -> None:
        self.numbers += 1
        properties = {"sheetId": self.book.tab_ids[tab], "title": f"{tab} {self.numbers}"}
        self.book.do({"updateSheetProperties": {"properties": properties, "fields": "title"}})

    def do_own_tab(self) -> None:
        self.numbers += 1
        self.book.do({"addSheet": {"properties": {"title": f"Our plans {self.numbers}"}}})

    def do_undo(self) -> None:
        if self.undos:
            self.undos.pop()()

    def _rows(self, tab: str, start: int, count: int) -> dict[str, Any]:
        return {"sheetId": self.book.tab_ids[tab], "dimension": "ROWS", "startIndex": start, "endIndex": start + count}

    def _area(self, tab: str, start: int, end: int) -> dict[str, Any]:
        width = max(self.book.headers(tab).values()) + 1
        rows = {"startRowIndex": start, "endRowIndex": end, "startColumnIndex": 0, "endColumnIndex": width}
        return {"sheetId": self.book.tab_ids[tab]} | rows


def _entered(value: Value) -> Any:
    from sheetsync.localsheets.cell import CellError, Formula

    if isinstance(value, str) and value.startswith("="):
        return Formula(value)
    if value == "#REF!":
        return CellError("REF")
    return None if value == "" else value
