"""Credentials: where they come from, files that others can read are refused, and nothing secret is ever shown."""

from __future__ import annotations

import io
import json
import logging
import threading
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sheetsync.domain.clock import FakeClock
from sheetsync.errors import AuthError, ConfigError, SheetSyncError
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.auth import (
    Identity,
    is_loopback,
    keep_token,
    open_identity,
)
from sheetsync.gsheets.options import SCOPE_DRIVE_METADATA, SCOPE_SPREADSHEETS, CredentialSource
from sheetsync.gsheets.retry import NO_RETRIES, Retrier
from sheetsync.observability import logs

EMAIL = "robot@project.iam.gserviceaccount.com"
TOKEN_URI = "https://oauth2.googleapis.com/token"


@pytest.fixture(scope="session")
def key_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def key_info(key_pem: str) -> dict[str, Any]:
    return {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "planted-key-id",
        "private_key": key_pem,
        "client_email": EMAIL,
        "client_id": "1",
        "token_uri": TOKEN_URI,
    }


@pytest.fixture
def key_file(tmp_path: Path, key_info: dict[str, Any]) -> Path:
    return write_secret(tmp_path / "key.json", json.dumps(key_info))


def write_secret(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_service_account_is_known_by_its_address_and_hidden_in_its_repr(key_file: Path) -> None:
    identity = open_identity(CredentialSource(file=key_file))
    assert identity.label == EMAIL
    assert "PRIVATE KEY" not in repr(identity)
    assert repr(identity) == f"Identity(label='{EMAIL}', key='{EMAIL}')"


def test_only_the_scope_of_spreadsheets_is_asked_for_and_drives_metadata_only_where_wanted() -> None:
    assert CredentialSource().scopes() == [SCOPE_SPREADSHEETS]
    assert CredentialSource(drive_metadata=True).scopes() == [SCOPE_SPREADSHEETS, SCOPE_DRIVE_METADATA]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666])
def test_a_key_file_that_others_can_read_is_refused_with_the_command_that_mends_it(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(AuthError, match=f"mode {mode:04o}") as caught:
        open_identity(CredentialSource(file=key_file))
    assert caught.value.hint == f"run: chmod 600 {key_file}"
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"type": "authorized_user"}', '{"type": "service_account"}', "\x00", '"text"'],
)
def test_a_damaged_key_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(AuthError) as caught:
        open_identity(CredentialSource(file=write_secret(tmp_path / "key.json", text)))
    assert caught.value.hint


def test_a_damaged_key_is_never_repeated(tmp_path: Path, key_info: dict[str, Any]) -> None:
    key_info["private_key"] = "-----BEGIN PRIVATE KEY-----\nplanted-secret\n-----END PRIVATE KEY-----\n"
    path = write_secret(tmp_path / "key.json", json.dumps(key_info))
    with pytest.raises(AuthError) as caught:
        open_identity(CredentialSource(file=path))
    assert "planted" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_missing_key_file_or_a_folder_is_one_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(AuthError):
        open_identity(CredentialSource(file=tmp_path / name))


def test_behind_an_endpoint_calls_go_anonymous_unless_credentials_are_configured(key_file: Path) -> None:
    local = "http://127.0.0.1:9"
    assert open_identity(CredentialSource(), endpoint=local).credentials is None
    assert open_identity(CredentialSource(file=key_file), endpoint=local).label == EMAIL
    assert open_identity(CredentialSource(kind="anonymous", file=key_file)).credentials is None


@pytest.mark.parametrize("endpoint", ["http://sheets.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1"])
def test_credentials_are_never_sent_in_clear_text_over_a_network(key_file: Path, endpoint: str) -> None:
    with pytest.raises(ConfigError, match="clear text"):
        open_identity(CredentialSource(file=key_file), endpoint=endpoint)
    assert open_identity(CredentialSource(), endpoint=endpoint) == Identity.anonymous()


def test_loopback_is_told_by_the_address() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1"))
    assert not any(is_loopback(host) for host in ("", "127.evil.example", "localhost.example", "10.0.0.1", "::2"))


def test_without_any_credentials_the_error_says_how_to_get_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(AuthError, match="no credentials") as caught:
        open_identity(CredentialSource(kind="adc"))
    assert "gcloud auth application-default login" in caught.value.hint


