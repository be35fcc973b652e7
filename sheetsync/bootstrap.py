"""The only place that builds real objects and wires them: workspace, identity, limiter, Sheets server, gateway.

What is configured is read in `settings`; what is done with the objects is in `services`.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from sheetsync.domain.clock import Clock, SystemClock
from sheetsync.errors import ConfigError, DestinationError, LockHeldError, NotFoundError

if TYPE_CHECKING:
    from sheetsync.gsheets.api import SheetsApi
    from sheetsync.gsheets.quota import Limiter
    from sheetsync.services.doctor import DoctorReport, Line
    from sheetsync.services.workspace import Workspace
    from sheetsync.settings import Settings
    from sheetsync.sync.gateway import SheetGateway

LOG: Final = logging.getLogger(__name__)
TEMPLATES: Final = ("sheetsync.toml", "firearms.toml", "engine_routes.toml")
LOCAL_IDS: Final = "local-sheets.json"  # which spreadsheet is this workspace's, by server
STARTING_S: Final = 10.0  # how long another process may take to start its server
LOOK_AGAIN_S: Final = 0.05

Tell = Callable[[str], None]


def _say_nothing(_message: str) -> None:
    """The default for `tell`."""


def init_workspace(folder: Path, *, clock: Clock | None = None) -> list[Path]:
    """Make a workspace: `config/` with three explained files, and an empty store. Returns what was made.

    Raises:
        DestinationError: one of the files exists already; nothing was made.
    """
    from sheetsync.store import Store

    config = folder / "config"
    made = [config / name for name in TEMPLATES]
    for path in made:
        if path.exists() or path.is_symlink():
            raise DestinationError(f"{path} exists already", hint="name another folder, or edit the file that is there")
    try:
        config.mkdir(parents=True, exist_ok=True)
        for path in made:
            with path.open("x", encoding="utf-8") as file:
                file.write(read_template(path.name))
    except OSError as exc:
        raise DestinationError(f"{exc.filename or folder} cannot be written: {exc.strerror}") from exc
    store = folder / "store"
    Store.open(store, clock=clock or SystemClock()).close()
    return [*made, store]


def read_template(name: str) -> str:
    """The text of a configuration file as `init` writes it."""
    from importlib.resources import files

    return (files("sheetsync.settings") / "templates" / name).read_text(encoding="utf-8")


def open_workspace(
    settings: Settings, *, tell: Tell = _say_nothing, clock: Clock | None = None, create: bool = True
) -> Workspace:
    """Open the store, let it recover, and put the configuration's catalogues and rules beside it.

    Raises:
        NotFoundError: there is no store, and `create` is off.
    """
    from sheetsync.services.workspace import Rules, Workspace
    from sheetsync.store import Store

    clock = clock or SystemClock()
    store = Store.open(settings.store, tenant=settings.tenant, clock=clock, create=create, tell=tell)
    rules = Rules(
        loosening_needs_second_person=settings.publish.loosening_needs_second_person,
        unattended_users=settings.pull.unattended_users,
        settle_seconds=settings.pull.settle_s(every=False),
    )
    return Workspace(store, settings.context, settings.firearms, settings.routes, rules, clock)


def open_api(
    settings: Settings,
    *,
    endpoint: str | None,
    clock: Clock | None = None,
    interactive: bool = False,
    relocate: Callable[[], str] | None = None,
) -> SheetsApi:
    """The calls, with the configured identity, limits and retries. `endpoint` None is Google; `relocate`: see there.

    Raises:
        AuthError: the credentials are missing, unsafe or unreadable.
    """
    from sheetsync.gsheets.api import SheetsApi
    from sheetsync.gsheets.auth import open_identity
    from sheetsync.gsheets.options import Timeouts
    from sheetsync.gsheets.retry import Retrier

    clock = clock or SystemClock()
    identity = open_identity(settings.credentials, endpoint=endpoint, interactive=interactive)
    sheets = settings.sheets
    return SheetsApi(
        identity,
        endpoint=endpoint,
        clock=clock,
        limiter=_open_limiter(settings, endpoint, identity.key, clock),
        retrier=Retrier(sheets.retry, clock),
        timeouts=Timeouts(connect_s=sheets.connect_timeout_s, read_s=sheets.read_timeout_s),
        relocate=relocate,
    )


def _open_limiter(settings: Settings, endpoint: str | None, identity_key: str, clock: Clock) -> Limiter:
    from sheetsync.gsheets.quota import FileLimiter, NoLimiter

    quota = settings.sheets.quota
    if endpoint is not None and not quota.everywhere:
        return NoLimiter()
    folder = settings.state_dir / "quota"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        usable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        usable = False
    if not usable:
        raise ConfigError(
            f"{folder} cannot be written: the processes of this machine keep their shared quota there",
            hint="set 'state_dir' in sheetsync.toml to a folder that is yours",
        )
    return FileLimiter(folder, f"{endpoint or 'google'} {identity_key}", quota, clock)


@contextmanager
def open_gateway(
    settings: Settings, workspace: Workspace, *, tell: Tell = _say_nothing, interactive: bool = False,
    make: bool = True,
) -> Iterator[SheetGateway]:  # fmt: skip
    """The configured spreadsheet, for as long as the context lasts.

    With `spreadsheet = "local"` and no endpoint, the workspace's own server: the one that runs on its data file, or
    one started here and stopped at the end. The spreadsheet itself is made at first use; without `make`, for who only
    looks, an empty one in memory stands in for it until then.
    """
    from sheetsync.gsheets.gateway import GoogleSheetsGateway

    with ExitStack() as stack:
        endpoint, relocate = settings.sheets.endpoint, None
        stands_in = not make and settings.is_local and not _is_made(settings)
        if stands_in:
            from sheetsync.localsheets import LocalSheets

            endpoint = stack.enter_context(LocalSheets()).url
        elif settings.is_local and endpoint is None:
            if not settings.local_data_file.exists():
                _forget(settings)  # the data file was removed, and the spreadsheet with it
            relocate = stack.enter_context(_OwnServer(settings.local_data_file, workspace.clock)).find
            endpoint = relocate()
        api = open_api(settings, endpoint=endpoint, clock=workspace.clock, interactive=interactive, relocate=relocate)
        stack.callback(api.close)
        spreadsheet_id = settings.spreadsheet
        if settings.is_local:
            spreadsheet_id = api.create_spreadsheet("") if stands_in else local_spreadsheet(settings, api, tell)
        firearms = workspace.firearms.ids()
        yield GoogleSheetsGateway(api, spreadsheet_id, store_id=workspace.store.store_id, firearms=firearms)


class _OwnServer:
    """The workspace's own server, looked for again when the process that ran it has ended."""

    def __init__(self, data_file: Path, clock: Clock) -> None:
        self._data_file = data_file
        self._clock = clock
        self._found = ExitStack()

    def find(self) -> str:
        """Where it is now."""
        self._found.close()
        return self._found.enter_context(local_server(self._data_file, clock=self._clock))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._found.close()


