"""Functions on dates and times.  Dates are serials; the server's clock tells what today is."""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sheetsync.localsheets import entry
from sheetsync.localsheets.formulas.operands import FormulaError, Operand, number, text
from sheetsync.localsheets.numberformat import EPOCH, date_to_serial, serial_to_datetime

if TYPE_CHECKING:
    from sheetsync.localsheets.formulas.calculator import _Place as Place


def _moment(value: Operand, name: str) -> datetime:
    try:
        return serial_to_datetime(number(value, name))
    except OverflowError:
        raise FormulaError("NUM", f"Function {name} parameter 1 value is out of range.") from None


def _date(year: Operand, month: Operand, day: Operand) -> Operand:
    full = int(number(year, "DATE"))
    full += 1900 if 0 <= full < 1900 else 0
    months = full * 12 + int(number(month, "DATE", 2)) - 1
    if not 1 <= months // 12 <= 9999:
        raise FormulaError("NUM", "Function DATE evaluates to an out of range date.")
    start = date(months // 12, months % 12 + 1, 1)
    return date_to_serial(start) + int(number(day, "DATE", 3)) - 1


def _now(place: Place) -> Operand:
    return place.now_ms / 86_400_000 + 25_569  # 1970-01-01 is serial 25569


def _today(place: Place) -> Operand:
    return math.floor(place.now_ms / 86_400_000 + 25_569)


def _part(name: str, pick: Callable[[datetime], int]) -> Callable[[Operand], Operand]:
    return lambda value: pick(_moment(value, name))


def _weekday(value: Operand, kind: Operand = 1) -> Operand:
    monday_first = _moment(value, "WEEKDAY").weekday()
    how = int(number(kind))
    return {1: (monday_first + 1) % 7 + 1, 2: monday_first + 1, 3: monday_first}.get(how, (monday_first + 1) % 7 + 1)


def _months_later(value: Operand, months: Operand, name: str) -> tuple[int, int, int]:
    start = _moment(value, name)
    total = start.year * 12 + start.month - 1 + int(number(months, name, 2))
    return total // 12, total % 12 + 1, start.day


def _same_day(value: Operand, months: Operand) -> Operand:
    year, month, day = _months_later(value, months, "EDATE")
    return date_to_serial(date(year, month, min(day, calendar.monthrange(year, month)[1])))


def _month_end(value: Operand, months: Operand) -> Operand:
    year, month, _ = _months_later(value, months, "EOMONTH")
    return date_to_serial(date(year, month, calendar.monthrange(year, month)[1]))


def _difference(start: Operand, end: Operand, unit: Operand) -> Operand:
    first, last = _moment(start, "DATEDIF").date(), _moment(end, "DATEDIF").date()
    if first > last:
        raise FormulaError("NUM", "Function DATEDIF parameter 1 is after parameter 2.")
    months = (last.year - first.year) * 12 + last.month - first.month - (last.day < first.day)
    how = text(unit).upper()
    if how == "MD":
        year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
        anchor = date(year, month + 1, min(first.day, calendar.monthrange(year, month + 1)[1]))
        return (last - anchor).days
    found = {"D": (last - first).days, "M": months, "Y": months // 12, "YM": months % 12}
    if how not in found:
        raise FormulaError("NUM", f"Function DATEDIF parameter 3 value is '{how}'. Valid values are D, M, Y, MD, YM.")
    return found[how]


def _date_value(value: Operand) -> Operand:
    typed = entry.read(text(value), "en_US")
    if typed.number_format and typed.number_format["type"].startswith("DATE"):
        return math.floor(number(typed.value))
    raise FormulaError("VALUE", f"DATEVALUE parameter '{text(value)}' cannot be parsed to date/time.")


def _time(hour: Operand, minute: Operand, second: Operand) -> Operand:
    return (number(hour) * 3600 + number(minute) * 60 + number(second)) / 86_400 % 1


def _network_days(start: Operand, end: Operand) -> Operand:
    first, last = math.floor(number(start)), math.floor(number(end))
    step = 1 if last >= first else -1
    days = range(first, last + step, step)
    return step * sum((EPOCH + timedelta(days=day)).weekday() < 5 for day in days)


FUNCTIONS: Final[dict[str, Callable[..., Operand]]] = {
    "DATE": _date,
    "TODAY": _today,
    "NOW": _now,
    "YEAR": _part("YEAR", lambda moment: moment.year),
    "MONTH": _part("MONTH", lambda moment: moment.month),
    "DAY": _part("DAY", lambda moment: moment.day),
    "HOUR": _part("HOUR", lambda moment: moment.hour),
    "MINUTE": _part("MINUTE", lambda moment: moment.minute),
    "SECOND": _part("SECOND", lambda moment: moment.second),
    "WEEKDAY": _weekday,
    "WEEKNUM": _part(
        "WEEKNUM",
        lambda moment: (moment.timetuple().tm_yday + (moment.replace(month=1, day=1).weekday() + 1) % 7 - 1) // 7 + 1,
    ),
    "ISOWEEKNUM": _part("ISOWEEKNUM", lambda moment: moment.isocalendar().week),
    "EDATE": _same_day,
    "EOMONTH": _month_end,
    "DATEDIF": _difference,
    "DAYS": lambda end, start: math.floor(number(end)) - math.floor(number(start)),
    "DATEVALUE": _date_value,
    "TIME": _time,
    "NETWORKDAYS": _network_days,
}
