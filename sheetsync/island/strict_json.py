"""JSON sources, read strictly: UTF-8, no key twice, no `__proto__`, no NaN, bounded nesting. Faults say where.

Python's own reader takes the last of two equal keys and has no limit of depth but its stack; a source that another
reader may understand differently is a fault here.
"""

from __future__ import annotations

import json
import math
from typing import Final

from sheetsync.domain.canonical import JSONValue
from sheetsync.island.evaluator import MAX_DEPTH
from sheetsync.island.js_values import NoJSONFormError, paired
from sheetsync.island.modules import BOM, Fault

SAFE_INTEGER: Final = 2**63  # larger ones become the double that every JSON reader of JavaScript would make of them


class _FaultError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_json(data: bytes) -> tuple[JSONValue, Fault | None]:
    """The value, and the first fault (the value is None then). It never raises for anything that the bytes may hold."""
    data = data.removeprefix(BOM)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        return None, Fault("not_utf8", f"is not UTF-8: byte {exc.start}", line)
    deep = _first_too_deep(text)
    if deep is not None:
        return None, _fault_at(text, deep, "too_deep", f"nested more than {MAX_DEPTH} deep")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
        return _checked(value), None
    except json.JSONDecodeError as exc:
        return None, Fault("syntax", f"this is not JSON: {exc.msg}", exc.lineno, exc.colno)
    except _FaultError as exc:
        return None, Fault(exc.code, exc.message)
    except NoJSONFormError as exc:
        return None, Fault("no_json_form", str(exc))
    except RecursionError:  # whoever called us has used up most of the stack
        return None, Fault("too_deep", "nested too deeply")


def _first_too_deep(text: str) -> int | None:
    """Where the nesting first exceeds the limit; strings are skipped."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return None
    depth, position, end = 0, 0, len(text)
    while position < end:
        char = text[position]
        if char == '"':
            position = _string_end(text, position)
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return position
        elif char in "]}":
            depth -= 1
        position += 1
    return None


def _string_end(text: str, start: int) -> int:
    """The closing quote of the string that opens at `start`, or the text's end."""
    position = start + 1
    while True:
        quote = text.find('"', position)
        if quote < 0:
            return len(text)
        before = quote
        while text[before - 1] == "\\":
            before -= 1
        if (quote - before) % 2 == 0:
            return quote
        position = quote + 1


def _fault_at(text: str, position: int, code: str, message: str) -> Fault:
    return Fault(code, message, text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position))


def _object(pairs: list[tuple[str, JSONValue]]) -> dict[str, JSONValue]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _value in pairs:
            if key in seen:
                raise _FaultError("duplicate_key", f"the key {key[:60]!r} occurs twice in one object")
            seen.add(key)
    if "__proto__" in result:
        raise _FaultError("proto_key", "the key '__proto__' sets an object's prototype where JavaScript reads it")
    return result


def _integer(digits: str) -> int | float:
    if len(digits) < len(str(SAFE_INTEGER)):
        return int(digits)
    number = _float(digits)
    return int(digits) if abs(number) < SAFE_INTEGER else number


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _FaultError("no_json_form", f"{digits[:40]} is too large for a number")
    return number


def _constant(name: str) -> float:
    raise _FaultError("syntax", f"{name} is not JSON")


def _checked(value: JSONValue) -> JSONValue:
    """The value itself, if all its text has a UTF-8 form."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            paired(item)
        elif isinstance(item, dict):
            stack += item.keys()
            stack += item.values()
        elif isinstance(item, list):
            stack += item
    return value
