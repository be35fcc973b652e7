"""Who we are to Google: from settings to credentials. The only place that reads a key or token file.

Nothing here is logged, and no exception's text is repeated: the libraries put parts of what they read into it.
Source: sheets_api.md section 6 (scopes, application-default credentials, impersonation).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sheetsync.errors import AuthError, ConfigError
from sheetsync.gsheets.options import SCOPE_SPREADSHEETS, CredentialSource

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

KEY_FILE_BYTES: Final = 1 << 20  # a key file is about 2 KB; anything this large is something else


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls: a label to show (an e-mail where there is one), a stable key for quotas, and the credentials."""

    label: str
    key: str
    credentials: Credentials | None = field(default=None, repr=False)

    @classmethod
    def anonymous(cls) -> Identity:
        """Nobody: calls go without credentials, as local servers take them."""
        return cls(label="", key="anonymous")


def open_identity(source: CredentialSource, *, endpoint: str | None = None, interactive: bool = False) -> Identity:
    """The identity that the settings name.

    `interactive`: a person is there, so that a browser may be opened to sign in.

    Raises:
        AuthError: credentials are missing, unsafe or unreadable.
        ConfigError: credentials would be sent in clear text over a network.
    """
    if source.kind == "anonymous" or (endpoint is not None and not source.is_configured):
        return Identity.anonymous()
    _check_endpoint(endpoint)
    makers = {"service_account": _service_account, "adc": _application_default}
    kind = source.resolved
    identity = _person(source, interactive=interactive) if kind == "oauth" else makers[kind](source)
    return _impersonated(source, identity) if source.impersonate else identity


def _check_endpoint(endpoint: str | None) -> None:
    from urllib.parse import urlsplit

    parts = urlsplit(endpoint or "https://sheets.googleapis.com")
    host = parts.hostname or ""
    if parts.scheme != "https" and not is_loopback(host):
        raise ConfigError(
            f"credentials would be sent to {host} in clear text",
            hint="use https in SHEETSYNC_SHEETS_ENDPOINT, or set [credentials] kind = 'anonymous'",
        )


def is_loopback(host: str) -> bool:
    """Is it an address of this machine? Of names only `localhost`: any other may lead anywhere."""
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_secret_file(path: Path, what: str) -> bytes:
    """The bytes of a file that nobody else may read.

    Raises:
        AuthError: it is missing, not a file, too large, or readable by others.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as exc:
        raise AuthError(
            f"the {what} {path} cannot be read: {exc.strerror}", hint="check [credentials] in sheetsync.toml"
        ) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > KEY_FILE_BYTES:
            raise AuthError(f"the {what} {path} is not a file of credentials", hint="check [credentials] file")
        mode = stat.S_IMODE(status.st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise AuthError(f"the {what} {path} can be read by others (mode {mode:04o})", hint=f"run: chmod 600 {path}")
        return os.read(descriptor, KEY_FILE_BYTES)
    finally:
        os.close(descriptor)


def _service_account(source: CredentialSource) -> Identity:
    if source.file is None:
        raise AuthError("no service-account file is named", hint="set [credentials] file in sheetsync.toml")
    info = _json_object(read_secret_file(source.file, "service-account file"), source.file)
    if info.get("type") != "service_account":
        raise AuthError(
            f"{source.file} is not a service-account key",
            hint="credentials.example.json shows the form; make one under IAM > Service accounts > Keys",
        )
    from google.oauth2 import service_account

    try:
        make = service_account.Credentials.from_service_account_info
        made: Credentials = make(info, scopes=source.scopes())  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, KeyError):
        raise AuthError(
            f"the service-account file {source.file} is incomplete or damaged", hint="download the key again"
        ) from None
    email = str(info.get("client_email", ""))
    return Identity(label=email, key=email, credentials=made)


def _json_object(data: bytes, path: Path) -> dict[str, object]:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise AuthError(f"{path} is not a JSON file of credentials", hint="credentials.example.json shows the form")
    return value


def _application_default(source: CredentialSource) -> Identity:
    import google.auth
    from google.auth import exceptions

    if source.adc_file is not None:
        _check_adc_file(source.adc_file)
    try:
        found, _project = google.auth.default(scopes=source.scopes())
    except exceptions.GoogleAuthError:
        raise AuthError(
            "no credentials are configured, and the machine has no application-default credentials",
            hint="set [credentials] file in sheetsync.toml, or run: gcloud auth application-default login"
            f" --scopes=https://www.googleapis.com/auth/cloud-platform,{SCOPE_SPREADSHEETS}",
        ) from None
    return _identity_of(found, "application-default credentials")


def _check_adc_file(path: Path) -> None:
    """A key or token named by the environment must be private, too; a workload's configuration holds no secret."""
    try:
        kind = json.loads(path.read_bytes()).get("type")
    except (OSError, ValueError, AttributeError):
        return  # google-auth says what is wrong with it
    if kind in ("service_account", "authorized_user"):
        read_secret_file(path, "file of application-default credentials")


