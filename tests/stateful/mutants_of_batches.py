"""Deliberate mistakes over versions, batches and their pre-images: each switches one rule of the checked model off.

Names and meaning are those of the model's MUTATIONS. Mistakes over drafts and decisions are in `mutants_of_edits`; the
histories that catch them in `test_mutants`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sheetsync.gsheets import batches, reading
from sheetsync.gsheets import gateway as gsheets_gateway
from sheetsync.services import sync_run
from sheetsync.services.sending import Sender
from sheetsync.services.sync_run import SyncRun
from sheetsync.store import Store
from sheetsync.sync import compare, epoch, planning, repairs, settle
from sheetsync.sync.cells import raw_same
from sheetsync.sync.gateway import SheetRead, Token
from sheetsync.sync.tabs import LAYOUTS

Patch = pytest.MonkeyPatch


def no_token(patch: Patch) -> None:
    """A batch lands whatever version the spreadsheet is at: no tab of the old epoch need be there, none is in its way.

    Google cannot delete "whatever scratch tab there is", so the old ones stay, under titles and ids of their own, and
    only the newest counts when the spreadsheet is read.
    """
    render, parse, made = batches.render, reading.parse_read, iter(range(1_000_000_000, 2_000_000_000))

    def anywhere(batch: Any, read: Any, **options: Any) -> Any:
        done = render(batch, read, **options)
        done.requests = [one for one in done.requests if "deleteSheet" not in one]
        title = f"{done.scratch_title}, {batch.token.nonce}"
        for one in done.requests:
            if one.get("addSheet", {}).get("properties", {}).get("title") == done.scratch_title:
                one["addSheet"]["properties"]["title"] = title
        done.scratch_title = title
        return done

    def newest(*args: Any, **options: Any) -> SheetRead:
        read = parse(*args, **options)
        return replace(read, scratch=read.scratch[-1:])

    patch.setattr(gsheets_gateway, "render", anywhere)
    patch.setattr(gsheets_gateway, "parse_read", newest)
    patch.setattr(gsheets_gateway, "scratch_sheet_id", lambda *args: next(made))


def _late(patch: Patch, change: Any) -> None:
    """Settle a batch whose answer was lost differently from one that was answered."""
    real = SyncRun._settle_landed

    def settled(self: Any, *args: Any) -> None:
        with pytest.MonkeyPatch.context() as inner:
            change(inner)
            real(self, *args)

    patch.setattr(SyncRun, "_settle_landed", settled)


def _as_planned(patch: Patch) -> None:
    """Take each pre-image for what was planned."""
    patch.setattr(settle, "pre_image_cells", lambda batch, one, *where: one.planned)


def adopt_unchecked(patch: Patch) -> None:
    """A landed batch whose answer was lost is adopted without looking at its pre-images."""
    _late(patch, _as_planned)


def unchecked_deleted(patch: Patch) -> None:
    """The next batch deletes the scratch tab before its pre-images were checked."""

    def nothing(inner: Patch) -> None:
        real = settle.settle

        def unseen(state: Any, batch: Any, pre: Any, **options: Any) -> Any:
            return real(state, replace(batch, touches=(), deletes=(), adds=(), all_of=()), pre, **options)

        inner.setattr(sync_run, "settle", unseen)

    _late(patch, nothing)


def no_preimages(patch: Patch) -> None:
    """Index writes without pre-images: what they fell on is taken for what was planned."""
    _as_planned(patch)


def adopt_whole(patch: Patch) -> None:
    """An intended baseline that landed late is adopted whole, over what was pulled since.

    The engine's intended batch holds no baseline, only its cells and what each started from, so that nothing whole can
    be adopted by a slip; here each batch's baseline is kept beside it, as the model's does.
    """
    plan, settled = planning.plan_batch, settle.settle
    kept: dict[Token, Any] = {}

    def planned(read: Any, made: Any, *args: Any, **options: Any) -> Any:
        found = plan(read, made, *args, **options)
        if found is not None:
            kept[found[1].token] = made.state.copy()
        return found

    def whole(state: Any, batch: Any, pre: Any, **options: Any) -> Any:
        old = kept.get(batch.token)
        if old is None:
            return settled(state, batch, pre, **options)
        before = state.copy()
        before.commit, before.tables, before.differs = old.commit, old.tables, dict(old.differs)
        before.pending = dict(old.pending)
        return settled(before, batch, pre, **options)

    patch.setattr(sync_run, "plan_batch", planned)
    patch.setattr(sync_run, "settle", whole)


def _as_if_landed(state: Any, batch: Any) -> None:
    for touch in batch.touches:
        for column in touch.started:
            state.set_value((touch.role, touch.key, column), touch.sets[column])
    for gone in batch.deletes:
        state.set_row(gone.role, gone.key, None)
    for add in batch.adds:
        state.set_row(add.role, add.key, add.values)


def nonce_not_compared(patch: Patch) -> None:
    """The epoch alone says which batch landed, and whether this is the version last seen."""

    def foreign(state: Any, read: Any) -> bool:
        same = [replace(tab, nonce=_nonce_at(state.token, tab)) for tab in read.scratch]
        return epoch.is_foreign(state, replace(read, scratch=tuple(same)))

    def landed(state: Any, read: Any) -> Any:
        for one in state.intended:
            for tab in read.scratch:
                if one.parent == state.token and tab.epoch == one.token.epoch:
                    return one, tab
        return None

    patch.setattr(sync_run, "is_foreign", foreign)
    patch.setattr(sync_run, "landed", landed)


def _nonce_at(token: Token | None, tab: Any) -> str:
    return token.nonce if token is not None and tab.epoch == token.epoch else str(tab.nonce)


def print_not_compared(patch: Patch) -> None:
    """A batch that landed a second time, after a restore, passes for the one that was checked."""

    def foreign(state: Any, read: Any) -> bool:
        seals = [epoch.seal_of(tab.pre) for tab in read.scratch if Token(tab.epoch, tab.nonce) == state.token]
        return epoch.is_foreign(replace(state, seal=seals[0]) if seals else state, read)

    patch.setattr(sync_run, "is_foreign", foreign)


def counts_back(patch: Patch) -> None:
    """After a restore the epochs count on from the one found, so that a sleeper's epoch comes again."""
    real = epoch.next_token

    def back(state: Any, tabs: Any, random_hex: str, *, opening: bool = False) -> Token:
        token = real(state, tabs, random_hex, opening=opening)
        return Token(max(tab.epoch for tab in tabs) + 1, token.nonce) if tabs else token

    patch.setattr(planning, "next_token", back)
    patch.setattr(sync_run, "next_token", back)


