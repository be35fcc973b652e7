"""Exporting a spreadsheet: CSV and TSV of the first tab, XLSX of all tabs (values and number formats only).

PDF and the other forms are refused.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from sheetsync.localsheets import a1
from sheetsync.localsheets.cell import CellError
from sheetsync.localsheets.errors import DriveError
from sheetsync.localsheets.files import SPREADSHEET, FileRecord
from sheetsync.localsheets.ranges import Area
from sheetsync.localsheets.rendering import effective, number_format, raw
from sheetsync.localsheets.sheet import Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet
from sheetsync.localsheets.values import View, read
from sheetsync.localsheets.workspace import Workspace

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SEPARATORS: Final = {"text/csv": ",", "text/tab-separated-values": "\t"}
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATION: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def exported(workspace: Workspace, record: FileRecord, mime: str) -> bytes:
    """A spreadsheet in another form.

    Raises:
        DriveError: 400, the form is not supported, or the file is no spreadsheet.
    """
    if record.mime != SPREADSHEET:
        raise DriveError("Export only supports Docs Editors files.", http_status=403, reason="fileNotExportable")
    content = workspace.spreadsheet(record.id)
    if mime in SEPARATORS:
        return delimited(content, content.sheets[0], SEPARATORS[mime]).encode()
    if mime == XLSX:
        return workbook(content)
    raise DriveError(
        "The requested conversion is not supported.", reason="badRequest", location=("parameter", "convertTo")
    )


def delimited(spreadsheet: Spreadsheet, sheet: Sheet, separator: str) -> str:
    """A tab as CSV or TSV: formatted values, CRLF between rows, none at the end."""
    rows = read(spreadsheet, Area(sheet, sheet.whole), View()).get("values", [])
    width = max((len(row) for row in rows), default=0)
    if separator == "\t":
        clean = [[re.sub(r"[\t\r\n]", " ", text) for text in row] for row in rows]
        return "\r\n".join("\t".join(row + [""] * (width - len(row))) for row in clean)
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(row + [""] * (width - len(row)) for row in rows)
    return out.getvalue().removesuffix("\r\n")


def workbook(spreadsheet: Spreadsheet) -> bytes:
    """All tabs as an Excel workbook."""
    patterns: list[str] = []
    sheets = [_sheet_xml(spreadsheet, sheet, patterns) for sheet in spreadsheet.sheets]
    names = "".join(
        f'<sheet name={quoteattr(sheet.title[:31])} sheetId="{index}" r:id="rId{index}"'
        + (' state="hidden"/>' if sheet.hidden else "/>")
        for index, sheet in enumerate(spreadsheet.sheets, 1)
    )
    count = len(sheets)
    relations = "".join(
        f'<Relationship Id="rId{i}" Type="{_RELATION}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, count + 1)
    )
    relations += f'<Relationship Id="rId{count + 1}" Type="{_RELATION}/styles" Target="styles.xml"/>'
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{i}.xml" ContentType="{office}.worksheet+xml"/>'
        for i in range(1, count + 1)
    )
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType='
        f'"application/xml"/><Override PartName="/xl/workbook.xml" ContentType="{office}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{office}.styles+xml"/>{types}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" Type='
        f'"{_RELATION}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATION}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">{relations}</Relationships>',
        "xl/styles.xml": _styles_xml(patterns),
        **{f"xl/worksheets/sheet{index}.xml": text for index, text in enumerate(sheets, 1)},
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, _HEAD + text)
    return out.getvalue()


def _styles_xml(patterns: list[str]) -> str:
    formats = "".join(
        f'<numFmt numFmtId="{164 + index}" formatCode={quoteattr(pattern)}/>' for index, pattern in enumerate(patterns)
    )
    styles = "".join(
        f'<xf numFmtId="{164 + index}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
        for index in range(len(patterns))
    )
    plain = '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    return (
        f'<styleSheet xmlns="{_MAIN}"><numFmts count="{len(patterns)}">{formats}</numFmts>'
        '<fonts count="1"><font><sz val="10"/><name val="Arial"/></font></fonts>'
        '<fills count="1"><fill><patternFill patternType="none"/></fill></fills>'
        '<borders count="1"><border/></borders>'
        f'<cellStyleXfs count="1">{plain}</cellStyleXfs>'
        f'<cellXfs count="{len(patterns) + 1}">{plain}{styles}</cellXfs></styleSheet>'
    )


def _sheet_xml(spreadsheet: Spreadsheet, sheet: Sheet, patterns: list[str]) -> str:
    rows = []
    for row, line in enumerate(sheet.rows):
        cells = []
        for col, cell in enumerate(line):
            if cell is None or cell.value is None:
                continue
            value = effective(spreadsheet, sheet, row, col, cell)
            form = number_format(spreadsheet, sheet, row, col, cell) or {}
            style = ""
            if pattern := form.get("pattern"):
                if pattern not in patterns:
                    patterns.append(pattern)
                style = f' s="{patterns.index(pattern) + 1}"'
            where = f'<c r="{a1.column_letters(col)}{row + 1}"{style}'
            if isinstance(value, bool):
                cells.append(f'{where} t="b"><v>{int(value)}</v></c>')
            elif isinstance(value, (int, float)):
                cells.append(f"{where}><v>{value!r}</v></c>")
            elif isinstance(value, CellError):
                cells.append(f'{where} t="e"><v>{escape(str(raw(value)).partition(" ")[0])}</v></c>')
            else:
                text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", str(value or ""))
                cells.append(f'{where} t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>')
        if cells:
            rows.append(f'<row r="{row + 1}">{"".join(cells)}</row>')
    merges = "".join(f'<mergeCell ref="{a1.format_cells(*box)}"/>' for box in sheet.merges)
    tail = f'<mergeCells count="{len(sheet.merges)}">{merges}</mergeCells>' if merges else ""
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(rows)}</sheetData>{tail}</worksheet>'