@contextmanager
def local_server(data_file: Path, *, clock: Clock | None = None) -> Iterator[str]:
    """The URL of a local Sheets server on a data file: the running one, or one that runs as long as the context."""
    from sheetsync.localsheets import LocalSheets, running_url

    clock = clock or SystemClock()
    ends_at = clock.monotonic() + STARTING_S
    while True:
        try:
            server = LocalSheets(port=0, data=data_file, sync=True)  # a push must outlive a power cut
            break
        except LockHeldError:
            url = running_url(data_file)
            if url and _accepts_calls(url):
                LOG.info("speaking to the Sheets server that runs on %s: %s", data_file, url)
                yield url
                return
            if clock.monotonic() > ends_at:
                raise
            clock.sleep(LOOK_AGAIN_S)  # it is just starting, or just stopping
    with server:
        LOG.info("started a Sheets server on %s: %s", data_file, server.url)
        yield server.url


def _accepts_calls(url: str) -> bool:
    """Is somebody there? The note beside a data file may be that of a server that was killed."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=STARTING_S):
            return True
    except OSError:
        return False


def local_spreadsheet(settings: Settings, api: SheetsApi, tell: Tell = _say_nothing) -> str:
    """The id of the workspace's own spreadsheet on a server; it is made, and remembered, at first use."""
    key, path = _key_of(settings), settings.root / LOCAL_IDS
    with _locked(path) as descriptor:
        known = _read_ids(descriptor)
        if key not in known:
            title = f"sheetsync {settings.tenant} ({settings.root.name})"
            known[key] = api.create_spreadsheet(title)
            _write_ids(descriptor, known)
            tell(f"made the spreadsheet '{title}': {known[key]}")
    return known[key]


def _key_of(settings: Settings) -> str:
    """What the workspace's own spreadsheet is noted under: each server has one."""
    return settings.sheets.endpoint or settings.local_data_file.name


def _is_made(settings: Settings) -> bool:
    """Is there a spreadsheet of this workspace on the server, as far as its files tell?"""
    if settings.sheets.endpoint is None and not settings.local_data_file.exists():
        return False
    try:
        with (settings.root / LOCAL_IDS).open("rb") as file:
            return _key_of(settings) in _read_ids(file.fileno())
    except FileNotFoundError:
        return False


