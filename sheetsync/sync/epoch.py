"""Epochs: which version of the spreadsheet the baseline stands for, and what a scratch tab found there means.

Steps and names are those of the checked model (rules 2, 8, 9, 10, 11 and 12 of design.md section 7).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from sheetsync.domain.canonical import canonical_json
from sheetsync.sync.baseline import Intended, SyncState
from sheetsync.sync.baseline_json import raw_to_json
from sheetsync.sync.gateway import Mark, Raw, ScratchTab, SheetRead, Token

OPEN: Final = "open-"
WRITE: Final = "write-"
INT31: Final = 0x7FFFFFFF
SEEN_KEPT: Final = 200


def scratch_sheet_id(store_id: str, spreadsheet_id: str, epoch: int) -> int:
    """The sheetId of an epoch's scratch tab: the same batch lands once, for Google refuses an id that exists."""
    digest = hashlib.sha256(f"{store_id}\n{spreadsheet_id}\n{epoch}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & INT31 or 1


def scratch_title(epoch: int) -> str:
    """The name of an epoch's scratch tab."""
    return f"sheetsync epoch {epoch}"


def free_epoch(store_id: str, spreadsheet_id: str, epoch: int, listed: Iterable[tuple[int, str]]) -> int:
    """The first epoch from this one on whose tab has neither the id nor the name of a tab that is there."""
    ids, titles = set(), set()
    for sheet_id, title in listed:
        ids.add(sheet_id)
        titles.add(title.casefold())
    while scratch_sheet_id(store_id, spreadsheet_id, epoch) in ids or scratch_title(epoch) in titles:
        epoch += 1
    return epoch


def seal_of(pre: tuple[tuple[Raw, ...], ...]) -> str:
    """The hash of pre-images as they stood; empty rows and cells at the end do not count, for a read drops them."""
    rows = [list(row) for row in pre]
    for row in rows:
        while row and row[-1] == "":
            row.pop()
    while rows and not rows[-1]:
        rows.pop()
    return hashlib.sha256(canonical_json([[raw_to_json(raw) for raw in row] for row in rows])).hexdigest()


def is_foreign(state: SyncState, read: SheetRead) -> bool:
    """Is the spreadsheet at a version that the baseline does not know? (restored, another store, tab deleted)."""
    if state.token is None:
        return False
    ours = next((tab for tab in read.scratch if Token(tab.epoch, tab.nonce) == state.token), None)
    if ours is None or not ours.readable:
        return True
    others = [tab for tab in read.scratch if tab is not ours]
    return any(not tab.is_opening for tab in others) or seal_of(ours.pre) != state.seal


def landed(state: SyncState, read: SheetRead) -> tuple[Intended, ScratchTab] | None:
    """The intended batch whose scratch tab stands there, and whose parent is the baseline's token: it has landed."""
    for one in state.intended:
        if one.parent != state.token:
            continue
        for tab in read.scratch:
            if Token(tab.epoch, tab.nonce) == one.token:
                return one, tab
    return None


def go_on_from(state: SyncState, read: SheetRead) -> tuple[SyncState, list[object]]:
    """A person said so, or the baseline was lost: stand where the spreadsheet stands.

    Returns the new state, and the pre-images found there, which go to the journal.
    """
    new, seen = state.copy(), []
    for tab in read.scratch:
        if Token(tab.epoch, tab.nonce) != state.token or seal_of(tab.pre) != state.seal:
            seen += [[raw_to_json(raw) for raw in row] for row in tab.pre]
    newest = max(read.scratch, key=lambda tab: (not tab.is_opening, tab.epoch), default=None)
    new.token = None if newest is None else Token(newest.epoch, newest.nonce)
    new.seal = "" if newest is None else seal_of(newest.pre)
    new.top = max([new.top, *(tab.epoch for tab in read.scratch)])
    new.intended = ()
    new.rules = ""  # dropdowns may be as old as the version found
    return new, list(seen)


def next_token(state: SyncState, tabs: tuple[ScratchTab, ...], random_hex: str, *, opening: bool = False) -> Token:
    """The next batch's version. Epochs never count back.

    An opening, for which nothing must be there, also counts from the number of batches that were ever planned.
    """
    highest = max([state.top, *(tab.epoch for tab in tabs), state.planned if opening else 0])
    kind = OPEN if opening else WRITE
    return Token(highest + 1, f"{kind}{state.planned + 1}-{random_hex}")


def step_over(state: SyncState, read: SheetRead, mark: Mark, listed: Iterable[tuple[int, str]]) -> None:
    """Nothing moved, and yet the batch was refused: a tab of somebody else's has the next one's id or name."""
    epoch = next_token(state, read.scratch, "", opening=state.token is None).epoch
    state.top = max(state.top, free_epoch(mark.store, read.spreadsheet_id, epoch, listed) - 1)
