"""Number formats: how a number, a date or a text looks under a pattern such as `#,##0.00` or `yyyy-mm-dd`.

A pattern is compiled once (`compiled`) and then applied.  Numbers are Google's serials: days since 1899-12-30.
Which pattern a cell has is decided in `rendering.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final

from sheetsync.localsheets.locales import Locale, locale_of

EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 -- serials have no time zone
_TOKENS: Final = re.compile(
    r"""(?P<quoted>"[^"]*")|(?P<escaped>\\.)|(?P<elapsed>\[(?:h+|m+|s+)\])|(?P<money>\[\$[^\]]*\])|(?P<bracket>\[[^\]]*\])
    |(?P<ampm>am/pm|a/p)|(?P<date>y+|m+|d+|h+|s+(?:\.0+)?)|(?P<exp>[eE][+-]0+)|(?P<digits>[0#?][0#?,]*(?:\.[0#?]*,*)?|\.[0#?]+,*)
    |(?P<percent>%)|(?P<pad>_.)|(?P<fill>\*.)|(?P<text>@)|(?P<other>.)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

Token = tuple[str, str]
Formatter = Callable[[float], str]


def general(number: float, locale: Locale) -> str:
    """A number without a format: ten significant digits, an exponent only for the very large and small."""
    if isinstance(number, int) and abs(number) < 10**15:
        return str(number)
    size = abs(number)
    if size == 0:
        return "0"
    if size >= 1e15 or size < 1e-9:
        mantissa, exponent = f"{number:.5E}".split("E")
        mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa}E{exponent[0]}{exponent[1:].zfill(2)}".replace(".", locale.decimal)
    digits = max(0, 9 - math.floor(math.log10(size)))
    text = f"{number:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return ("0" if text in ("-0", "") else text).replace(".", locale.decimal)


@lru_cache(maxsize=1024)
def compiled(pattern: str, locale_name: str) -> tuple[Formatter, str]:
    """The function that writes numbers under a pattern, and the pattern's text section ("" for none)."""
    locale = locale_of(locale_name)
    sections = _sections(pattern)
    texts = [section for section in sections if any(kind == "text" for kind, _ in section)]
    numeric = [section for section in sections if section not in texts]
    writers = [_section_writer(section, locale) for section in numeric]
    text_pattern = "".join(_literal(token) if token[0] != "text" else "\0" for token in texts[0]) if texts else ""
    if not writers:
        return lambda number: text_pattern.replace("\0", general(number, locale)), text_pattern

    def write(number: float) -> str:
        if len(writers) > 2 and number == 0:
            return writers[2](number)
        if number < 0:
            return writers[1](-number) if len(writers) > 1 else _minus(writers[0](-number))
        return writers[0](number)

    return write, text_pattern


def _minus(text: str) -> str:
    return "-" + text if re.search("[1-9]", text) else text


def _sections(pattern: str) -> list[list[Token]]:
    sections: list[list[Token]] = [[]]
    for match in _TOKENS.finditer(pattern):
        kind = str(match.lastgroup)
        if kind == "other" and match[0] == ";":
            sections.append([])
        else:
            sections[-1].append((kind, match[0]))
    return sections


def _literal(token: Token) -> str:
    kind, text = token
    if kind == "quoted":
        return text[1:-1]
    if kind == "escaped":
        return text[1]
    if kind == "money":
        return text[2:-1].partition("-")[0]
    if kind == "pad":
        return " "
    return "" if kind in ("bracket", "fill") else text


def _section_writer(tokens: list[Token], locale: Locale) -> Formatter:
    if any(kind in ("date", "elapsed") for kind, _ in tokens):
        return _date_writer(tokens, locale)
    if not any(kind == "digits" for kind, _ in tokens):
        literal = "".join(_literal(token) for token in tokens)
        return lambda _number: literal
    return _number_writer(tokens, locale)


def _number_writer(tokens: list[Token], locale: Locale) -> Formatter:
    places = [index for index, (kind, _) in enumerate(tokens) if kind == "digits"]
    slash = next((i for i, token in enumerate(tokens) if token == ("other", "/")), None)
    if slash is not None and places and places[0] < slash < places[-1]:
        return _fraction_writer(tokens)
    percent = 100 ** sum(kind == "percent" for kind, _ in tokens)
    exponent = next((text for kind, text in tokens if kind == "exp"), None)
    mask = tokens[places[0]][1]
    whole_mask = mask.partition(".")[0]
    scale = len(mask) - len(mask.rstrip(",")) or len(whole_mask) - len(whole_mask.rstrip(","))  # thousands left out
    mask = mask.rstrip(",")
    before = [_literal(token) for token in tokens[: places[0]]]
    after = [_literal(token) for token in tokens[places[0] + 1 :] if token[0] not in ("exp", "digits")]

    def write(number: float) -> str:
        value = Decimal(repr(float(number))) * percent / (1000**scale)
        body = _scientific(value, mask, exponent, locale) if exponent else _digits(value, mask, locale)
        return "".join(before) + body + "".join(after)

    return write


def _digits(value: Decimal, mask: str, locale: Locale) -> str:
    whole_mask, _, part_mask = mask.partition(".")
    grouped = "," in whole_mask.rstrip(",")
    whole_mask = whole_mask.replace(",", "")
    places = len(part_mask)
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) if value.is_finite() else value
    whole, _, part = f"{rounded:f}".partition(".")
    least = len(whole_mask.lstrip("#"))
    whole = whole.lstrip("0").rjust(least, "0")
    if grouped:
        whole = re.sub(r"(?<=\d)(?=(\d{3})+$)", locale.group, whole)
    kept = len(part_mask.rstrip("#"))
    while len(part) > kept and part.endswith("0"):
        part = part[:-1]
    return whole + (locale.decimal + part if "." in mask else "")


