"""What a typed text becomes: a number, a date, a boolean, a formula, or text; and the format that comes with it.

This is USER_ENTERED, and what a person does on the grid page.  RAW values never come here.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from sheetsync.localsheets.cell import ERROR_KINDS, CellError, Entered, Formula, Json, whole
from sheetsync.localsheets.locales import Locale, locale_of
from sheetsync.localsheets.numberformat import date_to_serial

_TIME: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?(?:\s*([AaPp][Mm]))?")
_ISO_DATE: Final = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_NUMERIC_DATE: Final = re.compile(r"(\d{1,2})[-/.](\d{1,2})(?:[-/.](\d{4}|\d{2}))?")
_NAMED_DATE: Final = re.compile(r"(?:(\d{1,2})[-\s]+)?([^\W\d]{3,})\.?(?:[-\s]+(\d{1,2}))?(?:,?[-\s]+(\d{4}))?")


class Typed(NamedTuple):
    """A value and the number format it brings, None if none."""

    value: Entered
    number_format: Json | None = None


def read(text: str, locale_name: str, current: Json | None = None) -> Typed:
    """What a typed text means.

    Args:
        text: as typed.
        locale_name: of the spreadsheet.
        current: the cell's number format; under a text format everything is text.
    """
    kind = (current or {}).get("type")
    if kind == "TEXT":
        return Typed(text)
    if text.startswith("'"):
        return Typed(text[1:])
    if len(text) > 1 and text[0] == "=":
        return Typed(Formula(text))
    if len(text) > 1 and text[0] == "+" and not text[1].isdigit() and text[1] not in ".,$":
        return Typed(Formula("=" + text[1:])) if re.match(r"\+[A-Za-z(]", text) else Typed(text)
    stripped = text.strip()
    if not stripped or len(stripped) > 60:
        return Typed(text)
    locale = locale_of(locale_name)
    upper = stripped.upper()
    if upper in ("TRUE", locale.true):
        return Typed(True)
    if upper in ("FALSE", locale.false):
        return Typed(False)
    if stripped in ERROR_KINDS:
        return Typed(CellError(ERROR_KINDS[stripped], ""))
    return _number(stripped, locale, kind) or _moment(stripped, locale) or Typed(text)


@lru_cache(maxsize=64)
def _number_pattern(decimal: str, group: str) -> re.Pattern[str]:
    point, comma = re.escape(decimal), "[ \xa0\u202f]" if group.isspace() else re.escape(group)
    return re.compile(
        rf"(?P<open>\()?(?P<sign>[+-])?\s*(?P<money>[$€£¥₹]|R\$|kr|zł|CHF)?\s*(?P<sign2>-)?"
        rf"(?P<whole>\d{{1,3}}(?:{comma}\d{{3}})+|\d*)(?P<part>{point}\d*)?(?P<exp>[eE][+-]?\d+)?"
        rf"\s*(?P<money2>[$€£¥₹]|kr|zł)?(?P<percent>\s*%)?(?P<close>\))?"
    )


def _number(text: str, locale: Locale, kind: str | None) -> Typed | None:
    match = _number_pattern(locale.decimal, locale.group).fullmatch(text)
    if not match or not (match["whole"] or (match["part"] and len(match["part"]) > 1)):
        return None
    if bool(match["open"]) != bool(match["close"]):
        return None
    digits = re.sub(r"\D", "", match["whole"])
    number = float(f"{digits or '0'}.{(match['part'] or '')[1:] or '0'}{match['exp'] or ''}")
    if number in (float("inf"),):
        return None
    if match["sign"] == "-" or match["sign2"] or match["open"]:
        number = -number
    places = "0.00" if match["part"] and len(match["part"]) > 1 else "0"
    if match["percent"]:
        scaled = float(f"{number!r}") / 100
        return Typed(whole(round(scaled, 15)), {"type": "PERCENT", "pattern": places + "%"})
    if money := match["money"] or match["money2"]:
        pattern = "#,##" + places
        shown = f'{pattern}\xa0"{money}"' if match["money2"] else f'"{money}"{pattern}'
        return Typed(whole(number), {"type": "CURRENCY", "pattern": shown})
    if match["exp"]:
        return Typed(whole(number), {"type": "SCIENTIFIC", "pattern": "0.00E+00"})
    if digits != match["whole"]:
        return Typed(whole(number), {"type": "NUMBER", "pattern": "#,##" + places})
    if kind == "PERCENT":
        return Typed(whole(round(number / 100, 15)))
    return Typed(whole(number))


def _moment(text: str, locale: Locale) -> Typed | None:
    if time := _time(text):
        return time
    day, pattern, rest = _date(text, locale)
    if day is None:
        return None
    rest = rest.strip().removeprefix("T").strip()
    if not rest:
        return Typed(day, {"type": "DATE", "pattern": pattern})
    time = _time(rest.removesuffix("Z"))
    if time is None or time.number_format is None or not isinstance(time.value, (int, float)):
        return None
    both = f"{pattern} {time.number_format['pattern']}"
    return Typed(whole(day + time.value), {"type": "DATE_TIME", "pattern": both})


def _time(text: str) -> Typed | None:
    match = _TIME.fullmatch(text)
    if not match:
        return None
    hours, minutes = int(match[1]), int(match[2])
    seconds = int(match[3] or 0) + (int(match[4].ljust(3, "0")) / 1000 if match[4] else 0)
    if minutes > 59 or seconds >= 60 or (match[5] and not 1 <= hours <= 12):
        return None
    if match[5]:
        hours = hours % 12 + (12 if match[5].lower() == "pm" else 0)
    elif hours > 23:
        value = (hours * 3600 + minutes * 60 + seconds) / 86400
        return Typed(whole(value), {"type": "TIME", "pattern": "[h]:mm:ss"})
    pattern = "h:mm" + (":ss" if match[3] else "") + (" am/pm" if match[5] else "")
    return Typed(whole((hours * 3600 + minutes * 60 + seconds) / 86400), {"type": "TIME", "pattern": pattern})


def _date(text: str, locale: Locale) -> tuple[int | None, str, str]:
    """The serial, the pattern, and what is left of the text (a time)."""
    if match := _ISO_DATE.match(text):
        separator = text[4]
        pattern = "yyyy-mm-dd" if separator == "-" else "yyyy/mm/dd"
        return _serial(match[1], match[2], match[3]), pattern, text[match.end() :]
    if match := _NUMERIC_DATE.match(text):
        first, second, year = match.groups()
        if year is None and "." in match[0]:
            return None, "", ""
        day, month = (second, first) if locale.order == "mdy" else (first, second)
        pattern = locale.date if year else ("M/d" if locale.order == "mdy" else "d/M")
        return _serial(year or str(date.today().year), month, day), pattern, text[match.end() :]  # noqa: DTZ011 -- as typed
    match = _NAMED_DATE.match(text)
    if match and (match[1] or match[3]) and not (match[1] and match[3]):
        month = _month(match[2], locale)
        if month:
            pattern = "d MMM" if match[1] else "MMM d"
            pattern += " yyyy" if match[4] and match[1] else ", yyyy" if match[4] else ""
            year = match[4] or str(date.today().year)  # noqa: DTZ011 -- as typed
            return _serial(year, str(month), match[1] or match[3]), pattern, text[match.end() :]
    return None, "", ""


def _month(word: str, locale: Locale) -> int:
    wanted = word.lower()
    for names in (locale.months, locale_of("en_US").months):
        for number, name in enumerate(names, 1):
            if wanted in (name.lower(), name[:3].lower()):
                return number
    return 0


def _serial(year: str, month: str, day: str) -> int | None:
    full = int(year)
    if len(year) == 2:
        full += 2000 if full < 50 else 1900
    try:
        return date_to_serial(date(full, int(month), int(day)))
    except ValueError:
        return None