def restore_goes_on(patch: Patch) -> None:
    """An older or unknown version is taken as it is, without asking."""
    real = SyncRun._check_version

    def unasked(self: Any, lease: Any, read: Any) -> None:
        if epoch.is_foreign(self.state, read):
            self.state, found = epoch.go_on_from(self.state, read)
            self._commit_state(lease, "goes on", {"pre_images_found": found} if found else {})
        real(self, lease, read)

    patch.setattr(SyncRun, "_check_version", unasked)


def lost_restarts(patch: Patch) -> None:
    """A lost baseline opens a new epoch instead of going on from the one found."""
    check, opened = SyncRun._check_version, SyncRun._open

    def unseen(self: Any, lease: Any, read: Any) -> None:
        check(self, lease, replace(read, scratch=()) if self.state.token is None else read)

    def anew(self: Any, lease: Any, read: Any) -> Any:
        return opened(self, lease, replace(read, scratch=()))

    patch.setattr(SyncRun, "_check_version", unseen)
    patch.setattr(SyncRun, "_open", anew)


def foreign_forgotten(patch: Patch) -> None:
    """The pre-images of a batch that nobody can check any more are not kept."""
    real = epoch.go_on_from
    patch.setattr(sync_run, "go_on_from", lambda state, read: (real(state, read)[0], []))


def open_and_write(patch: Patch) -> None:
    """The first batch after the tab was deleted writes at once, and needs no epoch to be there.

    The engine plans no batch for a read without a scratch tab: that safeguard goes with the opening. While our tabs are
    not there yet another one stays: they get the same ids each time, and Google refuses to make them twice.
    """
    plan = planning.plan_batch

    def at_once(*args: Any, **options: Any) -> Any:
        return plan(*args, **(options | {"supposed": True}))

    patch.setattr(SyncRun, "_open", lambda self, lease, read: read)
    patch.setattr(sync_run, "plan_batch", at_once)


def planned_forgotten(patch: Patch) -> None:
    """An intended batch is forgotten once another one is planned against its epoch."""
    take, opened = SyncRun._take_in, SyncRun._open

    def taken(self: Any, lease: Any, view: Any, plan: Any, changes: Any, intended: Any) -> Any:
        if intended is not None:
            plan.state.intended = ()
        return take(self, lease, view, plan, changes, intended)

    def sent(self: Any, *args: Any, **options: Any) -> Any:
        self.state = replace(self.state, intended=())
        return opened(self, *args, **options)

    patch.setattr(SyncRun, "_take_in", taken)
    patch.setattr(SyncRun, "_open", sent)


