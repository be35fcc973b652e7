"""Buckets that answer late, twice or not at all; copies between disk and bucket; missing parts."""

from __future__ import annotations

import itertools
import random
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import (
    AuthError,
    DestinationError,
    MissingExtraError,
    NetworkError,
    NotPlacedError,
    SheetSyncError,
    StaleSnapshotError,
    StoreDamagedError,
    UnknownOutcomeError,
)
from sheetsync.store import RecordId, SourceBytes, Store, copy_store, fsck
from sheetsync.store.buckets import BucketObjects, open_bucket
from sheetsync.store.copying import copy_between
from sheetsync.store.fsck import scan
from sheetsync.store.media import open_backend
from sheetsync.store.objects import MemoryObjects, ObjectBackend, Objects
from tests.conformance.object_fakes import QUICK, BusyObjects, FailingObjects, LateObjects
from tests.conformance.servers import FaultyServer, Reply

CTX = RequestContext(user="ada")
SCHEMES = {"s3": "s3", "azure": "az", "gcs": "gs"}
_SERIAL = itertools.count()


def opened(objects: MemoryObjects) -> ObjectBackend:
    return ObjectBackend(objects, "x", cheap=True, pace=QUICK)


def a_record(name: str = "alpha") -> RecordId:
    return RecordId("default", ("things", name), name)


@pytest.mark.parametrize("seed", range(25))
def test_timeouts_before_after_and_long_before_the_write_break_nothing(seed: int) -> None:
    rng = random.Random(seed)
    objects = LateObjects(rng, 0.0)
    stores = [Store.on(opened(objects), clock=FakeClock()) for _ in range(3)]
    objects.rate = 0.25
    acknowledged: dict[int, str] = {}
    failed: set[int] = set()
    for number in range(30):
        index = rng.randrange(3)
        try:
            base = stores[index].latest(a_record())
            with stores[index].transaction(CTX) as tx:
                tx.save(a_record(), {"n": number}, expected=base)
                tx.save(a_record("other"), {"n": number})
        except StaleSnapshotError:
            failed.add(number)
        except UnknownOutcomeError:
            stores[index] = Store.on(opened(objects), clock=FakeClock())
        else:
            assert tx.commit is not None
            acknowledged[tx.commit.number] = tx.commit.hash
    objects.rate = 0.0
    while objects.late:
        objects.deliver()
    store = Store.on(opened(objects), clock=FakeClock())
    commits = {commit.number: commit for commit in store.log()}
    assert {number: commits[number].hash for number in acknowledged} == acknowledged
    told = [s.content["n"] for c in commits.values() for s in c.snapshots if isinstance(s.content, dict)]
    assert failed.isdisjoint(told)
    assert all(told.count(number) == 2 for number in told)
    assert len(acknowledged) > 5