def test_application_default_credentials_are_used(monkeypatch: pytest.MonkeyPatch, key_file: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    assert open_identity(CredentialSource()).label == EMAIL


def test_a_key_that_the_environment_names_must_be_private_too(tmp_path: Path, key_file: Path) -> None:
    key_file.chmod(0o644)
    with pytest.raises(AuthError, match="read by others"):
        open_identity(CredentialSource(kind="adc", adc_file=key_file))


def test_impersonation_is_known_by_whom_it_acts_as(key_file: Path) -> None:
    other = "other@project.iam.gserviceaccount.com"
    identity = open_identity(CredentialSource(file=key_file, impersonate=other))
    assert identity.label == other
    assert identity.credentials is not None


def person_token() -> str:
    secrets = {"client_secret": "planted-client-secret", "refresh_token": "planted-refresh-token"}
    return json.dumps({"client_id": "id", **secrets})


def test_a_person_who_signed_in_before_is_not_asked_again(tmp_path: Path) -> None:
    token = write_secret(tmp_path / "token.json", person_token())
    identity = open_identity(CredentialSource(kind="oauth", oauth_token=token))
    assert "planted" not in repr(identity)
    assert "planted" not in identity.key


def test_a_token_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    token = write_secret(tmp_path / "token.json", person_token(), 0o644)
    with pytest.raises(AuthError, match="read by others"):
        open_identity(CredentialSource(kind="oauth", oauth_token=token))


def test_nobody_is_asked_to_sign_in_where_nobody_is(tmp_path: Path) -> None:
    source = CredentialSource(kind="oauth", oauth_client=tmp_path / "c.json", oauth_token=tmp_path / "t.json")
    with pytest.raises(AuthError, match="signed in") as caught:
        open_identity(source, interactive=False)
    assert "sheetsync doctor" in caught.value.hint


class _Browser:
    """A person in a browser: follows the address and comes back with a code, or with a refusal."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def open(self, url: str, **_: object) -> bool:
        query = parse_qs(urlsplit(url).query)
        back = f"{query['redirect_uri'][0]}?state={query['state'][0]}&{self._answer}"
        assert query["scope"] == [SCOPE_SPREADSHEETS]
        threading.Thread(target=lambda: urlopen(back).close(), daemon=True).start()  # noqa: S310  # our own address
        return True


@pytest.fixture
def oauth_source(tmp_path: Path) -> CredentialSource:
    client = {
        "installed": {
            "client_id": "id",
            "client_secret": "planted-client-secret",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": TOKEN_URI,
            "redirect_uris": ["http://localhost"],
        }
    }
    path = write_secret(tmp_path / "client.json", json.dumps(client))
    return CredentialSource(oauth_client=path, oauth_token=tmp_path / "state" / "token.json")


def test_a_person_signs_in_once_and_stdout_stays_free_for_answers(
    google: responses.RequestsMock,
    oauth_source: CredentialSource,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("webbrowser.get", lambda *_: _Browser("code=abc"))
    token = {"access_token": "ya29.x", "refresh_token": "planted-refresh", "expires_in": 3600, "token_type": "Bearer"}
    google.post(TOKEN_URI, json={**token, "scope": SCOPE_SPREADSHEETS})
    first = open_identity(oauth_source, interactive=True)
    again = open_identity(oauth_source, interactive=False)
    assert first.key == again.key
    assert oauth_source.oauth_token is not None
    assert oauth_source.oauth_token.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().out == ""


def test_a_person_who_refuses_to_sign_in_is_one_clear_error(
    oauth_source: CredentialSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.get", lambda *_: _Browser("error=access_denied"))
    with pytest.raises(AuthError, match="nobody signed in"):
        open_identity(oauth_source, interactive=True)


def test_a_token_is_kept_so_that_nobody_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "token.json"
    keep_token(path, "one")
    keep_token(path, "two")
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert [item.name for item in path.parent.iterdir()] == ["token.json"]


def test_planted_secrets_reach_no_log_and_no_error(
    google: responses.RequestsMock, key_file: Path, key_pem: str, clock: FakeClock
) -> None:
    stream = io.StringIO()
    logs.configure(3, stream=stream)
    refusal = {"error": "invalid_grant", "error_description": "planted-secret " + key_pem}
    google.post(TOKEN_URI, json=refusal, status=400)
    google.post(TOKEN_URI, json={"access_token": "ya29.planted-access-token", "expires_in": 3600})
    google.get(
        "https://sheets.googleapis.com/v4/spreadsheets/x", json={"error": {"code": 403, "message": key_pem}}, status=403
    )
    identity = open_identity(CredentialSource(file=key_file))
    api = SheetsApi(identity, clock=clock, retrier=Retrier(NO_RETRIES, clock))
    shown = []
    for _ in range(2):
        with pytest.raises(SheetSyncError) as caught:
            api.get("x", fields="a")
        shown += [caught.value.message, caught.value.hint, repr(caught.value), json.dumps(caught.value.to_json())]
    assert google.calls[-1].request.headers["Authorization"] == "Bearer ya29.planted-access-token"
    logging.getLogger("sheetsync.test").error("%s and %s", key_pem, "Bearer ya29.planted-access-token")
    everything = stream.getvalue() + "".join(shown)
    body = key_pem.splitlines()[1]
    assert "planted" not in everything
    assert body not in everything
    assert "[redacted]" in everything