def _identity_of(found: Credentials, fallback: str) -> Identity:
    email = getattr(found, "service_account_email", None) or getattr(found, "account", None)
    if isinstance(email, str) and "@" in email:
        return Identity(label=email, key=email, credentials=found)
    token = getattr(found, "refresh_token", None) or getattr(found, "client_id", None) or fallback
    return Identity(label=fallback, key=hashlib.sha256(str(token).encode()).hexdigest(), credentials=found)


def _impersonated(source: CredentialSource, identity: Identity) -> Identity:
    from google.auth import impersonated_credentials

    made: Credentials = impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]
        source_credentials=identity.credentials,
        target_principal=source.impersonate,
        target_scopes=source.scopes(),
        lifetime=3600,
    )
    return Identity(label=source.impersonate, key=source.impersonate, credentials=made)


def _person(source: CredentialSource, *, interactive: bool) -> Identity:
    """A person who signed in once; the token is kept for later runs."""
    from google.oauth2.credentials import Credentials as PersonCredentials

    if source.oauth_token is not None and source.oauth_token.exists():
        info = _json_object(read_secret_file(source.oauth_token, "token file"), source.oauth_token)
        try:
            make = PersonCredentials.from_authorized_user_info
            made = make(info, scopes=source.scopes())  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, KeyError):
            raise AuthError(
                f"the token file {source.oauth_token} is damaged", hint=f"remove it and sign in again: {_SIGN_IN}"
            ) from None
        return _identity_of(made, "the person signed in")
    if not interactive:
        raise AuthError("nobody has signed in yet", hint=f"sign in once, in a terminal: {_SIGN_IN}")
    return _identity_of(_sign_in(source), "the person signed in")


_SIGN_IN: Final = "sheetsync doctor"
SIGN_IN_S: Final = 300


def _sign_in(source: CredentialSource) -> Credentials:
    if source.oauth_client is None or source.oauth_token is None:
        raise AuthError("no OAuth client is named", hint="set [credentials] oauth_client in sheetsync.toml")
    config = _json_object(read_secret_file(source.oauth_client, "OAuth client file"), source.oauth_client)
    from google_auth_oauthlib.flow import InstalledAppFlow, WSGITimeoutError
    from oauthlib.oauth2 import OAuth2Error

    try:
        flow = InstalledAppFlow.from_client_config(config, source.scopes())
    except ValueError:
        raise AuthError(
            f"{source.oauth_client} is not an OAuth client of a desktop app", hint="download it again"
        ) from None
    try:
        with contextlib.redirect_stdout(sys.stderr):  # it prints the address to open; stdout is for answers
            made: Credentials = flow.run_local_server(port=0, open_browser=True, timeout_seconds=SIGN_IN_S)
    except (WSGITimeoutError, OAuth2Error, OSError):
        raise AuthError("nobody signed in", hint=f"try again: {_SIGN_IN}") from None
    keep_token(source.oauth_token, made.to_json())  # type: ignore[attr-defined]  # a person's credentials have it
    return made


def keep_token(path: Path, text: str) -> None:
    """Write a token so that nobody else can ever read it: made with mode 0600, then moved into place."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
