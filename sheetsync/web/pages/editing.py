"""Editing a draft: the form, its check while one types, saving, and what happens when two people save the same draft.

Every save is a new snapshot of the draft's record. A save names the snapshot its form was made from; if somebody else
saved meanwhile, nothing is overwritten: both versions stand side by side, and the person decides field by field.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from sheetsync.domain.draft import STAGES, WorkbenchDraft
from sheetsync.domain.kpi import FUNCTIONS, IMPACT_TYPES, USAGE_NAMES
from sheetsync.errors import InvalidContentError, NotFoundError, SheetSyncError, StaleSnapshotError
from sheetsync.registry.catalogue import Catalogue, StoredDraft
from sheetsync.services.drafts import edit_draft
from sheetsync.web.door import CSRF_FIELD
from sheetsync.web.forms import DraftForm, Parsed, form_of, parse_form, read_form, with_blanks
from sheetsync.web.merging import FieldKey, Side, State, find_differences, merge
from sheetsync.web.pages.drafts import load_draft
from sheetsync.web.visit import Visit
from sheetsync.web.words import describe_change

CONTROL_FIELDS: Final = frozenset({CSRF_FIELD, "expected", "base", "more", "stage_next"})


def show_form(visit: Visit) -> Response:
    """The form with the draft's present content."""
    stored = load_draft(visit, visit.workspace.catalogue())
    if stored.draft.status != "open" or stored.draft.retires:
        return visit.go(f"/drafts/{stored.draft.id}")
    return _show(visit, stored, form_of(stored.draft), {}, expected=stored.snapshot.filename)


def check(visit: Visit) -> Response:
    """Judge the form as it stands, for the script: mistakes by field, and what the draft would change."""
    catalogue = visit.workspace.catalogue()
    stored = load_draft(visit, catalogue)
    parsed = parse_form(read_form(visit.form), stored.draft, visit.workspace.firearms)
    preview = ""
    if parsed.spec is not None and parsed.policy is not None:
        preview = visit.site.renderer.render("preview.html", {"changes": _changes(catalogue, stored.draft, parsed)})
    return visit.answer_json({"errors": parsed.errors, "preview": preview})


def save(visit: Visit) -> Response:
    """Save the form as a new version of the draft, or show it again with its mistakes."""
    catalogue = visit.workspace.catalogue()
    stored = load_draft(visit, catalogue)
    form, expected = read_form(visit.form), visit.form.one("expected")
    more = visit.form.one("more")
    if more:
        return _show(visit, stored, with_blanks(form, more), {}, expected=expected)
    base = _state_of(visit, stored, expected)
    parsed = parse_form(form, base, visit.workspace.firearms)
    if parsed.spec is None or parsed.policy is None:
        return _show(visit, stored, form, parsed.errors, expected=expected, status=422)
    if stored.draft.status != "open" or stored.snapshot.filename != expected:
        return _show_both(visit, catalogue, stored, State(parsed.spec, parsed.policy), expected)
    return _save(visit, stored, State(parsed.spec, parsed.policy), expected)


def save_merged(visit: Visit) -> Response:
    """Save what two people made together; a third one may have come between, then it is asked again."""
    catalogue = visit.workspace.catalogue()
    stored = load_draft(visit, catalogue)
    base = visit.form.one("base")
    parsed = parse_form(read_form(visit.form), _state_of(visit, stored, base), visit.workspace.firearms)
    if parsed.spec is None or parsed.policy is None:
        raise InvalidContentError("the form is not whole", hint="open the draft and edit it afresh")
    yours, expected = State(parsed.spec, parsed.policy), visit.form.one("expected")
    target = catalogue.successor(stored.draft.id)
    if target.snapshot.filename != expected:
        return _show_both(visit, catalogue, stored, yours, base)
    theirs = _content(target.draft)
    sides: dict[FieldKey, Side] = {}
    for difference in find_differences(_content(_state_of(visit, stored, base)), yours, theirs):
        picked = visit.form.one(difference.name)
        if picked not in ("yours", "theirs"):
            return _show_both(visit, catalogue, stored, yours, base, problem="Choose a side in every row.")
        sides[difference.key] = "yours" if picked == "yours" else "theirs"
    merged = merge(yours, theirs, lambda key: sides.get(key, "theirs"))
    if merged == theirs:
        visit.tell("plain", "You kept the other version whole; there was nothing to save.")
        return visit.go(f"/drafts/{target.draft.id}")
    return _save(visit, target, merged, expected)


