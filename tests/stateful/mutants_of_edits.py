"""Deliberate mistakes over owners' edits, drafts and decisions: each switches one rule of the checked model off.

Names and meaning are those of the model's MUTATIONS. Mistakes over versions and batches are in `mutants_of_batches`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sheetsync.domain.draft import SheetOrigin
from sheetsync.registry import conflicts
from sheetsync.registry.catalogue import Catalogue
from sheetsync.services import drafts
from sheetsync.services.sync_run import SyncRun
from sheetsync.store import Store
from sheetsync.sync import cells, decide, drafting, view

Patch = pytest.MonkeyPatch


def draft_local_is_pending(patch: Patch) -> None:
    """Never published: an edit set back is compared with the draft that holds it."""
    patch.setattr(view, "_without_edits", lambda live, draft: live)


def discard_removes_rows(patch: Patch) -> None:
    """Discarding owners' edits of a never published connector leaves it without a draft."""
    patch.setattr(drafts, "pending_edits_of", lambda draft: ())


def operator_work_dropped(patch: Patch) -> None:
    """Withdrawing the last owner's edit supersedes a draft with operators' work in it, and nothing takes its place."""
    real = drafting._make_draft

    def dropped(catalogue: Catalogue, connector: str, *rest: Any) -> None:
        changes = rest[-1]
        real(catalogue, connector, *rest)
        mine = [one for one in changes.new if one.connector_id == connector]
        if not mine or catalogue.published(connector) is None or mine[0].origin.edits:
            return
        changes.new.remove(mine[0])
        changes.reported = [one for one in changes.reported if one[0] is not mine[0]]
        del changes.ids[connector]
        changes.changed = [
            (old.model_copy(update={"superseded_by": None}) if old.superseded_by == mine[0].id else old, stored)
            for old, stored in changes.changed
        ]

    patch.setattr(drafting, "_make_draft", dropped)


def resolve_keeps_base(patch: Patch) -> None:
    """A resolved conflict leaves the draft on its old base, so that it conflicts again."""
    real = conflicts.resolve

    def kept(draft: Any, conflict: Any, side: Any, **known: Any) -> Any:
        done = real(draft, conflict, side, **known)
        if side != "yours" or not isinstance(done.origin, SheetOrigin):
            return done
        origin = done.origin.model_copy(update={"edits": draft.origin.edits})
        return done.model_copy(update={"origin": origin, "base": draft.base})

    patch.setattr(drafts, "resolve", kept)


def drafts_late(patch: Patch) -> None:
    """The sheet is told before the drafts are durable."""
    take, check = SyncRun._take_in, SyncRun._check

    def told(self: Any, lease: Any, view: Any, plan: Any, changes: Any, intended: Any) -> Any:
        if intended is None or not plan.takes:
            return take(self, lease, view, plan, changes, intended)
        state = self.state.copy()
        state.known, state.planned, state.intended = True, state.planned + 1, (*state.intended, intended)
        self.state, self.owed = state, (view, plan, changes)
        self._commit_state(lease, "push: intended")
        return intended

    def checked(self: Any, lease: Any, *args: Any) -> None:
        owed, self.owed = getattr(self, "owed", None), None
        if owed is not None:
            view, plan, changes = owed
            plan.state.planned, plan.state.intended = self.state.planned, self.state.intended
            take(self, lease, replace(view, commit=self.ws.store.head()), plan, changes, None)
        check(self, lease, *args)

    patch.setattr(SyncRun, "_take_in", told)
    patch.setattr(SyncRun, "_check", checked)


def no_overlay(patch: Patch) -> None:
    """Local is published, without pending edits."""
    patch.setattr(decide.CellState, "local", property(lambda self: self.published))
    patch.setattr(view.View, "shown", property(lambda self: self.tables))


def no_expected(patch: Patch) -> None:
    """Drafts are saved without checking that the store moved: neither its head nor the draft that was read."""
    real, save = Store.transaction, Catalogue.save_draft

    def unchecked(self: Any, tx: Any, draft: Any, *, expected: Any) -> Any:
        return save(self, tx, draft, expected=None if expected is None else self.store.latest(expected.record))

    patch.setattr(
        Store, "transaction", lambda self, ctx, **options: real(self, ctx, **(options | {"expect_head": None}))
    )
    patch.setattr(Catalogue, "save_draft", unchecked)


def carry_forgotten(patch: Patch) -> None:
    """A new sheet draft does not carry the pending edits of the one it supersedes."""
    patch.setattr(drafting, "_carried", lambda old, events: {})


def third_value_silent(patch: Patch) -> None:
    """Published moving under a pending edit is not marked."""
    for module in (decide, cells):
        patch.setattr(module, "mark_third_value", lambda cell, decision: decision)


def withdrawn_is_change(patch: Patch) -> None:
    """A discarded overlay counts as a local change."""
    patch.setattr(decide, "_start", lambda cell: cell.edit.base if cell.edit else cell.base)


def agrees_with_anything(patch: Patch) -> None:
    """Not of the model: whatever an owner typed counts as what both sides agreed on, and is written over."""
    real = decide.decide_cell

    def overwrite(cell: Any, mode: Any) -> Any:
        return real(replace(cell, base=cell.remote), mode)

    patch.setattr(cells, "decide_cell", overwrite)


MUTANTS = {
    one.__name__: one
    for one in (
        draft_local_is_pending, discard_removes_rows, operator_work_dropped, resolve_keeps_base, drafts_late,
        no_overlay, no_expected, carry_forgotten, third_value_silent, withdrawn_is_change,
    )
}  # fmt: skip
OWN_MUTANTS = {agrees_with_anything.__name__: agrees_with_anything}
