"""The table from what obstore says of a bucket to our errors.

What a message of ours may hold: the server's status and its short code, and which of a few things went wrong. Never the
text that obstore made, which has the whole answer, the address with its query, and request headers: tokens among them.
What lives elsewhere: the calls (`buckets.py`), and what a refusal means for a commit (`creation.py`).
"""

from __future__ import annotations

import re
from typing import Final

from sheetsync.errors import (
    AuthError,
    DestinationError,
    NetworkError,
    NotFoundError,
    SheetSyncError,
    StoreDamagedError,
    UsageError,
)

STATUS: Final = re.compile(r"non-2xx status code: (\d{3})")
CODE: Final = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
BAD_PATH: Final = re.compile(r'Path "(.*)"(?: contained |: Encountered )', re.DOTALL)
QUOTED: Final = re.compile(r'"[^"]*"|\'[^\']*\'|(?<=[Uu]rl: )\S+')
MOST_SHOWN: Final = 200
PANIC_MODULE: Final = "pyo3_runtime"  # of obstore's PanicException, which no module gives out

# Signs in obstore's text, where there is no status.
NO_TOKEN: Final = (  # asked as a last resort: nothing was sent to the bucket
    "Error performing token request",
    "169.254.169.254",
    "metadata.google.internal",
    "metadata/identity",
)
REDIRECTED: Final = "Received redirect"
NO_REQUEST: Final = "builder error"  # such an address cannot be asked at all, as ftp://
BAD_URL: Final = "Generic URL error"
BAD_SETTING: Final = "Generic Config error"
SILENCES: Final = (
    ("TimedOut", "no answer in time"),
    ("timed out", "no answer in time"),
    ("ConnectionRefused", "nobody listens at its address"),
    ("Connection refused", "nobody listens at its address"),
    ("dns error", "its address is unknown"),
    ("error sending request", "the connection failed"),
    ("list response", "its answer is not that of a bucket"),
    ("Header missing", "its answer is not that of a bucket"),
)

