"""serve (the Workbench page) and sheets serve (the local Sheets server)."""

from __future__ import annotations

import errno
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from sheetsync.cli.options import Group, command
from sheetsync.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from sheetsync.cli.session import Session

MEMORY = ":memory:"


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; the old handlers are put back afterwards."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield stopped
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGINT end what runs here, as a success: stopping is how a server's run ends.

    The page's server shuts down first and then raises the signal once more, for whoever waits for it: for us.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise click.exceptions.Exit(0)

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextmanager
def _listening(port: int) -> Iterator[None]:
    """Say what is wrong where a server cannot listen."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise UsageError(
                f"cannot listen on port {port}: {exc.strerror}", hint="choose another with --port; 0 takes a free one"
            ) from exc
        raise


@click.group("sheets", cls=Group)
def sheets() -> None:
    """Run the local Sheets server."""


@command("serve")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1 [a free one].")
@click.option("--data", metavar="FILE", default=MEMORY, help="File that keeps the spreadsheets [:memory:].")
@click.option("--strict-rest", is_flag=True, help="Refuse REST writes that break a strict validation rule.")
@click.option("--quota", is_flag=True, help="Refuse more than 60 reads or writes a minute, as Google does.")
@click.option("--private", is_flag=True, help="Show files only to those they are shared with.")
@click.option(
    "--script",
    metavar="LINE",
    multiple=True,
    help="A fault or a collaborator's act, e.g. '503 after write' (see docs/localsheets.md); may be repeated.",
)
def sheets_serve(
    session: Session, *, port: int, data: str, strict_rest: bool, quota: bool, private: bool, script: tuple[str, ...]
) -> int:
    """Serve spreadsheets over HTTP as Google does, with a page to see and edit them, until stopped."""
    from sheetsync.localsheets import LocalSheets

    with (
        until_stopped() as stopped,
        _listening(port),
        LocalSheets(
            port=port, data=data, strict_rest=strict_rest, quota=quota, private=private, script=script
        ) as server,
    ):
        session.output.answer({"url": server.url}, [f"serving {server.url} (Ctrl-C stops it)"])
        stopped.wait()
    return 0


sheets.add_command(sheets_serve)


@command("serve")
@click.option("--host", default=None, help="Address to listen on [127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port [8642]; 0 takes a free one.")
@click.option("--new-token", is_flag=True, help="Print a new sign-in token and its hash for the configuration.")
def serve(session: Session, *, host: str | None, port: int | None, new_token: bool) -> int:
    """Serve the Workbench page until stopped; it prints a one-time sign-in link."""
    if new_token:
        from sheetsync.web.people import new_token as make_token

        token, token_hash = make_token()
        value = {"token": token, "token_hash": token_hash}
        session.output.answer(value, [f"token: {token}", f'token_hash = "{token_hash}"'])
        return 0
    from sheetsync import web

    def ready(url: str, link: str | None) -> None:
        session.output.answer({"url": url, "link": link}, [f"serving {url}", *([f"sign in: {link}"] if link else [])])

    with ended_by_signals():
        web.run(session.settings, host=host, port=port, tell=session.output.say, on_ready=ready)
    return 0
