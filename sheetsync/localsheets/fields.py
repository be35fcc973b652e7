"""Field masks: which parts of a message a request changes, or an answer shows.

A mask is parsed into a tree (`Mask`): name -> subtree, `None` for "all of it".  `check_mask` proves it against the
schema, `select` cuts an answer down to it, `merge` applies an update by it.  The grammar is Google's: `.` and `/`
both descend, `a(b,c)` groups, `*` stands for everything at its level, and there are no spaces.
"""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets import errors, schema

Mask = dict[str, "Mask | None"]


class MaskSyntaxError(ValueError):
    """A mask that does not follow the grammar."""


class _Reader:
    """A recursive-descent reader of one mask."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def group(self, end: str) -> Mask:
        tree: Mask = {}
        while True:
            self.path(tree)
            if self.peek() == ",":
                self.at += 1
                continue
            if self.peek() != end:
                raise MaskSyntaxError(self.text)
            return tree

    def path(self, tree: Mask) -> None:
        name = self.name()
        if self.peek() in (".", "/") and self.peek():
            self.at += 1
            below: Mask = {}
            self.path(below)
            add(tree, name, below)
        elif self.peek() == "(":
            self.at += 1
            below = self.group(")")
            self.at += 1
            add(tree, name, below)
        else:
            add(tree, name, None)

    def name(self) -> str:
        start = self.at
        while (char := self.peek()) and (char.isalnum() or char in "_*"):
            self.at += 1
        found = self.text[start : self.at]
        if not found:
            raise MaskSyntaxError(self.text)
        return schema.camel(found) if "_" in found else found


def add(tree: Mask, name: str, below: Mask | None) -> None:
    """Add a path to a tree; a whole field swallows parts of it."""
    if name in tree:
        there = tree[name]
        if there is None or below is None:
            tree[name] = None
        else:
            for key, deeper in below.items():
                add(there, key, deeper)
    else:
        tree[name] = below


def parse(text: str) -> Mask:
    """The tree of a mask.

    Raises:
        MaskSyntaxError: the text does not follow the grammar.
    """
    return _Reader(text).group("")


def message_of(kind: str) -> str | None:
    """The message behind a field's type code; None for scalars."""
    inner = kind.lstrip("[")
    return inner[1:] if inner[0] == "M" else None


def unknown_paths(mask: Mask, name: str | None, prefix: str = "") -> list[str]:
    """The paths of a mask that the message does not have."""
    found: list[str] = []
    for key, below in mask.items():
        path = f"{prefix}{key}"
        if key == "*":
            continue
        kind = schema.messages()[name].get(key) if name else None
        if kind is None:
            found.append(path)
        elif below is not None:
            found += unknown_paths(below, message_of(kind), path + ".")
    return found


def response_mask(text: str | None, name: str) -> Mask | None:
    """The checked mask of a `fields` parameter; None where everything is shown.

    Raises:
        ApiError: 400, the mask cannot be read or names fields that the answer does not have.
    """
    if not text:
        return None
    try:
        mask = parse(text)
    except MaskSyntaxError:
        raise errors.bad_mask([text]) from None
    if wrong := unknown_paths(mask, name):
        raise errors.bad_mask(wrong)
    return None if "*" in mask and mask["*"] is None else mask


def update_mask(text: str | None, name: str) -> Mask:
    """The checked mask of an update.

    Raises:
        ApiError: 400, the mask is empty, cannot be read, or names unknown fields.
    """
    if not text:
        raise errors.ApiError("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    try:
        mask = parse(
            "".join(text.split())
        )  # in bodies spaces are taken (pygsheets sends them), in the URL they are not
    except MaskSyntaxError:
        raise errors.ApiError(f"Invalid field mask: {text}") from None
    # Google takes the field's own name in front, too: `properties.title` for `title` is refused, not guessed.
    if wrong := unknown_paths(mask, name):
        raise errors.ApiError(f"Invalid field: {schema.snake(wrong[0])}")
    if "*" in mask:
        return dict.fromkeys(schema.messages()[name])
    return mask


def select(value: Any, mask: Mask | None) -> Any:
    """The part of a JSON value that a mask shows; lists are cut item by item."""
    if mask is None:
        return value
    if isinstance(value, list):
        return [select(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    if "*" in mask:
        below = mask["*"]
        return {key: select(item, mask.get(key, below)) for key, item in value.items()}
    return {key: select(item, mask[key]) for key, item in value.items() if key in mask}


def merge(target: dict[str, Any], source: dict[str, Any], mask: Mask) -> dict[str, Any]:
    """A copy of `target` with the masked fields taken from `source`; what is absent there is cleared."""
    result = dict(target)
    for key, below in mask.items():
        if key == "*":
            return dict(source)
        new = source.get(key)
        if below is None or "*" in below:
            if new is None:
                result.pop(key, None)
            else:
                result[key] = new
            continue
        inner = merge(target.get(key) or {}, new or {}, below)
        if inner:
            result[key] = inner
        else:
            result.pop(key, None)
    return result