def test_an_endless_silence_is_an_unknown_outcome_and_ends_the_handle() -> None:
    objects = FailingObjects(lambda what, key: None)
    store = Store.on(opened(objects))
    objects.fate = lambda what, key: TimeoutError(key) if what == "put_new" else None
    tx = store.transaction(CTX)
    tx.save(a_record(), {"n": 1})
    with pytest.raises(UnknownOutcomeError), tx:
        pass
    objects.fate = lambda what, key: None
    with pytest.raises(UnknownOutcomeError, match="unknown outcome"):
        store.latest(a_record())
    assert Store.on(opened(objects)).head() == 0


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_503s_and_lost_answers_of_a_server_break_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    config, server, *_ = request.getfixturevalue(kind)
    prefix = f"{SCHEMES[kind]}://store/faults{next(_SERIAL)}"
    Store.on(open_bucket(prefix, config=config)).close()
    counts = [0, 0]

    def work(who: int) -> None:
        store = Store.on(open_bucket(prefix, config=config))
        while counts[who] < 5:
            store.refresh()
            base = store.latest(a_record())
            count = base.content["count"] if base is not None and isinstance(base.content, dict) else 0
            try:
                with store.transaction(CTX) as tx:
                    tx.save(a_record(), {"count": count + 1, "by": who}, expected=base)
            except StaleSnapshotError:
                continue
            except UnknownOutcomeError:
                store = Store.on(open_bucket(prefix, config=config))
                continue
            counts[who] += 1

    server.rate = 0.2
    threads = [threading.Thread(target=work, args=(who,)) for who in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.rate = 0.0
    history = list(Store.on(open_bucket(prefix, config=config)).history(a_record()))
    values = [s.content["count"] for s in history if isinstance(s.content, dict)]
    assert values == list(range(1, len(values) + 1))
    assert len(values) >= 10
    assert sum(server.faults.values()) > 0


def save_one(store: Store, value: int) -> None:
    with store.transaction(CTX) as tx:
        tx.save(a_record(), {"n": value})


def test_a_refusal_after_a_time_out_is_an_unknown_outcome() -> None:
    errors: list[Exception] = [TimeoutError("no answer"), AuthError("the token ran out")]
    objects = FailingObjects(lambda what, key: None)
    store = Store.on(opened(objects))
    objects.fate = lambda what, key: errors.pop(0) if errors and what == "put_new" else None
    with pytest.raises(UnknownOutcomeError):
        save_one(store, 1)
    with pytest.raises(UnknownOutcomeError):
        store.latest(a_record())


def test_a_refusal_at_once_is_a_failure_and_the_handle_lives_on() -> None:
    errors: list[Exception] = [AuthError("not you")]
    objects = FailingObjects(lambda what, key: None)
    store = Store.on(opened(objects))
    objects.fate = lambda what, key: errors.pop(0) if errors and what == "put_new" else None
    with pytest.raises(AuthError):
        save_one(store, 1)
    save_one(store, 2)
    assert store.head() == 1


def test_an_entry_that_cannot_be_read_back_after_a_lost_answer_is_an_unknown_outcome() -> None:
    objects = FailingObjects(lambda what, key: None)
    store = Store.on(opened(objects))
    written: list[str] = []

    def loses_answers(what: str, key: str) -> Exception | None:
        """The client repeats by itself what it got no answer to, and is then told that the object is there."""
        if what == "put_new" and "/journal/" in key:
            written.append(key)
            return FileExistsError(key)
        return NetworkError("no answer") if key in written else None

    objects.fate = loses_answers
    with pytest.raises(UnknownOutcomeError):
        save_one(store, 1)
    with pytest.raises(UnknownOutcomeError):
        save_one(store, 2)


@pytest.mark.parametrize("moment", ["list default/", "get default/.store/checkpoint.json"])
@pytest.mark.parametrize("saved_before", [0, 3])
def test_another_hosts_commits_while_a_store_is_opened_are_no_damage(moment: str, saved_before: int) -> None:
    objects = BusyObjects()
    other = Store.on(opened(objects))
    for value in range(saved_before):
        save_one(other, value)

    def work() -> None:
        for value in range(3):
            save_one(other, 100 + value)
        other.compact()

    objects.awaited, objects.work = moment, work
    store = Store.on(opened(objects))
    assert store.head() in (saved_before, saved_before + 3)
    store.compact()
    objects.awaited, objects.work = moment, lambda: save_one(other, 200)
    store.compact()
    save_one(store, 300)
    _, scans = scan(opened(objects))
    assert [finding for found in scans for finding in found.findings] == []


@pytest.mark.parametrize(("error", "refused"), [(AuthError("not you"), True), (NetworkError("no answer"), False)])
def test_a_name_that_a_bucket_refuses_after_the_commit_is_no_failed_save(error: Exception, refused: bool) -> None:
    said: list[str] = []
    objects = FailingObjects(lambda what, key: None)
    store = Store.on(opened(objects), tell=said.append)
    objects.fate = lambda what, key: error if "/things/" in key and what == "put_new" else None
    if refused:
        with pytest.raises(NotPlacedError, match="saved as commit 1"):
            save_one(store, 1)
    else:
        save_one(store, 1)
        assert "not in its folder yet" in said[0]
    objects.fate = lambda what, key: None
    again = Store.on(opened(objects))
    latest = again.latest(a_record())
    assert latest is not None
    assert objects.get(f"default/{latest.path}") == b'{"n":1}'


def test_an_index_that_a_bucket_refuses_after_the_commit_is_no_failed_save(monkeypatch: pytest.MonkeyPatch) -> None:
    from sheetsync.store import writer

    monkeypatch.setattr(writer, "BUCKET_SEEN", 2)
    said: list[str] = []
    objects = FailingObjects(lambda what, key: NetworkError("429") if what == "put" else None)
    store = Store.on(opened(objects), tell=said.append)
    for value in range(3):
        save_one(store, value)
    assert store.head() == 3
    assert "the checkpoint could not be written" in said[0]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A store on disk with two tenants, sources, notes and several versions."""
    store = Store.open(tmp_path / "disk", clock=FakeClock())
    for number in range(6):
        with store.transaction(CTX, why=f"round {number}") as tx:
            tx.save(a_record(), {"n": number})
            tx.save(a_record("big"), {"n": 2**80 + number})
            source = RecordId("default", ("providers", "x", "getY", "schema"), "getY")
            tx.save(source, SourceBytes(b"\xff%d" % number, ".mjs"))
    store.note(CTX, "looked", {"seen": 1})
    acme = store.for_tenant("acme")
    with acme.transaction(RequestContext(tenant="acme", user="eve")) as tx:
        tx.save(RecordId("acme", ("things", "a"), "a"), {"n": 1})
    store.close()
    return tmp_path / "disk"


def content_of(folder: Path) -> dict[str, bytes]:
    """All files but those of the work folders."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if not {".store", ".tmp"} & set(path.relative_to(folder).parts)
    }


