"""`LocalSheets`: the whole server, ready to be started inside a test or a command.

It puts the parts together: data file, workspace, routes, pipeline, HTTP.  Nothing is decided here.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import orjson

from sheetsync.errors import LockHeldError
from sheetsync.localsheets.call import Options
from sheetsync.localsheets.pipeline import Pipeline, Route
from sheetsync.localsheets.sheets_api import SheetsApi
from sheetsync.localsheets.storage import DataFile, MemoryStorage
from sheetsync.localsheets.transport import HttpServer, Request, Response
from sheetsync.localsheets.workspace import Workspace


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
            sync: wait for the disk at each write.
            pages: serve the grid page at `/`.

        Raises:
            LockHeldError: another server uses the data file.
            StoreDamagedError: the data file is damaged, or none of ours.
        """
        self.clock = clock
        rng = random.Random(seed)  # noqa: S311 -- ids, not secrets
        self._data = None if data is None or str(data) == ":memory:" else Path(data)
        storage = DataFile(self._data, sync=sync) if self._data else MemoryStorage()
        self.workspace = Workspace(storage, now_ms=lambda: int(self.clock() * 1000), rng=rng)
        options = Options(strict_rest=strict_rest, metadata_follows_sort=metadata_follows_sort)
        self.options = options
        self.pipeline = Pipeline(self.workspace, routes(options, pages=pages))
        try:
            self._http = HttpServer(self.pipeline, host=host, port=port)
        except OSError:
            self.workspace.close()
            raise
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._http.port}"
        self.port = self._http.port
        if self._data:
            with contextlib.suppress(OSError):
                _beside(self._data).write_bytes(orjson.dumps({"url": self.url}))

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
    found: list[Route] = [SheetsApi(options), _drive]
    if pages:
        found.append(_Pages())
    return found


def _drive(request: Request, workspace: Workspace) -> Response | None:
    from sheetsync.localsheets.drive import DriveApi

    return DriveApi()(request, workspace)


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
    if not path.exists():
        return None
    try:
        DataFile(path).close()
    except LockHeldError:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(orjson.loads(_beside(path).read_bytes())["url"])
    return None
