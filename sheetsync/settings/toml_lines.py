"""On which line each key of a TOML text stands: `tomllib` does not say. What the values mean is not here.

Only for texts that `tomllib` has read without a complaint, so that this scanner may be simple.
"""

from __future__ import annotations

import re
import tomllib
from typing import Final

KeyPath = tuple[str | int, ...]

_HEADER: Final = re.compile(r"\s*(\[\[?)(.*?)\]\]?\s*(?:#.*)?$")
_TOKEN: Final = re.compile(r'"""|\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}]')


def find_lines(text: str) -> dict[KeyPath, int]:
    """Key path to line number, from 1. Array tables have their index in the path: `("firearm", 0, "id")`."""
    found: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        header = _HEADER.match(line)
        if header and line.lstrip().startswith("["):
            table = _open_table(header[1] == "[[", _split_key(header[2]), counts)
            found.setdefault(table, at + 1)
            at += 1
        elif _key_end(line) is not None:
            path = table + _split_key(line[: _key_end(line)])
            found.setdefault(path, at + 1)
            at = _value_end(lines, at)
        else:
            at += 1
    return found


def _open_table(is_array: bool, name: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    path: KeyPath = ()
    for step in name[:-1]:  # a table inside the newest element of an array
        path += (step,)
        if path in counts:
            path += (counts[path] - 1,)
    path += name[-1:]
    if is_array:
        counts[path] = counts.get(path, 0) + 1
        path += (counts[path] - 1,)
    return path


def _key_end(line: str) -> int | None:
    """Where the key's `=` stands; None if the line has no key."""
    stripped = line.lstrip()
    if not stripped or stripped.startswith("#"):
        return None
    quote = ""
    for index, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "=":
            return index
    return None


def _split_key(text: str) -> KeyPath:
    """The parts of a dotted key: `a."b.c"` is ("a", "b.c")."""
    value: object = tomllib.loads(f"{text.strip()} = 0")
    parts: list[str | int] = []
    while isinstance(value, dict):
        name, value = next(iter(value.items()))
        parts.append(name)
    return tuple(parts)


def _value_end(lines: list[str], start: int) -> int:
    """The first line after the value that begins on line `start`: values may span lines in brackets and quotes."""
    depth = 0
    closing = ""
    at = start
    text = lines[at][_key_end(lines[at]) :]
    while True:
        depth, closing = _scan(text, depth, closing)
        at += 1
        if (depth == 0 and not closing) or at >= len(lines):
            return at
        text = lines[at]


def _scan(text: str, depth: int, closing: str) -> tuple[int, str]:
    """Brackets still open, and the mark that ends the open multi-line string ("" if none), after this text."""
    position = 0
    while position < len(text):
        if closing:
            end = text.find(closing, position)
            if end < 0:
                return depth, closing
            position, closing = end + 3, ""
            continue
        token = _TOKEN.search(text, position)
        if token is None:
            break
        position = token.end()
        if token[0] in ('"""', "'''"):
            closing = token[0]
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
    return depth, closing
