"""Buckets through `obstore`: S3, Google Cloud Storage and Azure, with credentials from their usual places.

Only this module calls obstore; its errors become ours by the table in `bucket_errors.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from sheetsync.errors import MissingExtraError, NetworkError
from sheetsync.store.bucket_errors import answer_of, is_panic, is_silence, refuse_address, translate
from sheetsync.store.creation import PACE, Pace
from sheetsync.store.objects import ObjectBackend

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config

RETRY_TIMEOUT: Final = timedelta(seconds=60)
CLIENT_OPTIONS: Final[ClientConfig] = {"timeout": "30s", "connect_timeout": "10s", "allow_http": True}
LARGE_OPTIONS: Final[ClientConfig] = CLIENT_OPTIONS | {"timeout": "900s"}
LARGE_BYTES: Final = 1 << 20  # takes more than 30 s where a second brings less than 35 kB
PATIENT: Final[RetryConfig] = {"max_retries": 5, "retry_timeout": RETRY_TIMEOUT}
ONCE: Final[RetryConfig] = {"max_retries": 0, "retry_timeout": RETRY_TIMEOUT}
LISTED_AT_ONCE: Final = 1000  # as many as a page of the service has
NO_SUCH_RANGE: Final = 416
HINT: Final = "pip install 'sheetsync-workbench[buckets]'"


def open_bucket(url: str, *, config: Mapping[str, str] | None = None, pace: Pace = PACE) -> ObjectBackend:
    """The backend of a bucket's URL.

    Args:
        url: its address.
        config: goes over what the environment says (for endpoints and tests).
        pace: how a commit whose answer was lost is tried again.

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
    options = dict(config or {})
    if url.startswith("s3"):
        options["conditional_put"] = "etag"  # AWS_CONDITIONAL_PUT=disabled would take away what a commit is
    try:
        given = cast("S3Config", options)  # whose keys they are follows from the URL, at run time
        stores = [
            from_url(url, config=given, client_options=options, retry_config=retry)
            for options in (CLIENT_OPTIONS, LARGE_OPTIONS)
            for retry in (PATIENT, ONCE)
        ]
    except (BaseError, ValueError) as exc:
        raise refuse_address(exc, url) from None  # its text may hold the values of settings
    return ObjectBackend(BucketObjects(*stores), url, pace=pace)


@contextmanager
def said_in_our_words(what: str) -> Iterator[None]:
    """Obstore's errors become ours; what it said is not kept, for it may hold tokens."""
    from obstore.exceptions import BaseError

    try:
        yield
    except BaseException as exc:
        if isinstance(exc, BaseError | OSError | ValueError | NotImplementedError) or is_panic(exc):
            raise translate(exc, what) from None
        raise


class BucketObjects:
    """Objects in a real bucket.

    Args:
        patient: the client for all that may be repeated; it repeats it by itself.
        once: the client for what is created if absent; it must not.
        large_patient, large_once: the same for what takes long to send; default: those two.
    """

    def __init__(
        self,
        patient: ObjectStore,
        once: ObjectStore,
        large_patient: ObjectStore | None = None,
        large_once: ObjectStore | None = None,
    ) -> None:
        self._store, self._once = patient, once
        self._large, self._large_once = large_patient or patient, large_once or once

    def _patient(self, data: bytes) -> ObjectStore:
        return self._large if len(data) > LARGE_BYTES else self._store

    def put_new(self, key: str, data: bytes) -> None:
        """Create if absent, by the bucket's own condition."""
        from obstore.exceptions import AlreadyExistsError, NotModifiedError, PreconditionError

        try:
            with said_in_our_words(f"did not take '{key}'"):
                try:
                    once = self._large_once if len(data) > LARGE_BYTES else self._once
                    once.put(key, data, mode="create", use_multipart=False)
                except (AlreadyExistsError, NotModifiedError, PreconditionError, FileExistsError):
                    there = True
                else:
                    there = False
        except NetworkError as exc:
            raise TimeoutError(exc.message) from None
        if there:
            raise FileExistsError(key)

    def put(self, key: str, data: bytes) -> None:
        """Create or replace."""
        with said_in_our_words(f"did not take '{key}'"):
            self._patient(data).put(key, data, use_multipart=False)

    def replace(self, key: str, old: bytes, new: bytes) -> bool:
        """Replace it by the bucket's own condition on the version that was read."""
        from obstore.exceptions import NotFoundError, PreconditionError

        with said_in_our_words(f"did not take '{key}'"):
            try:
                there = self._store.get(key)
                if bytes(there.bytes()) != old:
                    return False
                told = {"e_tag": there.meta["e_tag"], "version": there.meta["version"]}
                version = cast("UpdateVersion", {name: value for name, value in told.items() if value is not None})
                self._patient(new).put(key, new, mode=version, use_multipart=False)
            except (NotFoundError, FileNotFoundError, PreconditionError):
                return self.get(key) == new  # the client repeats what got no answer, and is then refused
        return True

    def get(self, key: str) -> bytes | None:
        """The bytes, None if there is no such object."""
        from obstore.exceptions import NotFoundError

        with said_in_our_words(f"did not give '{key}'"):
            try:
                return bytes(self._store.get(key).bytes())
            except (NotFoundError, FileNotFoundError):
                return None

    def begin(self, key: str, length: int) -> bytes | None:
        """The first bytes.

        An empty object has no range of them, and is refused as if the request were wrong; of a server that gives no
        ranges the client refuses the answer: the whole object is asked for then.
        """
        from obstore.exceptions import BaseError, NotFoundError

        with said_in_our_words(f"did not give '{key}'"):
            try:
                return bytes(self._store.get_range(key, start=0, length=length))
            except (NotFoundError, FileNotFoundError):
                return None
            except BaseError as exc:
                if answer_of(exc)[0] not in (NO_SUCH_RANGE, None) or is_silence(exc):
                    raise
        return (self.get(key) or b"")[:length]

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """Keys in order. Buckets match prefixes by whole parts, so the last part is filtered here."""
        folder = prefix.rpartition("/")[0]
        keys: set[str] = set()
        empty: set[str] = set()
        with said_in_our_words(f"did not list '{prefix}'"):
            for batch in self._store.list(folder or None, offset=after or None, chunk_size=LISTED_AT_ONCE):
                for meta in batch:
                    if meta["path"].startswith(prefix) and meta["path"] > after:  # some servers ignore where to begin
                        (keys if meta["size"] else empty).add(meta["path"])
            keys |= set(self._without_folders(keys, empty))
        yield from sorted(keys)

    def _without_folders(self, keys: set[str], empty: set[str]) -> Iterator[str]:
        """Those of the empty objects that are no folder's marker.

        A console makes an empty object `a/b/` when somebody makes a folder; obstore tells it as `a/b`, so that it can
        be told from a file of ours only by what stands below it, or by asking for `a/b`.
        """
        folders = {key[:at] for key in keys | empty for at in range(len(key)) if key[at] == "/"}
        for key in empty - folders - {""}:
            try:
                self._store.head(key)
            except FileNotFoundError:
                continue
            yield key

    def tops(self) -> Sequence[str]:
        """First parts of keys, gathered by the server: one request for each thousand of them."""
        with said_in_our_words("did not list its folders"):
            return sorted(self._store.list_with_delimiter()["common_prefixes"])

    def close(self) -> None:
        """Connections are given back with the object."""
