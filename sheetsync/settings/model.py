"""The configuration as one frozen value. How it is read is in `loading`, its keys and their forms are in `keys`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.connector import EngineRoute
from sheetsync.domain.context import RequestContext
from sheetsync.domain.firearms import FirearmCatalogue
from sheetsync.gsheets.options import CredentialSource, QuotaPolicy, RetryPolicy
from sheetsync.settings.address import LOCAL

SETTLE_UNATTENDED_S: Final = 120.0  # under `sync --every`, where nobody has just typed `pull`
LOCAL_DATA_FILE: Final = "local-sheets.db"


@dataclass(frozen=True, slots=True)
class SheetsSettings:
    """How to reach the Sheets server. `endpoint` None is Google."""

    endpoint: str | None = None
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 190.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    quota: QuotaPolicy = field(default_factory=QuotaPolicy)


@dataclass(frozen=True, slots=True)
class PullSettings:
    """How owners' edits are taken in. `settle_seconds` None: 0, and 120 under `sync --every`."""

    settle_seconds: float | None = None
    unattended_users: frozenset[str] = frozenset()

    def settle_s(self, *, every: bool) -> float:
        """How long an edit must stand unchanged before it is taken."""
        if self.settle_seconds is not None:
            return self.settle_seconds
        return SETTLE_UNATTENDED_S if every else 0.0


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """The rules of publish."""

    loosening_needs_second_person: bool = True


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who may sign in to the Workbench."""

    user: str
    roles: frozenset[str]
    token_hash: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The Workbench page."""

    host: str = "127.0.0.1"
    port: int = 8642
    public_url: str = ""
    identity_header: str = ""
    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    people: tuple[Person, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """One more tenant and spreadsheet, for `sync --all`; None is what the top of the configuration says."""

    tenant: str | None = None
    spreadsheet: str | None = None


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """How providers are checked. `validator`: an external command, run on each provider's folder; () for none."""

    validator: tuple[str, ...] = ()
    validator_limit_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is configured.

    Attributes:
        root: the workspace's folder; paths of the configuration are relative to it.
        config_file: the file that was read; None if there is none.
        store: a directory (absolute) or a URL.
        spreadsheet: an id, or `local`.
        state_dir: where this machine keeps what its processes share (quota windows, tokens).
        warnings: what is odd, but no mistake.
    """

    root: Path
    store: str
    user: str
    state_dir: Path
    config_file: Path | None = None
    tenant: str = "default"
    spreadsheet: str = LOCAL
    sheets: SheetsSettings = field(default_factory=SheetsSettings)
    credentials: CredentialSource = field(default_factory=CredentialSource)
    pull: PullSettings = field(default_factory=PullSettings)
    publish: PublishSettings = field(default_factory=PublishSettings)
    importing: ImportSettings = field(default_factory=ImportSettings)
    serve: ServeSettings = field(default_factory=ServeSettings)
    firearms: FirearmCatalogue = field(default_factory=FirearmCatalogue)
    routes: tuple[EngineRoute, ...] = ()
    targets: tuple[Target, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def context(self) -> RequestContext:
        """Who acts, for which tenant."""
        return RequestContext(tenant=self.tenant, user=self.user)

    @property
    def is_local(self) -> bool:
        """Is the spreadsheet the workspace's own, on a local server?"""
        return self.spreadsheet == LOCAL

    @property
    def local_data_file(self) -> Path:
        """The data file of the workspace's own Sheets server."""
        return self.root / LOCAL_DATA_FILE

    def to_public_json(self) -> dict[str, JSONValue]:
        """For `config show`: everything but secrets. Token hashes are shown as whether there is one."""
        return {
            "config_file": _text(self.config_file),
            "root": str(self.root),
            "store": self.store,
            "tenant": self.tenant,
            "user": self.user,
            "spreadsheet": self.spreadsheet,
            "sheets": _sheets_json(self.sheets),
            "credentials": _credentials_json(self.credentials),
            "pull": {
                "settle_seconds": self.pull.settle_seconds,
                "unattended_users": sorted(self.pull.unattended_users),
            },
            "publish": {"loosening_needs_second_person": self.publish.loosening_needs_second_person},
            "import": {
                "validator": list(self.importing.validator),
                "validator_limit_s": self.importing.validator_limit_s,
            },
            "targets": [{"tenant": target.tenant, "spreadsheet": target.spreadsheet} for target in self.targets],
            "serve": _serve_json(self.serve),
            "firearms": [firearm.to_json() for firearm in self.firearms.firearms],
            "engine_routes": [route.to_json() for route in self.routes],
            "state_dir": str(self.state_dir),
            "warnings": list(self.warnings),
        }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _sheets_json(sheets: SheetsSettings) -> JSONValue:
    retry, quota = sheets.retry, sheets.quota
    return {
        "endpoint": sheets.endpoint,
        "connect_timeout_s": sheets.connect_timeout_s,
        "read_timeout_s": sheets.read_timeout_s,
        "retry": {
            "attempts": retry.attempts,
            "first_wait_s": retry.base_s,
            "longest_wait_s": retry.cap_s,
            "quota_wait_s": retry.quota_wait_s,
            "deadline_s": retry.deadline_s,
        },
        "quota": {
            "reads_per_minute": quota.reads_per_minute,
            "writes_per_minute": quota.writes_per_minute,
            "longest_wait_s": quota.max_wait_s,
            "everywhere": quota.everywhere,
        },
    }


def _credentials_json(source: CredentialSource) -> JSONValue:
    return {
        "kind": source.kind,
        "file": _text(source.file),
        "impersonate": source.impersonate,
        "oauth_client": _text(source.oauth_client),
        "oauth_token": _text(source.oauth_token),
        "drive_metadata": source.drive_metadata,
    }


def _serve_json(serve: ServeSettings) -> JSONValue:
    people = [
        {"user": person.user, "roles": sorted(person.roles), "has_token": bool(person.token_hash)}
        for person in serve.people
    ]
    return {
        "host": serve.host,
        "port": serve.port,
        "public_url": serve.public_url,
        "identity_header": serve.identity_header,
        "trusted_proxies": list(serve.trusted_proxies),
        "people": people,
    }