def _save(visit: Visit, stored: StoredDraft, state: State, expected: str) -> Response:
    draft = stored.draft
    raised = state.spec.version if state.spec.version != draft.spec_snapshot.version else None
    try:
        saved = edit_draft(
            visit.workspace, draft.id, spec=state.spec.to_json(), policy=state.policy, version=raised, expected=expected
        )
    except StaleSnapshotError:
        catalogue = visit.workspace.catalogue()
        return _show_both(visit, catalogue, catalogue.draft(draft.id), state, expected)
    except InvalidContentError as error:
        return _show(visit, stored, read_form(visit.form), {"form": error.message}, expected=expected, status=422)
    except SheetSyncError as error:
        if error.code != "version_not_raised":
            raise
        errors = {"version": f"{error.message}; {error.hint}"}
        return _show(visit, stored, read_form(visit.form), errors, expected=expected, status=422)
    if saved.snapshot.filename == stored.snapshot.filename:
        visit.tell("plain", "Nothing differs from the saved version, so nothing was saved.")
    else:
        visit.tell("good", f"Saved as version {saved.snapshot.version} of this draft (commit {saved.snapshot.commit}).")
    return visit.go(f"/drafts/{draft.id}")


def _show(
    visit: Visit, stored: StoredDraft, form: DraftForm, errors: dict[str, str], *, expected: str, status: int = 200
) -> Response:
    catalogue = visit.workspace.catalogue()
    parsed = parse_form(form, stored.draft, visit.workspace.firearms) if not errors else Parsed(None, None)
    return visit.show(
        "draft_edit.html", status, stored=stored, draft=stored.draft, form=form, errors=errors, expected=expected,
        firearms=visit.workspace.firearms.firearms, impact_types=IMPACT_TYPES, usage_names=USAGE_NAMES,
        functions=tuple(FUNCTIONS), changes=_changes(catalogue, stored.draft, parsed), stages=STAGES,
    )  # fmt: skip


def _show_both(
    visit: Visit, catalogue: Catalogue, stored: StoredDraft, yours: State, base: str, *, problem: str = ""
) -> Response:
    """Both versions side by side: yours, and the one saved meanwhile (maybe of the draft that superseded this one)."""
    target = catalogue.successor(stored.draft.id)
    differences = find_differences(_content(_state_of(visit, stored, base)), yours, _content(target.draft))
    fields = [(name, value) for name, value in visit.form.items() if name not in CONTROL_FIELDS]
    carried = [(name, value) for name, value in fields if not name.startswith("pick.")]
    picked = {name: value for name, value in fields if name.startswith("pick.")}
    return visit.show(
        "draft_both.html", 422 if problem else 409, stored=stored, target=target, differences=differences, base=base,
        carried=carried, picked=picked, expected=target.snapshot.filename, problem=problem,
    )  # fmt: skip


def _state_of(visit: Visit, stored: StoredDraft, filename: str) -> WorkbenchDraft:
    """The draft as it was in the snapshot that a form was made from."""
    if stored.snapshot.filename == filename:
        return stored.draft
    for snapshot in visit.workspace.store.history(stored.snapshot.record):
        if snapshot.filename == filename:
            return WorkbenchDraft.from_json(snapshot.content, where=stored.draft.id)
    raise NotFoundError("the version this form was made from is not there", hint="open the draft and edit it afresh")


def _content(draft: WorkbenchDraft) -> State:
    return State(draft.spec_snapshot, draft.policy_snapshot)


def _changes(catalogue: Catalogue, draft: WorkbenchDraft, parsed: Parsed) -> object:
    if parsed.spec is None or parsed.policy is None:
        return None
    published = catalogue.published(draft.connector_id)
    live = published if published is not None and not published.retired else None
    return describe_change(live.spec if live else None, live.policy() if live else None, parsed.spec, parsed.policy)
