"""A store in a bucket, or in memory. Its tenants are `object_tenant.py`, its objects come from `object_port.py`.

`buckets.py` puts obstore behind that port.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from sheetsync.errors import AuthError, DestinationError
from sheetsync.store.backend import FORMAT_FILE, JOURNAL, Traits
from sheetsync.store.creation import PACE, Pace, is_refused, put_surely
from sheetsync.store.object_port import MemoryObjects, Objects
from sheetsync.store.object_tenant import ObjectTenant
from sheetsync.store.places import tells_of_a_store
from sheetsync.store.segments import parse_segment_name, segment_name

__all__ = ["MemoryObjects", "ObjectBackend", "Objects"]

PROOF_KEY: Final = ".condition"  # made twice before FORMAT is, the second time in vain
PROOF: Final = b"This bucket does not make what is there already.\n"
NO_CONDITION: Final = b"This bucket makes what is there already: it can hold no store.\n"
OURS: Final = (FORMAT_FILE, PROOF_KEY)


class ObjectBackend:
    """A store in a bucket."""

    def __init__(self, objects: Objects, url: str, *, cheap: bool = False, pace: Pace = PACE) -> None:
        self.url = url
        self._pace = pace
        self.traits = Traits(cheap_refresh=cheap, lasting_leases=False)
        self._objects = objects

    def read_format(self) -> bytes | None:
        """The FORMAT object."""
        return self._objects.get(FORMAT_FILE)

    def create_format(self, data: bytes) -> None:
        """Make it, unless another host did; before, prove the condition that every commit needs.

        Raises:
            DestinationError: the server creates what is there already: two hosts would overwrite each other's commits.
        """
        put_surely(self._objects, PROOF_KEY, PROOF, self._pace)
        if not is_refused(self._objects, PROOF_KEY, NO_CONDITION, self._pace):
            raise DestinationError(
                "this bucket's server does not keep the condition that a commit needs (create only if absent)",
                hint="use another bucket or server; there is no store at this address",
            )
        put_surely(self._objects, FORMAT_FILE, data, self._pace)

    def tenants(self) -> Iterator[str]:
        """Prefixes whose journal holds an entry's name; hidden ones are none of ours."""
        return (name for name in self._objects.tops() if not name.startswith(".") and self._has_entries(name))

    def _has_entries(self, name: str) -> bool:
        """By its first entry, which costs one request; where that is gone, or closed to us, by the list of all."""
        journal = f"{name}/{JOURNAL}/"
        with suppress(AuthError):
            if self._objects.begin(journal + segment_name(1), 1) is not None:
                return True
        return any(parse_segment_name(key[len(journal) :]) is not None for key in self._objects.list(journal))

    def names(self) -> list[str]:
        """First parts of all keys."""
        return sorted({key.split("/")[0] for key in self._objects.list("") if key != PROOF_KEY})

    def folders(self) -> list[str]:
        """First parts of keys."""
        return sorted({key.split("/")[0] for key in self._objects.list("") if "/" in key and not key.startswith(".")})

    def was_a_store(self) -> bool:
        """By its keys."""
        return any(tells_of_a_store(key) for key in self._objects.list("") if not key.startswith("."))

    def strangers(self) -> list[tuple[str, str]]:
        """Objects of the top level."""
        return [(key, "file") for key in self._objects.list("") if "/" not in key and key not in OURS]

    def open_tenant(self, folder: str) -> ObjectTenant:
        """One tenant's part."""
        above = len("/".join(self.url.split("/")[3:]).encode())
        return ObjectTenant(self._objects, folder, above=above, pace=self._pace)

    def close(self) -> None:
        """Give back connections."""
        self._objects.close()
