"""`LocalSheets`: the whole server, ready to be started inside a test or a command.

It puts the parts together: data file, workspace, routes, pipeline, HTTP.  Nothing is decided here.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import orjson

from sheetsync.errors import SheetSyncError
from sheetsync.localsheets.call import Options
from sheetsync.localsheets.door import Door
from sheetsync.localsheets.pipeline import Pipeline, Route
from sheetsync.localsheets.sheets_api import SheetsApi
from sheetsync.localsheets.storage import DataFile, MemoryStorage, is_locked
from sheetsync.localsheets.transport import HttpServer, Request, Response
from sheetsync.localsheets.workspace import Workspace

if TYPE_CHECKING:
    from sheetsync.localsheets.auth import Authority
    from sheetsync.localsheets.faults import Script


class LocalSheets:
    """A local Google Sheets server; a context manager that closes it.

    Attributes:
        url: where it listens, such as `http://127.0.0.1:53211`; both Sheets and Drive paths are under it.
        pipeline: the steps of a call; authentication, quotas and faults are put in here.
        workspace: the state, for those who want to look or act without HTTP (see `human.Human`).
    """

    def __init__(
        self,
        *,
        port: int = 0,
        data: str | Path | None = None,
        host: str = "127.0.0.1",
        clock: Callable[[], float] = time.time,
        seed: int | None = None,
        strict_rest: bool = False,
        metadata_follows_sort: bool = False,
        private: bool = False,
        strict_auth: bool = False,
        quota: bool = False,
        script: Iterable[str] = (),
        drive_lag_s: float = 0,
        sync: bool = False,
        pages: bool = True,
    ) -> None:
        """Start the server.

        Args:
            port: 0 takes a free one.
            data: the data file; None or `:memory:` keeps nothing.
            host: the address to listen on; only this machine unless asked.
            clock: seconds since 1970.
            seed: makes ids repeatable.
            strict_rest: data validation that rejects input binds REST writes, too.
            metadata_follows_sort: row metadata goes along when rows are sorted.
            private: files are seen only by their owner and those with whom they are shared.
            strict_auth: calls need a token that this server issued.
            quota: count calls, and refuse those above Google's 60 and 300 a minute.
            script: faults and acts of a collaborator, in lines (see `faults.py`, `collaborator.py`).
            drive_lag_s: how late Drive tells of changes in content (Google's: about 180).
            sync: wait for the disk at each write.
            pages: serve the grid page at `/`.

        Raises:
            LockHeldError: another server uses the data file.
            StoreDamagedError: the data file is damaged, or none of ours.
            UsageError: a line of the script cannot be read.
        """
        self.clock = clock
        self._script: Script | None = None
        self._authority: Authority | None = None
        rng = random.Random(seed)  # noqa: S311 -- ids, not secrets
        self._data = None if data is None or str(data) == ":memory:" else Path(data)
        storage = DataFile(self._data, sync=sync) if self._data else MemoryStorage()
        self.workspace = Workspace(storage, now_ms=lambda: int(self.clock() * 1000), rng=rng)
        options = Options(
            strict_rest=strict_rest,
            metadata_follows_sort=metadata_follows_sort,
            private=private,
            drive_lag_ms=int(drive_lag_s * 1000),
        )
        self.options = options
        self.pipeline = Pipeline(self.workspace, [*routes(options, pages=pages), self._late], Door(host).check)
        try:
            self._prepare(strict_auth=strict_auth, quota=quota, script=script)
            self._http = HttpServer(self.pipeline, host=host, port=port)
        except (OSError, SheetSyncError):
            self.workspace.close()
            raise
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._http.port}"
        self.port = self._http.port
        if self._data:
            with contextlib.suppress(OSError):
                _beside(self._data).write_bytes(orjson.dumps({"url": self.url}))

    def _prepare(self, *, strict_auth: bool, quota: bool, script: Iterable[str]) -> None:
        """Load the parts that most servers never need."""
        if strict_auth or any(key.startswith("account/") for key in self.workspace.notes):
            self._make_authority(strict=strict_auth)
        if quota:
            from sheetsync.localsheets.quota import QuotaCounter

            self.pipeline.quota = QuotaCounter(lambda: self.clock())
        for line in script:
            from sheetsync.localsheets.control import step_of

            self.script.add(step_of(line))

    def _late(self, request: Request, workspace: Workspace) -> Response | None:
        """Paths whose code is loaded when they are first asked for."""
        if request.path in ("/token", "/oauth2/v4/token"):
            return self.authority(request, workspace)
        if request.path == "/_local/script":
            from sheetsync.localsheets.control import control

            return control(request, self.script)
        return None

    def _make_authority(self, *, strict: bool = False) -> Authority:
        from sheetsync.localsheets.auth import Authority

        self._authority = Authority(self.workspace, lambda: self.clock(), strict=strict)
        self.pipeline.authenticate = self._authority.authenticate
        return self._authority

    @property
    def authority(self) -> Authority:
        """What issues tokens and knows service accounts; from now on its tokens are understood."""
        return self._authority or self._make_authority()

    @property
    def script(self) -> Script:
        """Faults, and what a collaborator does between calls; add steps at any time."""
        if self._script is None:
            from sheetsync.localsheets.faults import Script

            self._script = Script()
            self.pipeline.faults = self._script
        return self._script

    def service_account(self, email: str = "robot@local.iam.gserviceaccount.com") -> dict[str, Any]:
        """Make a service account; returns the content of its key file."""
        return self.authority.service_account(email, self.url)

    def close(self) -> None:
        """Stop listening and let go of the data file.  Closing twice does nothing."""
        self._http.close()
        with self.workspace.lock:
            if self._data and not self.workspace.is_closed:
                _beside(self._data).unlink(missing_ok=True)
            self.workspace.close()

    def __enter__(self) -> LocalSheets:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def routes(options: Options, *, pages: bool) -> list[Route]:
    """What answers which paths, in the order in which they are asked."""
    found: list[Route] = [SheetsApi(options), _Drive(options)]
    if pages:
        found.append(_Pages())
    return found


class _Drive:
    """Drive's calls; loaded when one comes."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._answer: Route | None = None

    def __call__(self, request: Request, workspace: Workspace) -> Response | None:
        if not request.path.startswith(("/drive/", "/upload/drive/")):
            return None
        if self._answer is None:
            from sheetsync.localsheets.drive import DriveApi

            self._answer = DriveApi(self._options)
        return self._answer(request, workspace)


class _Pages:
    """The grid page; loaded when somebody asks for it."""

    def __init__(self) -> None:
        self._answer: Route | None = None

    def __call__(self, request: Request, workspace: Workspace) -> Response | None:
        if self._answer is None:
            from sheetsync.localsheets.page_api import PageApi

            self._answer = PageApi()
        return self._answer(request, workspace)


def _beside(data: Path) -> Path:
    return data.with_name(data.name + ".server")


def running_url(data: str | Path) -> str | None:
    """Where a running server on a data file listens; None if none runs.

    The file's lock decides, not the note beside it, which a killed server leaves behind.
    """
    path = Path(data)
    if not path.exists() or not is_locked(path):
        return None
    with contextlib.suppress(OSError, ValueError, KeyError):
        return str(orjson.loads(_beside(path).read_bytes())["url"])
    return None
