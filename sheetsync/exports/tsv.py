"""The TSV dialect: UTF-8, no BOM, LF, header first, a LF after every line, no quoting (design.md section 5).

What the rows are is in `tables`. Reading is as strict as writing: what would not be written is refused.
"""

from __future__ import annotations

import math
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sheetsync.domain.connector import CONTROL
from sheetsync.errors import DestinationError, InvalidContentError
from sheetsync.exports.schema import Column, TableSchema
from sheetsync.exports.tables import PERCENT, Row, RowKey, Table, Value

BOM: Final = "\ufeff"
WHOLE: Final = 1e15  # whole numbers below it are written without a fraction


def write_tsv(table: Table) -> bytes:
    """The table's bytes.

    Raises:
        InvalidContentError: a value holds a tab or a line break, which has no form here.
    """
    columns = table.schema.columns
    lines = ["\t".join(table.schema.names)]
    lines += ["\t".join([_written(column, value) for column, value in zip(columns, row, strict=True)])
              for row in table.rows.values()]  # fmt: skip
    return ("\n".join(lines) + "\n").encode("utf-8")


def _written(column: Column, value: Value) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        if not value.isprintable() and not CONTROL.isdisjoint(value):
            raise InvalidContentError(f"column {column.name}: a value holds a tab, line break or control character")
        return value
    if column.kind == "percent":
        return f"{round(value * PERCENT)}%"
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidContentError(f"column {column.name}: {value} is not a number that can be written")
    return str(int(value)) if float(value).is_integer() and abs(value) < WHOLE else repr(value)


def read_tsv(schema: TableSchema, data: bytes) -> Table:
    """Parse a table's bytes; it must be exactly what `write_tsv` writes.

    Raises:
        InvalidContentError: names the line that is wrong.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise InvalidContentError(f"{schema.name}.tsv is not UTF-8") from exc
    if text.startswith(BOM) or "\r" in text or not text.endswith("\n"):
        raise InvalidContentError(f"{schema.name}.tsv: no BOM, LF line ends, and a LF after the last line are required")
    header, *lines = text[:-1].split("\n")
    if tuple(header.split("\t")) != schema.names:
        raise InvalidContentError(f"{schema.name}.tsv: the header is not {' '.join(schema.names)}")
    rows: dict[RowKey, Row] = {}
    for number, line in enumerate(lines, start=2):
        row = _read_row(schema, line, number)
        key = tuple(str(row[place]) for place in schema.key)
        if key in rows:
            raise InvalidContentError(f"{schema.name}.tsv line {number}: {' / '.join(key)} occurs twice")
        rows[key] = row
    table = Table(schema, rows)
    if write_tsv(table) != data:
        raise InvalidContentError(f"{schema.name}.tsv is not in the form it would be written in")
    return table


def _read_row(schema: TableSchema, line: str, number: int) -> Row:
    fields = line.split("\t")
    if len(fields) != len(schema.columns):
        raise InvalidContentError(f"{schema.name}.tsv line {number}: {len(fields)} fields, not {len(schema.columns)}")
    try:
        return tuple(_parsed(column, field) for column, field in zip(schema.columns, fields, strict=True))
    except ValueError as exc:
        raise InvalidContentError(f"{schema.name}.tsv line {number}: {exc}") from exc


def _parsed(column: Column, field: str) -> Value:
    if column.kind == "bool":
        if field not in ("TRUE", "FALSE"):
            raise ValueError(f"{column.name} is {field[:40]!r}, not TRUE or FALSE")
        return field == "TRUE"
    if column.kind == "percent":
        if not field.endswith("%"):
            raise ValueError(f"{column.name} is {field[:40]!r}, not a percentage")
        return int(field[:-1]) / PERCENT
    if column.kind == "count":
        return int(field)
    if column.kind == "number" and field:
        return float(field)
    return field


def export_tsv(directory: Path, tables: Iterable[Table]) -> tuple[Path, ...]:
    """Write each table as `<name>.tsv` into a folder that must not exist yet; it appears whole, or not at all.

    Raises:
        DestinationError: the folder exists, or cannot be made.
    """
    if directory.exists() or directory.is_symlink():
        raise DestinationError(f"{directory} exists already", hint="name a folder that does not exist")
    staging = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.part")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
        names = []
        for table in tables:
            (staging / f"{table.schema.name}.tsv").write_bytes(write_tsv(table))
            names.append(f"{table.schema.name}.tsv")
        staging.rename(directory)
    except OSError as exc:
        raise DestinationError(f"{directory} cannot be written: {exc.strerror}") from exc
    finally:
        if staging.exists():
            shutil.rmtree(staging, ignore_errors=True)
    return tuple(directory / name for name in names)
