"""Firearms: the guard of a scope, and the catalogue of those that exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final, Self

from pydantic import StrictBool, model_validator

from sheetsync.domain.identifiers import FirearmId
from sheetsync.domain.model import Model

NO_FIREARM: Final = "NONE"  # how the decision that no firearm is needed is written
CLOSE_ENOUGH: Final = 0.6


class FirearmBinding(Model):
    """The decision for one scope: `firearm_id` None means that none is needed (written `NONE`).

    A scope without any binding is *undecided*. A lock needs a firearm to lock; that is checked by verify and by the
    reader of the sheet as a problem, and refused here.
    """

    firearm_id: FirearmId | None
    strategy_lock: StrictBool = False

    @model_validator(mode="after")
    def _lock_needs_firearm(self) -> Self:
        if self.strategy_lock and self.firearm_id is None:
            raise ValueError("a strategy lock with NONE locks nothing: choose a firearm, or take the lock off")
        return self

    def shown(self) -> str:
        """The value of the `firearm_id` column: the id, or `NONE`."""
        return self.firearm_id if self.firearm_id is not None else NO_FIREARM


class Firearm(Model):
    """One entry of the catalogue, from `config/firearms.toml`."""

    id: FirearmId
    title: str = ""
    description: str = ""


class FirearmCatalogue(Model):
    """All firearms that exist, in the catalogue's order."""

    firearms: tuple[Firearm, ...] = ()

    def ids(self) -> tuple[str, ...]:
        """The ids, in the catalogue's order."""
        return tuple(firearm.id for firearm in self.firearms)

    def __contains__(self, firearm_id: object) -> bool:
        return any(firearm.id == firearm_id for firearm in self.firearms)


def closest(value: str, known: Iterable[str]) -> str | None:
    """The known word most like `value`, for a "did you mean"; None if none is close."""
    lowered = {word.casefold(): word for word in known}
    found = difflib.get_close_matches(value.casefold(), list(lowered), n=1, cutoff=CLOSE_ENOUGH)
    return lowered[found[0]] if found else None