def _forget(settings: Settings) -> None:
    with _locked(settings.root / LOCAL_IDS) as descriptor:
        known = _read_ids(descriptor)
        if known.pop(settings.local_data_file.name, None) is not None:
            _write_ids(descriptor, known)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """A file, made if needed, under a lock: two first uses at once make one spreadsheet, not two."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        raise ConfigError(
            f"{path} cannot be written: {exc.strerror}", hint="the workspace's folder must be writable"
        ) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _read_ids(descriptor: int) -> dict[str, str]:
    try:
        value = json.loads(os.pread(descriptor, 1 << 20, 0) or b"{}")
    except ValueError:
        return {}
    return {str(key): str(known) for key, known in value.items()} if isinstance(value, dict) else {}


def _write_ids(descriptor: int, known: dict[str, str]) -> None:
    data = json.dumps(known, indent=2, sort_keys=True).encode()
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))
    os.fsync(descriptor)


def run_doctor_from(
    config: Path | None,
    overrides: Mapping[str, str],
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    interactive: bool = False,
) -> DoctorReport:
    """All checks, from the configuration on; errors become lines. `interactive`: a browser may be opened to sign in."""
    from sheetsync import settings
    from sheetsync.observability.redaction import redact
    from sheetsync.services.doctor import DoctorReport, Line

    try:
        found = settings.load(config=config, overrides=overrides, environ=environ, cwd=cwd)
    except ConfigError as error:
        mistakes = error.mistakes or (error.message,)
        lines = (
            Line("fail", "configuration", redact(text), error.hint, error.exit_code, error.code) for text in mistakes
        )
        return DoctorReport(tuple(lines))
    return run_doctor(found, interactive=interactive)


def run_doctor(found: Settings, *, interactive: bool = False) -> DoctorReport:
    """All checks of credentials, store and spreadsheet; what cannot be checked after a failure is left out."""
    from sheetsync.services.doctor import DoctorReport, Line, check_store, checked

    lines = [Line("ok", "configuration", str(found.config_file or "no file: defaults and environment"))]
    lines += [Line("warn", "configuration", text) for text in found.warnings]
    lines += checked("credentials", lambda: _check_credentials(found, interactive=interactive))
    lines += checked("store", lambda: check_store(found.store))
    if not any(line.status == "fail" for line in lines):
        lines += checked("workspace", lambda: _check_open(found))
    return DoctorReport(tuple(lines))


def _check_credentials(found: Settings, *, interactive: bool) -> Iterator[Line]:
    from sheetsync.gsheets.auth import open_identity
    from sheetsync.services.doctor import Line

    source = found.credentials
    if found.is_local and found.sheets.endpoint is None:
        yield Line("ok", "credentials", "none are needed: the spreadsheet is on the workspace's own server")
        return
    identity = open_identity(source, endpoint=found.sheets.endpoint, interactive=interactive)
    if identity.credentials is None:
        yield Line("ok", "credentials", f"none: calls to {found.sheets.endpoint or 'Google'} go anonymous")
    else:
        yield Line("ok", "credentials", f"{source.resolved}: {identity.label}")


def _check_open(found: Settings) -> Iterator[Line]:
    from sheetsync.services.doctor import check_drift, check_spreadsheet, check_workspace, checked

    try:
        ws = open_workspace(found, create=False)
    except NotFoundError:  # said by the check of the store; looking makes none, and an empty one is as good
        ws = open_workspace(replace(found, store="memory://"))
    try:
        yield from check_workspace(ws)
        if found.is_local and found.sheets.endpoint is None and not found.local_data_file.exists():
            yield from _nothing_pushed_yet()
            return
        with open_gateway(found, ws) as gateway:
            lines = list(checked("spreadsheet", lambda: check_spreadsheet(ws, gateway)))
            yield from lines
            if found.credentials.drive_metadata:
                yield from checked("drive", lambda: _check_drive(found, gateway.spreadsheet_id))
            if lines[-1].name != "tabs" and not any(line.status == "fail" for line in lines):
                yield from checked("drift", lambda: check_drift(ws, gateway))
    finally:
        ws.store.close()


def _check_drive(found: Settings, spreadsheet_id: str) -> Iterator[Line]:
    from sheetsync.services.doctor import Line

    fields = "name,modifiedTime,lastModifyingUser(displayName)"
    api = open_api(found, endpoint=found.sheets.endpoint)
    try:
        file = api.drive_metadata(spreadsheet_id, fields=fields)
    finally:
        api.close()
    who = (file.get("lastModifyingUser") or {}).get("displayName", "somebody")
    yield Line("ok", "drive", f"last changed {file.get('modifiedTime', 'at an unknown time')} by {who}")


def _nothing_pushed_yet() -> Iterator[Line]:
    from sheetsync.services.doctor import Line

    yield Line("warn", "spreadsheet", "the workspace's own spreadsheet is not there yet", "sheetsync push")
