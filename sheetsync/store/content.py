"""What a snapshot holds: a JSON object, or a file's bytes kept as they are; its one byte form, its hash, its limit.

A snapshot's file is exactly these bytes, so `sha256sum` proves any file of a store.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from sheetsync.domain.canonical import JSONValue, canonical_json, plain_json
from sheetsync.errors import InvalidContentError
from sheetsync.store.names import SUFFIX_FORM

MAX_CONTENT_BYTES: Final = 50_000_000
JSON_SUFFIX: Final = ".json"
MAX_DEPTH: Final = 300  # the parsers that read it back stop at about 900, less what calls them
MAX_INTEGER: Final = 10**4000 - 1  # 4,000 digits; Python parses 4,300


@dataclass(frozen=True, slots=True)
class SourceBytes:
    """A file kept byte for byte; `suffix` is its extension with the dot, or nothing."""

    data: bytes
    suffix: str


Content = dict[str, JSONValue] | SourceBytes


class Encoded(NamedTuple):
    """Content as it is written: `data` are the file's bytes.

    `wide` content has numbers beyond 64 bits (or is nested deeply): only an arbitrary-precision parser reads it right.
    """

    data: bytes
    hash: str
    suffix: str
    source: bool
    wide: bool

    def journal_member(self) -> bytes:
        """The member of the journal's snapshot object that carries the content."""
        if not self.source:
            return b'"content":' + self.data + (b',"wide":true' if self.wide else b"")
        try:
            return b'"text":' + orjson.dumps(self.data.decode("utf-8"))
        except UnicodeDecodeError:
            return b'"base64":"' + base64.b64encode(self.data) + b'"'


def hash_bytes(data: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def encode_content(content: Content, *, name: str = "") -> Encoded:
    """The byte form of content, with its hash.

    Raises:
        InvalidContentError: it is not a JSON object, has no JSON form (NaN, keys that are no text), or is too large.
    """
    if isinstance(content, SourceBytes):
        if not isinstance(content.data, bytes | bytearray | memoryview) or not isinstance(content.suffix, str):
            raise InvalidContentError(f"content of '{name}' holds no bytes and an extension")
        if not SUFFIX_FORM.fullmatch(content.suffix):
            raise InvalidContentError(f"{content.suffix[:40]!r} is not a file extension")
        data, suffix, wide = bytes(content.data), content.suffix, False
    elif isinstance(content, dict):
        data, wide = encode_json(content, f"content of '{name}'")
        suffix = JSON_SUFFIX
    else:
        raise InvalidContentError(f"content of '{name}' is not a JSON object, but {type(content).__name__}")
    if len(data) > MAX_CONTENT_BYTES:
        limit = MAX_CONTENT_BYTES // 1_000_000
        raise InvalidContentError(
            f"content of '{name}' has {len(data):,} bytes; a snapshot holds at most {limit} MB",
            hint="keep large files outside the store and save their address",
        )
    return Encoded(data, hash_bytes(data), suffix, isinstance(content, SourceBytes), wide)


def encode_json(value: dict[str, JSONValue], what: str) -> tuple[bytes, bool]:
    """Canonical JSON that reads back as it is, and whether that takes a parser with arbitrary precision.

    Raises:
        InvalidContentError: there is no such form.
    """
    plain = plain_json(value)
    if plain is not None:
        return plain, False
    try:
        orjson.dumps(value)  # refuses keys that are no text, which json.dumps would rewrite
        wide = False
    except TypeError:
        wide = True
        _check_readable(value, what)
    try:
        data = canonical_json(value)
        if wide and json.loads(data) != _lists(value):
            raise InvalidContentError(f"{what} does not come back from JSON as it is")
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidContentError(f"{what} has no JSON form: {exc}") from exc
    return data, wide


def _check_readable(value: JSONValue, what: str) -> None:
    """Another process may parse less than this one, whose limits somebody may have raised."""
    level: list[JSONValue] = [value]
    for _ in range(MAX_DEPTH + 1):  # the innermost values are no level
        if any(isinstance(item, int) and abs(item) > MAX_INTEGER for item in level):
            raise InvalidContentError(f"{what} holds a number of more than 4,000 digits")
        inner: list[JSONValue] = []
        for item in level:
            if isinstance(item, (dict, list, tuple)):
                inner += item.values() if isinstance(item, dict) else item
        if not inner:
            return
        level = inner
    raise InvalidContentError(f"{what} is nested more than {MAX_DEPTH} levels deep")


def _lists(value: JSONValue) -> JSONValue:
    """The value with tuples as lists, as JSON gives them back."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


class LazyContent:
    """Content that is parsed when it is first asked for: listings and bulk saves seldom need it."""

    __slots__ = ("_content", "_data", "_source", "_suffix", "_wide")

    def __init__(self, data: bytes, suffix: str, *, source: bool, wide: bool) -> None:
        self._data: bytes | None = data
        self._content: Content | None = None
        self._suffix, self._source, self._wide = suffix, source, wide

    def get(self) -> Content:
        """The content; always the same object."""
        data = self._data  # read once: another thread may come between
        if data is not None:
            self._content = decode_content(data, self._suffix, source=self._source, wide=self._wide)
            self._data = None
        assert self._content is not None  # noqa: S101 (for the type checker: set before the data goes)
        return self._content


def parse_json(data: bytes, *, wide: bool) -> JSONValue:
    """Parse what `encode_content` wrote."""
    return json.loads(data) if wide else orjson.loads(data)


def decode_content(data: bytes, suffix: str, *, source: bool, wide: bool) -> Content:
    """Content from a snapshot's bytes."""
    if source:
        return SourceBytes(data, suffix)
    value: dict[str, JSONValue] = parse_json(data, wide=wide)
    return value
