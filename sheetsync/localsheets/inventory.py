"""What the server does and does not do, told from its own code; `docs/localsheets-coverage.md` is made from it.

`python -c "from sheetsync.localsheets.inventory import document; print(document(), end='')"` writes that file anew;
a test fails when it is out of date.
"""

from __future__ import annotations

from typing import Final

from sheetsync.localsheets import requests, schema
from sheetsync.localsheets.collaborator import ACTS
from sheetsync.localsheets.export import SEPARATORS, XLSX
from sheetsync.localsheets.formulas.functions import names
from sheetsync.localsheets.sheets_api import paths

# What a caller could expect of Google's, and does not get here.
NOT_DONE: Final = (
    "Charts, slicers, pivot tables, smart chips and filter views are kept and given back, not drawn or worked out.",
    "Gradient rules of conditional formats are kept, not worked out; the grid page shows boolean rules only.",
    "Array formulas do not spill: a cell shows the first value of an array.",
    "Functions that are not listed below keep their text and show `#NAME?`; none reaches the network.",
    "Custom-formula rules of data validation bind nobody.",
    "Number formats know the patterns of common use; colours and conditions in brackets are read over.",
    "Locales: en, de, fr, it, es, pt, nl, sv, pl and ja have words and signs of their own; others take English ones.",
    "Row heights and column widths after `autoResizeDimensions` are estimates: Google's depend on its fonts.",
    "Drive: no content but of spreadsheets, no shared drives, no watch channels; of v2 the CSV upload only.",
    "Exports: CSV, TSV and XLSX (values, number formats, merges); PDF and the others are refused.",
    "Wordings of errors that no recording shows are ours; their status and shape are Google's.",
    "Row metadata stays in place when rows are sorted, unless `metadata_follows_sort` is on: Google does not say.",
    "Validation rules bind people, not REST writes, unless `strict_rest` is on: Google does not say.",
)


def document() -> str:
    """The coverage page, in Markdown."""
    kinds = "".join(f"- `{kind}`\n" for kind in sorted(requests.KINDS))
    refused = "".join(f"- `{kind}`: {why}\n" for kind, why in sorted(requests.REFUSED.items()))
    calls = "".join(f"- `{method} {path}`\n" for method, path in paths())
    limits = "".join(f"- {line}\n" for line in NOT_DONE)
    functions = ", ".join(f"`{name}`" for name in names())
    exports = ", ".join(f"`{mime}`" for mime in (*SEPARATORS, XLSX))
    acts = ", ".join(f"`{name}`" for name in ACTS)
    total = len(schema.messages()["Request"])
    return (
        "# What the local Sheets server does, and what it does not\n\n"
        "Made from the code by `sheetsync.localsheets.inventory`; do not edit by hand.\n\n"
        f"## What it does not do\n\n{limits}\n"
        f"## Calls of Sheets v4\n\n{calls}\n"
        f"## Kinds of batchUpdate: {len(requests.KINDS)} of {total} implemented\n\n{kinds}\n"
        f"## Kinds that are refused: {len(requests.REFUSED)}\n\n"
        f"Each is answered with status 400 in Google's shape, and nothing of the batch is applied.\n\n{refused}\n"
        f"## Functions in formulas: {len(names())}\n\n{functions}\n\n"
        f"## Exports\n\n{exports}\n\n"
        f"## Acts of a scripted collaborator\n\n{acts}\n"
    )
