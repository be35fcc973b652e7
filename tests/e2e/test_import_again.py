"""A provider changes under owners' edits: new scopes are undecided, vanished ones answered, versions rise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sheetsync.cli.demo import DATA

if TYPE_CHECKING:
    from tests.e2e.conftest import Work

MATRIX = "Policy Matrix"
GONE = ("slack", "messages.listChannels")
STAYS = ("slack", "messages.readHistory")
NEW = ("slack", "messages.archive")


@pytest.fixture
def provider(work: Work) -> Path:
    """A provider of ours, imported, decided, published and pushed; its source file."""
    folder = work.folder / "providers"
    shutil.copytree(DATA / "providers" / "slack", folder / "slack")
    work.ok("import", str(folder))
    draft = work.ok("draft", "list")["drafts"][0]["id"]
    work.ok("draft", "edit", draft, "--policy", str(DATA / "policies" / "slack.json"))
    work.ok("verify", draft)
    work.ok("publish", draft)
    work.ok("push")
    return folder / "slack" / "messages.json"


def change(path: Path, *, drop: str | None = None, add: str | None = None) -> None:
    """Drop and add a tool in the source."""
    content = json.loads(path.read_text())
    if add:
        content["tools"][add] = content["tools"]["postMessage"]
    if drop:
        del content["tools"][drop]
    path.write_text(json.dumps(content))


def test_an_added_tool_is_undecided_and_proposes_the_next_minor(work: Work, provider: Path) -> None:
    change(provider, add="archive")
    report = work.ok("import", str(provider.parent))
    assert report["changed"] == ["slack"]
    draft = work.ok("draft", "show", report["drafts"][0]["id"])["draft"]
    assert draft["spec_snapshot"]["version"] == "1.1.0"
    assert NEW[1] not in draft["policy_snapshot"]["firearms"]
    assert draft["policy_snapshot"]["firearms"][STAYS[1]]["firearm_id"] == "firearm.personal_data"
    work.ok("verify", draft["id"])
    work.ok("publish", draft["id"])
    work.ok("push")
    row = work.rows(MATRIX)[NEW]
    assert (row["firearm_id"], row["strategy_lock"]) == ("", False)
    work.type_into(MATRIX, NEW, "firearm_id", "firearm.external_write")
    assert len(work.ok("pull")["drafts"]) == 1


def test_an_edit_of_a_vanished_scope_is_answered_and_the_others_live_on(work: Work, provider: Path) -> None:
    work.type_into(MATRIX, GONE, "firearm_id", "firearm.external_write")
    work.type_into(MATRIX, STAYS, "strategy_lock", True)
    work.ok("pull")
    change(provider, drop="listChannels")
    report = work.ok("import", str(provider.parent))
    draft = work.ok("draft", "show", report["drafts"][0]["id"])["draft"]
    assert draft["spec_snapshot"]["version"] == "2.0.0"
    assert [edit["row_key"] for edit in draft["origin"]["edits"]] == [list(STAYS)]
    work.ok("push")
    rows = work.rows(MATRIX)
    assert rows[GONE]["sync_status"] == f"rejected: scope {GONE[1]} no longer exists"
    assert rows[GONE]["firearm_id"] == "NONE"
    assert rows[STAYS]["sync_status"] == f"pending in {draft['id']}"
    assert rows[STAYS]["strategy_lock"] is True
    work.ok("verify", draft["id"])
    work.ok("publish", draft["id"])
    work.ok("push")
    assert GONE not in work.rows(MATRIX)
    assert work.rows(MATRIX)[STAYS]["strategy_lock"] is True


def test_importing_the_same_again_makes_nothing(work: Work, provider: Path) -> None:
    before = work.snapshots()
    report = work.ok("import", str(provider.parent))
    assert (report["skipped"], report["drafts"]) == (["slack"], [])
    assert work.snapshots() == before


def test_a_retired_connector_comes_back_above_its_last_version(work: Work, provider: Path) -> None:
    draft = work.ok("retire", "slack")["draft"]["id"]
    work.ok("publish", draft)
    change(provider, add="archive")
    report = work.ok("import", str(provider.parent))
    again = work.ok("draft", "show", report["drafts"][0]["id"])["draft"]
    major, minor, patch = (int(part) for part in again["spec_snapshot"]["version"].split("."))
    assert (major, minor, patch) > (1, 0, 0)
    work.ok("verify", again["id"])