@pytest.mark.parametrize("kind", ["memory", "s3", "azure", "gcs"])
def test_a_copy_to_a_bucket_and_back_is_identical(
    kind: str, filled: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "memory":
        bucket = open_backend(f"memory://copy{next(_SERIAL)}", tell=lambda message: None)
    else:
        config = request.getfixturevalue(f"{kind}_config")
        bucket = open_bucket(f"{SCHEMES[kind]}://store/copy{next(_SERIAL)}-{kind}", config=config)
    there = copy_between(open_backend(filled, tell=lambda message: None), bucket)
    back = copy_between(bucket, open_backend(tmp_path / "back", tell=lambda message: None))
    assert (there.commits, there.snapshots) == (back.commits, back.snapshots) == (8, 19)
    assert content_of(tmp_path / "back") == content_of(filled)
    assert fsck(tmp_path / "back").findings == ()


def test_a_copy_goes_to_a_fresh_place_only_and_from_a_sound_store_only(filled: Path, tmp_path: Path) -> None:
    copy_store(filled, tmp_path / "copy")
    with pytest.raises(DestinationError):
        copy_store(filled, tmp_path / "copy")
    for inside in (filled, filled / "copy", filled / "default/x"):
        with pytest.raises(DestinationError):
            copy_store(filled, inside)
    assert fsck(filled).findings == ()
    next((filled / "default/things/alpha").iterdir()).write_bytes(b"{}")
    with pytest.raises(StoreDamagedError):
        copy_store(filled, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("kind", ["memory", "s3", "azure", "gcs"])
def test_keys_behind_a_key_are_listed_in_order(kind: str, request: pytest.FixtureRequest) -> None:
    objects: Objects = MemoryObjects()
    if kind != "memory":
        config = request.getfixturevalue(f"{kind}_config")
        objects = open_bucket(f"{SCHEMES[kind]}://store/list{next(_SERIAL)}-{kind}", config=config)._objects
    for key in ("t/a/2", "t/a/1", "t/a/10", "t/ab/1", "t/b", "u/a/3"):
        objects.put(key, b"x")
    assert list(objects.list("t/a/")) == ["t/a/1", "t/a/10", "t/a/2"]
    assert list(objects.list("t/a/", "t/a/1")) == ["t/a/10", "t/a/2"]
    assert list(objects.list("t/a/", "t/a/0")) == ["t/a/1", "t/a/10", "t/a/2"]
    assert list(objects.list("t/a/", "t/a/2")) == []
    assert list(objects.list("t/a", "t/a/2")) == ["t/ab/1"]
    assert list(objects.list("", "t/b")) == ["u/a/3"]
    assert list(objects.list("v/")) == []


USUAL_PLACES = {
    "s3": {
        "AWS_ENDPOINT_URL": "endpoint",
        "AWS_ACCESS_KEY_ID": "access_key_id",
        "AWS_SECRET_ACCESS_KEY": "secret_access_key",
        "AWS_REGION": "region",
    },
    "azure": {
        "AZURE_STORAGE_ENDPOINT": "endpoint",
        "AZURE_STORAGE_ACCOUNT_NAME": "account_name",
        "AZURE_STORAGE_ACCOUNT_KEY": "account_key",
    },
}


@pytest.mark.parametrize("kind", USUAL_PLACES)
def test_credentials_and_addresses_are_found_in_their_usual_variables(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    config: dict[str, str] = request.getfixturevalue(f"{kind}_config")
    for variable, key in USUAL_PLACES[kind].items():
        monkeypatch.setenv(variable, config[key])
    with Store.open(f"{SCHEMES[kind]}://store/usual{next(_SERIAL)}") as store:
        save_one(store, 1)
        assert store.head() == 1


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("obstore", "obstore.store", "obstore.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError) as caught:
        Store.open("s3://bucket/store")
    assert "pip install" in caught.value.hint


def test_a_bucket_that_is_not_there_is_said_so(s3: tuple[dict[str, str], FaultyServer]) -> None:
    config, _ = s3
    with pytest.raises(SheetSyncError, match=r"no-such-bucket|such a bucket"):
        Store.on(open_bucket("s3://no-such-bucket/x", config=config))


@pytest.mark.parametrize("kind", ["memory", "s3", "azure", "gcs"])
def test_an_object_is_replaced_only_as_it_was_read(kind: str, request: pytest.FixtureRequest) -> None:
    objects: Objects = MemoryObjects()
    if kind != "memory":
        config = request.getfixturevalue(f"{kind}_config")
        objects = open_bucket(f"{SCHEMES[kind]}://store/replace{next(_SERIAL)}-{kind}", config=config)._objects
    objects.put("a", b"one")
    assert not objects.replace("a", b"two", b"three")
    assert not objects.replace("b", b"", b"three")
    assert (objects.get("a"), objects.get("b")) == (b"one", None)
    assert objects.replace("a", b"one", b"three")
    assert objects.get("a") == b"three"


@pytest.mark.parametrize("kind", ["s3", "azure", "gcs"])
def test_an_object_that_changes_between_the_look_and_the_replacement_is_left_alone(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = request.getfixturevalue(f"{kind}_config")
    objects = open_bucket(f"{SCHEMES[kind]}://store/between{next(_SERIAL)}-{kind}", config=config)._objects
    assert isinstance(objects, BucketObjects)
    objects.put("a", b"one")
    client, other = objects._store, BucketObjects(objects._store, objects._once)

    class Between:
        def get(self, key: str) -> object:
            found = client.get(key)
            other.put(key, b"theirs")
            return found

        put = staticmethod(client.put)

    monkeypatch.setattr(objects, "_store", Between())
    assert not objects.replace("a", b"one", b"three")
    assert objects.get("a") == b"theirs"


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_a_replacement_whose_answer_is_lost_is_known_to_be_done(kind: str, request: pytest.FixtureRequest) -> None:
    config, server, *_ = request.getfixturevalue(kind)
    objects = open_bucket(f"{SCHEMES[kind]}://store/answer{next(_SERIAL)}-{kind}", config=config)._objects
    objects.put("a", b"one")
    lost = iter([Reply("503 Slow Down", done=True)])
    server.rule = lambda method, path: next(lost, None) if method == "PUT" else None
    try:
        assert objects.replace("a", b"one", b"two")
    finally:
        server.rule = lambda method, path: None
    assert objects.get("a") == b"two"


@pytest.fixture(params=["s3", "azure", "gcs"])
def real(request: pytest.FixtureRequest) -> ObjectBackend:
    """A fresh place in a real server's bucket."""
    kind = str(request.param)
    url = f"{SCHEMES[kind]}://store/real{next(_SERIAL)}"
    return open_bucket(url, config=request.getfixturevalue(f"{kind}_config"))


def test_the_beginning_of_an_object_is_read_alone(real: ObjectBackend) -> None:
    objects = real._objects
    for key, data in {"long": b"0123456789" * 10_000, "short": b"012", "exact": b"0123456789", "empty": b""}.items():
        objects.put(key, data)
        assert objects.begin(key, 10) == data[:10]
    assert objects.begin("missing", 10) is None


def test_a_bucket_that_lost_its_newest_entry_is_not_written_upon_by_who_made_it(real: ObjectBackend) -> None:
    objects = real._objects
    assert isinstance(objects, BucketObjects)
    store = Store.on(real)
    for value in range(3):
        with store.transaction(CTX) as tx:
            tx.save(a_record(), {"value": value})
    objects._store.delete("default/journal/0000000003.jsonl")
    for value in (2, 3):
        with (
            pytest.raises(StoreDamagedError, match="entry 3 is not there any more as it was read"),
            store.transaction(CTX) as tx,
        ):
            tx.save(a_record(), {"value": value})
    assert objects.get("default/journal/0000000003.jsonl") is None


def test_a_server_that_gives_no_ranges_is_asked_for_the_whole_object(s3: tuple[dict[str, str], FaultyServer]) -> None:
    config, server = s3
    app = server._app

    def without_ranges(environ: dict[str, object], start: object) -> object:
        environ.pop("HTTP_RANGE", None)
        return app(environ, start)

    server._app = without_ranges
    try:
        backend = open_bucket(f"s3://store/ranges{next(_SERIAL)}", config=config)
        assert isinstance(backend._objects, BucketObjects)
        store = Store.on(backend)
        for value in range(3):
            with store.transaction(CTX) as tx:
                tx.save(a_record(), {"value": value})
        backend._objects.put("empty", b"")
        assert backend._objects.begin("empty", 10) == b""
    finally:
        server._app = app
    assert store.head() == 3


def test_a_bucket_that_does_not_answer_is_not_asked_for_more() -> None:
    from obstore import exceptions

    class Silent:
        def get_range(self, key: str, **range_: int) -> bytes:
            raise exceptions.GenericError("HTTP error: error sending request … ConnectionRefused")

    silent: Any = Silent()
    with pytest.raises(NetworkError, match="nobody listens"):
        BucketObjects(silent, silent).begin("key", 10)
