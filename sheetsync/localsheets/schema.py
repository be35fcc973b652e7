"""The messages of Sheets v4: which fields a body may have, of which type, and how Google writes them back.

The table itself is `schema.json`, made by `compact_schema` from Google's discovery document (revision in the
file under `revision`).  Here live the check of request bodies (`check`), with Google's wording for each mistake,
and `tidy`, which drops what proto3 JSON drops.  Field masks are in `fields.py`.
"""

from __future__ import annotations

import math
import re
import struct
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import orjson

from sheetsync.localsheets import errors

PACKAGE: Final = "type.googleapis.com/google.apps.sheets.v4."
MAX_DEPTH: Final = 100  # deeper bodies are refused, as Google's JSON reader does

# Scalars that know "unset" from zero: all others are left out of answers when they are zero, false or empty.
KEEPS_ZERO: Final = frozenset(
    {
        *(f"GridRange.{name}" for name in ("startRowIndex", "endRowIndex", "startColumnIndex", "endColumnIndex")),
        "DimensionRange.startIndex",
        "DimensionRange.endIndex",
        *(f"TextFormat.{name}" for name in ("bold", "italic", "strikethrough", "underline")),
        "SheetProperties.sheetId",
        "SheetProperties.index",
        "Color.alpha",
        *(f"ExtendedValue.{name}" for name in ("numberValue", "stringValue", "boolValue", "formulaValue")),
        "TextRotation.angle",
        "TextRotation.vertical",
        "DataFilter.a1Range",
    }
)
SCALARS: Final = {
    "s": "TYPE_STRING",
    "i": "TYPE_INT32",
    "b": "TYPE_BOOL",
    "f": "TYPE_FLOAT",
    "d": "TYPE_DOUBLE",
    "m": "type.googleapis.com/google.protobuf.FieldMask",
    "t": "type.googleapis.com/google.protobuf.Timestamp",
}
INT32: Final = 2**31


def compact_schema(discovery: dict[str, Any]) -> dict[str, Any]:
    """The table of `schema.json` from a discovery document: message -> field -> type code."""

    def code(prop: dict[str, Any]) -> str:
        if "$ref" in prop:
            return "M" + str(prop["$ref"])
        kind, form = prop.get("type"), prop.get("format")
        if kind == "array":
            return "[" + code(prop["items"])
        if kind == "object":
            return "{" + code(prop["additionalProperties"]) if "additionalProperties" in prop else "v"
        if "enum" in prop:
            return "E" + "|".join(prop["enum"])
        by_format = {"google-fieldmask": "m", "google-datetime": "t", "float": "f", "double": "d"}
        return by_format.get(str(form)) or {"string": "s", "integer": "i", "boolean": "b", "any": "v"}.get(
            str(kind), "v"
        )

    messages = {
        name: {field: code(prop) for field, prop in body.get("properties", {}).items()}
        for name, body in discovery["schemas"].items()
    }
    return {"revision": discovery["revision"], "messages": messages}


@cache
def messages() -> dict[str, dict[str, str]]:
    """Every message with its fields and their type codes."""
    table = orjson.loads(Path(__file__).with_name("schema.json").read_bytes())
    found: dict[str, dict[str, str]] = table["messages"]
    return found


@lru_cache(maxsize=4096)
def snake(name: str) -> str:
    """`updateCells` as `update_cells`, the form in which Google's messages name fields."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    """`update_cells` as `updateCells`: proto3 JSON takes both."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def float32(number: float) -> float:
    """The shortest decimal that reads back as the same 32-bit float: what Google answers for colours."""
    try:
        exact = struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return number
    for digits in range(6, 10):
        shorter = float(f"{exact:.{digits}g}")
        if struct.unpack("f", struct.pack("f", shorter))[0] == exact:
            return shorter
    return float(exact)


def channel(number: float) -> float:
    """A colour's channel as Google keeps it: in 256 steps, rounded down (0.5 reads back as 127/255)."""
    return math.floor(min(max(number, 0), 1) * 255 + 1e-6) / 255


