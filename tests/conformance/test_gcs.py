"""Google Cloud Storage: what our server keeps of it, and credentials from where Google's tools put them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from obstore.store import from_url

from sheetsync.domain.context import RequestContext
from sheetsync.errors import AuthError, NotFoundError, SheetSyncError
from sheetsync.store import RecordId, Store, VersionedStore
from sheetsync.store.buckets import ONCE, PATIENT, BucketObjects
from sheetsync.store.creation import put_surely
from tests.conformance.gcs_server import FakeGoogleStorage, serve
from tests.conformance.object_fakes import QUICK

if TYPE_CHECKING:
    pass

ADA = RequestContext(user="ada")


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeGoogleStorage]:
    """A fresh project with the bucket `store`; the environment has its address, and nobody's credentials."""
    app = FakeGoogleStorage("store")
    with serve(app) as address:
        for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_BEARER_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
        monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:1")
        monkeypatch.setenv("GOOGLE_BASE_URL", address)
        app.address = address
        yield app


@pytest.fixture
def key_file(google: FakeGoogleStorage, tmp_path: Path) -> Path:
    """A service account's key, as Google's console gives it, whose tokens the server can prove."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    google.key = key.public_key()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {"type": "service_account", "private_key_id": "k1", "private_key": pem.decode()}
    path = tmp_path / "key.json"
    path.write_text(json.dumps({**account, "client_email": "robot@project.iam.gserviceaccount.com"}))
    return path


def ask(google: FakeGoogleStorage, path: str, *, method: str = "GET", data: bytes | None = None, **headers: str) -> str:
    """The status, `x-goog-generation` and body of a raw request, or the error's status and code."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = urllib.request.Request(  # noqa: S310 (a loopback address)
        google.address + path, data=data, method=method, headers={"Authorization": "Bearer test-token", **named}
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
            return f"{answer.status} {answer.read().decode()}"
    except urllib.error.HTTPError as error:
        with error:
            code = error.read().decode().partition("<Code>")[2].partition("</Code>")[0]
            return f"{error.code} {code}"


def test_the_server_keeps_googles_preconditions_ranges_and_errors(google: FakeGoogleStorage) -> None:
    new = {"x_goog_if_generation_match": "0"}
    assert ask(google, "/store/a%2Fb", method="PUT", data=b"0123456789", **new) == "200 "
    assert ask(google, "/store/a%2Fb", method="PUT", data=b"x", **new) == "412 PreconditionFailed"
    assert ask(google, "/store/a%2Fb") == "200 0123456789"
    generation = str(google.buckets["store"]["a/b"].generation)
    assert ask(google, "/store/a%2Fb", method="PUT", data=b"y", x_goog_if_generation_match="7") == (
        "412 PreconditionFailed"
    )
    assert ask(google, "/store/a%2Fb", Range="bytes=2-4") == "206 234"
    assert ask(google, "/store/a%2Fb", Range="bytes=-3") == "206 789"
    assert ask(google, "/store/a%2Fb", Range="bytes=10-") == "416 InvalidRange"
    assert ask(google, "/store/a%2Fb", method="PUT", data=b"z", x_goog_if_generation_match=generation) == "200 "
    assert ask(google, "/store/none") == "404 NoSuchKey"
    assert ask(google, "/none/a") == "404 NoSuchBucket"
    assert ask(google, "/store/a%2Fb", Authorization="Bearer other") == "401 AuthenticationRequired"
    assert ask(google, "/store/a%2Fb", method="PUT", data=b"", Authorization="Bearer read-token") == "403 AccessDenied"
    assert ask(google, "/store/a%2Fb", method="DELETE") == "204 "
    assert ask(google, "/store/a%2Fb", method="PUT", data=b"again", **new) == "200 "


def test_a_list_of_many_pages_is_whole_and_in_order(google: FakeGoogleStorage) -> None:
    objects = a_bucket()
    objects.put("p/one", b"1")
    stored = google.buckets["store"].pop("p/one")
    google.buckets["store"] |= {f"p/{number:05d} é&<": stored for number in range(2500)}
    google.buckets["store"]["q/other"] = stored
    assert list(objects.list("p/")) == [f"p/{number:05d} é&<" for number in range(2500)]
    assert len([path for method, path in google.asked if path == "/store"]) == 3


