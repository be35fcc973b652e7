"""The keys of `sheetsync.toml`: their names and the form of each value. Where values come from is in `loading`.

A form is a function from the raw value (of TOML, or text of the environment) to the value used; it raises ValueError
with a message that says what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sheetsync.domain.context import USER_FORM
from sheetsync.domain.tenants import TENANT_FORM
from sheetsync.gsheets.options import CREDENTIAL_KINDS

Form = Callable[[object], object]
ROLES: Final = ("owner", "reviewer", "publisher")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})


def text(value: object) -> str:
    """A line of text."""
    if not isinstance(value, str):
        raise ValueError(f"must be text in quotes, not {_kind(value)}")
    if any(ord(char) < 32 for char in value):
        raise ValueError("must be one line of text")
    return value


def flag(value: object) -> bool:
    """`true` or `false`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise ValueError(f"must be true or false, not {_kind(value)}")


def number(low: float, high: float) -> Form:
    """A number within bounds."""

    def check(value: object) -> float:
        try:
            found = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
        except ValueError:
            found = None
        if found is None or not low <= found <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, not {_kind(value)}")
        return found

    return check


def count(low: int, high: int) -> Form:
    """A whole number within bounds."""

    def check(value: object) -> int:
        found = number(low, high)(value)
        if not isinstance(found, float) or not found.is_integer():
            raise ValueError(f"must be a whole number from {low} to {high}, not {_kind(value)}")
        return int(found)

    return check


def texts(value: object) -> tuple[str, ...]:
    """A list of texts; in the environment separated by commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"must be a list of texts, not {_kind(value)}")
    return tuple(text(item) for item in value)


def command(value: object) -> tuple[str, ...]:
    """A command as a list: the program, then its arguments; never a line for a shell."""
    if isinstance(value, str):
        raise ValueError('must be a list, the program first: ["flowmcp", "validate"]')
    return texts(value)


def one_of(*allowed: str) -> Form:
    """One of some words."""

    def check(value: object) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {_kind(value)}")
        return text(value)

    return check


def tenant(value: object) -> str:
    """A tenant's id."""
    found = text(value)
    if not TENANT_FORM.fullmatch(found):
        raise ValueError(f"must be of the form [a-z0-9][a-z0-9-]{{0,62}}, not {_kind(value)}")
    return found


def user(value: object) -> str:
    """An e-mail address or a login name."""
    found = text(value)
    if not USER_FORM.fullmatch(found):
        raise ValueError(f"must be an e-mail address or a login name, not {_kind(value)}")
    return found


def users(value: object) -> frozenset[str]:
    """A list of users."""
    return frozenset(user(item) for item in texts(value))


def email(value: object) -> str:
    """An e-mail address, or ""."""
    found = text(value)
    if found and not _EMAIL.fullmatch(found):
        raise ValueError(f"must be an e-mail address, not {_kind(value)}")
    return found


def path(value: object) -> Path | None:
    """A path, or "" for none; `~` is the home folder."""
    found = text(value)
    try:
        return Path(found).expanduser() if found else None
    except RuntimeError:
        raise ValueError(f"{found[:80]!r} leads nowhere: this machine knows no such home") from None


def public_url(value: object) -> str:
    """An http or https URL, or ""."""
    found = text(value)
    if found and (urlsplit(found).scheme not in ("http", "https") or not urlsplit(found).hostname):
        raise ValueError(f"must be a URL like https://workbench.example.com, not {_kind(value)}")
    return found.rstrip("/")


def header_name(value: object) -> str:
    """The name of an HTTP header, or ""."""
    found = text(value)
    if found and not _HEADER_NAME.fullmatch(found):
        raise ValueError(f"must be the name of an HTTP header, not {_kind(value)}")
    return found


def roles(value: object) -> frozenset[str]:
    """One or more of the Workbench's roles."""
    found = frozenset(texts(value))
    if not found or not found <= set(ROLES):
        raise ValueError(f"must be one or more of {', '.join(ROLES)}, not {_kind(value)}")
    return found


def _kind(value: object) -> str:
    return repr(value)[:60]


KEYS: Final[dict[str, Form]] = {
    "store": text,
    "tenant": tenant,
    "user": user,
    "spreadsheet": text,
    "firearms": text,
    "engine_routes": text,
    "state_dir": path,
    "sheets.endpoint": text,
    "sheets.connect_timeout_s": number(0.1, 600),
    "sheets.read_timeout_s": number(0.1, 3600),
    "sheets.retry.attempts": count(1, 20),
    "sheets.retry.first_wait_s": number(0, 60),
    "sheets.retry.longest_wait_s": number(0, 600),
    "sheets.retry.quota_wait_s": number(0, 600),
    "sheets.retry.deadline_s": number(1, 86_400),
    "sheets.quota.reads_per_minute": count(1, 100_000),
    "sheets.quota.writes_per_minute": count(1, 100_000),
    "sheets.quota.longest_wait_s": number(0, 86_400),
    "sheets.quota.everywhere": flag,
    "credentials.kind": one_of(*CREDENTIAL_KINDS),
    "credentials.file": path,
    "credentials.impersonate": email,
    "credentials.oauth_client": path,
    "credentials.oauth_token": path,
    "credentials.drive_metadata": flag,
    "pull.settle_seconds": number(0, 86_400),
    "pull.unattended_users": users,
    "publish.loosening_needs_second_person": flag,
    "import.validator": command,
    "import.validator_limit_s": number(1, 3600),
    "serve.host": text,
    "serve.port": count(0, 65_535),
    "serve.public_url": public_url,
    "serve.identity_header": header_name,
    "serve.trusted_proxies": texts,
}
PEOPLE: Final = "serve.person"
TARGETS: Final = "target"


@dataclass(frozen=True, slots=True)
class Entries:
    """An array of tables: the keys of each entry, and those it must have."""

    forms: Mapping[str, Form]
    required: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()  # never repeated in a message


ARRAYS: Final[dict[str, Entries]] = {
    PEOPLE: Entries({"user": user, "roles": roles, "token_hash": text}, ("user", "roles"), ("token_hash",)),
    TARGETS: Entries({"tenant": tenant, "spreadsheet": text}),
}
FILE_ONLY: Final = frozenset({"firearms", "engine_routes"})  # no variable of the environment names them


def variable(key: str) -> str:
    """The environment's name of a key: `pull.settle_seconds` is SHEETSYNC_PULL_SETTLE_SECONDS."""
    return "SHEETSYNC_" + key.replace(".", "_").upper()