def _scientific(value: Decimal, mask: str, exponent: str, locale: Locale) -> str:
    power = value.adjusted() if value else 0
    mantissa = _digits(value.scaleb(-power), mask, locale)
    if mantissa.startswith("10"):
        power += 1
        mantissa = _digits(value.scaleb(-power), mask, locale)
    sign = "-" if power < 0 else "+" if exponent[1] == "+" else ""
    return f"{mantissa}E{sign}{str(abs(power)).zfill(len(exponent) - 2)}"


def _fraction_writer(tokens: list[Token]) -> Formatter:
    from fractions import Fraction

    bottom = [text for kind, text in tokens if kind == "digits"][-1]
    mixed = sum(kind == "digits" for kind, _ in tokens) > 2

    def write(number: float) -> str:
        fraction = Fraction(number).limit_denominator(10 ** len(bottom) - 1)
        whole, rest = divmod(fraction, 1) if mixed else (0, fraction)
        shown = f"{rest.numerator}/{rest.denominator}" if rest else ""
        return f"{whole} {shown}".strip() if whole or not rest else shown

    return write


# Dates.


def serial_to_datetime(serial: float) -> datetime:
    """The moment of a serial, to the millisecond."""
    return EPOCH + timedelta(milliseconds=round(serial * 86_400_000))


def date_to_serial(day: date) -> int:
    """The serial of a day."""
    return (day - EPOCH.date()).days


def _date_writer(tokens: list[Token], locale: Locale) -> Formatter:
    twelve = any(kind == "ampm" for kind, _ in tokens)
    minutes = _minute_places(tokens)

    def write(number: float) -> str:
        try:
            moment = serial_to_datetime(number)
        except OverflowError:
            return general(number, locale)
        parts = []
        for index, token in enumerate(tokens):
            kind, text = token
            if kind == "date":
                parts.append(_date_part(text, moment, locale, twelve=twelve, minute=index in minutes))
            elif kind == "elapsed":
                unit = {"h": 24, "m": 1440, "s": 86400}[text[1].lower()]
                parts.append(str(int(number * unit + 1e-9)).zfill(len(text) - 2))
            elif kind == "ampm":
                parts.append(("AM", "PM")[moment.hour >= 12] if len(text) > 3 else "AP"[moment.hour >= 12])
            else:
                parts.append(_literal(token))
        return "".join(parts)

    return write


def _minute_places(tokens: list[Token]) -> set[int]:
    """Which `m` means minutes: one after hours, or before seconds."""
    dates = [(i, text.lower().strip("[]")[0]) for i, (kind, text) in enumerate(tokens) if kind in ("date", "elapsed")]
    found = set()
    for place, (index, letter) in enumerate(dates):
        if letter != "m" or tokens[index][1].startswith("MMM"):
            continue
        after_hours = place > 0 and dates[place - 1][1] == "h"
        before_seconds = place + 1 < len(dates) and dates[place + 1][1] == "s"
        if after_hours or before_seconds:
            found.add(index)
    return found


def _date_part(text: str, moment: datetime, locale: Locale, *, twelve: bool, minute: bool) -> str:
    letter, length = text[0].lower(), len(text)
    if letter == "y":
        return f"{moment.year % 100:02d}" if length <= 2 else f"{moment.year:04d}"
    if letter == "m" and minute:
        return str(moment.minute).zfill(min(length, 2))
    if letter == "m":
        name = locale.months[moment.month - 1]
        names = {3: name[:3], 4: name, 5: name[0]}
        return names[min(length, 5)] if length > 2 else str(moment.month).zfill(length)
    if letter == "d":
        name = locale.days[moment.weekday()]
        return str(moment.day).zfill(length) if length <= 2 else name[:3] if length == 3 else name
    if letter == "h":
        hour = (moment.hour % 12 or 12) if twelve else moment.hour
        return str(hour).zfill(min(length, 2))
    seconds, _, fraction = text.partition(".")
    shown = str(moment.second).zfill(min(len(seconds), 2))
    if fraction:
        shown += locale.decimal + f"{moment.microsecond:06d}"[: len(fraction)]
    return shown
