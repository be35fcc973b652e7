"""From a plan to the next batch, and to what is remembered of it in case its answer is lost. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sheetsync.domain.canonical import canonical_json
from sheetsync.sync.answers import is_fixed
from sheetsync.sync.baseline import Intended, SyncState, TabMark
from sheetsync.sync.baseline_json import intended_to_json
from sheetsync.sync.drift import unprotected
from sheetsync.sync.epoch import OPEN, next_token
from sheetsync.sync.gateway import AddRow, Batch, DeleteRow, Landed, Mark, Operation, SheetRead, Token, TouchRow
from sheetsync.sync.outcome import Plan
from sheetsync.sync.shifted import header_touches
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, ROLES, Role

Touched = TypeVar("Touched", TouchRow, DeleteRow)


@dataclass(frozen=True)
class Structure:
    """What a batch does to tabs: whose mark they carry, unmarked ones that become ours, headers to write again.

    `rules`: the hash of the validations that all our tabs have after it.
    """

    mark: Mark
    adopt: tuple[Role, ...] = ()
    headers: dict[Role, dict[str, int]] = field(default_factory=dict)
    rules: str = ""


def plan_batch(
    read: SheetRead, plan: Plan, structure: Structure, random_hex: str, *, writes: bool, supposed: bool = False
) -> tuple[Batch, Intended] | None:
    """The batch that the plan asks for; None if there is nothing to write, or nothing to write to.

    `writes`: push and sync also make, mark and mend tabs; pull only answers.
    `supposed`: a dry run, which lands no opening, plans as if there had been one.
    """
    state = plan.state
    create = tuple(role for role in ROLES if role not in read.tabs) if writes else ()
    adopt = structure.adopt if writes else ()
    mend = dict.fromkeys((*structure.headers, *unprotected(read)))
    repair = tuple(role for role in mend if role not in adopt) if writes else ()
    mark = structure.mark if writes and read.mark != structure.mark else None
    seen = {role: TabMark(tab.sheet_id, tab.columns, len(tab.rows)) for role, tab in read.tabs.items()}
    state.tabs = seen or state.tabs
    rules = tuple(one for one in plan.rules if one.role not in (*adopt, *repair)) if writes else ()
    wanted = bool(plan.operations or create or adopt or repair or rules or mark or read.staging)
    if not (read.scratch or supposed) or not (wanted or (state.accept and writes)):
        return None  # a pull of a spreadsheet never set up has nobody to tell
    touches = _in_order(
        (
            *header_touches(read, plan.operations, but={*structure.headers, *adopt}),
            *(one for one in plan.operations if isinstance(one, TouchRow)),
        )
    )
    deletes = _in_order(one for one in plan.operations if isinstance(one, DeleteRow))
    adds = tuple(one for one in plan.operations if isinstance(one, AddRow))
    operations: tuple[Operation, ...] = (*touches, *deletes, *adds)
    intended = Intended(
        next_token(state, read.scratch, random_hex),
        state.token,
        plan.commit,
        touches,
        deletes,
        tuple(one for one in adds if one.role in OWNER_ROLES and one.role not in create),
        tuple(role for role in create if role in OWNER_ROLES),
        {role: dict(structure.headers.get(role) or tab.columns) for role, tab in read.tabs.items()},
        structure.rules if writes and not plan.holds else "",  # an undo sets no validations
        tuple((one.role, one.key, one.status) for one in adds if one.role in create and not is_fixed(one.status)),
        plan.holds,
    )
    batch = Batch(
        intended.token, read.scratch, operations, create, adopt, repair, rules, mark, headers=structure.headers
    )
    return replace(batch, digest=digest_of(intended)), intended


def marks_after(batch: Batch, answer: Landed, before: dict[Role, TabMark]) -> dict[Role, TabMark]:
    """Where our tabs are after a batch: as they came back; else as they were, and as they were created.

    A column whose header is not found stays where it was: there its header belongs.
    """
    if answer.read is not None:
        stood = {role: mark.columns for role, mark in before.items() if role not in OWNER_ROLES}
        return {
            role: TabMark(tab.sheet_id, {**stood.get(role, {}), **tab.columns}, len(tab.rows))
            for role, tab in answer.read.tabs.items()
        }
    rows = Counter(one.role for one in batch.operations if isinstance(one, AddRow))
    return before | {
        role: TabMark(answer.sheet_ids[role], dict(LAYOUTS[role].places), rows[role]) for role in batch.create
    }


def intend(state: SyncState, intended: Intended, refused: Set[Token]) -> None:
    """Remember a batch that is about to be sent. What was `refused` will not land any more, and is forgotten."""
    state.planned += 1
    state.intended = (*(one for one in state.intended if one.token not in refused), intended)


def refused_before(state: SyncState, intended: Intended, refused: Set[Token]) -> Intended | None:
    """The same batch as an earlier run planned it, if it was `refused`: it is durable already, and may be sent now."""
    known = [one for one in state.intended if one.token in refused]
    return next((one for one in known if _same_epoch(state, one, intended) and _same_batch(one, intended)), None)


def _same_epoch(state: SyncState, one: Intended, now: Intended) -> bool:
    if now.token.nonce.startswith(OPEN):  # its epoch counts the batches ever planned: this one among them
        return one.token.nonce.startswith(OPEN) and max(state.top + 1, state.planned) <= one.token.epoch
    return one.token.epoch == now.token.epoch


def _same_batch(one: Intended, now: Intended) -> bool:
    same = replace(now, token=one.token, commit=one.commit) if not now.all_of else replace(now, token=one.token)
    return digest_of(same) == digest_of(one)


def digest_of(intended: Intended) -> str:
    """The hash of a batch, which stands in its scratch tab beside the nonce."""
    return hashlib.sha256(canonical_json(intended_to_json(intended))).hexdigest()


def _in_order(operations: Iterable[Touched]) -> tuple[Touched, ...]:
    return tuple(sorted(operations, key=lambda one: (one.role, one.index)))