class BodyCheck:
    """One check of one request body; collects all mistakes before it refuses."""

    def __init__(self) -> None:
        self.violations: list[tuple[str, str]] = []

    def wrong(self, path: str, type_name: str, value: object) -> None:
        """Note a value of the wrong type."""
        shown = f'"{value}"' if isinstance(value, str) else orjson.dumps(value).decode()
        self.violations.append((path, f"Invalid value at '{path}' ({type_name}), {shown}"))

    def unknown(self, path: str, text: str) -> None:
        """Note a name that the message does not have, or that stands in the wrong shape."""
        self.violations.append((path, text))

    def message(self, name: str, value: dict[str, Any], path: str, depth: int = 0) -> None:
        """Check one message in place: null fields go, numbers given as text become numbers."""
        fields = messages()[name]
        if depth > MAX_DEPTH:
            raise errors.bad_fields(
                [("", "Invalid JSON payload received. Message too deep. Max recursion depth reached.")]
            )
        changed: list[tuple[str, str, Any]] = []
        for key, item in value.items():
            kind = fields.get(key)
            if kind is None and (kind := fields.get(camel(key))) is None:
                where = f" at '{path}'" if path else ""
                self.unknown(path, f'Invalid JSON payload received. Unknown name "{key}"{where}: Cannot find field.')
                continue
            if item is None:
                changed.append((key, "", None))
                continue
            if kind[0] == "s" and type(item) is str:
                continue
            inner = f"{path}.{snake(key)}" if path else snake(key)
            new = self.value(kind, item, inner, depth, name)
            if new is not item or key not in fields:
                changed.append((key, camel(key), new))
        for old, new_key, new in changed:
            del value[old]
            if new_key:
                value[new_key] = new

    def value(self, kind: str, item: Any, path: str, depth: int, owner: str) -> Any:
        """Check one value of a field; returns it, converted where JSON allows another form."""
        first = kind[0]
        if first == "M":
            return self.nested(kind[1:], item, path, depth)
        if first == "[":
            return self.repeated(kind[1:], item, path, depth, owner)
        if first == "v":
            return item
        if first == "{":
            if not isinstance(item, dict):
                self.wrong(path, "map", item)
            return item
        if isinstance(item, list):
            leaf = path.rpartition(".")
            self.unknown(
                leaf[0],
                f"Invalid JSON payload received. Unknown name \"{camel(leaf[2])}\" at '{leaf[0]}':"
                " Proto field is not repeating, cannot start list.",
            )
            return item
        if isinstance(item, dict):
            leaf = path.rpartition(".")
            self.unknown(
                leaf[0],
                f"Invalid JSON payload received. Unknown name \"\" at '{path}':"
                " Proto field is not a message, cannot start object.",
            )
            return item
        return self.scalar(kind, item, path, owner)

    def nested(self, name: str, item: Any, path: str, depth: int) -> Any:
        """Check a value that is to be a message."""
        if type(item) is dict:
            self.message(name, item, path, depth + 1)
        else:
            self.wrong(path, PACKAGE + name, item)
        return item

    def repeated(self, kind: str, item: Any, path: str, depth: int, owner: str) -> Any:
        """Check a value that is to be a list."""
        if kind.startswith("["):  # rows of a ValueRange: a list of lists of any scalar
            rows = item if isinstance(item, list) else [item]
            for row in rows:
                if not isinstance(row, list):
                    self.wrong(path, "type.googleapis.com/google.protobuf.ListValue", row)
            return item
        if not isinstance(item, list):
            if kind[0] == "M" and type(item) is dict:
                leaf = path.rpartition(".")
                self.unknown(
                    leaf[0],
                    f"Invalid JSON payload received. Unknown name \"{camel(leaf[2])}\" at '{leaf[0]}':"
                    " Proto field is not repeating, cannot start list.",
                )
                return item
            return [self.value(kind, item, f"{path}[0]", depth, owner)]
        if kind[0] == "M":
            name = kind[1:]
            for index, one in enumerate(item):
                if type(one) is dict:
                    self.message(name, one, f"{path}[{index}]", depth + 1)
                else:
                    self.wrong(f"{path}[{index}]", PACKAGE + name, one)
            return item
        return [self.value(kind, one, f"{path}[{index}]", depth, owner) for index, one in enumerate(item)]

    def scalar(self, kind: str, item: Any, path: str, owner: str) -> Any:
        """Check a number, text, boolean or enum; returns it converted."""
        first = kind[0]
        if first == "b":
            if item is True or item is False:
                return item
            if item in ("true", "false"):
                return item == "true"
        elif first == "i":
            number = as_number(item)
            if number is not None and number == int(number) and -INT32 <= number < INT32:
                return item if type(item) is int else int(number)
        elif first in "fd":
            number = as_number(item)
            if number is not None:
                return item if type(item) in (int, float) else number
        elif first == "E":
            names = kind[1:].split("|")
            if item in names:
                return item
            if type(item) is int and 0 <= item < len(names):
                return names[item]
            enum = path.rpartition(".")[2].split("[")[0]
            self.wrong(path, f"{PACKAGE}{owner}.{camel(enum)[:1].upper()}{camel(enum)[1:]}", item)
            return item
        elif type(item) is str:
            return item
        self.wrong(path, SCALARS[first], item)
        return item


def as_number(item: object) -> float | None:
    """A JSON number, or one given as text; None for anything else."""
    if type(item) in (int, float):
        return item  # type: ignore[return-value]
    if isinstance(item, str):
        try:
            number = float(item)
        except ValueError:
            return None
        return number if number == number and abs(number) != float("inf") else None
    return None


def check(name: str, value: object, path: str = "") -> dict[str, Any]:
    """Check a request body against a message, in place.

    Args:
        name: the message, such as `BatchUpdateSpreadsheetRequest`.
        value: the parsed body.
        path: what Google calls the body in its messages ("" or `data`).

    Raises:
        ApiError: 400 with one field violation for each mistake.
    """
    if value is None:
        value = {}
    if not isinstance(value, dict):
        shown = "list" if isinstance(value, list) else "value"
        raise errors.bad_fields(
            [("", f'Invalid JSON payload received. Unknown name "": Root element must be a message, not a {shown}.')]
        )
    run = BodyCheck()
    run.message(name, value, path)
    if run.violations:
        raise errors.bad_fields(run.violations)
    return value


def tidy(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """A message as Google writes it back: zero, false and empty fields left out, floats of 32 bits."""
    fields = messages()[name]
    result: dict[str, Any] = {}
    for key, item in value.items():
        kind = fields.get(key, "v")
        first = kind[0]
        if item is None:
            continue
        if first == "M":
            result[key] = tidy(kind[1:], item)
        elif first == "[":
            if item:
                result[key] = [tidy(kind[2:], one) for one in item] if kind[1] == "M" else item
        elif first == "f":
            number = float32(channel(item) if name == "Color" and key != "alpha" else item)
            if number or f"{name}.{key}" in KEEPS_ZERO:
                result[key] = int(number) if number == int(number) else number
        elif first == "E":
            if not item.endswith("_UNSPECIFIED"):
                result[key] = item
        elif item or f"{name}.{key}" in KEEPS_ZERO or first in "v{":
            result[key] = int(item) if type(item) is float and item.is_integer() else item
    return result
