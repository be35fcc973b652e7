"""Addresses as people write them: spreadsheets, endpoints, stores. Hostile until parsed here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sheetsync.errors import UsageError
from sheetsync.observability.redaction import redact
from sheetsync.store.address import expanded, parse_address

LOCAL: Final = "local"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PATH: Final = re.compile(r"(?:/a/[A-Za-z0-9.-]+)?/spreadsheets(?:/u/\d+)?/d/([A-Za-z0-9_-]{1,128})(?:/.*)?")


def parse_spreadsheet(text: str, *, endpoint: str | None = None) -> str:
    """`local`, or the id out of an id or a spreadsheet's address.

    Raises:
        ValueError: it is neither; the message says what is wrong.
    """
    text = text.strip()
    if _ID.fullmatch(text):
        return text
    if "://" not in text:
        raise ValueError(f"{text[:80]!r} is neither 'local', nor the id of a spreadsheet, nor its address")
    parts = urlsplit(text)
    own = endpoint is not None and parts.netloc == urlsplit(endpoint).netloc
    if not own and (parts.scheme, parts.netloc) != ("https", "docs.google.com"):
        raise ValueError(f"{parts.netloc[:80]!r} is not docs.google.com: that is no address of a Google spreadsheet")
    match = _PATH.fullmatch(parts.path)
    if match is None or match[1] == "e":  # /d/e/2PACX-… is a published copy: it has no API
        raise ValueError("the address is not of the form https://docs.google.com/spreadsheets/d/ID/edit")
    return match[1]


def parse_endpoint(text: str) -> str | None:
    """A base URL without a final slash; None for "".

    Raises:
        ValueError: it is not an http or https URL, or holds a password, a query or a fragment.
    """
    text = text.strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        port_is_fine = False
    if not port_is_fine or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{_without_secrets(text)!r} is not a base URL like http://127.0.0.1:8090")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("an endpoint has no user, password, query or fragment")
    return text.rstrip("/")


def parse_store(text: str, relative_to: Path) -> str:
    """A store's URL, or the absolute path of its directory.

    Raises:
        ValueError: it is no store's address (`sheetsync.store.address` says what is one).
    """
    try:
        found = parse_address(text.strip())
        return found.text if found.folder is None else str(relative_to / expanded(found.folder))
    except UsageError as error:
        raise ValueError(f"{error.message}; {error.hint}" if error.hint else error.message) from None


def _without_secrets(text: str) -> str:
    return redact(text)[:80]
