"""Drive's search language (`q`), and the order and pages of a listing.

Fields: name, mimeType, trashed, starred, fullText (the name only), parents, owners, writers, modifiedTime, createdTime,
sharedWithMe, properties are refused.  Operators: `=`, `!=`, `contains`, `in`, `<`, `<=`, `>`, `>=`, `and`, `or`, `not`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from sheetsync.localsheets import access
from sheetsync.localsheets.errors import DriveError
from sheetsync.localsheets.files import ROOT, FileRecord, rfc3339

Test = Callable[[FileRecord], bool]
_TOKENS: Final = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<sign><=|>=|!=|=|<|>|\(|\))|(?P<word>[A-Za-z]+))""",
    re.DOTALL,
)
_FIELDS: Final[dict[str, Callable[[FileRecord], Any]]] = {
    "name": lambda record: record.name,
    "title": lambda record: record.name,
    "fullText": lambda record: record.name,
    "mimeType": lambda record: record.mime,
    "trashed": lambda record: record.trashed,
    "starred": lambda record: bool(record.extra.get("starred")),
    "modifiedTime": lambda record: rfc3339(record.modified_ms),
    "createdTime": lambda record: rfc3339(record.created_ms),
    "parents": lambda record: record.parents,
    "owners": lambda record: [record.owner],
    "writers": lambda record: _with_role(record, 3),
    "readers": lambda record: _with_role(record, 1),
}


def _with_role(record: FileRecord, least: int) -> list[str]:
    return [
        one.get("emailAddress", "")
        for one in access.permissions_of(record)
        if access.RANKS.get(one["role"], 0) >= least
    ]


def _invalid() -> DriveError:
    return DriveError("Invalid Value", reason="invalid", location=("parameter", "q"))


class _Parser:
    """A recursive-descent parser; `or` binds weaker than `and`."""

    def __init__(self, text: str, user: str) -> None:
        self.tokens: list[str] = []
        self.user = user
        at = 0
        text = text.strip()
        while at < len(text):
            match = _TOKENS.match(text, at)
            if not match:
                raise _invalid()
            self.tokens.append(match[0].strip())
            at = match.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        if self.at >= len(self.tokens):
            raise _invalid()
        self.at += 1
        return self.tokens[self.at - 1]

    def either(self) -> Test:
        tests = [self.both()]
        while self.peek().lower() == "or":
            self.take()
            tests.append(self.both())
        return lambda record: any(test(record) for test in tests)

    def both(self) -> Test:
        tests = [self.one()]
        while self.peek().lower() == "and":
            self.take()
            tests.append(self.one())
        return lambda record: all(test(record) for test in tests)

    def one(self) -> Test:
        word = self.take()
        if word.lower() == "not":
            inner = self.one()
            return lambda record: not inner(record)
        if word == "(":
            inner = self.either()
            if self.take() != ")":
                raise _invalid()
            return inner
        if word[0] in "'\"":
            if self.take().lower() != "in":
                raise _invalid()
            return self._member(_plain(word), self.take())
        if word == "sharedWithMe":
            if self.peek() == "=":
                self.take()
                self.take()
            return lambda record: record.owner != self.user and access.rank(record, self.user, private=True) > 0
        return self._comparison(word, self.take(), self.take())

    def _member(self, value: str, name: str) -> Test:
        if name not in ("parents", "owners", "writers", "readers"):
            raise _invalid()
        wanted = self.user if value == "me" else ROOT if value == "root" and name == "parents" else value
        pick = _FIELDS[name]
        return lambda record: wanted in pick(record)

    def _comparison(self, name: str, operator: str, given: str) -> Test:
        pick = _FIELDS.get(name)
        if pick is None or name in ("parents", "owners", "writers", "readers"):
            raise _invalid()
        wanted: Any = _plain(given) if given[0] in "'\"" else {"true": True, "false": False}.get(given.lower())
        if wanted is None or isinstance(wanted, bool) != (name in ("trashed", "starred")):
            raise _invalid()
        if name.endswith("Time"):
            wanted = _moment(wanted)
        tests: dict[str, Callable[[Any], bool]] = {
            "=": lambda value: value == wanted,
            "!=": lambda value: value != wanted,
            "contains": lambda value: _contains(str(value), str(wanted)),
            "<": lambda value: value < wanted,
            "<=": lambda value: value <= wanted,
            ">": lambda value: value > wanted,
            ">=": lambda value: value >= wanted,
        }
        test = tests.get(operator)
        if test is None:
            raise _invalid()
        return lambda record: test(pick(record))


def _plain(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def _contains(value: str, wanted: str) -> bool:
    """Google's `contains` on names matches the beginnings of words."""
    return re.search(r"(?:^|\W|_)" + re.escape(wanted.lower()), value.lower()) is not None


def _moment(text: str) -> str:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid() from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return rfc3339(int(moment.timestamp() * 1000))


def parse(query: str, user: str) -> Test:
    """Whether a file matches a query.

    Raises:
        DriveError: 400, the query cannot be read.
    """
    if not query.strip():
        return lambda _record: True
    parser = _Parser(query, user)
    test = parser.either()
    if parser.peek():
        raise _invalid()
    return test


def ordered(records: list[FileRecord], order: str) -> list[FileRecord]:
    """Records in the order of `orderBy`; newest first if there is none.

    Raises:
        DriveError: 400, a key is unknown.
    """
    keys: dict[str, Callable[[FileRecord], Any]] = {
        "name": lambda record: record.name.casefold(),
        "name_natural": lambda record: record.name.casefold(),
        "createdTime": lambda record: record.created_ms,
        "modifiedTime": lambda record: record.modified_ms,
        "modifiedByMeTime": lambda record: record.modified_ms,
        "viewedByMeTime": lambda record: record.modified_ms,
        "recency": lambda record: record.modified_ms,
        "folder": lambda record: record.mime != "application/vnd.google-apps.folder",
        "starred": lambda record: not record.extra.get("starred"),
    }
    found = list(reversed(records))
    for part in reversed([part.strip() for part in order.split(",") if part.strip()]):
        name, _, direction = part.partition(" ")
        if name not in keys or direction not in ("", "desc"):
            raise DriveError("Invalid Value", reason="invalid", location=("parameter", "orderBy"))
        found.sort(key=keys[name], reverse=direction == "desc")
    return found
