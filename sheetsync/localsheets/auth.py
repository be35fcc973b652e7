"""Who calls: bearer tokens, the `/token` endpoint with a service account's signed JWT, and scopes.

Without an Authorization header a call is anonymous, and a bearer token that nobody issued here is taken as its user's
name, unless `strict`.  Tokens issued here expire, and know their scopes.  What a user may open is in `access.py`.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from sheetsync.localsheets.errors import ApiError
from sheetsync.localsheets.pipeline import Caller, bearer_user
from sheetsync.localsheets.traffic import kind_of
from sheetsync.localsheets.transport import Request, Response
from sheetsync.localsheets.workspace import Workspace

TOKEN_PATHS: Final = ("/token", "/oauth2/v4/token")
LIFE_S: Final = 3600
SKEW_S: Final = 300
PREFIX: Final = "ya29.local-"
JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPE: Final = "https://www.googleapis.com/auth/"
_WRITES: Final = frozenset(_SCOPE + name for name in ("spreadsheets", "drive", "drive.file"))
_READS: Final = _WRITES | {_SCOPE + "spreadsheets.readonly", _SCOPE + "drive.readonly"}
_DRIVE_WRITES: Final = frozenset(_SCOPE + name for name in ("drive", "drive.file"))
_DRIVE_READS: Final = _DRIVE_WRITES | {
    _SCOPE + name for name in ("drive.readonly", "drive.metadata", "drive.metadata.readonly")
}
UNAUTHENTICATED: Final = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid"
    " authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


@dataclass(frozen=True, slots=True)
class Grant:
    """An issued token."""

    user: str
    scopes: frozenset[str]
    expires_s: float


class Authority:
    """Issues tokens and tells who calls; fits `Pipeline.authenticate` and, as a route, answers `/token`."""

    def __init__(self, workspace: Workspace, clock: Callable[[], float], *, strict: bool = False) -> None:
        """Args: `strict` refuses calls without a token of ours."""
        self._workspace = workspace
        self._clock = clock
        self._strict = strict
        self._grants: dict[str, Grant] = {}
        self._refresh: dict[str, tuple[str, frozenset[str]]] = {}

    # Accounts.

    def service_account(self, email: str, url: str) -> dict[str, Any]:
        """Make a service account; returns the content of its key file, whose `token_uri` is this server's."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        information = {
            "type": "service_account",
            "project_id": "local",
            "private_key_id": secrets.token_hex(20),
            "private_key": pem.decode(),
            "client_email": email,
            "client_id": str(secrets.randbelow(10**21)),
            "token_uri": f"{url}/token",
        }
        self.register(information)
        return information

    def register(self, information: dict[str, Any]) -> None:
        """Let the owner of a key file in; only its public half is kept."""
        from cryptography.hazmat.primitives import serialization

        key = serialization.load_pem_private_key(information["private_key"].encode(), None)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._workspace.put_note(f"account/{information['client_email']}", public.decode())

    def refresh_token(self, user: str, scopes: frozenset[str] = _WRITES) -> str:
        """A refresh token for a person, as an OAuth login would leave behind."""
        token = f"1//local-{secrets.token_urlsafe(24)}"
        self._refresh[token] = (user, scopes)
        return token

    def issue(self, user: str, scopes: frozenset[str] = _WRITES, *, life_s: float = LIFE_S) -> str:
        """An access token."""
        token = PREFIX + secrets.token_urlsafe(32)
        self._grants[token] = Grant(user, scopes, self._clock() + life_s)
        return token

    # The steps of a call.

    def authenticate(self, request: Request) -> Caller:
        """Who calls.

        Raises:
            ApiError: 401, the token is expired or unknown; 403, its scopes do not reach.
        """
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            token = request.param("access_token") or ""
        grant = self._grants.get(token)
        if grant is None:
            if token.startswith(PREFIX) or (self._strict and kind_of(request) != "other"):
                raise ApiError(UNAUTHENTICATED, http_status=401)
            return bearer_user(request)
        if grant.expires_s <= self._clock():
            raise ApiError(UNAUTHENTICATED, http_status=401)
        if not grant.scopes & needed(request):
            raise too_few_scopes(request)
        return Caller(grant.user, anonymous=False, scopes=grant.scopes)

    def __call__(self, request: Request, _workspace: Workspace) -> Response | None:
        """Answer `/token`, or None for another path."""
        if request.path not in TOKEN_PATHS or request.method != "POST":
            return None
        try:
            form = {key: values[-1] for key, values in parse_qs(request.body.decode()).items()}
            return _json(200, self._exchange(form))
        except (_GrantError, UnicodeDecodeError) as exc:
            return _json(400, {"error": "invalid_grant", "error_description": str(exc)})

    def _exchange(self, form: dict[str, str]) -> dict[str, Any]:
        kind = form.get("grant_type")
        if kind == JWT_GRANT:
            user, scopes = self._assertion(form.get("assertion", ""))
        elif kind == "refresh_token" and form.get("refresh_token") in self._refresh:
            user, scopes = self._refresh[form["refresh_token"]]
        else:
            raise _GrantError("Bad Request")
        token = self.issue(user, scopes)
        return {"access_token": token, "expires_in": LIFE_S - 1, "scope": " ".join(scopes), "token_type": "Bearer"}

    def _assertion(self, text: str) -> tuple[str, frozenset[str]]:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa

        signed, _, signature = text.rpartition(".")
        head, claims = (_part(part) for part in [*signed.split("."), "", ""][:2])
        pem = self._workspace.notes.get(f"account/{claims.get('iss')}")
        if pem is None:
            raise _GrantError("Invalid grant: account not found")
        key = serialization.load_pem_public_key(pem.encode())
        if head.get("alg") != "RS256" or not isinstance(key, rsa.RSAPublicKey):
            raise _GrantError("Invalid JWT: unsupported algorithm.")
        try:
            key.verify(_bytes(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise _GrantError("Invalid JWT Signature.") from None
        now, issued, expires = self._clock(), claims.get("iat", 0), claims.get("exp", 0)
        if not now - SKEW_S < expires <= issued + LIFE_S + SKEW_S or issued > now + SKEW_S:
            raise _GrantError(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
                " Check your iat and exp values in the JWT claim."
            )
        if not str(claims.get("aud", "")).endswith("/token"):
            raise _GrantError("Invalid JWT: Failed audience check.")
        if not claims.get("scope"):
            raise _GrantError("Invalid OAuth scope or ID token audience provided.")
        return str(claims.get("sub") or claims["iss"]), frozenset(str(claims["scope"]).split())


class _GrantError(Exception):
    """A token request that is refused, in OAuth's own shape."""


def _bytes(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise _GrantError("Invalid JWT: cannot be decoded.") from None


def _part(part: str) -> dict[str, Any]:
    try:
        found = orjson.loads(_bytes(part))
    except orjson.JSONDecodeError:
        raise _GrantError("Invalid JWT: cannot be decoded.") from None
    if not isinstance(found, dict):
        raise _GrantError("Invalid JWT: cannot be decoded.")
    return found


def _json(status: int, value: dict[str, Any]) -> Response:
    return Response(status, orjson.dumps(value, option=orjson.OPT_INDENT_2), "application/json; charset=utf-8")


def needed(request: Request) -> frozenset[str]:
    """The scopes of which a call needs one; read-only ones suffice for three methods of Sheets only."""
    kind = kind_of(request)
    if kind == "drive":
        return _DRIVE_READS if request.method == "GET" else _DRIVE_WRITES
    plain_read = kind == "read" and request.method == "GET" and "/developerMetadata" not in request.path
    return _READS if plain_read else _WRITES


def too_few_scopes(request: Request) -> ApiError:
    """The refusal of a token whose scopes do not reach."""
    service = "drive.googleapis.com" if kind_of(request) == "drive" else "sheets.googleapis.com"
    information = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "domain": "googleapis.com",
        "metadata": {"service": service},
    }
    return ApiError("Request had insufficient authentication scopes.", http_status=403, details=[information])
