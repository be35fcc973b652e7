"""The Workbench page: cards of connectors, drafts, diff, publish, health. Server-rendered; see `routes` for every page.

`run` is all that others need. It imports the web framework only when called, so that the plain install works without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sheetsync.errors import MissingExtraError

if TYPE_CHECKING:
    from sheetsync.services.workspace import Workspace
    from sheetsync.settings.model import Settings

GOOGLE = "https://docs.google.com"
REQUIRED = ("jinja2", "starlette", "uvicorn")


def run(
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    tell: Callable[[str], None],
    on_ready: Callable[[str, str | None], None],
) -> None:
    """Open the workspace and serve the Workbench until interrupted.

    Args:
        settings: the configuration.
        host: instead of the configured address.
        port: instead of the configured port; 0 takes a free one.
        tell: says something to whoever started it (recovery, a new sign-in link).
        on_ready: called once it accepts calls, with its address and the one-time sign-in link (None where people
            are configured).

    Raises:
        MissingExtraError: the extra `web` is not installed.
        ConfigError: the address is public, and nobody is configured who may sign in.
    """
    check_extra()
    from sheetsync.bootstrap import open_workspace
    from sheetsync.web.live import LiveWorkspace
    from sheetsync.web.server import serve_site

    def open_it() -> Workspace:
        return open_workspace(settings, tell=tell, create=False)

    only_here = settings.store.rstrip("/") == "memory:"  # a nameless store in memory ends with its handle
    live = LiveWorkspace(open_it(), None if only_here else open_it, tell)
    try:
        serve_site(
            live,
            settings.serve,
            host=settings.serve.host if host is None else host,
            port=settings.serve.port if port is None else port,
            tell=tell,
            on_ready=on_ready,
            sheet_address=lambda spreadsheet_id: find_sheet(settings, spreadsheet_id),
        )
    finally:
        live.close()


def find_sheet(settings: Settings, spreadsheet_id: str) -> str:
    """Where people see the configured spreadsheet now; "" while the local server is not running."""
    base: str | None = settings.sheets.endpoint or GOOGLE
    if settings.is_local and settings.sheets.endpoint is None:
        from sheetsync.localsheets import running_url

        base = running_url(settings.local_data_file)
    return f"{base.rstrip('/')}/spreadsheets/d/{spreadsheet_id}/edit" if base else ""


def check_extra() -> None:
    """Say how to install what the page needs, if it is not there.

    Raises:
        MissingExtraError: something is missing.
    """
    from importlib.util import find_spec

    missing = [name for name in REQUIRED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the Workbench needs {', '.join(missing)}", hint="pip install 'sheetsync-workbench[web]'"
        )
