"""What differs from locale to locale: separators, words for TRUE and FALSE, date order, names of months and days.

Google knows some forty locales; those with figures here are the common ones, and a locale that is not listed takes
its language's, or English.  Used by `numberformat.py` to write and by `entry.py` to read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

_EN_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_EN_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Locale:
    """How a locale writes values.

    Attributes:
        order: the order of day, month and year in typed dates: `mdy`, `dmy` or `ymd`.
        date, time, date_time: the default patterns.
        currency: the default currency pattern.
    """

    name: str = "en_US"
    decimal: str = "."
    group: str = ","
    true: str = "TRUE"
    false: str = "FALSE"
    order: str = "mdy"
    date: str = "M/d/yyyy"
    time: str = "h:mm:ss am/pm"
    date_time: str = "M/d/yyyy H:mm:ss"
    symbol: str = "$"
    symbol_after: bool = False
    months: tuple[str, ...] = _EN_MONTHS
    days: tuple[str, ...] = _EN_DAYS

    @property
    def currency(self) -> str:
        """The default currency pattern."""
        return f'#,##0.00\xa0"{self.symbol}"' if self.symbol_after else f'"{self.symbol}"#,##0.00'

    @property
    def separator(self) -> str:
        """What stands between a function's arguments: `;` where the comma is the decimal sign."""
        return ";" if self.decimal == "," else ","


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_EN: Final = Locale()
_EN_GB: Final = Locale(
    "en_GB", order="dmy", date="dd/MM/yyyy", time="HH:mm:ss", date_time="dd/MM/yyyy HH:mm:ss", symbol="£"
)
_DE: Final = Locale(
    "de_DE", ",", ".", "WAHR", "FALSCH", "dmy", "dd.MM.yyyy", "HH:mm:ss", "dd.MM.yyyy HH:mm:ss", "€", True,
    _words("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
    _words("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag"),
)  # fmt: skip
_FR: Final = Locale(
    "fr_FR", ",", "\u202f", "VRAI", "FAUX", "dmy", "dd/MM/yyyy", "HH:mm:ss", "dd/MM/yyyy HH:mm:ss", "€", True,
    _words("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
    _words("lundi mardi mercredi jeudi vendredi samedi dimanche"),
)  # fmt: skip
_IT: Final = Locale(
    "it_IT", ",", ".", "VERO", "FALSO", "dmy", "dd/MM/yyyy", "H.mm.ss", "dd/MM/yyyy H.mm.ss", "€", True,
    _words("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
    _words("lunedì martedì mercoledì giovedì venerdì sabato domenica"),
)  # fmt: skip
_ES: Final = Locale(
    "es_ES", ",", ".", "VERDADERO", "FALSO", "dmy", "dd/MM/yyyy", "H:mm:ss", "dd/MM/yyyy H:mm:ss", "€", True,
    _words("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
    _words("lunes martes miércoles jueves viernes sábado domingo"),
)  # fmt: skip
_PT: Final = Locale(
    "pt_BR", ",", ".", "VERDADEIRO", "FALSO", "dmy", "dd/MM/yyyy", "HH:mm:ss", "dd/MM/yyyy HH:mm:ss", "R$", False,
    _words("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
    ("segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo"),
)  # fmt: skip
_NL: Final = Locale(
    "nl_NL", ",", ".", "WAAR", "ONWAAR", "dmy", "d-M-yyyy", "H:mm:ss", "d-M-yyyy H:mm:ss", "€", False,
    _words("januari februari maart april mei juni juli augustus september oktober november december"),
    _words("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag"),
)  # fmt: skip
_SV: Final = Locale(
    "sv_SE", ",", "\xa0", "SANT", "FALSKT", "ymd", "yyyy-MM-dd", "HH:mm:ss", "yyyy-MM-dd HH:mm:ss", "kr", True,
    _words("januari februari mars april maj juni juli augusti september oktober november december"),
    _words("måndag tisdag onsdag torsdag fredag lördag söndag"),
)  # fmt: skip
_PL: Final = Locale(
    "pl_PL", ",", "\xa0", "PRAWDA", "FAŁSZ", "dmy", "d.MM.yyyy", "H:mm:ss", "d.MM.yyyy H:mm:ss", "zł", True,
    _words("stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia"),
    _words("poniedziałek wtorek środa czwartek piątek sobota niedziela"),
)  # fmt: skip
_JA: Final = Locale(
    "ja_JP", order="ymd", date="yyyy/MM/dd", time="H:mm:ss", date_time="yyyy/MM/dd H:mm:ss", symbol="¥",
    months=tuple(f"{number}月" for number in range(1, 13)),
    days=tuple(f"{sign}曜日" for sign in "月火水木金土日"),
)  # fmt: skip
_LISTED: Final = (_EN, _EN_GB, _DE, _FR, _IT, _ES, _PT, _NL, _SV, _PL, _JA)
_VARIANTS: Final = {
    "en_AU": replace(_EN_GB, symbol="$"),
    "en_CA": replace(_EN, order="ymd", date="yyyy-MM-dd", date_time="yyyy-MM-dd H:mm:ss"),
    "en_IE": replace(_EN_GB, symbol="€"),
    "en_IN": replace(_EN_GB, symbol="₹"),
    "de_CH": replace(_DE, decimal=".", group="’", symbol="CHF", symbol_after=False),
    "es_MX": replace(_ES, decimal=".", group=",", symbol="$", symbol_after=False),
    "pt_PT": replace(_PT, symbol="€", symbol_after=True),
}
_LANGUAGES: Final = {"en": _EN, **{locale.name[:2]: locale for locale in reversed(_LISTED) if locale.name != "en_GB"}}
TRUE_WORDS: Final = frozenset(locale.true for locale in _LISTED)
FALSE_WORDS: Final = frozenset(locale.false for locale in _LISTED)


@lru_cache(maxsize=256)
def locale_of(name: str) -> Locale:
    """The locale of a name such as `fr_FR` or `fr`."""
    for locale in _LISTED:
        if locale.name == name:
            return locale
    return _VARIANTS.get(name) or _LANGUAGES.get(name[:2], _EN)


def is_known(name: str) -> bool:
    """Whether a name has the form of a locale: `en`, `fr_FR`, `fil`, `es_419`."""
    head, _, tail = name.partition("_")
    return 2 <= len(head) <= 3 and head.isalpha() and head.islower() and (not tail or tail.isalnum())
