"""Ids of the domain: their forms, and the functions that parse them. What comes from outside is hostile until here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import AfterValidator

from sheetsync.errors import InvalidIdError

CONNECTOR_FORM: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
SCOPE_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/{}-]{0,127}")
FIREARM_FORM: Final = re.compile(r"firearm\.[a-z0-9][a-z0-9._-]{0,119}")
KPI_FORM: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
DRAFT_FORM: Final = re.compile(r"draft_[0-9a-f]{6,32}")
SEMVER_FORM: Final = re.compile(
    r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)
NEW_DRAFT_BYTES: Final = 6  # 12 hex digits


def _check(form: re.Pattern[str], what: str, says: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(f"{value[:80]!r} is not {what} ({says})")
        return value

    return check


def check_connector_id(value: str) -> str:
    """The id itself; ValueError if it is not of the form, or holds `--`."""
    if not CONNECTOR_FORM.fullmatch(value) or "--" in value:
        raise ValueError(f"{value[:80]!r} is not a connector id ([a-z][a-z0-9-]{{0,62}}, without '--')")
    return value


check_scope = _check(SCOPE_FORM, "a scope", "[A-Za-z0-9][A-Za-z0-9._:/{}-]{0,127}")
check_firearm_id = _check(FIREARM_FORM, "a firearm id", "like firearm.external_write")
check_kpi_name = _check(KPI_FORM, "a KPI name", "[a-z][a-z0-9_]{0,62}")
check_draft_id = _check(DRAFT_FORM, "a draft id", "draft_ and 6 to 32 hex digits")
check_version = _check(SEMVER_FORM, "a version", "semver, like 1.2.0")

ConnectorId = Annotated[str, AfterValidator(check_connector_id)]
ScopeName = Annotated[str, AfterValidator(check_scope)]
FirearmId = Annotated[str, AfterValidator(check_firearm_id)]
KpiName = Annotated[str, AfterValidator(check_kpi_name)]
DraftId = Annotated[str, AfterValidator(check_draft_id)]
Version = Annotated[str, AfterValidator(check_version)]


def parse_id(check: Callable[[str], str], value: str, *, hint: str = "") -> str:
    """`check(value)`, as an error of a run.

    Raises:
        InvalidIdError: the value is not of the form.
    """
    try:
        return check(value)
    except ValueError as exc:
        raise InvalidIdError(str(exc), hint=hint) from exc


def _random_hex(size_bytes: int) -> str:
    return os.urandom(size_bytes).hex()  # what `secrets` does, without importing hashlib for it


def new_draft_id(token_hex: Callable[[int], str] = _random_hex) -> str:
    """A new draft id: `draft_` and 12 random hex digits."""
    return f"draft_{token_hex(NEW_DRAFT_BYTES)}"


def version_key(version: str) -> tuple[object, ...]:
    """A sort key by semver precedence (semver.org, item 11); build metadata does not count."""
    match = SEMVER_FORM.fullmatch(version)
    if match is None:
        raise InvalidIdError(f"{version[:80]!r} is not a version", hint="use semver, like 1.2.0")
    numbers = tuple(int(part) for part in match.group(1, 2, 3))
    if match[4] is None:
        return (*numbers, 1, ())
    parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in match[4].split("."))
    return (*numbers, 0, parts)


def version_rises(old: str, new: str) -> bool:
    """Does `new` come after `old` by semver precedence?"""
    return version_key(new) > version_key(old)


def bump_minor(version: str) -> str:
    """The next minor version: 1.2.3 → 1.3.0."""
    numbers = version_key(version)
    return f"{numbers[0]}.{int(str(numbers[1])) + 1}.0"


def bump_major(version: str) -> str:
    """The next major version: 1.2.3 → 2.0.0."""
    return f"{int(str(version_key(version)[0])) + 1}.0.0"