def no_intended(patch: Patch) -> None:
    """The intended batch is not saved: nothing is known of what may have landed."""
    patch.setattr(sync_run, "landed", lambda state, read: None)


def delete_keys_only(patch: Patch) -> None:
    """A row to be deleted is not copied whole."""
    real = settle.settle
    patch.setattr(sync_run, "settle", lambda *args, **options: real(*args, **(options | {"whole": {}})))


def agreed_race_forgotten(patch: Patch) -> None:
    """A raced edit equal to our write leaves the baseline where it was."""
    real = settle._settle_touch

    def left(done: Any, old: Any, *rest: Any) -> None:
        debts, (*_, one, got) = done.state.debts, rest
        real(done, old, *rest)
        for column, value in one.sets.items():
            at = LAYOUTS[one.role].position(column)
            raced = not raw_same(got[at], one.planned[at])
            if raced and done.state.debts == debts and raw_same(got[at], "" if value is None else value):
                done.state.set_row(one.role, one.key, old.row(one.role, one.key))

    patch.setattr(settle, "_settle_touch", left)


def debts_dropped(patch: Patch) -> None:
    """When the heal races too, its pre-images are forgotten with the run."""
    write, commit = SyncRun._compare_and_write, SyncRun._commit_settled

    def written(self: Any, lease: Any, read: Any, *, last: bool) -> Any:
        self.forgetful = last
        return write(self, lease, read, last=last)

    def committed(self: Any, lease: Any, done: Any, why: str) -> None:
        if getattr(self, "forgetful", False):
            done.state.debts, done.state.lost_rows = (), ()
        commit(self, lease, done, why)

    patch.setattr(SyncRun, "_compare_and_write", written)
    patch.setattr(SyncRun, "_commit_settled", committed)


def no_chain(patch: Patch) -> None:
    """A second damage of one cell or row forgets what the first one covered."""
    real, chain = settle._settle_delete, settle._chain

    def unchained(done: Any, batch: Any, one: Any, got: Any, *rest: Any) -> None:
        width = LAYOUTS[one.role].key_width
        planned = all(raw_same(a, b) for a, b in zip(got[:width], one.planned[:width], strict=True))
        debts = done.state.debts
        if not planned:
            done.state.debts = ()
        real(done, batch, one, got, *rest)
        if not planned:
            done.state.debts = debts

    def forgotten(new: Any, cell: Any, was: Any) -> Any:
        chain(new, cell, was)
        return was

    patch.setattr(settle, "_chain", forgotten)
    patch.setattr(settle, "_settle_delete", unchained)


def own_duplicate(patch: Patch) -> None:
    """A row put back twice (its owner's undo raced) stays."""
    real = repairs.take_away_doubles

    def keep(c: Any, *args: Any) -> Any:
        backs, c.state.put_back = c.state.put_back, ()
        found = real(c, *args)
        c.state.put_back = backs
        return found

    patch.setattr(compare, "take_away_doubles", keep)


def base_before_batch(patch: Patch) -> None:
    """The new baseline is saved before the batch, as if it had landed."""
    take = SyncRun._take_in

    def taken(self: Any, lease: Any, view: Any, plan: Any, changes: Any, intended: Any) -> Any:
        if intended is not None:
            _as_if_landed(plan.state, intended)
        return take(self, lease, view, plan, changes, intended)

    patch.setattr(SyncRun, "_take_in", taken)


def stale_lease(patch: Patch) -> None:
    """Commits do not check the lease's fence."""
    real = Store.transaction
    patch.setattr(Store, "transaction", lambda self, ctx, **options: real(self, ctx, **(options | {"fence": None})))


def lost_is_refused(patch: Patch) -> None:
    """Not of the model: a write without an answer counts as refused, and is remembered no longer."""
    real = Sender.land

    def land(self: Any, batch: Any, read: Any, listed: Any, **options: Any) -> Any:
        self._was_refused(batch.token, listed)
        return real(self, batch, read, listed, **options)

    patch.setattr(Sender, "_is_under_way", lambda self, token: None)
    patch.setattr(Sender, "land", land)


OWN_MUTANTS = {lost_is_refused.__name__: lost_is_refused}
MUTANTS = {
    one.__name__: one
    for one in (
        no_token, adopt_unchecked, unchecked_deleted, adopt_whole, nonce_not_compared, print_not_compared, counts_back,
        restore_goes_on, lost_restarts, foreign_forgotten, open_and_write, planned_forgotten, no_intended, no_preimages,
        delete_keys_only, agreed_race_forgotten, debts_dropped, no_chain, own_duplicate, base_before_batch, stale_lease,
    )
}  # fmt: skip
