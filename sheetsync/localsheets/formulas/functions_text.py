"""Functions on texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from sheetsync.localsheets import entry
from sheetsync.localsheets.formulas.operands import FormulaError, Operand, Range, number, scalar, text, truth, values
from sheetsync.localsheets.numberformat import compiled


def _concatenate(*operands: Operand) -> Operand:
    return "".join(text(value) for value in values(operands))


def _join(separator: Operand, *operands: Operand) -> Operand:
    return text(separator).join(text(value) for value in values(operands))


def _text_join(separator: Operand, skip_blank: Operand, *operands: Operand) -> Operand:
    parts = [text(value) for value in values(operands)]
    return text(separator).join(part for part in parts if part or not truth(skip_blank))


def _left(value: Operand, count: Operand = 1) -> Operand:
    return text(value)[: max(0, int(number(count)))]


def _right(value: Operand, count: Operand = 1) -> Operand:
    size = max(0, int(number(count)))
    return text(value)[-size:] if size else ""


def _mid(value: Operand, start: Operand, count: Operand) -> Operand:
    at = int(number(start))
    if at < 1:
        raise FormulaError("NUM", f"Function MID parameter 2 value is {at}. It should be greater than or equal to 1.")
    return text(value)[at - 1 : at - 1 + max(0, int(number(count)))]


def _substitute(value: Operand, old: Operand, new: Operand, which: Operand = None) -> Operand:
    source, wanted = text(value), text(old)
    if not wanted:
        return source
    if which is None:
        return source.replace(wanted, text(new))
    parts = source.split(wanted)
    at = int(number(which))
    if not 1 <= at < len(parts):
        return source
    return wanted.join(parts[:at]) + text(new) + wanted.join(parts[at:])


def _replace(value: Operand, start: Operand, count: Operand, new: Operand) -> Operand:
    source, at = text(value), int(number(start)) - 1
    return source[:at] + text(new) + source[at + int(number(count)) :]


def _find(name: str, fold: Callable[[str], str]) -> Callable[..., Operand]:
    def function(wanted: Operand, value: Operand, start: Operand = 1) -> Operand:
        at = fold(text(value)).find(fold(text(wanted)), int(number(start)) - 1)
        if at < 0:
            raise FormulaError(
                "VALUE",
                f"In {name} evaluation, cannot find '{text(wanted)}' within '{text(value)}'.",
            )
        return at + 1

    return function


def _value(value: Operand) -> Operand:
    one = scalar(value)
    if not isinstance(one, str):
        return number(one)
    typed = entry.read(one, "en_US").value
    if isinstance(typed, (int, float)) and not isinstance(typed, bool):
        return typed
    raise FormulaError("VALUE", f"VALUE parameter '{one}' cannot be parsed to number.")


def _formatted(value: Operand, pattern: Operand) -> Operand:
    one = scalar(value)
    if isinstance(one, str) or one is None:
        return text(one)
    return compiled(text(pattern), "en_US")[0](number(one))


def _pattern(wanted: Operand) -> re.Pattern[str]:
    try:
        return re.compile(text(wanted))
    except re.error:
        raise FormulaError(
            "REF", f"Function REGEX parameter 2 value '{text(wanted)}' is not a valid regular expression."
        ) from None


def _extract(value: Operand, wanted: Operand) -> Operand:
    match = _pattern(wanted).search(text(value))
    if not match:
        raise FormulaError(
            "N_A", f"Function REGEXEXTRACT parameter 2 value '{text(wanted)}' does not match text of parameter 1."
        )
    return match[1] if match.re.groups else match[0]


def _regex_replace(value: Operand, wanted: Operand, new: Operand) -> Operand:
    return _pattern(wanted).sub(re.sub(r"\$(\d)", r"\\\1", text(new)), text(value))


def _split(value: Operand, separator: Operand, each: Operand = True, drop_blank: Operand = True) -> Operand:
    signs = text(separator)
    parts = re.split("|".join(map(re.escape, signs)), text(value)) if truth(each) else text(value).split(signs)
    kept = [part for part in parts if part or not truth(drop_blank)]
    return Range([[entry.read(part, "en_US").value if part else None for part in kept]])


def _char(value: Operand) -> Operand:
    code = int(number(value))
    if not 1 <= code <= 0x10FFFF:
        raise FormulaError("NUM", f"Function CHAR parameter 1 value {code} is out of range.")
    return chr(code)


def _code(value: Operand) -> Operand:
    one = text(value)
    if not one:
        raise FormulaError("VALUE", "Function CODE parameter 1 value should be non-empty.")
    return ord(one[0])


FUNCTIONS: Final[dict[str, Callable[..., Operand]]] = {
    "CONCATENATE": _concatenate,
    "JOIN": _join,
    "TEXTJOIN": _text_join,
    "LEN": lambda value: len(text(value)),
    "LEFT": _left,
    "RIGHT": _right,
    "MID": _mid,
    "UPPER": lambda value: text(value).upper(),
    "LOWER": lambda value: text(value).lower(),
    "PROPER": lambda value: re.sub(r"[^\W\d_]+", lambda match: match[0].capitalize(), text(value)),
    "TRIM": lambda value: " ".join(text(value).split()),
    "CLEAN": lambda value: "".join(char for char in text(value) if ord(char) >= 32),
    "SUBSTITUTE": _substitute,
    "REPLACE": _replace,
    "FIND": _find("FIND", str),
    "SEARCH": _find("SEARCH", str.casefold),
    "REPT": lambda value, count: text(value) * max(0, min(int(number(count)), 50_000)),
    "EXACT": lambda left, right: text(left) == text(right),
    "VALUE": _value,
    "TEXT": _formatted,
    "T": lambda value: scalar(value) if isinstance(scalar(value), str) else "",
    "CHAR": _char,
    "CODE": _code,
    "REGEXMATCH": lambda value, wanted: bool(_pattern(wanted).search(text(value))),
    "REGEXEXTRACT": _extract,
    "REGEXREPLACE": _regex_replace,
    "SPLIT": _split,
    "HYPERLINK": lambda url, label=None: text(url) if label is None else scalar(label),
}
