"""Buckets through `obstore`: S3, Google Cloud Storage and Azure, with credentials from their usual places.

Only this module imports obstore; its errors become the few that `objects.py` knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from sheetsync.errors import AuthError, MissingExtraError, NetworkError, SheetSyncError, UsageError
from sheetsync.errors import NotFoundError as MissingError
from sheetsync.store.objects import ObjectBackend

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config

RETRY_TIMEOUT: Final = timedelta(seconds=60)
CLIENT_OPTIONS: Final[ClientConfig] = {"timeout": "30s", "connect_timeout": "10s", "allow_http": True}
NO_TOKEN: Final = (  # asked as a last resort: nothing was sent to the bucket
    "Error performing token request",
    "169.254.169.254",
    "metadata.google.internal",
    "metadata/identity",
)
BAD_URL: Final = "Generic URL error"
STATUS: Final = re.compile(r"status code: (\d{3})")  # where obstore has no class for it, as in lists of Google's
CREDENTIALS_HINT: Final = "set the provider's usual variables (AWS_…, GOOGLE_…, AZURE_…), or sign in with its own tool"
HINT: Final = "pip install 'sheetsync-workbench[buckets]'"


def open_bucket(url: str, *, config: Mapping[str, str] | None = None) -> ObjectBackend:
    """The backend of a bucket's URL; `config` goes over what the environment says (for endpoints and tests).

    Raises:
        MissingExtraError: obstore is not installed.
        UsageError: it is no bucket's address.
        AuthError: the credentials cannot be used.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as exc:
        raise MissingExtraError("a store in a bucket needs the extra 'buckets'", hint=HINT) from exc
    retry: RetryConfig = {"max_retries": 5, "retry_timeout": RETRY_TIMEOUT}
    try:
        given = cast("S3Config", dict(config or {}))  # whose keys they are follows from the URL, at run time
        store = from_url(url, config=given, client_options=CLIENT_OPTIONS, retry_config=retry)
    except (BaseError, ValueError) as exc:
        if isinstance(exc, ValueError) or BAD_URL in str(exc):
            hint = "it should look like s3://bucket/folder, gs://bucket/folder or az://container/folder"
            raise UsageError(f"'{url}' is no bucket's address: {first_line(exc)}", hint=hint) from exc
        raise AuthError(f"the bucket '{url}' cannot be opened: {first_line(exc)}", hint=CREDENTIALS_HINT) from exc
    return ObjectBackend(BucketObjects(store), url)


def first_line(exc: BaseException) -> str:
    """The first line of an error's text; the rest may hold request details."""
    return str(exc).strip().split("\n", 1)[0][:300]


def translate(exc: Exception, what: str) -> SheetSyncError:
    """Obstore's error in our words: who we are, whether the bucket is there, else the network."""
    from obstore.exceptions import NotFoundError, PermissionDeniedError, UnauthenticatedError

    line, status = first_line(exc), STATUS.search(str(exc))
    code = status[1] if status else ""
    if any(sign in str(exc) for sign in NO_TOKEN):
        return AuthError("no credentials for the bucket were found", hint=CREDENTIALS_HINT)
    if isinstance(exc, (PermissionDeniedError, UnauthenticatedError)) or code in ("401", "403"):
        return AuthError(f"the bucket {what}: we are not allowed to ({line})", hint=CREDENTIALS_HINT)
    if isinstance(exc, NotFoundError) or code == "404":
        return MissingError(f"the bucket {what}: is there such a bucket? ({line})", hint="check the store's address")
    return NetworkError(f"the bucket {what}: {line}", hint="try again later")


class BucketObjects:
    """Objects in a real bucket."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put_new(self, key: str, data: bytes) -> None:
        """Create if absent, by the bucket's own condition."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            self._store.put(key, data, mode="create", use_multipart=False)
        except (AlreadyExistsError, PreconditionError, FileExistsError) as exc:
            raise FileExistsError(key) from exc
        except (BaseError, OSError) as exc:
            error = translate(exc, f"did not take '{key}'")
            if isinstance(error, NetworkError):
                raise TimeoutError(first_line(exc)) from exc
            raise error from exc

    def put(self, key: str, data: bytes) -> None:
        """Create or replace."""
        from obstore.exceptions import BaseError

        try:
            self._store.put(key, data, use_multipart=False)
        except (BaseError, OSError) as exc:
            raise translate(exc, f"did not take '{key}'") from exc

    def get(self, key: str) -> bytes | None:
        """The bytes, None if there is no such object."""
        from obstore.exceptions import BaseError, NotFoundError

        try:
            return bytes(self._store.get(key).bytes())
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as exc:
            raise translate(exc, f"did not give '{key}'") from exc

    def list(self, prefix: str) -> Iterator[str]:
        """Keys in order. Buckets match prefixes by whole parts, so the last part is filtered here."""
        from obstore.exceptions import BaseError

        folder = prefix.rpartition("/")[0]
        keys: list[str] = []
        try:
            for batch in self._store.list(folder or None):
                keys += [meta["path"] for meta in batch if meta["path"].startswith(prefix)]
        except (BaseError, OSError) as exc:
            raise translate(exc, f"did not list '{prefix}'") from exc
        yield from sorted(keys)

    def close(self) -> None:
        """Connections are given back with the object."""
