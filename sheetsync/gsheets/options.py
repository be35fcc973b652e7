"""What can be configured about calls: retries, quota, timeouts, credentials. Values only, for `settings` to fill.

Kept apart from the code that follows them, so that reading the configuration imports nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

SCOPE_SPREADSHEETS: Final = "https://www.googleapis.com/auth/spreadsheets"
SCOPE_DRIVE_METADATA: Final = "https://www.googleapis.com/auth/drive.metadata.readonly"

CredentialKind = Literal["auto", "service_account", "adc", "oauth", "anonymous"]
CREDENTIAL_KINDS: Final[tuple[CredentialKind, ...]] = ("auto", "service_account", "adc", "oauth", "anonymous")


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and how long.

    `deadline_s` bounds one call with all its waits and attempts; a wait that would end after it is not begun.
    `unreachable_attempts` bounds the attempts at a host to which no connection can be made.
    """

    attempts: int = 6
    base_s: float = 1.0
    cap_s: float = 64.0
    quota_wait_s: float = 61.0  # a minute quota is refilled each minute; recorded answers carry no Retry-After
    quota_jitter_s: float = 5.0  # so that several processes do not all come back in the same second
    deadline_s: float = 300.0
    unreachable_attempts: int = 4


@dataclass(frozen=True)
class QuotaPolicy:
    """Calls a minute and identity. One below Google's 60, since its minute and ours do not begin together."""

    reads_per_minute: int = 59
    writes_per_minute: int = 59
    max_wait_s: float = 240.0
    everywhere: bool = False  # also on hosts that are not Google's

    def limit(self, kind: str) -> int | None:
        """The limit for a kind of call; None if it is not limited here."""
        return {"read": self.reads_per_minute, "write": self.writes_per_minute}.get(kind)


@dataclass(frozen=True)
class Timeouts:
    """Seconds for the connection, for silence while waiting, and for a whole answer once it has begun."""

    connect_s: float = 10.0
    read_s: float = 190.0  # Google itself gives up on a request after 180 s
    body_s: float = 300.0


@dataclass(frozen=True)
class CredentialSource:
    """Where credentials come from, as configured.

    `auto` is a service-account file where one is named, an OAuth client where one is named, else application-default
    credentials; behind another endpoint, where none of these is named, anonymous.
    """

    kind: CredentialKind = "auto"
    file: Path | None = None  # service-account key
    impersonate: str = ""  # e-mail of a service account to act as
    oauth_client: Path | None = None  # the client secrets of an OAuth "desktop app"
    oauth_token: Path | None = None  # where the person's token is kept, mode 0600
    drive_metadata: bool = False  # ask for drive.metadata.readonly too
    adc_file: Path | None = None  # what the environment names for application-default credentials

    @property
    def resolved(self) -> CredentialKind:
        """The kind that `auto` stands for, Google's hosts assumed."""
        if self.kind != "auto":
            return self.kind
        if self.file is not None:
            return "service_account"
        return "oauth" if self.oauth_client is not None else "adc"

    @property
    def is_configured(self) -> bool:
        """Was anything named? Application-default credentials count only where asked for."""
        return self.kind not in ("auto", "anonymous") or self.file is not None or self.oauth_client is not None

    def scopes(self) -> list[str]:
        """The scopes to ask for: never all of Drive."""
        return [SCOPE_SPREADSHEETS] + ([SCOPE_DRIVE_METADATA] if self.drive_metadata else [])
