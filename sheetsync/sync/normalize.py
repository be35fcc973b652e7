"""Typed reading: what a person put into a cell → the column's value, or what is wrong with it and what to do.

Pure, one cell at a time. Rules over several cells of a row (a lock with NONE, an incomplete KPI) are in `row_rules`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sheetsync.domain.connector import CONTROL
from sheetsync.domain.draft import CellValue
from sheetsync.domain.firearms import NO_FIREARM, closest
from sheetsync.domain.kpi import IMPACT_TYPES, formula_error
from sheetsync.sync.gateway import ErrorValue, Formula, Raw
from sheetsync.sync.tabs import TabColumn

# Google shows checkboxes typed as text in the language of the spreadsheet; people write them in theirs.
YES: Final = frozenset(
    [
        "true",
        "yes",
        "y",
        "1",
        "on",
        "x",
        "t",
        "ja",
        "wahr",
        "vrai",
        "oui",
        "vero",
        "sì",
        "si",
        "verdadero",
        "sí",
        "verdadeiro",
        "sim",
        "waar",
        "sant",
        "sand",
        "tosi",
        "totta",
        "prawda",
        "tak",
        "истина",
        "да",
        "doğru",
        "evet",
        "igaz",
        "igen",
        "pravda",
        "ano",
        "adevărat",
        "da",
        "αληθές",
        "ναι",
        "真",
        "是",
        "참",
        "예",
        "はい",
        "true()",
        "✓",
        "✔",
        "☑",
    ]
)
NO: Final = frozenset(
    [
        "false",
        "no",
        "n",
        "0",
        "off",
        "f",
        "nein",
        "falsch",
        "faux",
        "non",
        "falso",
        "não",
        "nee",
        "onwaar",
        "falskt",
        "falsk",
        "epätosi",
        "ei",
        "fałsz",
        "nie",
        "ложь",
        "нет",
        "yanlış",
        "hayır",
        "hamis",
        "nem",
        "nepravda",
        "ne",
        "fals",
        "nu",
        "ψευδές",
        "όχι",
        "假",
        "否",
        "거짓",
        "아니요",
        "いいえ",
        "false()",
        "✗",
        "✘",
        "☐",
    ]
)
INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
LOOK_ALIKES: Final = str.maketrans(
    "аеорсухіјѕһԁԛԝвкмнтАВЕКМНОРСТУХαοενρτυіι‐‑‒–—−․·ѵ",
    "aeopcyxijshdqwbkmhtabekmhopctyxaoevptuii------..v",
)
GROUPED: Final = re.compile(r"[+-]?\d{1,3}(?:[ \u00a0\u202f']\d{3})+(?:[.,]\d+)?")
DECIMAL: Final = re.compile(r"[+-]?(?:\d+(?:[.,]\d+)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?")
AMBIGUOUS: Final = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")  # 1,000 and 2.500: thousands or a decimal
SHOWN_LENGTH: Final = 60


@dataclass(frozen=True, slots=True)
class Bad:
    """A cell that cannot be taken. `message` follows `problem: ` in `sync_status`; `hint` says what to do."""

    code: str
    message: str
    hint: str


def shown(raw: Raw | None) -> str:
    """A value as messages name it, shortened."""
    text = raw.text if isinstance(raw, Formula | ErrorValue) else format_value(raw)
    return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 1] + "…"


def text_key(cells: Iterable[Raw]) -> tuple[str, ...]:
    """A row's key as text, whatever stands in its cells."""
    return tuple(raw if isinstance(raw, str) else shown(raw) for raw in cells)


def format_value(value: CellValue) -> str:
    """A value as text: `TRUE`, `3`, `0.5`; nothing is ""."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def clean_text(text: str) -> str:
    """Without stray spaces and invisible characters, in Unicode's composed form."""
    return " ".join(INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())


def fold(text: str) -> str:
    """For comparing only: compatibility forms and the usual Cyrillic and Greek look-alikes made plain."""
    return unicodedata.normalize("NFKC", clean_text(text)).translate(LOOK_ALIKES).casefold()


def read_cell(column: TabColumn, raw: Raw, known: tuple[str, ...] = ()) -> CellValue | Bad:
    """The typed value of an owner's cell. `known`: the ids a dropdown offers."""
    if isinstance(raw, Formula):
        return _formula(raw)
    if isinstance(raw, ErrorValue):
        return Bad("error_value", f"the cell holds the error {shown(raw)}", "type the value itself")
    if isinstance(raw, str) and raw.lstrip().startswith(
        "="
    ):  # typed into a cell that holds text: Google keeps it as text
        return _formula(Formula(raw.strip()))
    if column.kind == "bool":
        return read_boolean(raw)
    if column.kind == "firearm":
        return read_id(raw, (*known, NO_FIREARM), "firearm")
    if column.kind == "impact":
        return read_id(raw, IMPACT_TYPES, "impact type")
    if column.kind == "number":
        return read_number(raw)
    if column.kind == "formula":
        return read_kpi_formula(raw)
    return read_line(raw)


