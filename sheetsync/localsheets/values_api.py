"""The calls of `spreadsheets.values`: from a request to an answer.

The work itself is in `values.py` and `append.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sheetsync.localsheets import append, errors, fields, metadata, ranges, schema, values
from sheetsync.localsheets.call import Call
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.ranges import Area
from sheetsync.localsheets.values import View, Written

RENDERS = ("FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA")
DATES = ("SERIAL_NUMBER", "FORMATTED_STRING")
MAJORS = ("ROWS", "COLUMNS")


def one_of(call: Call, body: Json, name: str, allowed: tuple[str, ...], enum: str) -> str:
    """An enum parameter of the query or the body, the first value if it is not given.

    Raises:
        ApiError: 400, it is none of the values.
    """
    value = body.get(name) or call.request.param(name)
    if not value or str(value).endswith("_UNSPECIFIED"):
        return allowed[0]
    if value.isdigit() and int(value) <= len(allowed):
        return allowed[max(int(value) - 1, 0)]
    if value not in allowed:
        path = schema.snake(name)
        text = f"Invalid value at '{path}' ({schema.PACKAGE}{enum}), \"{value}\""
        raise errors.bad_fields([(path, text)])
    return str(value)


def view_of(call: Call, body: Json, prefix: str = "") -> View:
    """How an answer is to be rendered."""

    def name(plain: str) -> str:
        return prefix + plain[:1].upper() + plain[1:] if prefix else plain

    return View(
        one_of(call, body, name("valueRenderOption"), RENDERS, "ValueRenderOption"),
        one_of(call, body, name("dateTimeRenderOption"), DATES, "DateTimeRenderOption"),
        one_of(call, body, "majorDimension", MAJORS, "Dimension") if not prefix else "ROWS",
    )


def input_option(call: Call, body: Json) -> str:
    """The value input option, which has no default.

    Raises:
        ApiError: 400, it is missing or unknown.
    """
    given = body.get("valueInputOption") or call.request.param("valueInputOption")
    if not given or str(given) in ("INPUT_VALUE_OPTION_UNSPECIFIED", "0"):
        raise errors.ApiError("'valueInputOption' is required but not specified")
    return one_of(call, body, "valueInputOption", ("RAW", "USER_ENTERED"), "ValueInputOption")


# Reading.


def get(call: Call, text: str) -> Json:
    """`values.get`."""
    area = ranges.resolve(call.spreadsheet, text)
    return values.read(call.spreadsheet, area, view_of(call, {}))


def batch_get(call: Call) -> Json:
    """`values.batchGet`."""
    view = view_of(call, {})
    found: Json = {"spreadsheetId": call.spreadsheet.spreadsheet_id}
    texts = call.request.query.get("ranges", [])
    if texts:
        found["valueRanges"] = [
            values.read(call.spreadsheet, ranges.resolve(call.spreadsheet, text), view) for text in texts
        ]
    return found


def matched(call: Call, filters: list[Json]) -> list[tuple[Area, list[Json]]]:
    """The areas that data filters select, in the order of their place, each with all filters that select it.

    Raises:
        ApiError: 400, there is no filter, or one is wrong.
    """
    if not filters:
        raise errors.ApiError("Must specify at least one dataFilter.")
    found: dict[tuple[int, ...], tuple[Area, list[Json]]] = {}
    order = {sheet.sheet_id: index for index, sheet in enumerate(call.spreadsheet.sheets)}
    for index, one in enumerate(filters):
        try:
            areas = metadata.filter_areas(call.spreadsheet, one)
        except errors.ApiError as refusal:
            raise refusal.prefixed(f"Invalid dataFilter[{index}]: ") from None
        for area in areas:
            key = (order[area.sheet.sheet_id], area.box.row, area.box.col, area.box.row_end, area.box.col_end)
            found.setdefault(key, (area, []))[1].append(one)
    return [found[key] for key in sorted(found)]


def batch_get_by_data_filter(call: Call) -> Json:
    """`values.batchGetByDataFilter`."""
    body = call.body("BatchGetValuesByDataFilterRequest")
    view = view_of(call, body)
    found: Json = {"spreadsheetId": call.spreadsheet.spreadsheet_id}
    matches = [
        {"valueRange": values.read(call.spreadsheet, area, view), "dataFilters": filters}
        for area, filters in matched(call, body.get("dataFilters", []))
    ]
    if matches:
        found["valueRanges"] = matches
    return found


# Writing.


def _rows(body: Json) -> list[list[Any]]:
    return values.as_rows(body.get("values", []), body.get("majorDimension", "ROWS"))


def _with_values(call: Call, found: Json, written: Written, body: Json, major: str) -> Json:
    wants = body.get("includeValuesInResponse") or call.request.flag("includeValuesInResponse")
    if wants:
        view = view_of(call, body, "response")._replace(major=major or "ROWS")
        found["updatedData"] = values.read(call.spreadsheet, written.area, view)
    return found


def update(call: Call, text: str) -> Json:
    """`values.update`."""
    body = call.body("ValueRange", "data")
    option = input_option(call, {})
    area = ranges.resolve_unclamped(call.spreadsheet, text)
    _same_range(call, body, text, area)
    with call.transaction() as journal:
        written = values.write(journal, call.user, area, _rows(body), option)
    return _with_values(call, written.to_json(call.spreadsheet), written, {}, body.get("majorDimension", ""))


def _same_range(call: Call, body: Json, text: str, area: Area) -> None:
    if "range" in body and ranges.resolve_unclamped(call.spreadsheet, body["range"]) != area:
        raise errors.ApiError(f"Request range[{text}] does not match value's range[{body['range']}]")


def batch_update(call: Call) -> Json:
    """`values.batchUpdate`: all or nothing."""
    body = call.body("BatchUpdateValuesRequest")
    option = input_option(call, body)
    return _write_all(call, body, option, lambda item: [_target(call, item)])


def _target(call: Call, item: Json) -> Area:
    if "range" not in item:
        raise errors.ApiError("Range is required.")
    return ranges.resolve_unclamped(call.spreadsheet, item["range"])


def batch_update_by_data_filter(call: Call) -> Json:
    """`values.batchUpdateByDataFilter`: all or nothing."""
    body = call.body("BatchUpdateValuesByDataFilterRequest")
    option = input_option(call, body)
    return _write_all(
        call, body, option, lambda item: metadata.filter_areas(call.spreadsheet, item.get("dataFilter", {}))
    )


def _write_all(call: Call, body: Json, option: str, areas_of: Callable[[Json], list[Area]]) -> Json:
    responses: list[tuple[Written, Json]] = []
    with call.transaction() as journal:
        for index, item in enumerate(body.get("data", [])):
            try:
                responses += [
                    (values.write(journal, call.user, area, _rows(item), option), item) for area in areas_of(item)
                ]
            except errors.ApiError as refusal:
                raise refusal.prefixed(f"Invalid data[{index}]: ") from None
    found: Json = {"spreadsheetId": call.spreadsheet.spreadsheet_id}
    if responses:
        found |= _totals([written for written, _ in responses])
        found["responses"] = [
            _with_values(call, _response(call, written, item), written, body, item.get("majorDimension", ""))
            for written, item in responses
        ]
    return found


def _response(call: Call, written: Written, item: Json) -> Json:
    found = written.to_json(call.spreadsheet)
    if "dataFilter" in item:
        found.pop("spreadsheetId")
        found["dataFilter"] = item["dataFilter"]
    return found


def _totals(written: list[Written]) -> Json:
    rows = {(one.area.sheet.sheet_id, one.area.box.row + index) for one in written for index in range(one.rows)}
    columns = {(one.area.sheet.sheet_id, one.area.box.col + index) for one in written for index in range(one.columns)}
    counts = {
        "totalUpdatedRows": len(rows),
        "totalUpdatedColumns": len(columns),
        "totalUpdatedCells": sum(one.cells for one in written),
        "totalUpdatedSheets": len({one.area.sheet.sheet_id for one in written if one.cells}),
    }
    return {name: count for name, count in counts.items() if count}


def append_values(call: Call, text: str) -> Json:
    """`values.append`."""
    body = call.body("ValueRange", "values")
    option = input_option(call, {})
    insert = one_of(call, {}, "insertDataOption", ("OVERWRITE", "INSERT_ROWS"), "AppendValuesRequest.InsertDataOption")
    area = ranges.resolve(call.spreadsheet, text)
    if "range" in body:
        _same_range(call, body, text, ranges.resolve_unclamped(call.spreadsheet, text))
    with call.transaction() as journal:
        table, written = append.append(journal, call.user, area, _rows(body), option, insert=insert == "INSERT_ROWS")
    found: Json = {"spreadsheetId": call.spreadsheet.spreadsheet_id}
    if table is not None:
        found["tableRange"] = table.a1
    updates = written.to_json(call.spreadsheet)
    found["updates"] = _with_values(call, updates, written, {}, body.get("majorDimension", ""))
    return found


def clear(call: Call, text: str) -> Json:
    """`values.clear`."""
    call.body("ClearValuesRequest")
    area = ranges.resolve(call.spreadsheet, text)
    with call.transaction() as journal:
        values.clear(journal, call.user, area)
    return {"spreadsheetId": call.spreadsheet.spreadsheet_id, "clearedRange": area.a1}


def batch_clear(call: Call) -> Json:
    """`values.batchClear`: all or nothing."""
    body = call.body("BatchClearValuesRequest")
    areas = [ranges.resolve(call.spreadsheet, text) for text in body.get("ranges", [])]
    return _clear_all(call, areas)


def batch_clear_by_data_filter(call: Call) -> Json:
    """`values.batchClearByDataFilter`: all or nothing."""
    body = call.body("BatchClearValuesByDataFilterRequest")
    return _clear_all(call, [area for area, _ in matched(call, body.get("dataFilters", []))])


def _clear_all(call: Call, areas: list[Area]) -> Json:
    with call.transaction() as journal:
        for area in areas:
            values.clear(journal, call.user, area)
    found: Json = {"spreadsheetId": call.spreadsheet.spreadsheet_id}
    if areas:
        found["clearedRanges"] = [area.a1 for area in areas]
    return found


def cut(call: Call, found: Json, message: str) -> Json:
    """An answer as the `fields` parameter shows it."""
    mask = fields.response_mask(call.request.param("fields"), message)
    return fields.select(found, mask)  # type: ignore[no-any-return]
