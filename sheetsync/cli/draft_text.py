"""Drafts, differences and gate tables as lines, from their JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sheetsync.cli.output import Output, count, shown
from sheetsync.cli.sync_text import arrow, conflict_text, place

Json = Mapping[str, Any]
NONE_SHOWN = "NONE"


def saved_line(draft: Json, did: str) -> str:
    """One line after a change of a draft."""
    return f"{did}: {draft['id']} ({draft['connector_id']} {draft['spec_snapshot']['version']}, {draft['stage']})"


def draft_lines(draft: Json, output: Output) -> Iterator[str]:
    """All of a draft that a person asks for."""
    spec, policy = draft["spec_snapshot"], draft["policy_snapshot"]
    yield f"{output.style(draft['id'], bold=True)}  {draft['status']}, stage {draft['stage']}"
    yield f"connector  {draft['connector_id']} {spec['version']}  {shown(spec['name'])}"
    yield f"made       {draft['created_at']} by {draft['created_by']}, {_origin(draft['origin'])}"
    for key, title in (("supersedes", "supersedes"), ("superseded_by", "superseded by"), ("closed_reason", "closed")):
        if draft.get(key):
            yield f"{title:<10} {draft[key]}"
    yield f"validation {validation_text(draft['validation'])}"
    yield ""
    yield from policy_lines([scope["name"] for scope in spec["scopes"]], policy, output)
    edits = draft["origin"].get("edits") or []
    if edits:
        yield ""
        yield f"{count(len(edits), 'edit')} from the sheet:"
        yield from (f"  {place(edit)}  {edit['column']}: {arrow(edit['base'], edit['value'])}" for edit in edits)
    if draft["conflicts"]:
        yield ""
        yield from _conflicts(draft["conflicts"], output)


def _origin(origin: Json) -> str:
    if origin["kind"] == "sheet":
        return f"from the sheet, pulled {origin['pulled_at']}"
    return f"imported from {origin['namespace']}" if origin["kind"] == "imported" else "in the workbench"


def validation_text(validation: Json | None) -> str:
    """How the sandbox judged this content."""
    if validation is None:
        return "not run: 'sheetsync verify' runs it"
    result = "passed" if validation["ok"] else "failed"
    return f"{result} {validation['verified_at']} by {validation['verified_by']}"


def _conflicts(conflicts: Sequence[Json], output: Output) -> Iterator[str]:
    yield output.style(f"{count(len(conflicts), 'conflict')}:", "yellow")
    for conflict in conflicts:
        decided = f"  → {conflict['resolution']}" if conflict["resolution"] else "  (open)"
        yield f"  {place(conflict)}  {conflict['column']}: {conflict_text(conflict)}{decided}"


def policy_lines(scopes: Sequence[str], policy: Json, output: Output) -> Iterator[str]:
    """The firearms of all scopes and the KPIs, as two tables."""
    rows = [(scope, *_binding(policy["firearms"].get(scope))) for scope in sorted(scopes)]
    yield from output.table(("scope", "firearm", "lock"), rows, empty="no scopes")
    kpis = policy["kpis"]
    if kpis:
        yield ""
        keys = ("impact_type", "formula", "target", "unit")
        yield from output.table(
            ("KPI", "impact", "formula", "target", "unit"),
            [(name, *(kpis[name].get(key) for key in keys)) for name in sorted(kpis)],
        )


def _binding(binding: Json | None) -> tuple[str, object]:
    if binding is None:
        return "(undecided)", ""
    return binding["firearm_id"] or NONE_SHOWN, "TRUE" if binding["strategy_lock"] else ""


def diff_lines(diff: Json, output: Output) -> Iterator[str]:
    """What a draft changes of published: cells, spec, and in which ways it is looser."""
    yield f"{output.style(diff['draft'], bold=True)}  {diff['connector_id']}"
    for change in diff["changes"]:
        mark = output.style(f"  ({change['loosening']})", "yellow") if change["loosening"] else ""
        yield f"  {change['text']}{mark}"
        if change.get("owner") is not None and change["owner"] != change["draft"]:
            yield f"    the owner's pending value is {shown(change['owner']) or '(empty)'}"
    yield from (f"  {_spec_change(field)}" for field in diff["spec"] if field["published"] or field["draft"])
    for moved in diff["moved"]:
        yield output.style(f"  moved since the draft was made: {moved}", "yellow")
    if not (diff["changes"] or diff["spec"]):
        yield "  no difference from published"


def _spec_change(field: Json) -> str:
    """A field of the spec: small values as they are, scopes and tools as added, changed or removed."""
    old, new = field["published"], field["draft"]
    if isinstance(old, dict) or isinstance(new, dict):
        return f"{field['field']} {'added' if old is None else 'removed' if new is None else 'changed'}"
    return f"{field['field']}: {arrow(old, new)}"


def gate_lines(gate: Sequence[Json], output: Output) -> list[str]:
    """The gate table: may each scope fire, by grant and lock."""
    rows: dict[str, dict[tuple[bool, bool], bool]] = {}
    for cell in gate:
        rows.setdefault(cell["scope"], {})[(cell["grant"], cell["lock_released"])] = cell["allowed"]
    order = [(False, False), (False, True), (True, False), (True, True)]
    header = ("scope", "no grant", "no grant, released", "grant", "grant, released")
    return output.table(
        header, [(scope, *("fires" if cells.get(key) else "-" for key in order)) for scope, cells in rows.items()]
    )
