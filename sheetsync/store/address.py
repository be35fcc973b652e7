"""The one parser of a store's address, for whoever takes one: the library, the configuration, the command line.

An address is hostile until here. What is refused is never repeated where it may hold a secret, and nothing of an
address is cut, decoded or resolved silently: two addresses that differ are two stores.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from sheetsync.errors import UsageError

BUCKET_SCHEMES: Final = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
ACCOUNT_SCHEMES: Final = ("abfs", "abfss")  # container@account.dfs.core.windows.net is their own form
SCHEMES: Final = (*BUCKET_SCHEMES, "memory", "file")
KINDS: Final = "use a folder, or s3://bucket/folder, gs://bucket/folder, az://container/folder, memory://"
SECRETS_GO: Final = "credentials belong in the variables of the cloud's own tools (AWS_…, GOOGLE_…, AZURE_…)"
SHOWN: Final = 80

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}")
_ONE_SLASH: Final = re.compile(rf"({'|'.join(SCHEMES)}):", re.IGNORECASE)
_LIKE_A_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,15}:(?=/)")  # of a text: a Path loses a second slash
_BUCKET: Final = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._$-]{0,222}")
_ACCOUNT: Final = re.compile(r"[a-z0-9$][a-z0-9-]{0,62}@[a-z0-9-]+(\.[a-z0-9-]+)+")
_CUT: Final = {"?": "a query", "#": "a fragment", "%": "an escape"}  # a client of buckets would cut or decode each


class StoreAddress(NamedTuple):
    """Where a store is. `scheme` is "" for a folder's path, `rest` what stands after `://`, without a last slash."""

    scheme: str
    rest: str
    folder: Path | None

    @property
    def text(self) -> str:
        """The address in its one form."""
        return f"{self.scheme}://{self.rest}" if self.scheme else str(self.folder)


def parse_address(address: str | Path) -> StoreAddress:
    """The parts of a folder's path or a store's URL.

    Raises:
        UsageError: it is none, or holds a user, a password, a query, a fragment, or a part that leads elsewhere.
    """
    if not isinstance(address, str | Path):
        raise UsageError(f"a store's address is a text or a Path, not a {type(address).__name__}", hint=KINDS)
    text = str(address)
    scheme, mark, rest = text.partition("://")
    if isinstance(address, Path) or not mark:
        return _parse_folder(text, address)
    if scheme not in SCHEMES:
        what = f"'{scheme}://…'" if _SCHEME.fullmatch(scheme) else "that"
        raise UsageError(f"{what} is no store's address", hint=KINDS)
    place, _, below = rest.partition("/")
    _check_place(scheme, place)
    if scheme == "file":
        if not rest:
            raise UsageError("an empty text is no store's address", hint="'.' is this folder")
        if place:
            raise UsageError("a 'file://' address holds no host", hint="write file:///folder, or a folder's path")
        return StoreAddress(scheme, rest, Path(rest))
    shown = f"{scheme}://{place}"
    if below:
        below = below.removesuffix("/")
        _check_parts(f"{shown}/", below)
    return StoreAddress(scheme, f"{place}/{below}" if below else place, None)


def expanded(folder: Path) -> Path:
    """The folder with a home's path for its `~`.

    Raises:
        UsageError: nobody here is called so.
    """
    try:
        return folder.expanduser()
    except RuntimeError as exc:
        raise UsageError(
            f"'{folder}' leads nowhere: this machine knows no such home",
            hint="write the folder's whole path; one that is called so is './~…'",
        ) from exc


def _parse_folder(text: str, address: str | Path) -> StoreAddress:
    if not text.strip():
        raise UsageError("an empty text is no store's address", hint="'.' is this folder")
    found = _ONE_SLASH.match(text) or (_LIKE_A_URL.match(text) if isinstance(address, str) else None)
    if found and (isinstance(address, str) or text[found.end() :].startswith("/")):
        raise UsageError(
            f"'{found[0]}' begins a URL, which needs two slashes: '{found[0]}//'",
            hint=f"a Path cannot hold a URL: give it as text; a folder of that name is './{found[0]}…'",
        )
    return StoreAddress("", text, Path(text))


def _check_place(scheme: str, place: str) -> None:
    """The bucket, the container or the name, without anything that could be a secret."""
    if scheme in ACCOUNT_SCHEMES and _ACCOUNT.fullmatch(place):
        return
    if "@" in place or ":" in place:
        raise UsageError("a store's address holds no user, no password and no port", hint=SECRETS_GO)
    cut = next((char for char in place if char in _CUT), None)
    if cut is not None:
        _refuse_cut(f"{scheme}://", cut, place)
    if scheme in BUCKET_SCHEMES and not _BUCKET.fullmatch(place):
        why = f"no bucket is called {ascii(place)[:SHOWN]}" if place else "it names no bucket"
        raise UsageError(f"'{scheme}://…' is no bucket's address: {why}", hint=KINDS)


def _check_parts(before: str, below: str) -> None:
    """The parts of the folder, each as it is written."""
    cut = next((char for char in below if char in _CUT), None)
    if cut is not None:
        _refuse_cut(before, cut, below)
    if not below.isprintable() or "\\" in below or below != below.strip():
        _refuse(before, "a control character, a backslash, or a space at its end")
    for part in below.split("/"):
        if part in ("", ".", ".."):
            _refuse(before, f"the part '{part}'" if part else "an empty part")


def _refuse_cut(before: str, cut: str, rest: str) -> NoReturn:
    """What stands behind such a character may be a secret: it is not repeated."""
    kept = rest.partition(cut)[0]
    _refuse(f"{before}{kept}", f"{_CUT[cut]} ('{cut}')")


def _refuse(before: str, what: str) -> NoReturn:
    raise UsageError(
        f"'{ascii(before)[1:-1][:SHOWN]}…' is no bucket's address: it holds {what}",
        hint="write each part of the folder as it is, as in s3://bucket/folder/part",
    )
