"""The workspace of a server that runs for months.

A store's handle ends where it may show what is not so: a commit with an unknown outcome, an interrupt, an older copy
put back under it. A command is run again then; a server opens the store anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sheetsync.errors import StoreDamagedError, UnknownOutcomeError
from sheetsync.services.workspace import Workspace


class LiveWorkspace:
    """A workspace that is opened anew when its store's handle has ended. Thread-safe.

    Args:
        workspace: the first one; it is closed with this.
        reopen: opens another one; None where that would be another store (a nameless one in memory).
        tell: told why it was opened anew.
    """

    def __init__(
        self, workspace: Workspace, reopen: Callable[[], Workspace] | None, tell: Callable[[str], None]
    ) -> None:
        self._workspace, self._reopen, self._tell = workspace, reopen, tell
        self._mutex = threading.Lock()
        self._ended: Workspace | None = None  # other requests may still be in its midst

    @property
    def opened(self) -> Workspace:
        """The one that was opened last, as it is."""
        return self._workspace

    def current(self) -> Workspace:
        """The workspace, with what other processes have committed meanwhile.

        Raises:
            SheetSyncError: as opening the store does.
        """
        workspace = self._workspace
        try:
            workspace.store.refresh()
        except (UnknownOutcomeError, StoreDamagedError) as exc:
            if self._reopen is None:
                raise
            return self._opened_anew(workspace, self._reopen, exc.message)
        return workspace

    def _opened_anew(self, ended: Workspace, reopen: Callable[[], Workspace], why: str) -> Workspace:
        with self._mutex:
            if self._workspace is ended:  # else another thread was quicker
                self._workspace = reopen()
                self._tell(f"the store was opened again: {why}")
                if self._ended is not None:
                    self._ended.store.close()
                self._ended = ended
            return self._workspace

    def close(self) -> None:
        """Close the store."""
        for workspace in (self._ended, self._workspace):
            if workspace is not None:
                workspace.store.close()