def _formula(raw: Formula) -> Bad:
    if raw.error:
        return Bad("error_value", f"the formula {shown(raw)} shows {raw.error}", "type the value itself, not a formula")
    return Bad("formula", f"a spreadsheet formula ({shown(raw)})", "type the value itself, not a formula")


def read_boolean(raw: str | float | int | bool) -> bool | Bad:
    """A checkbox, or what people write for one in any language; an empty cell is FALSE."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int | float) and raw in (0, 1):
        return bool(raw)
    word = clean_text(str(raw)).casefold().removeprefix("'") if isinstance(raw, str) else str(raw)
    if word == "":
        return False
    if word in YES:
        return True
    if word in NO:
        return False
    return Bad("not_boolean", f"'{shown(raw)}' is not TRUE or FALSE", "tick or untick the checkbox")


def read_id(raw: str | float | int | bool, known: tuple[str, ...], what: str) -> str | Bad:
    """One of the known ids. Case does not matter for NONE; an empty cell is ""."""
    if isinstance(raw, bool | int | float):
        return Bad("number_for_id", f"{shown(raw)} is not a {what} id", f"choose a {what} from the list")
    if raw == "" or raw in known:
        return raw
    if raw.strip().upper() == NO_FIREARM and NO_FIREARM in known:
        return NO_FIREARM
    folded = {fold(word): word for word in known}
    meant = folded.get(fold(raw))
    cleaned = clean_text(raw)
    if cleaned == "":
        return Bad("stray_spaces", "the cell holds only spaces", "clear it, or choose from the list")
    if meant is not None:
        if meant == cleaned:
            return Bad("stray_spaces", f"stray spaces in '{shown(raw)}' (did you mean {meant})", f"type {meant}")
        code = "unknown_" + what.replace(" ", "_") if cleaned.isascii() else "look_alike"
        why = f"unknown {what}" if cleaned.isascii() else f"look-alike characters in the {what}"
        return Bad(code, f"{why} '{shown(raw)}' (did you mean {meant})", f"type {meant}")
    guess = closest(fold(raw), known)
    return Bad(
        "unknown_" + what.replace(" ", "_"),
        f"unknown {what} '{shown(cleaned)}'" + (f" (did you mean {guess})" if guess else ""),
        f"type {guess}, or choose from the list" if guess else "choose from the list",
    )


def read_number(raw: str | float | int | bool) -> int | float | str | Bad:
    """A finite number, also one written as text with a comma; an empty cell is "" (no target).

    Text that says one number here and another elsewhere is asked for again: a guess could be wrong a thousandfold.
    """
    if isinstance(raw, bool):
        return Bad("not_number", f"{shown(raw)} is not a number", "type a number, or clear the cell")
    if isinstance(raw, str):
        text = clean_text(raw)
        if text == "":
            return ""
        if GROUPED.fullmatch(text):
            text = re.sub(r"[ \u00a0\u202f']", "", text)
        if not DECIMAL.fullmatch(text):
            return Bad("not_number", f"'{shown(raw)}' is not a number", "type a number, or clear the cell")
        if AMBIGUOUS.fullmatch(text):
            whole, part = re.sub("[.,]", "", text), text.replace(",", ".")
            return Bad("not_number", f"'{text}' may be {whole} or {part}", f"type {whole}, or {part}0 for the decimal")
        raw = float(text.replace(",", "."))
    if not math.isfinite(raw):
        return Bad("not_number", f"{raw} is not a finite number", "type a number, or clear the cell")
    return int(raw) if float(raw).is_integer() and abs(raw) < 1e15 else float(raw)


def read_line(raw: str | float | int | bool) -> str | Bad:
    """One line of text; an empty cell is ""."""
    text = format_value(raw).strip()
    bad = next((char for char in text if char in CONTROL), None)
    if bad is not None:
        return Bad("line_break", "a tab or line break in the cell", "write it in one line")
    return text


def read_kpi_formula(raw: str | float | int | bool) -> str | Bad:
    """An expression over the call's usage; what is wrong with it is a problem here, before any draft."""
    line = read_line(raw)
    if isinstance(line, Bad) or line == "":
        return line
    error = formula_error(line)
    if error:
        return Bad("kpi_formula", f"{error} ('{shown(line)}')", "write an expression like usage.cost * 1.0")
    return line


def read_key(raw: Raw) -> str | Bad:
    """A key cell as text, as it stands; numbers, booleans and formulas are no keys."""
    if isinstance(raw, Formula | ErrorValue):
        return Bad("key_formula", f"a formula or error where an id belongs ({shown(raw)})", "type the id itself")
    if isinstance(raw, str):
        return raw
    return Bad("number_for_id", f"{shown(raw)} where an id belongs", "type the id as text")
