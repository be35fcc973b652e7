"""Requests on texts: findReplace, textToColumns, trimWhitespace, pasteData, deleteDuplicates."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

from sheetsync.localsheets import errors, protection, values
from sheetsync.localsheets.cell import Cell, Formula
from sheetsync.localsheets.ranges import Area
from sheetsync.localsheets.rendering import effective, shown
from sheetsync.localsheets.requests.edit import Body, Edit, Reply
from sheetsync.localsheets.requests.sorting import order_key
from sheetsync.localsheets.sheet import Box, Row

DELIMITERS = {"COMMA": ",", "SEMICOLON": ";", "PERIOD": ".", "SPACE": " "}
MAX_PATTERN = 1000


def _areas(edit: Edit, body: Body) -> list[Area]:
    if "range" in body:
        return [edit.area(body["range"])]
    if "sheetId" in body:
        sheet = edit.spreadsheet.grid(body["sheetId"])
        return [Area(sheet, sheet.whole)]
    if body.get("allSheets"):
        return [Area(sheet, sheet.whole) for sheet in edit.spreadsheet.sheets]
    raise errors.ApiError("One of range, sheetId or allSheets must be specified.")


def _replacer(body: Body) -> Callable[[str], tuple[str, int]]:
    """What turns a text into the replaced one and a count.

    Raises:
        ApiError: 400, nothing is searched for, or the regular expression is wrong.
    """
    find, new = body.get("find", ""), body.get("replacement", "")
    if not find:
        raise errors.ApiError("The find string cannot be empty.")
    flags = 0 if body.get("matchCase") else re.IGNORECASE
    regex = body.get("searchByRegex")
    try:
        pattern = re.compile(find if regex else re.escape(find), flags)
    except re.error:
        raise errors.ApiError(f"Invalid regular expression: {find}") from None
    template = re.sub(r"\$(\d)", r"\\g<\1>", new.replace("\\", "\\\\")) if regex else None

    def replace(text: str) -> tuple[str, int]:
        if body.get("matchEntireCell"):
            match = pattern.fullmatch(text)
            return (match.expand(template) if template is not None else new, 1) if match else (text, 0)
        if template is not None:
            return pattern.subn(template, text)
        return pattern.subn(lambda _match: new, text)

    return replace


def find_replace(edit: Edit, body: Body) -> Reply:
    """Replace text in cells; formulas only if asked."""
    replace = _replacer(body)
    counts = {"values": 0, "formulas": 0, "rows": 0, "sheets": 0, "occurrences": 0}
    for sheet, box in _areas(edit, body):
        before = counts["occurrences"]
        for row in range(box.row, min(box.row_end, len(sheet.rows))):
            row_before = counts["occurrences"]
            for col in range(box.col, box.col_end):
                cell = sheet.cell(row, col)
                if cell is None or cell.value is None:
                    continue
                _replace_in(edit, Area(sheet, Box(row, row + 1, col, col + 1)), cell, replace, body, counts)
            counts["rows"] += counts["occurrences"] > row_before
        counts["sheets"] += counts["occurrences"] > before
    return {"findReplace": {f"{name}Changed": count for name, count in counts.items() if count}}


def _replace_in(
    edit: Edit, area: Area, cell: Cell, replace: Callable[[str], tuple[str, int]], body: Body, counts: dict[str, int]
) -> None:
    sheet, box = area
    is_formula = type(cell.value) is Formula
    if is_formula and not body.get("includeFormulas"):
        return
    text = str(cell.value) if is_formula else _text(edit, area, cell)
    new, hits = replace(text)
    if not hits:
        return
    protection.check_cells(edit.spreadsheet, sheet, box, edit.user)
    counts["occurrences"] += hits
    counts["formulas" if is_formula else "values"] += 1
    edit.journal.put_cell(sheet, box.row, box.col, _typed(edit, cell, new))


def _text(edit: Edit, area: Area, cell: Cell) -> str:
    value = effective(edit.spreadsheet, area.sheet, area.box.row, area.box.col, cell)
    return shown(value, (cell.form or {}).get("numberFormat"), edit.spreadsheet.locale)


def _typed(edit: Edit, cell: Cell, text: str) -> Cell | None:
    if text == "":
        return cell.with_value(None)
    return values.typed(edit.spreadsheet, cell, text, edit.spreadsheet.locale)


def to_columns(edit: Edit, body: Body) -> Reply:
    """Split the texts of one column into as many as there are parts."""
    sheet, box = edit.writable(body.get("source"), name="source")
    if box.col_end - box.col != 1:
        raise errors.ApiError("The source range must span exactly one column.")
    kind = body.get("delimiterType", "AUTODETECT")
    texts = [
        _text(edit, Area(sheet, Box(row, row + 1, box.col, box.col_end)), cell) if cell else ""
        for row in range(box.row, box.row_end)
        for cell in [sheet.cell(row, box.col)]
    ]
    if kind == "CUSTOM":
        sign = body.get("delimiter", "")
        if not sign:
            raise errors.ApiError("A custom delimiter must be specified.")
    else:
        sign = DELIMITERS.get(kind) or max(",;\t| ", key=lambda one: sum(one in text for text in texts))
    rows = [text.split(sign) for text in texts]
    width = max(map(len, rows))
    if box.col + width > sheet.col_count:
        from sheetsync.localsheets.append import grow

        grow(edit.journal, sheet, 0, box.col + width)
    reach = box._replace(col_end=box.col + width)
    protection.check_cells(edit.spreadsheet, sheet, reach, edit.user)
    for index, parts in enumerate(rows):
        row = box.row + index
        if len(parts) > 1:
            line = [_typed(edit, sheet.cell(row, box.col + i) or Cell(), part) for i, part in enumerate(parts)]
            edit.journal.put_cells(sheet, row, box.col, line)
    return {}


def trim_whitespace(edit: Edit, body: Body) -> Reply:
    """Trim the texts of a range, and squeeze runs of spaces."""
    sheet, box = edit.writable(body.get("range"))
    changed = 0
    for row in range(box.row, min(box.row_end, len(sheet.rows))):
        for col in range(box.col, box.col_end):
            cell = sheet.cell(row, col)
            if cell is not None and type(cell.value) is str:
                text = re.sub(r"[ \t\xa0]+", " ", cell.value).strip()
                if text != cell.value:
                    edit.journal.put_cell(sheet, row, col, cell.with_value(text or None))
                    changed += 1
    return {"trimWhitespace": {"cellsChangedCount": changed} if changed else {}}


def paste_data(edit: Edit, body: Body) -> Reply:
    """Paste delimited text, as if typed; the grid grows as on the page."""
    sheet, row, col = edit.start(body.get("coordinate", {}))
    data = body.get("data", "")
    if body.get("html"):
        rows = _html_rows(data)
    elif body.get("delimiter"):
        rows = list(csv.reader(io.StringIO(data), delimiter=body["delimiter"][:1]))
    else:
        raise errors.ApiError("One of delimiter or html must be specified.")
    if not rows:
        return {}
    from sheetsync.localsheets.append import grow

    grow(edit.journal, sheet, row + len(rows), col + max(len(line) for line in rows))
    target = Area(sheet, Box(row, row + len(rows), col, col + max(max(len(line) for line in rows), 1)))
    values.write(edit.journal, edit.user, target, [list(line) for line in rows], "USER_ENTERED")
    return {}


def _html_rows(data: str) -> list[list[str]]:
    import html

    rows = []
    for row in re.findall(r"<tr\b[^>]*>(.*?)(?:</tr>|(?=<tr\b)|$)", data, re.IGNORECASE | re.DOTALL):
        cells = re.findall(r"<t[dh]\b[^>]*>(.*?)(?:</t[dh]>|(?=<t[dh]\b)|$)", row, re.IGNORECASE | re.DOTALL)
        rows.append([html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in cells])
    return rows or [[html.unescape(re.sub(r"<[^>]+>", "", data)).strip()]]


def delete_duplicates(edit: Edit, body: Body) -> Reply:
    """Remove rows of a range that repeat an earlier one; the rest of the range moves up."""
    sheet, box = edit.writable(body.get("range"))
    columns = sorted(
        {
            column
            for span in body.get("comparisonColumns", [])
            for column in range(span.get("startIndex", box.col), span.get("endIndex", box.col_end))
        }
    ) or list(range(box.col, box.col_end))
    if any(not box.col <= column < box.col_end for column in columns):
        raise errors.ApiError("comparisonColumns must be within the range.")
    seen = set()
    kept: list[Row] = []
    for row in range(box.row, box.row_end):
        key = tuple(_comparable(edit, Area(sheet, Box(row, row + 1, column, column + 1))) for column in columns)
        if key not in seen:
            seen.add(key)
            kept.append([sheet.cell(row, col) for col in range(box.col, box.col_end)])
    removed = box.row_end - box.row - len(kept)
    if removed:
        blank: Row = [None] * (box.col_end - box.col)
        for index, line in enumerate([*kept, *[blank] * removed]):
            edit.journal.put_cells(sheet, box.row + index, box.col, list(line))
    return {"deleteDuplicates": {"duplicatesRemovedCount": removed} if removed else {}}


def _comparable(edit: Edit, area: Area) -> object:
    cell = area.sheet.cell(area.box.row, area.box.col)
    value = effective(edit.spreadsheet, area.sheet, area.box.row, area.box.col, cell) if cell else None
    if value is None:
        return None
    rank, key = order_key(value)
    return rank, key[0] if rank == 1 else key
