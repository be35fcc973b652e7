"""Sending a batch: once, and what is known of it when no good answer came.

An answer that refuses a batch proves that it did not land, and that it never will. Such a batch need not be remembered
any longer, and a later run that plans the very same may send it as it is: it is durable already. Which batches were
refused is a derived file: without it, they are only remembered longer than they need be.
"""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Final

from sheetsync.errors import (
    NotAllowedError,
    NotFoundError,
    QuotaError,
    RequestRefusedError,
    TryLaterError,
    UnknownOutcomeError,
)
from sheetsync.services.sync_state import derived_place, read_tokens
from sheetsync.services.workspace import Workspace
from sheetsync.sync.gateway import Batch, Landed, SheetGateway, SheetRead, Token

FILE: Final = "refused.json"
MOVED: Final = "the spreadsheet kept changing under the write; nothing of it was applied"
PROOFS: Final = (NotAllowedError, NotFoundError, QuotaError)  # refused before anything of it was looked at


class VersionMovedError(TryLaterError):
    """The batch was refused, or its answer is lost: read again."""

    code = "version_moved"


class Sender:
    """Sends the batches of one run, each planned against a read."""

    def __init__(self, ws: Workspace, gateway: SheetGateway) -> None:
        self._ws = ws
        self._gateway = gateway
        self.moved_at: tuple[Token, ...] | None = None  # the version that a batch was refused at, as not that any more
        self._place = derived_place(gateway.spreadsheet_id, FILE)

    def refused(self) -> set[Token]:
        """The batches that were refused each time they were sent."""
        return set(read_tokens(self._ws, self._place) or ())

    def land(self, batch: Batch, read: SheetRead, listed: Set[Token], *, again: bool = False) -> Landed:
        """Send a batch whose intention is durable. `listed`: the batches that the baseline lists, this one among them.

        `again`: it was refused before, and no commit of this run proves that it is remembered still.

        Raises:
            VersionMovedError: it was refused, or no answer came; never sent again before another read.
        """
        if again and batch.token not in self.refused():  # another run forgot it: its landing would not be understood
            raise VersionMovedError(MOVED)
        self._is_under_way(batch.token)
        try:
            answer = self._gateway.land(batch, read)
        except UnknownOutcomeError as lost:
            raise VersionMovedError(MOVED) from lost  # what is read tells what landed
        except RequestRefusedError as refused:
            self._was_refused(batch.token, listed)
            raise VersionMovedError(MOVED) from refused  # a row or tab that it names may be gone: read again
        except PROOFS:
            self._was_refused(batch.token, listed)
            raise
        if answer is None:
            self._was_refused(batch.token, listed)
            self.moved_at = read.tokens
            raise VersionMovedError(MOVED)
        return answer

    def _is_under_way(self, token: Token) -> None:
        """From here on it may land; that it was refused before must not come back, not even with a power cut."""
        known = self.refused()
        if token in known:
            self._write(known - {token}, durable=True)

    def _was_refused(self, token: Token, listed: Set[Token]) -> None:
        self._write((self.refused() & listed) | {token})

    def _write(self, tokens: set[Token], *, durable: bool = False) -> None:
        data = json.dumps(sorted(tokens)).encode()
        self._ws.store.write_derived(self._ws.ctx.tenant, self._place, data, durable=durable)
