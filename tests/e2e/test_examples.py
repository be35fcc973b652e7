"""The examples of the contract, to the byte, through `draft new --spec`; and the same in the sheet, typed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Work

ROUTES = """
[[route]]
pattern = "/chat/*"

[[route]]
pattern = "/video/*"
"""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def test_the_three_tsvs_are_the_contract_s_examples(work: Work, github: Callable[[], str]) -> None:
    (work.folder / "config" / "engine_routes.toml").write_text(ROUTES)
    github()
    out = work.folder / "out"
    work.ok("export", "--tsv", "--out", str(out))
    found = {path.name: path.read_bytes().decode("utf-8") for path in out.iterdir()}
    registry = TIME.sub("2026-01-07T12:00:00Z", found.pop("connector_registry.tsv"))
    assert registry == (
        "connector_id\tversion\tscope_count\tfirearms_required\tpublished_at\n"
        "github\t1.2.0\t2\tTRUE\t2026-01-07T12:00:00Z\n"
    )
    assert found.pop("policy_matrix.tsv") == (
        "connector_id\tscope\tfirearm_id\tstrategy_lock\n"
        "github\tadmin_write\tfirearm.external_write\tTRUE\n"
        "github\tread_public\tNONE\tFALSE\n"
    )
    assert found.pop("coverage_report.tsv") == (
        "engine_route\tmcp_wrapper_status\tpolicy_coverage\n/chat/*\tDONE\t100%\n/video/*\tMISSING\t0%\n"
    )
    assert found == {}


def test_an_existing_folder_is_refused(work: Work, github: Callable[[], str]) -> None:
    github()
    out = work.folder / "out"
    out.mkdir()
    assert work.ok("export", "--tsv", "--out", str(out), code=2)["error"]["code"] == "destination"


def test_the_sheet_shows_the_same_typed(work: Work, github: Callable[[], str]) -> None:
    (work.folder / "config" / "engine_routes.toml").write_text(ROUTES)
    github()
    report = work.ok("push")
    assert report["ok"]
    assert set(report["tabs"]) >= {"Policy Matrix", "Connector Registry", "Coverage Report"}
    matrix = work.rows("Policy Matrix")
    row = matrix[("github", "admin_write")]
    assert (row["firearm_id"], row["strategy_lock"]) == ("firearm.external_write", True)
    assert matrix[("github", "read_public")]["strategy_lock"] is False
    registry = work.rows("Connector Registry")[("github",)]
    assert registry["scope_count"] == 2
    assert registry["firearms_required"] is True
    coverage = work.rows("Coverage Report")
    assert coverage[("/chat/*",)]["policy_coverage"] == 1
    assert coverage[("/video/*",)]["policy_coverage"] == 0
    shown = work.sheet().worksheet("Coverage Report").get_values()
    assert shown[1:] == [["/chat/*", "DONE", "100%"], ["/video/*", "MISSING", "0%"]]
