"""The kinds of request that a batch update takes: one module a topic, one function a kind.

Each function gets an `Edit` and the checked body of its request, changes the spreadsheet through the journal, and
returns the reply.  `KINDS` names them all; a kind that stands in `REFUSED` is answered with an error and its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final

from sheetsync.localsheets.requests.edit import Edit

Handler = Callable[[Edit, dict[str, Any]], dict[str, Any]]

# kind -> module and function in this package
KINDS: Final[dict[str, str]] = {
    "addBanding": "banding.add",
    "addChart": "objects.add_chart",
    "addCommentReply": "comments.add_reply",
    "addConditionalFormatRule": "conditional_formats.add",
    "addDimensionGroup": "dimension_groups.add",
    "addFilterView": "filters.add_view",
    "addNamedRange": "named_ranges.add",
    "addProtectedRange": "protected_ranges.add",
    "addSheet": "sheets.add",
    "addSlicer": "objects.add_slicer",
    "addTable": "tables.add",
    "appendCells": "cells.append",
    "appendDimension": "dimensions.append",
    "autoFill": "copying.auto_fill",
    "autoResizeDimensions": "dimensions.auto_resize",
    "clearBasicFilter": "filters.clear_basic",
    "copyPaste": "copying.copy_paste",
    "createDeveloperMetadata": "developer_metadata.create",
    "cutPaste": "copying.cut_paste",
    "deleteBanding": "banding.delete",
    "deleteComment": "comments.delete",
    "deleteCommentReply": "comments.delete_reply",
    "deleteConditionalFormatRule": "conditional_formats.delete",
    "deleteDeveloperMetadata": "developer_metadata.delete",
    "deleteDimension": "dimensions.delete",
    "deleteDimensionGroup": "dimension_groups.delete",
    "deleteDuplicates": "text.delete_duplicates",
    "deleteEmbeddedObject": "objects.delete",
    "deleteFilterView": "filters.delete_view",
    "deleteNamedRange": "named_ranges.delete",
    "deleteProtectedRange": "protected_ranges.delete",
    "deleteRange": "dimensions.delete_range",
    "deleteSheet": "sheets.delete",
    "deleteTable": "tables.delete",
    "duplicateFilterView": "filters.duplicate_view",
    "duplicateSheet": "sheets.duplicate",
    "findReplace": "text.find_replace",
    "insertComment": "comments.insert",
    "insertDimension": "dimensions.insert",
    "insertRange": "dimensions.insert_range",
    "mergeCells": "merging.merge",
    "moveDimension": "dimensions.move",
    "pasteData": "text.paste_data",
    "randomizeRange": "sorting.randomize",
    "repeatCell": "cells.repeat",
    "setBasicFilter": "filters.set_basic",
    "setDataValidation": "validation.set_rule",
    "sortRange": "sorting.sort",
    "textToColumns": "text.to_columns",
    "trimWhitespace": "text.trim_whitespace",
    "unmergeCells": "merging.unmerge",
    "updateBanding": "banding.update",
    "updateBorders": "borders.update",
    "updateCells": "cells.update",
    "updateChartSpec": "objects.update_chart_spec",
    "updateCommentPost": "comments.update_post",
    "updateConditionalFormatRule": "conditional_formats.update",
    "updateDeveloperMetadata": "developer_metadata.update",
    "updateDimensionGroup": "dimension_groups.update",
    "updateDimensionProperties": "dimensions.update_properties",
    "updateEmbeddedObjectBorder": "objects.update_border",
    "updateEmbeddedObjectPosition": "objects.update_position",
    "updateFilterView": "filters.update_view",
    "updateNamedRange": "named_ranges.update",
    "updateProtectedRange": "protected_ranges.update",
    "updateSheetProperties": "sheets.update_properties",
    "updateSlicerSpec": "objects.update_slicer_spec",
    "updateSpreadsheetProperties": "sheets.update_spreadsheet_properties",
    "updateTable": "tables.update",
}

# kind -> why it is refused
REFUSED: Final[dict[str, str]] = {
    "addDataSource": "data sources live in BigQuery or Looker, which a local server does not have",
    "cancelDataSourceRefresh": "data sources live in BigQuery or Looker, which a local server does not have",
    "deleteDataSource": "data sources live in BigQuery or Looker, which a local server does not have",
    "refreshDataSource": "data sources live in BigQuery or Looker, which a local server does not have",
    "updateDataSource": "data sources live in BigQuery or Looker, which a local server does not have",
}


@cache
def handler(kind: str) -> Handler:
    """The function of a kind; its module is loaded when it is first used, so that starting stays fast."""
    module, function = KINDS[kind].split(".")
    found: Handler = getattr(import_module(f"{__name__}.{module}"), function)
    return found
