"""What a store in a bucket does beside its commits: an opening that may not write, and checkpoints beside others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import AuthError, DestinationError, NetworkError, SheetSyncError
from sheetsync.store import RecordId, Store
from sheetsync.store.bucket_errors import refuse_address
from sheetsync.store.buckets import LARGE_BYTES, BucketObjects
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend
from tests.conformance.object_fakes import QUICK, FailingObjects

CTX = RequestContext(user="ada")


def record(name: str = "a") -> RecordId:
    return RecordId("default", ("things", name), name)


def save(store: Store, value: int, name: str = "a") -> None:
    with store.transaction(CTX) as tx:
        tx.save(record(name), {"n": value})


def on(objects: MemoryObjects, said: list[str] | None = None) -> Store:
    return Store.on(ObjectBackend(objects, "x", pace=QUICK), tell=(said if said is not None else []).append)


REFUSALS: dict[str, Callable[[], Exception]] = {
    "a quota": lambda: DestinationError("the bucket did not take it (400 XMinioAdminBucketQuotaExceeded)"),
    "no rights": lambda: AuthError("the bucket did not take it (403 AccessDenied)"),
    "no answer": lambda: TimeoutError("no answer"),
}


@pytest.mark.parametrize("why", REFUSALS)
@pytest.mark.parametrize("entries", [3, 300])
def test_a_bucket_that_takes_no_writes_is_read(why: str, entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sheetsync.store.writer.BUCKET_SEEN", 1000)
    refused = False

    def fate(what: str, key: str) -> Exception | None:
        return REFUSALS[why]() if refused and what in ("put", "put_new") else None

    objects = FailingObjects(fate)
    store = on(objects)
    for value in range(entries):
        save(store, value)
    (lost,) = (key for key in objects._objects if key.endswith(store.newest("default")[0][1]))
    del objects._objects[lost]
    refused = True
    said: list[str] = []
    store = on(objects, said)
    snapshot = store.latest(record())
    assert snapshot is not None
    assert snapshot.content == {"n": entries - 1}
    assert [line for line in said if "not all put right" in line and lost.partition("/")[2] in line]
    with pytest.raises(SheetSyncError):
        save(store, entries)
    refused = False
    store = on(objects)  # that of a save without an answer ends its handle, as it should
    assert lost in objects._objects
    save(store, entries)


def test_a_right_that_was_lacking_for_a_moment_lets_the_same_handle_write() -> None:
    refused = True
    objects = FailingObjects(lambda what, _: AuthError("403") if refused and what == "put_new" else None)
    refused = False
    save(on(objects), 1)
    (name,) = (key for key in objects._objects if "/things/" in key)
    del objects._objects[name]
    refused = True
    store = on(objects)
    refused = False
    save(store, 2)
    assert [snapshot.content for snapshot in store.history(record())] == [{"n": 1}, {"n": 2}]


def test_no_save_pays_for_all_that_another_host_saved() -> None:
    class Counted(MemoryObjects):
        asked = 0

        def get(self, key: str) -> bytes | None:
            self.asked += 1
            return super().get(key)

    objects = Counted()
    hosts = [on(objects), on(objects)]
    most = 0
    for value in range(1500):
        for name, host in zip("ab", hosts, strict=True):
            before = objects.asked
            save(host, value, name)
            most = max(most, objects.asked - before)
    assert most < 300
    before = objects.asked
    on(objects)
    assert objects.asked - before < 700  # and what the two left to an opening is no more than that


def test_a_secret_in_an_endpoint_without_a_scheme_is_not_told() -> None:
    text = "Unable parse source url. Url: acc.blob.core.windows.net/?sv=2024&s=S3cretT0ken, Error: relative URL"
    told = str(refuse_address(RuntimeError(text), "az://container/x"))
    assert "S3cret" not in told
    assert "relative URL" in told


def test_what_takes_long_to_send_is_given_longer() -> None:
    class Client:
        def __init__(self) -> None:
            self.sizes: list[int] = []

        def put(self, key: str, data: bytes, **_: object) -> None:
            self.sizes.append(len(data))

    clients = [Client() for _ in range(4)]
    objects = BucketObjects(*clients)  # type: ignore[arg-type]
    for size in (10, LARGE_BYTES + 1):
        objects.put("key", bytes(size))
        objects.put_new("key", bytes(size))
    assert [client.sizes for client in clients] == [[10], [10], [LARGE_BYTES + 1], [LARGE_BYTES + 1]]


def test_an_opening_asks_a_silent_bucket_once_for_what_it_cannot_put_right() -> None:
    tried: list[str] = []
    silent = False

    def fate(what: str, key: str) -> Exception | None:
        if silent and "/things/" in key:
            tried.append(key)
            return NetworkError("no answer")
        return None

    objects = FailingObjects(fate)
    store = on(objects)
    for value in range(60):
        save(store, value)
    for key in [key for key in objects._objects if "/things/" in key]:
        del objects._objects[key]
    silent = True
    said: list[str] = []
    on(objects, said)
    assert len(tried) == 1
    assert [line for line in said if "not all put right" in line]
    silent = False
    on(objects)
    assert len([key for key in objects._objects if "/things/" in key]) == 60


def test_where_no_checkpoint_can_be_written_saves_do_not_pay_for_trying() -> None:
    class Worm(MemoryObjects):
        """Nothing that is there can be replaced."""

        asked = 0

        def get(self, key: str) -> bytes | None:
            self.asked += 1
            return super().get(key)

        def put(self, key: str, data: bytes) -> None:
            if key in self._objects and key.endswith("checkpoint.json"):
                raise AuthError("retention: it cannot be replaced")
            super().put(key, data)

    objects = Worm()
    hosts = [on(objects), on(objects)]
    for value in range(3000):
        save(hosts[value % 2], value, "ab"[value % 2])
    assert objects.asked < 3000 * 12


def test_a_token_that_ran_out_during_a_proof_proves_nothing() -> None:
    class Expired(MemoryObjects):
        expired = False

        def get(self, key: str) -> bytes | None:
            if self.expired:
                raise AuthError("401")
            return super().get(key)

    objects = Expired()
    part = ObjectBackend(objects, "x", pace=QUICK)
    store = Store.on(part)
    for value in range(5):
        save(store, value)
    tenant = part.open_tenant("default")
    objects.expired = True
    with pytest.raises(AuthError):
        list(tenant.surviving(1, 5))
    objects.expired = False
    assert all(line for _, line in tenant.surviving(1, 5))


def test_compact_says_which_entry_it_may_not_read_and_calls_none_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sheetsync.store.compaction.PACK_ENTRIES", 4)
    archived, said = "", list[str]()

    def fate(what: str, key: str) -> Exception | None:
        return AuthError(f"403: '{key}' was archived") if archived and archived in key and what == "get" else None

    objects = FailingObjects(fate)
    store = on(objects)
    for value in range(14):
        save(store, value)
    store.compact()
    (checkpoint,) = (key for key in objects._objects if key.endswith("checkpoint.json"))
    del objects._objects[checkpoint]
    archived = "/0000000013"
    store = on(objects, said)
    assert [line for line in said if "entry 13 is damaged, or cannot be read" in line]
    with pytest.raises(AuthError, match=r"0000000013.* was archived"):
        store.compact()
    archived = ""
    store.compact()
