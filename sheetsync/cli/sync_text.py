"""What a run of push, pull or sync says to a person; the same facts as its JSON object, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sheetsync.cli.output import Output, count, shown

Report = Mapping[str, Any]  # the contract's JSON object of a run (design.md section 9)
NOT_PULLED: Final = "not pulled yet"  # as the report says of an edit in no draft
LISTED: Final = 20  # cells of one kind that are listed; the rest is counted


def run_lines(report: Report, output: Output, *, dry_run: bool = False) -> Iterator[str]:
    """All lines of one run."""
    yield from _tabs(report, dry_run=dry_run)
    for draft in report["drafts"]:
        yield from _draft(draft, output)
    yield from _cells("settling (edited a moment ago; the next runs take them)", report["settling"])
    yield from _healed(report["healed"])
    yield from trouble_lines(report, output)
    drafted = [one for one in report["pending"] if "message" not in one]
    if drafted and not report["drafts"]:
        yield f"{count(len(drafted), 'pending edit')} waiting for publish: see 'sheetsync draft list'"
    if left := sum(one.get("message") == NOT_PULLED for one in report["pending"]):
        yield f"{count(left, 'edit')} in no draft yet: 'sheetsync pull' takes what has no problem"
    yield _last_line(report)


def trouble_lines(report: Report, output: Output) -> Iterator[str]:
    """What somebody must decide or mend: conflicts and problems."""
    yield from _conflicts(report["conflicts"], output)
    yield from problem_lines(report["problems"], output)


def _tabs(report: Report, *, dry_run: bool) -> Iterator[str]:
    would = "would be " if dry_run else ""
    for tab, moved in report["tabs"].items():
        parts = [
            f"{count(moved['cells_written'], 'cell')} {would}written" if moved["cells_written"] else "",
            f"{count(moved['rows_added'], 'row')} {would}added" if moved["rows_added"] else "",
            f"{count(moved['rows_removed'], 'row')} {would}removed" if moved["rows_removed"] else "",
        ]
        if any(parts):
            yield f"{tab}: {', '.join(part for part in parts if part)}"


def _draft(draft: Report, output: Output) -> Iterator[str]:
    edits = count(len(draft["edits"]), "edit")
    yield f"new draft {output.style(draft['id'], 'cyan')} for {draft['connector_id']}: {edits}"
    for edit in _first(draft["edits"]):
        mark = output.style("  (loosening)", "yellow") if edit.get("loosening") else ""
        yield f"  {place(edit)}  {edit['column']}: {arrow(edit['base'], edit['value'])}{mark}"
    yield from _rest(draft["edits"])


def _cells(title: str, cells: Sequence[Report]) -> Iterator[str]:
    if cells:
        yield f"{count(len(cells), 'cell')} {title}:"
    for cell in _first(cells):
        yield f"  {place(cell)}  {cell['column']}: {shown(cell['value']) or '(empty)'}"
    yield from _rest(cells)


def _healed(cells: Sequence[Report]) -> Iterator[str]:
    if cells:
        yield f"{count(len(cells), 'place')} put back or set again:"
    for cell in _first(cells):
        value = f"{cell['column']}: {shown(cell['value']) or '(empty)'}" if cell["row_key"] else cell["column"]
        yield f"  {place(cell)}  {value}  ({cell.get('message', 'put back')})"
    yield from _rest(cells)


def _conflicts(conflicts: Sequence[Report], output: Output) -> Iterator[str]:
    if conflicts:
        yield output.style(f"{count(len(conflicts), 'conflict')}:", "yellow")
    for cell in _first(conflicts):
        yield f"  {place(cell)}  {cell['column']}: {conflict_text(cell)}"
    yield from _rest(conflicts)
    if conflicts:
        yield "  decide with 'sheetsync draft resolve', or on the page ('sheetsync serve')"


def problem_lines(problems: Sequence[Report], output: Output) -> Iterator[str]:
    """The problems, each with its place and what to do."""
    if problems:
        yield output.style(f"{count(len(problems), 'problem')}:", "yellow")
    for problem in problems:
        yield f"  {place(problem)}  {problem['message']}".rstrip()
        if problem.get("hint"):
            yield f"    hint: {problem['hint']}"


def _last_line(report: Report) -> str:
    calls = report["calls"]
    used = f"{count(calls['read'], 'read')}, {count(calls['write'], 'write')}"
    quiet = not any(report[key] for key in ("changed", "drafts", "problems", "conflicts", "settling", "healed"))
    return f"nothing to do ({used})" if quiet else f"done ({used})"


def place(cell: Report) -> str:
    """`Policy Matrix!C7 github / core.admin_write`."""
    where = "!".join(part for part in (cell.get("tab", ""), cell.get("cell", "")) if part)
    key = shown(cell.get("row_key") or ())
    return f"{where}  {key}".strip() if key else where


def arrow(old: object, new: object) -> str:
    """`firearm.read → NONE`, with the empty cell spelled out."""
    return f"{shown(old) or '(empty)'} → {shown(new) or '(empty)'}"


def conflict_text(cell: Report) -> str:
    """The three values of a conflict."""
    three = ((name, shown(cell.get(name)) or "(empty)") for name in ("base", "yours", "theirs"))
    return ", ".join(f"{name} {value}" for name, value in three)


def _first(cells: Sequence[Report]) -> Sequence[Report]:
    return cells[:LISTED]


def _rest(cells: Sequence[Report]) -> Iterator[str]:
    if len(cells) > LISTED:
        yield f"  and {len(cells) - LISTED} more (all with --json)"
