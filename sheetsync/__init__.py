"""sheetsync keeps governed connector policies in step with Google Sheets, and loses nobody's edits.

The names here are loaded when they are first used, so that `sheetsync --help` stays instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sheetsync.domain.context import RequestContext, ScopeConfig
    from sheetsync.errors import (
        InvalidContentError,
        InvalidIdError,
        NotFoundError,
        SheetSyncError,
        StaleSnapshotError,
        StoreDamagedError,
        UnknownOutcomeError,
        UsageError,
    )
    from sheetsync.store import VersionedStore

__all__ = [
    "InvalidContentError", "InvalidIdError", "NotFoundError", "RequestContext", "ScopeConfig", "SheetSyncError",
    "StaleSnapshotError", "StoreDamagedError", "UnknownOutcomeError", "UsageError", "VersionedStore", "__version__",
]  # fmt: skip
__version__ = "0.1.0"
_HOMES = {
    "InvalidContentError": "sheetsync.errors",
    "InvalidIdError": "sheetsync.errors",
    "NotFoundError": "sheetsync.errors",
    "RequestContext": "sheetsync.domain.context",
    "ScopeConfig": "sheetsync.domain.context",
    "SheetSyncError": "sheetsync.errors",
    "StaleSnapshotError": "sheetsync.errors",
    "StoreDamagedError": "sheetsync.errors",
    "UnknownOutcomeError": "sheetsync.errors",
    "UsageError": "sheetsync.errors",
    "VersionedStore": "sheetsync.store",
}


def __getattr__(name: str) -> object:
    """Load a public name from its room, on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sheetsync' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted({*globals(), *__all__})
