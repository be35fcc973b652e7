"""What the hint about an empty tenant costs in a bucket does not grow with what the other tenants hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.store import RecordId, Store
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from tests.conformance.object_fakes import ArchivedObjects

FIRST = "acme/journal/0000000001.jsonl"


class Counted(MemoryObjects):
    """Counts the keys that a list gave, and what was asked for by its key."""

    def __init__(self) -> None:
        super().__init__()
        self.listed = self.asked = 0

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        for key in super().list(prefix, after):
            self.listed += 1
            yield key

    def begin(self, key: str, length: int) -> bytes | None:
        self.asked += 1
        return super().begin(key, length)


def opened(objects: MemoryObjects, tenant: str) -> list[str]:
    told: list[str] = []
    Store.on(ObjectBackend(objects, "memory://"), tenant=tenant, create=False, tell=told.append).close()
    return told


def fill(objects: MemoryObjects, tenant: str, commits: int) -> None:
    ctx = RequestContext(user="ada", tenant=tenant)
    with Store.on(ObjectBackend(objects, "memory://"), tenant=tenant) as store:
        for number in range(commits):
            with store.transaction(ctx) as tx:
                tx.save(RecordId(tenant, ("kpis",), f"k{number % 7}"), {"n": number})


@pytest.mark.parametrize("commits", [1, 50])
def test_it_is_a_request_a_tenant(commits: int) -> None:
    objects = Counted()
    for tenant in ("acme", "beta"):
        fill(objects, tenant, commits)
    objects.listed = objects.asked = 0
    assert opened(objects, "acmee") == [
        "warning: tenant 'acmee' has nothing in this store yet; there is 'acme', 'beta'"
    ]
    assert (objects.listed, objects.asked) == (0, 2)


def test_of_very_many_tenants_it_stops_at_what_it_names() -> None:
    objects = Counted()
    for number in range(40):
        fill(objects, f"t{number:02}", 1)
    objects.asked = 0
    (told,) = opened(objects, "other")
    assert told.endswith("'t04' and more")
    assert objects.asked == 6


def test_a_tenant_whose_first_entry_is_gone_or_closed_to_us_is_one() -> None:
    gone, closed = MemoryObjects(), ArchivedObjects()
    for objects in (gone, closed):
        fill(objects, "acme", 3)
    del gone._objects[FIRST]
    closed.archived.add(FIRST)
    for objects in (gone, closed):
        assert list(ObjectBackend(objects, "memory://").tenants()) == ["acme"]


def test_a_folder_without_entries_is_no_tenant() -> None:
    objects = Counted()
    fill(objects, "acme", 1)
    objects.put("made-in-a-console/", b"")
    objects.put("notes/journal/todo.txt", b"milk")
    objects.put(".hidden/journal/0000000001.jsonl", b"x")
    assert list(ObjectBackend(objects, "memory://").tenants()) == ["acme"]
