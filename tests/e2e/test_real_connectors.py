"""All real connectors: imported, given policies, published, pushed; the sheet equals the TSVs cell for cell, typed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gspread
import pytest

from sheetsync import settings
from sheetsync.bootstrap import open_workspace
from sheetsync.services import drafts

if TYPE_CHECKING:
    from tests.e2e.conftest import Work

pytestmark = pytest.mark.shared
TITLES = {
    "connector_registry.tsv": "Connector Registry",
    "policy_matrix.tsv": "Policy Matrix",
    "coverage_report.tsv": "Coverage Report",
}
NUMBERS = {"scope_count"}
FIREARMS = ("firearm.external_write", "firearm.personal_data", None)


def policy_of(scopes: Sequence[str]) -> dict[str, Any]:
    """Decisions that differ from scope to scope; every seventh scope stays undecided."""
    firearms = {}
    for number, scope in enumerate(scopes):
        if number % 7 == 6:
            continue
        firearm = FIREARMS[number % 3]
        firearms[scope] = {"firearm_id": firearm, "strategy_lock": firearm is not None and number % 2 == 1}
    kpi = {"impact_type": "cost", "formula": "usage.cost * 1.0", "target": 10, "unit": "USD"}
    return {"firearms": firearms, "kpis": {"api_cost": kpi}}


def typed(name: str, text: str) -> Any:
    """A TSV field as the sheet's value."""
    if text in ("TRUE", "FALSE"):
        return text == "TRUE"
    if name in NUMBERS:
        return int(text)
    return int(text[:-1]) / 100 if name == "policy_coverage" else text


def tsv_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a TSV by column."""
    header, *lines = path.read_bytes().decode("utf-8").split("\n")[:-1]
    for line in lines:
        yield {name: typed(name, text) for name, text in zip(header.split("\t"), line.split("\t"), strict=True)}


@pytest.mark.timeout(240)
def test_all_real_connectors_stand_in_the_sheet_as_in_the_tsvs(work: Work, shared: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    imported = work.ok("import", str(shared / "connectors"))
    assert (len(imported["created"]), imported["problems"], len(imported["drafts"])) == (192, [], 192)
    ids = [line["id"] for line in work.ok("draft", "list")["drafts"]]
    decide_all(work, ids)
    assert work.ok("verify", *ids)["ok"] is True
    assert len(work.ok("publish", *ids)["published"]) == 192
    report = work.ok("push")
    took = time.monotonic() - started
    assert report["tabs"]["Policy Matrix"]["rows_added"] > 1000
    out = tmp_path / "tsv"
    work.ok("export", "--tsv", "--out", str(out))
    sheet = work.sheet()
    for name, title in TITLES.items():
        compare(sheet.worksheet(title), list(tsv_rows(out / name)))
    second = work.ok("sync")
    assert (second["changed"], second["calls"]["read"], second["calls"]["write"]) == (False, 1, 0)
    assert took < 120, f"{took:.1f} s; the reach is 30 s on a quiet machine"


def decide_all(work: Work, ids: list[str]) -> None:
    """Give every draft its policy: what `draft edit --policy` does, without opening the store 192 times."""
    ws = open_workspace(settings.load(config=work.folder / "config" / "sheetsync.toml", environ={}))
    for draft_id in ids:
        scopes = drafts.show_draft(ws, draft_id).draft.spec_snapshot.scope_names()
        drafts.edit_draft(ws, draft_id, policy=policy_of(scopes))
    ws.store.close()


def compare(worksheet: gspread.Worksheet, wanted: list[dict[str, Any]]) -> None:
    """The tab's values, read by plain gspread, are these rows in this order."""
    values = worksheet.get_values(value_render_option=gspread.utils.ValueRenderOption.unformatted)
    names = list(wanted[0])
    assert values[0][: len(names)] == names
    found = [dict(zip(names, line, strict=False)) for line in values[1:]]
    assert found == wanted
