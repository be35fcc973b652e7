"""setDataValidation.  What a rule means is in `validation_rules.py`."""

from __future__ import annotations

from sheetsync.localsheets import errors, schema
from sheetsync.localsheets.cell import Cell, shared
from sheetsync.localsheets.requests.edit import Body, Edit, Reply

NEEDS = {"ONE_OF_RANGE": 1, "CUSTOM_FORMULA": 1, "NUMBER_BETWEEN": 2, "NUMBER_NOT_BETWEEN": 2, "DATE_BETWEEN": 2}


def set_rule(edit: Edit, body: Body) -> Reply:
    """Set or clear the rule of every cell of a range."""
    sheet, box = edit.writable(body.get("range"))
    rule = shared(schema.tidy("DataValidationRule", body["rule"])) if body.get("rule") else None
    if rule is not None:
        _check(rule)
    last = box.row_end if rule else min(box.row_end, len(sheet.rows))
    for row in range(box.row, last):
        if body.get("filteredRowsIncluded") is not True and sheet.properties_of("ROWS", row).get("hiddenByFilter"):
            continue
        line = [(sheet.cell(row, col) or Cell()).with_rule(rule) for col in range(box.col, box.col_end)]
        edit.journal.put_cells(sheet, row, box.col, line)
    return {}


def _check(rule: Body) -> None:
    condition = rule.get("condition", {})
    kind = condition.get("type")
    if not kind:
        raise errors.ApiError("A data validation rule must have a condition type.")
    count = len(condition.get("values", []))
    if (kind == "ONE_OF_LIST" and count == 0) or count < NEEDS.get(kind, 0):
        raise errors.ApiError(
            f"ConditionType '{kind}' requires {NEEDS.get(kind, 1)} ConditionValues, but found {count}."
        )
