"""Whom many conflicts are with: the draft's history is gone through once, however many there are."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.domain.draft import WorkbenchDraft
from sheetsync.registry.rivals import find_rivals
from sheetsync.services import drafts
from sheetsync.services.syncing import Forces
from tests.sync.conftest import binding
from tests.sync.test_unseen_edits import MINE, START, YOURS, Offices

SCOPES = [f"s{at:02}" for at in range(12)]


@pytest.fixture
def offices(empty: Any) -> Offices:
    """The owners of two spreadsheets set every scope, unseen; then operators save the draft a few times."""
    empty.publish(empty.draft("alpha", [*SCOPES, "z"], dict.fromkeys([*SCOPES, "z"], START)))
    both = Offices(empty)
    both.rest()
    for at, value in enumerate((MINE, YOURS)):
        both.at(at).tab().update([[value] for _ in SCOPES], f"C2:C{len(SCOPES) + 1}")
    for at in (0, 1):
        both.run(at, forces=Forces(mass_edit=frozenset({"Policy Matrix"})))
    for value in (MINE, YOURS, MINE):
        drafts.edit_draft(empty.ws, both.draft().id, firearms={"z": binding(value)})
    return both


def looks(offices: Offices, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """How many conflicts are with other owners, and how often drafts were looked through for that."""
    catalogue, draft = offices.desk.ws.catalogue(), offices.draft()
    live, count, plain = catalogue.published("alpha").policy(), [0], WorkbenchDraft.open_conflicts
    equal = WorkbenchDraft.__eq__

    def counted(self: WorkbenchDraft) -> Any:
        count[0] += 1
        return plain(self)

    def compared(self: WorkbenchDraft, other: object) -> bool:
        count[0] += 1
        return equal(self, other)

    with monkeypatch.context() as patch:
        patch.setattr(WorkbenchDraft, "open_conflicts", counted)
        patch.setattr(WorkbenchDraft, "__eq__", compared)
        return len(find_rivals(catalogue, draft, live)), count[0]


def test_the_history_is_gone_through_once(offices: Offices, monkeypatch: pytest.MonkeyPatch) -> None:
    found, many = looks(offices, monkeypatch)
    assert found == len(SCOPES)
    assert many <= len(SCOPES)  # four snapshots of the draft, and those before it
    for scope in SCOPES[2:]:
        drafts.resolve_conflict(offices.desk.ws, offices.draft().id, ("alpha", scope), "firearm_id", "yours")
    found, few = looks(offices, monkeypatch)
    assert found == 2
    assert few == many + len(SCOPES) - 2  # one for each decision that was saved since