def a_bucket() -> BucketObjects:
    """The bucket, as `open_bucket` makes it, without a store around it."""
    clients = [
        from_url(
            "gs://store", client_options={"allow_http": True}, config={"bearer_token": "test-token"}, retry_config=r
        )
        for r in (PATIENT, ONCE)
    ]
    return BucketObjects(*clients)


def save_and_read(url: str) -> None:
    with VersionedStore(ADA, url=url) as named:
        named.save("alpha", {"n": 1})
    with VersionedStore(ADA, url=url) as named:
        latest = named.latest("alpha")
        assert latest is not None
        assert latest.content == {"n": 1}


@pytest.mark.parametrize("variable", ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT"])
def test_a_service_accounts_key_file_is_found_by_its_variable(
    variable: str, google: FakeGoogleStorage, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(key_file))
    save_and_read("gs://store/team")
    assert "team/default/journal/0000000001.jsonl" in google.buckets["store"]


def test_application_default_credentials_are_found_where_gcloud_puts_them(
    google: FakeGoogleStorage, key_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "home/.config/gcloud"
    folder.mkdir(parents=True)
    key_file.rename(folder / "application_default_credentials.json")
    save_and_read("gs://store/team")
    assert google.buckets["store"]


def test_on_a_machine_of_google_the_metadata_server_gives_the_token(
    google: FakeGoogleStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", google.address.removeprefix("http://"))
    save_and_read("gs://store/team")
    assert "metadata-token" in google.tokens


def test_a_token_needs_one_variable_and_an_emulator_takes_any(
    google: FakeGoogleStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "test-token")
    save_and_read("gs://store/token")
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "anything")
    google.anonymous = True
    save_and_read("gs://store/anonymous")


@pytest.mark.parametrize(
    "content", [None, "", "not JSON", '{"type":"external_account"}', '{"type":"service_account","private_key":"x"}']
)
def test_credentials_that_cannot_be_used_are_said_so_with_the_next_step(
    content: str | None, google: FakeGoogleStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(AuthError) as caught:
        Store.open("gs://store/team")
    assert "GOOGLE_" in caught.value.hint
    assert google.asked == []


def test_no_credentials_a_refused_token_and_no_bucket_are_said_to_be_so(
    google: FakeGoogleStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AuthError, match="no credentials"):
        Store.open("gs://store/team")
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "somebody else's")
    with pytest.raises(AuthError, match="not allowed"):
        Store.open("gs://store/team")
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "test-token")
    with pytest.raises(SheetSyncError, match=r"such a bucket|NoSuchBucket") as caught:
        Store.open("gs://no-such-bucket/team")
    assert isinstance(caught.value, NotFoundError)
    assert google.buckets == {"store": {}}


def test_who_may_only_read_can_open_read_and_is_refused_a_save(
    google: FakeGoogleStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "test-token")
    monkeypatch.setattr("sheetsync.store.writer.BUCKET_SEEN", 1000)
    records = [RecordId("default", ("things", f"r{number}"), f"r{number}") for number in range(260)]
    with Store.open("gs://store/team") as store, store.transaction(ADA) as tx:
        for record in records:
            tx.save(record, {"n": 1})
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "read-token")
    said: list[str] = []
    with Store.open("gs://store/team", tell=said.append) as store:  # its checkpoint is refused
        assert len(store.records("default")) == 260
        with pytest.raises(AuthError, match="not allowed"), store.transaction(ADA) as tx:
            tx.save(records[0], {"n": 2})
    assert ["checkpoint" in message for message in said] == [True]
    del google.buckets["store"][next(name for name in google.buckets["store"] if "/r7--" in name)]
    said.clear()
    with Store.open("gs://store/team", tell=said.append) as store:  # and so is a name that is missing
        assert store.latest(records[7]) is not None
        with pytest.raises(AuthError, match="not allowed"), store.transaction(ADA) as tx:
            tx.save(records[0], {"n": 2})
    assert "not all put right" in said[0]


def test_a_bucket_that_is_asked_too_often_is_asked_again_later(google: FakeGoogleStorage) -> None:
    objects = a_bucket()
    google.busy = 3
    objects.put("one", b"1")
    google.busy = 1
    assert put_surely(objects, "two", b"2", QUICK)
    assert google.buckets["store"].keys() == {"one", "two"}
    assert [method for method, _ in google.asked] == ["PUT"] * 4 + ["PUT", "GET", "PUT"]  # looked before it is repeated
