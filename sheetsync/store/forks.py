"""What a forked child does with its copies of the parent's locks: only the thread that forked lives on in it.

What another thread had locked stays locked in the child for ever, and what it was about to change is half changed.
"""

from __future__ import annotations

import os
from typing import Final, Protocol
from weakref import WeakSet

from sheetsync.errors import UnknownOutcomeError


class Forked(Protocol):
    """Something that a child may not use as its parent left it."""

    def forked(self) -> None:
        """Called in the child, before anything else runs there."""


FORKED: Final = "this process was forked while the store was at work: what was at work goes on in its parent alone"
IN_CHILDREN: Final[WeakSet[Forked]] = WeakSet()


def orphaned() -> UnknownOutcomeError:
    """The error of a child that goes on with what its parent does, too."""
    return UnknownOutcomeError(FORKED, hint="open the store again")


def _after_fork() -> None:
    for one in list(IN_CHILDREN):
        one.forked()


os.register_at_fork(after_in_child=_after_fork)
