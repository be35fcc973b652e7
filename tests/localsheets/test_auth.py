"""Who calls: the real credential flow of a service account, expiry, scopes, and files that are shared or not."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import google.auth.transport.requests
import httpx
import pytest
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials as PersonCredentials
from google.oauth2.service_account import Credentials

from sheetsync.localsheets import LocalSheets

SCOPE = "https://www.googleapis.com/auth/"
ROBOT = "robot@local.iam.gserviceaccount.com"
SPREADSHEET = "application/vnd.google-apps.spreadsheet"


@pytest.fixture(scope="module")
def key_file() -> dict[str, Any]:
    """The key of a service account; making one takes a while."""
    with LocalSheets() as server:
        return server.service_account(ROBOT)


@pytest.fixture
def running(key_file: dict[str, Any]) -> Iterator[LocalSheets]:
    with LocalSheets(private=True, strict_auth=True) as server:
        server.authority.register(key_file)
        yield server


def credentials(server: LocalSheets, key_file: dict[str, Any], *scopes: str) -> Any:
    information = {**key_file, "token_uri": f"{server.url}/token"}
    return Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        information, scopes=[SCOPE + scope for scope in scopes]
    )


def client(server: LocalSheets, token: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"})


def refreshed(found: Any) -> str:
    session = google.auth.transport.requests.Request()
    found.refresh(session)
    session.session.close()
    return str(found.token)


def test_a_service_account_signs_in_with_its_key(running: LocalSheets, key_file: dict[str, Any]) -> None:
    token = refreshed(credentials(running, key_file, "spreadsheets", "drive"))
    with client(running, token) as http:
        made = http.post("/drive/v3/files?fields=id,owners", json={"name": "n", "mimeType": SPREADSHEET}).json()
        assert made["owners"][0]["emailAddress"] == ROBOT
        assert http.get(f"/v4/spreadsheets/{made['id']}").status_code == 200


def test_a_forged_signature_is_refused(running: LocalSheets, key_file: dict[str, Any]) -> None:
    with LocalSheets() as other:
        forged = {**key_file, "private_key": other.service_account("x@example.com")["private_key"]}
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        refreshed(credentials(running, forged, "drive"))
    with pytest.raises(RefreshError, match="account not found"):
        refreshed(credentials(running, {**key_file, "client_email": "nobody@example.com"}, "drive"))


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"grant_type": "password"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"},
        {"grant_type": "refresh_token", "refresh_token": "nosuch"},
    ],
)
def test_bad_grants_are_refused_in_oauths_shape(running: LocalSheets, form: dict[str, str]) -> None:
    answer = httpx.post(f"{running.url}/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_an_expired_assertion_is_refused(running: LocalSheets, key_file: dict[str, Any]) -> None:
    running.clock = lambda: 4_000_000_000.0
    with pytest.raises(RefreshError, match="short-lived token"):
        refreshed(credentials(running, key_file, "drive"))


def test_a_person_refreshes(running: LocalSheets) -> None:
    found = PersonCredentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=running.authority.refresh_token("ann@example.com"),
        token_uri=f"{running.url}/token",
        client_id="id",
        client_secret="secret",
    )
    with client(running, refreshed(found)) as http:
        user = http.get("/drive/v3/about?fields=user").json()["user"]
    assert user["emailAddress"] == "ann@example.com"


def test_tokens_expire_and_unknown_ones_are_refused_if_strict(running: LocalSheets) -> None:
    token = running.authority.issue("ann@example.com", life_s=10)
    with client(running, token) as http:
        assert http.get("/drive/v3/files").status_code == 200
        later = running.clock() + 11
        running.clock = lambda: later
        expired = http.get("/drive/v3/files")
    assert (expired.status_code, expired.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    with httpx.Client(base_url=running.url) as http:
        assert http.get("/drive/v3/files").status_code == 401
        assert http.get("/drive/v3/files", headers={"Authorization": "Bearer other"}).status_code == 401


def test_scopes_bind_and_read_only_ones_suffice_for_three_methods(running: LocalSheets) -> None:
    writer = running.authority.issue("ann@example.com")
    with client(running, writer) as http:
        key = http.post("/drive/v3/files", json={"name": "n", "mimeType": SPREADSHEET}).json()["id"]
    reader = running.authority.issue("ann@example.com", frozenset({SCOPE + "spreadsheets.readonly"}))
    path = f"/v4/spreadsheets/{key}"
    with client(running, reader) as http:
        assert http.get(path).status_code == 200
        assert http.get(f"{path}/values/A1").status_code == 200
        assert http.get(f"{path}/values:batchGet?ranges=A1").status_code == 200
        for answer in (
            http.post(f"{path}:getByDataFilter", json={}),
            http.get(f"{path}/developerMetadata/1"),
            http.post(f"{path}/values/A1:clear"),
            http.get("/drive/v3/files"),
        ):
            assert answer.status_code == 403
            details = answer.json()["error"]["details"][0]
            assert details["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def test_private_files_are_seen_by_those_they_are_shared_with(running: LocalSheets) -> None:
    ann, bob = (running.authority.issue(f"{name}@example.com") for name in ("ann", "bob"))
    with client(running, ann) as anns, client(running, bob) as bobs:
        key = anns.post("/drive/v3/files", json={"name": "n", "mimeType": SPREADSHEET}).json()["id"]
        path = f"/v4/spreadsheets/{key}"
        refused = bobs.get(path)
        assert (refused.status_code, refused.json()["error"]["message"]) == (403, "The caller does not have permission")
        assert bobs.get(f"/drive/v3/files/{key}").status_code == 404
        shared = {"type": "user", "role": "reader", "emailAddress": "bob@example.com"}
        permission = anns.post(f"/drive/v3/files/{key}/permissions", json=shared).json()
        assert bobs.get(path).status_code == 200
        assert bobs.post(f"{path}/values/A1:clear").status_code == 403
        anns.patch(f"/drive/v3/files/{key}/permissions/{permission['id']}", json={"role": "writer"})
        assert bobs.post(f"{path}/values/A1:clear").status_code == 200
        assert bobs.get("/drive/v3/files?q=sharedWithMe").json()["files"][0]["id"] == key
        anns.delete(f"/drive/v3/files/{key}/permissions/{permission['id']}")
        assert bobs.get(path).status_code == 403


def test_without_a_token_calls_are_anonymous_and_a_strangers_token_is_its_name(server: LocalSheets) -> None:
    with httpx.Client(base_url=server.url) as http:
        who = http.get("/drive/v3/about?fields=user").json()["user"]["emailAddress"]
        assert who == "anonymous@example.com"
        headers = {"Authorization": "Bearer ann@example.com"}
        who = http.get("/drive/v3/about?fields=user", headers=headers).json()["user"]["emailAddress"]
        assert who == "ann@example.com"


def test_the_key_file_has_googles_form(key_file: dict[str, Any]) -> None:
    assert json.loads(json.dumps(key_file))["type"] == "service_account"
    assert {"client_email", "private_key", "token_uri", "project_id", "client_id"} <= set(key_file)
    assert base64.b64decode("".join(key_file["private_key"].splitlines()[1:-1]))
