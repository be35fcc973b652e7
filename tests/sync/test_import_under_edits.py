"""An import while owners' edits are pending: those of remaining scopes stay, those of vanished ones are answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sheetsync.services.importing import import_paths

A, B = ("tides", "core.a"), ("tides", "core.b")


def provider(root: Path, *tools: str) -> Path:
    """A provider folder whose one schema has these tools."""
    folder = root / "tides"
    folder.mkdir(exist_ok=True)
    made = {name: {"method": "GET", "path": "/", "description": name} for name in tools}
    value = {"namespace": "tides", "name": "Tides", "version": "4.0.0", "tools": made}
    (folder / "core.json").write_text(json.dumps(value))
    return folder


def newest(desk: Any) -> str:
    return str(desk.ws.catalogue().newest_open("tides").draft.id)


def test_edits_of_vanished_scopes_are_rejected_and_the_others_stay_pending(empty: Any, tmp_path: Path) -> None:
    desk = empty
    import_paths(desk.ws, [provider(tmp_path, "a", "b")])
    desk.publish(newest(desk))
    desk.push()
    desk.edit(A, "firearm_id", "firearm.read")
    desk.edit(B, "firearm_id", "firearm.money")
    desk.pull()
    report = import_paths(desk.ws, [provider(tmp_path, "a", "c")])
    assert [one.row_key for one in report.proposals[0].rejected_edits] == [B]
    desk.sync()
    assert desk.cell(A, "firearm_id") == "firearm.read"
    assert desk.status(*A) == f"pending in {newest(desk)}"
    assert desk.cell(B, "firearm_id") == ""
    assert desk.status(*B) == "rejected: scope core.b no longer exists"
    assert desk.sync().to_json()["changed"] is False
    desk.publish(newest(desk))
    desk.sync()
    assert [row[1] for row in desk.values()[1:]] == ["core.a", "core.c"]
    assert (desk.cell(A, "firearm_id"), desk.status(*A)) == ("firearm.read", "published")


def test_a_connector_never_published_shows_the_scopes_of_its_newest_import(empty: Any, tmp_path: Path) -> None:
    desk = empty
    import_paths(desk.ws, [provider(tmp_path, "a", "b")])
    desk.push()
    desk.edit(A, "firearm_id", "firearm.read")
    desk.edit(B, "firearm_id", "firearm.money")
    desk.pull()
    import_paths(desk.ws, [provider(tmp_path, "a", "c")])
    desk.sync()
    assert [row[1] for row in desk.values()[1:]] == ["core.a", "core.c"]
    assert (desk.cell(A, "firearm_id"), desk.status(*A)) == ("firearm.read", f"pending in {newest(desk)}")
    assert desk.sync().to_json()["changed"] is False
