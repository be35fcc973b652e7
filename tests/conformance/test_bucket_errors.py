"""What a bucket's server answers, and what is said of it: the error table, refusals, doubts, and no secrets."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable, Iterator

import pytest
from obstore import exceptions

from sheetsync.domain.context import RequestContext
from sheetsync.errors import (
    AuthError,
    DestinationError,
    NetworkError,
    NotFoundError,
    SheetSyncError,
    StoreDamagedError,
    UnknownOutcomeError,
    UsageError,
)
from sheetsync.store import RecordId, Store
from sheetsync.store.bucket_errors import shown_address, translate
from sheetsync.store.buckets import open_bucket
from sheetsync.store.fsck import scan
from sheetsync.store.objects import ObjectBackend
from tests.conformance.object_fakes import QUICK
from tests.conformance.servers import FaultyServer, Reply

CTX = RequestContext(user="ada")
RECORD = RecordId("default", ("things", "alpha"), "alpha")
_SERIAL = itertools.count()

S3 = tuple[dict[str, str], FaultyServer]
SECRET = b"<Token-0>FwoGSECRET</Token-0>"


def an_error(code: str) -> bytes:
    head = b'<?xml version="1.0" encoding="UTF-8"?>'
    return head + f"<Error><Code>{code}</Code><Message>no</Message>".encode() + SECRET + b"</Error>"


def answered(status: str, code: str = "") -> Exception:
    body = an_error(code).decode() if code else ""
    return exceptions.GenericError(
        f"Generic S3 error: Error performing PUT http://b/k - Server returned non-2xx status code: {status}: {body}"
    )


@pytest.fixture
def bucket(s3: S3) -> Iterator[tuple[Callable[[], ObjectBackend], FaultyServer]]:
    """(opens a fresh prefix of the S3 server as another process would, the server)."""
    config, server = s3
    url = f"s3://store/errors{next(_SERIAL)}"
    yield (lambda: open_bucket(url, config=config, pace=QUICK)), server
    server.rule = lambda method, path: None
    server.deaf = False


def save_one(store: Store, value: int) -> None:
    with store.transaction(CTX) as tx:
        tx.save(RECORD, {"n": value})


def value_of(store: Store) -> object:
    latest = store.latest(RECORD)
    return None if latest is None or not isinstance(latest.content, dict) else latest.content["n"]


def in_turn(what: str, *replies: Reply | None) -> Callable[[str, str], Reply | None]:
    """Answers the PUTs of keys that hold `what`, one after the other; the last answer stays."""
    left = list(replies)

    def rule(method: str, path: str) -> Reply | None:
        if method != "PUT" or what not in path:
            return None
        return left.pop(0) if len(left) > 1 else left[0]

    return rule


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (exceptions.GenericError("Error performing PUT http://169.254.169.254/latest/api/token"), AuthError),
        (exceptions.PermissionDeniedError("403"), AuthError),
        (exceptions.UnauthenticatedError("401"), AuthError),
        (FileNotFoundError("NoSuchBucket"), NotFoundError),
        (exceptions.GenericError("connection reset"), NetworkError),
        (exceptions.GenericError("Error performing token request: no route"), AuthError),
        (exceptions.GenericError("Error performing token request: … non-2xx status code: 503 x"), NetworkError),
        (answered("501 Not Implemented", "NotImplemented"), DestinationError),
        (answered("403 Forbidden"), AuthError),
        (answered("404 Not Found", "NoSuchBucket"), NotFoundError),
        (answered("400 Bad Request", "ExpiredToken"), AuthError),
        (answered("400 Bad Request", "InvalidToken"), AuthError),
        (answered("400 Bad Request", "InvalidAuthenticationInfo"), AuthError),
        (answered("400 Bad Request", "AuthorizationHeaderMalformed"), UsageError),
        (answered("403 Forbidden", "InvalidObjectState"), AuthError),
        (answered("409 Conflict", "BlobArchived"), AuthError),
        (answered("301 Moved Permanently", "PermanentRedirect"), UsageError),
        (exceptions.GenericError("Received redirect without LOCATION, this normally indicates"), UsageError),
        (exceptions.GenericError("Error performing GET ftp://x/k in 1ms - HTTP error: builder error"), UsageError),
        (answered("400 Bad Request", "InvalidRequest"), DestinationError),
        (answered("411 Length Required"), DestinationError),
        (answered("405 Method Not Allowed"), DestinationError),
        (NotImplementedError("Operation `put_opts` with mode `PutMode::Create` when …"), DestinationError),
        (answered("400 Bad Request", "RequestTimeout"), NetworkError),
        *((answered(status), NetworkError) for status in ("408", "409", "412", "425", "429", "500", "502", "503")),
        (
            exceptions.InvalidPathError('Encountered object with invalid path: Path "t//x" contained empty'),
            StoreDamagedError,
        ),
    ],
)
def test_a_buckets_errors_are_said_in_our_words(raised: Exception, expected: type[SheetSyncError]) -> None:
    error = translate(raised, "did not give 'FORMAT'")
    assert type(error) is expected
    assert error.hint
    assert "SECRET" not in error.message
    assert "Error performing" not in error.message


def test_status_and_code_are_told() -> None:
    assert "(400 ExpiredToken)" in translate(answered("400 Bad Request", "ExpiredToken"), "did not give 'x'").message
    assert "its server answered (503)" in translate(answered("503 Slow Down"), "did not give 'x'").message
    archived = translate(answered("409 Conflict", "BlobArchived"), "did not give 'x'")
    assert archived.message.endswith("it was archived (409 BlobArchived)")
    assert "archive" in archived.hint
    assert "AWS_REGION" in translate(answered("301 Moved", "PermanentRedirect"), "did not give 'x'").hint
    assert "'t//x'" in translate(exceptions.InvalidPathError('Path "t//x" contained empty'), "did not list ''").message
    refused = translate(
        exceptions.GenericError("HTTP error: error sending request … ConnectionRefused"), "did not give 'x'"
    )
    assert "nobody listens" in refused.message


@pytest.mark.parametrize(
    "body", [an_error("ExpiredToken"), an_error("ExpiredToken").replace(b"?>", b"?>\n")], ids=["one line", "two lines"]
)
@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "503 Slow Down"])
def test_no_token_of_an_answer_is_in_an_error_or_its_traceback(
    status: str, body: bytes, bucket: tuple[Callable[[], ObjectBackend], FaultyServer]
) -> None:
    opened, server = bucket
    server.rule = lambda method, path: Reply(status, body)
    with pytest.raises(SheetSyncError) as caught:
        opened().open_tenant("default").read("x")
    told = "".join(traceback.format_exception(caught.value))
    assert "SECRET" not in told
    assert status[:3] in caught.value.message


@pytest.mark.parametrize(
    "setting",
    [
        {"endpoint": ""},
        {"endpoint": "localhost:9000"},
        {"endpoint": "http://"},
        {"endpoint": "ftp://x"},
        {"endpoint": "not a url"},
        {"access_key_id": "a\nb"},
        {"session_token": "x\ny"},
    ],
    ids=str,
)
def test_a_setting_without_form_is_a_usage_error(setting: dict[str, str]) -> None:
    config = {"endpoint": "http://127.0.0.1:1", "access_key_id": "a", "secret_access_key": "b", "region": "us-east-1"}
    with pytest.raises(UsageError) as caught:
        Store.on(open_bucket("s3://store/x", config={**config, **setting}))
    assert caught.value.exit_code == 2
    assert "http" in caught.value.hint


def test_a_wrong_region_is_a_usage_error_that_names_the_setting(
    bucket: tuple[Callable[[], ObjectBackend], FaultyServer],
) -> None:
    opened, server = bucket
    server.rule = lambda method, path: Reply("301 Moved Permanently", an_error("PermanentRedirect"))
    with pytest.raises(UsageError) as caught:
        Store.on(opened())
    assert "AWS_REGION" in caught.value.hint


@pytest.mark.parametrize("refusal", ["403 Forbidden", "404 Not Found", "400 Bad Request"])
def test_a_refusal_after_a_lost_answer_is_no_failure_where_the_entry_stands(
    refusal: str, bucket: tuple[Callable[[], ObjectBackend], FaultyServer]
) -> None:
    opened, server = bucket
    store = Store.on(opened())
    save_one(store, 0)
    server.rule = in_turn("/journal/", Reply("503 Slow Down", done=True), Reply(refusal, an_error("ExpiredToken")))
    save_one(store, 1)
    server.rule = lambda method, path: None
    assert value_of(Store.on(opened())) == 1


@pytest.mark.parametrize("refusal", ["403 Forbidden", "404 Not Found", "400 Bad Request"])
def test_a_refusal_after_a_doubt_is_an_unknown_outcome(
    refusal: str, bucket: tuple[Callable[[], ObjectBackend], FaultyServer]
) -> None:
    opened, server = bucket
    store = Store.on(opened())
    server.rule = in_turn("/journal/", Reply("503 Slow Down"), Reply(refusal, an_error("ExpiredToken")))
    with pytest.raises(UnknownOutcomeError):
        save_one(store, 1)
    with pytest.raises(UnknownOutcomeError):
        store.head()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("403 Forbidden", "AccessDenied", AuthError),
        ("400 Bad Request", "ExpiredToken", AuthError),
        ("400 Bad Request", "InvalidRequest", DestinationError),
        ("411 Length Required", "", DestinationError),
        ("404 Not Found", "NoSuchBucket", NotFoundError),
        ("301 Moved Permanently", "PermanentRedirect", UsageError),
    ],
)
def test_a_refusal_at_once_is_a_failure_and_the_handle_lives_on(
    status: str, code: str, expected: type[SheetSyncError], bucket: tuple[Callable[[], ObjectBackend], FaultyServer]
) -> None:
    opened, server = bucket
    store = Store.on(opened())
    server.rule = in_turn("/journal/", Reply(status, an_error(code)))
    with pytest.raises(expected):
        save_one(store, 1)
    server.rule = lambda method, path: None
    save_one(store, 2)
    assert store.head() == 1


@pytest.mark.parametrize("what", ["/journal/", "/things/"])
def test_a_conflict_where_nothing_stands_is_tried_again(
    what: str, bucket: tuple[Callable[[], ObjectBackend], FaultyServer]
) -> None:
    opened, server = bucket
    store = Store.on(opened())
    conflict = Reply("409 Conflict", an_error("ConditionalRequestConflict"))
    server.rule = in_turn(what, conflict, conflict, None)
    save_one(store, 1)
    server.rule = lambda method, path: None
    assert [finding for found in scan(opened())[1] for finding in found.findings] == []
    assert value_of(Store.on(opened())) == 1


def test_a_server_that_is_deaf_to_the_condition_gets_no_store(
    bucket: tuple[Callable[[], ObjectBackend], FaultyServer],
) -> None:
    opened, server = bucket
    server.deaf = True
    for _ in range(2):  # nor later
        with pytest.raises(DestinationError, match="does not keep the condition"):
            Store.on(opened())
    with pytest.raises(NotFoundError):
        Store.on(opened(), create=False)


@pytest.mark.parametrize("died_after", [0, 1, 2])
def test_a_server_that_is_deaf_gets_no_store_though_its_maker_dies_while_it_is_proved(
    died_after: int, bucket: tuple[Callable[[], ObjectBackend], FaultyServer]
) -> None:
    opened, server = bucket
    server.deaf, denied = True, Reply("403 Forbidden", an_error("AccessDenied"))
    taken = iter(range(died_after))
    server.rule = lambda method, path: None if method != "PUT" or next(taken, None) is not None else denied
    with pytest.raises((AuthError, DestinationError)):
        Store.on(opened())
    server.rule = lambda method, path: None
    with pytest.raises(DestinationError, match="does not keep the condition"):
        Store.on(opened())


def test_making_a_store_costs_two_requests_more_and_opening_none(
    bucket: tuple[Callable[[], ObjectBackend], FaultyServer],
) -> None:
    opened, server = bucket
    for expected in (["PUT", "PUT", "PUT"], []):
        before = len(server.asked)
        Store.on(opened()).close()
        assert [method for method, path in server.asked[before:] if method == "PUT"] == expected


def test_the_condition_cannot_be_switched_off_by_the_environment(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    store = Store.on(open_bucket(f"s3://store/errors{next(_SERIAL)}", config=s3[0]))
    save_one(store, 1)
    assert store.head() == 1


def put_raw(s3: S3, key: str, data: bytes) -> None:
    """An object under any key: the part that obstore would make a path of goes into the URL as it is."""
    import urllib.request

    asked = urllib.request.Request(f"{s3[0]['endpoint']}/store/{key}", data=data, method="PUT")  # noqa: S310
    asked.add_header("Content-Type", "application/octet-stream")
    urllib.request.urlopen(asked, timeout=30).close()  # noqa: S310


def test_the_empty_objects_that_consoles_make_for_folders_are_no_files(s3: S3) -> None:
    name = f"errors{next(_SERIAL)}"
    for folder in ("", "default/", "default/journal/", "default/things/", "default/empty/", "other/"):
        put_raw(s3, f"{name}/{folder}", b"")
    store = Store.on(open_bucket(f"s3://store/{name}", config=s3[0]))
    save_one(store, 1)
    backend = open_bucket(f"s3://store/{name}", config=s3[0])
    assert [finding for found in scan(backend)[1] for finding in found.findings] == []
    put_raw(s3, f"{name}/default/things", b"")  # as Azure's hierarchical accounts have their folders
    assert [finding for found in scan(backend)[1] for finding in found.findings] == []
    assert "" not in backend.folders()
    assert backend.strangers() == []
    put_raw(s3, f"{name}/default/things/nothing", b"")  # an empty file is a file
    found = [(finding.code, finding.path) for found in scan(backend)[1] for finding in found.findings]
    assert found == [("foreign", "things/nothing")]


@pytest.mark.parametrize("number", [2, 3, 9])
def test_an_object_whose_name_ends_in_a_slash_is_foreign_and_closes_nothing(number: int, s3: S3) -> None:
    name = f"errors{next(_SERIAL)}"
    backend = open_bucket(f"s3://store/{name}", config=s3[0])
    save_one(Store.on(backend), 1)
    key = f"default/journal/{number:010d}.jsonl"
    put_raw(s3, f"{name}/{key}/", b"x")
    found = [(finding.code, finding.path) for found in scan(backend)[1] for finding in found.findings]
    assert found == [("foreign", f"journal/{number:010d}.jsonl")]
    save_one(Store.on(backend), 2)
    save_one(Store.on(backend), 3)
    store = Store.on(backend)
    assert (store.head(), value_of(store)) == (3, 3)


@pytest.mark.parametrize("key", ["default//x", "default/./z", "%2Fx"])
def test_a_key_that_no_client_can_read_is_damage_that_names_it(key: str, s3: S3) -> None:
    name = f"errors{next(_SERIAL)}"
    store = Store.on(open_bucket(f"s3://store/{name}", config=s3[0]))
    save_one(store, 1)
    put_raw(s3, f"{name}/{key}", b"x")
    with pytest.raises(StoreDamagedError, match=name) as caught:
        scan(open_bucket(f"s3://store/{name}", config=s3[0]))
    assert "move it elsewhere" in caught.value.hint
    assert value_of(Store.on(open_bucket(f"s3://store/{name}", config=s3[0]))) == 1


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://AKIA:SECRET@store/x", "s3://store/x"),
        ("s3://store/x?aws_secret_access_key=SECRET", "s3://store/x"),
        ("abfss://container@account.dfs.core.windows.net/x", "abfss://container@account.dfs.core.windows.net/x"),
        ("az://container/x", "az://container/x"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_secret(address: str, shown: str) -> None:
    assert shown_address(address) == shown


def test_a_setting_that_is_refused_is_not_told_with_its_value() -> None:
    secret = "SEC" + "RET"  # in two parts: a traceback shows the lines of this file
    for url, config in (
        ("s3://store/x", {"virtual_hosted_style_request": secret}),
        (f"s3://u:{secret}@[::1/x", {}),
    ):
        with pytest.raises(UsageError) as caught:
            open_bucket(url, config=config)
        assert secret not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("what", ["index.json", "checkpoint.json", "alpha--"])
@pytest.mark.parametrize("answer", [Reply("403 Forbidden", an_error("InvalidObjectState")), Reply("403 Forbidden")])
def test_one_object_that_is_refused_closes_nothing_else(
    answer: Reply, what: str, bucket: tuple[Callable[[], ObjectBackend], FaultyServer]
) -> None:
    reopen, server = bucket
    with Store.on(reopen()) as store:
        save_one(store, 1)
        store.compact()
        save_one(store, 2)
    server.rule = lambda method, path: answer if method == "GET" and what in path else None
    with Store.on(reopen()) as store:
        assert store.writable
        assert value_of(store) == 2
        save_one(store, 3)
    codes = {finding.code for found in scan(reopen())[1] for finding in found.findings}
    assert codes == ({"unreadable"} if what == "alpha--" else set())


def test_credentials_that_end_in_the_midst_are_no_damage(
    bucket: tuple[Callable[[], ObjectBackend], FaultyServer],
) -> None:
    reopen, server = bucket
    with Store.on(reopen()) as store:
        save_one(store, 1)
    asked: list[str] = []

    def rule(method: str, path: str) -> Reply | None:
        asked.append(path)
        return Reply("403 Forbidden", an_error("ExpiredToken")) if len(asked) > 4 else None

    server.rule = rule
    with pytest.raises(AuthError):
        scan(reopen())
    asked.clear()
    with pytest.raises(AuthError):
        Store.on(reopen()).latest(RECORD)