AUTH_CODES: Final = frozenset(
    {
        "AuthFailure",
        "AuthenticationFailed",
        "AuthenticationRequired",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidAuthenticationInfo",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingSecurityHeader",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
ARCHIVED_CODES: Final = frozenset({"InvalidObjectState", "BlobArchived", "BlobBeingRehydrated"})
REGION_CODES: Final = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect"}
)
PASSING_CODES: Final = frozenset(
    {"RequestTimeout", "OperationAborted"}
)  # S3 answers 400 to a body that came too slowly
PASSING: Final = frozenset({408, 409, 412, 425, 429})
NOT_IMPLEMENTED: Final = 501

CREDENTIALS_HINT: Final = "set the provider's usual variables (AWS_…, GOOGLE_…, AZURE_…), or sign in with its own tool"
ARCHIVED_HINT: Final = "bring it back with a tool of the bucket's provider; no rule may archive what is in a store"
LATER: Final = "try again later"
REGION_HINT: Final = "set AWS_REGION to the bucket's region, and AWS_ENDPOINT_URL only if its server is not Amazon's"
SETTING_HINT: Final = (
    "look at the provider's variables: an endpoint is http://… or https://…, and no value holds a line break"
)


def is_panic(exc: BaseException) -> bool:
    """Did obstore's own code break down? Its exception is no `Exception`, and can be told by its module only."""
    return type(exc).__module__ == PANIC_MODULE


def answer_of(exc: BaseException) -> tuple[int | None, str]:
    """(the server's status, its code), as far as there was an answer."""
    text = str(exc)
    status, code = STATUS.search(text), CODE.search(text)
    return int(status[1]) if status else None, code[1] if status and code else ""


def is_silence(exc: BaseException) -> bool:
    """Was there no answer, or none of a bucket? Then another request would wait in vain, too."""
    return any(sign in str(exc) for sign, _ in SILENCES)


def translate(exc: BaseException, what: str) -> SheetSyncError:
    """Obstore's error in our words: who we are, whether the bucket is there, how it is set up, else the network.

    Args:
        exc: any exception of obstore.
        what: what the bucket did not do, as "did not give 'FORMAT'".
    """
    from obstore.exceptions import InvalidPathError, PermissionDeniedError, UnauthenticatedError
    from obstore.exceptions import NotFoundError as NoObjectError

    text = str(exc)
    status, code = answer_of(exc)
    told = f" ({status}{' ' if code else ''}{code})" if status else ""
    if is_panic(exc) or (status is None and NO_REQUEST in text):
        return UsageError(f"the bucket {what}: a setting of its address or credentials has no form", hint=SETTING_HINT)
    if any(sign in text for sign in NO_TOKEN):
        if status is not None and (status in PASSING or status >= 500):
            return NetworkError(f"the service that gives credentials for the bucket answered{told}", hint=LATER)
        return AuthError("no credentials for the bucket were found", hint=CREDENTIALS_HINT)
    if isinstance(exc, InvalidPathError | ValueError):
        return _bad_key(text, what)
    if code in REGION_CODES or status in (301, 302, 307, 308) or (status is None and REDIRECTED in text):
        return UsageError(f"the bucket {what}: it is in another region, or at another address{told}", hint=REGION_HINT)
    if code in ARCHIVED_CODES:
        return AuthError(f"the bucket {what}: it was archived{told}", hint=ARCHIVED_HINT)
    if isinstance(exc, PermissionDeniedError | UnauthenticatedError) or status in (401, 403) or code in AUTH_CODES:
        return AuthError(f"the bucket {what}: we are not allowed to{told}", hint=CREDENTIALS_HINT)
    if isinstance(exc, NoObjectError | FileNotFoundError) or status == 404:
        return NotFoundError(f"the bucket {what}: is there such a bucket?{told}", hint="check the store's address")
    if isinstance(exc, NotImplementedError) or (status and _is_refusal(status, code)):
        return DestinationError(f"the bucket {what}: its server refuses such a request{told}", hint=SETTING_HINT)
    return NetworkError(f"the bucket {what}: {f'its server answered{told}' if told else _silence(text)}", hint=LATER)


def _is_refusal(status: int, code: str) -> bool:
    if status == NOT_IMPLEMENTED:  # how some servers refuse the condition
        return True
    return 400 <= status < 500 and status not in PASSING and code not in PASSING_CODES


def _silence(text: str) -> str:
    return next((said for sign, said in SILENCES if sign in text), "there was no answer")


def _bad_key(text: str, what: str) -> StoreDamagedError:
    """A key of which no client can make a path: `a//b`, `a/../b`, a control character."""
    found = BAD_PATH.search(text)
    key = f" {ascii(found[1])[:MOST_SHOWN]}" if found else ""
    return StoreDamagedError(
        f"the bucket {what}: the object{key} has a name that nothing of a store has",
        hint="move it elsewhere, with a tool of the bucket's provider; then run the command again",
    )


def refuse_address(exc: Exception, url: str) -> SheetSyncError:
    """What is wrong with a bucket's address, or with what the environment says of it. Values are not told."""
    text = QUOTED.sub("…", str(exc).strip().split("\n", 1)[0])[:MOST_SHOWN]
    shown = shown_address(url)
    if isinstance(exc, ValueError) or BAD_URL in str(exc):
        hint = "it should look like s3://bucket/folder, gs://bucket/folder or az://container/folder"
        return UsageError(f"'{shown}' is no bucket's address: {text}", hint=hint)
    if BAD_SETTING in str(exc):
        return UsageError(f"the bucket '{shown}' cannot be opened: {text}", hint=SETTING_HINT)
    return AuthError(f"the bucket '{shown}' cannot be opened: {text}", hint=CREDENTIALS_HINT)


def shown_address(url: str) -> str:
    """The address without what may be a secret: a user with a password, and a query."""
    head, mark, rest = url.partition("?")[0].partition("://")
    user, at, place = rest.rpartition("@")
    container = f"{user}@" if at and head.startswith("abfs") and ":" not in user else ""
    return f"{head}{mark}{container}{place}"
