"""Running the Workbench: where it listens, what it refuses to listen on, and what it says when it is ready."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import uvicorn

from sheetsync.errors import ConfigError, DestinationError
from sheetsync.web.app import create_app
from sheetsync.web.live import LiveWorkspace
from sheetsync.web.people import ROLES, People, Person, Role, parse_token_hash
from sheetsync.web.sheet_health import SheetAddress
from sheetsync.web.site import Cookies, Site, nowhere

if TYPE_CHECKING:
    from sheetsync.settings.model import ServeSettings

BACKLOG: Final = 128
CALLS_AT_ONCE: Final = 256  # more are told to come back
HEADER_BYTES_MOST: Final = 32 * 1024
DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def serve_site(
    live: LiveWorkspace,
    settings: ServeSettings,
    *,
    host: str,
    port: int,
    tell: Callable[[str], None],
    on_ready: Callable[[str, str | None], None],
    sheet_address: SheetAddress = nowhere,
) -> None:
    """Serve until interrupted.

    Args:
        live: what the pages work in.
        settings: the people, the public address, the trusted proxies.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        tell: says something to whoever started the server.
        on_ready: called once with the address, and the one-time link where there is one.
        sheet_address: where people see the spreadsheet of an id now.

    Raises:
        ConfigError: the address is public, and nobody is configured who may sign in; or the configuration is wrong.
        DestinationError: the port is taken.
    """
    people = read_people(settings)
    check_address(host, people, settings.public_url)
    listener = _listen(host, port)
    with listener:
        at = int(listener.getsockname()[1])
        site = make_site(live, settings, people, host=host, port=at, tell=tell, sheet_address=sheet_address)
        config = uvicorn.Config(
            create_app(site), log_level="warning", access_log=False, server_header=False, proxy_headers=False,
            lifespan="off", timeout_keep_alive=10, timeout_graceful_shutdown=5, ws="none", http="h11",
            h11_max_incomplete_event_size=HEADER_BYTES_MOST, limit_concurrency=CALLS_AT_ONCE,
        )  # fmt: skip
        link = site.new_link() if site.by_link else None
        _Server(config, lambda: on_ready(site.base_url, link)).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says that it is ready once it is: a signal that comes then ends it."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets=sockets)
        self._on_ready()


def make_site(
    live: LiveWorkspace,
    settings: ServeSettings,
    people: People,
    *,
    host: str,
    port: int,
    tell: Callable[[str], None],
    sheet_address: SheetAddress = nowhere,
) -> Site:
    """The running Workbench's shared state, for the address it listens on."""
    public = urlsplit(settings.public_url) if settings.public_url else None
    base_url = settings.public_url.rstrip("/") or f"http://{_bracketed(host)}:{port}"
    return Site(
        live=live,
        clock=live.opened.clock,
        people=people,
        lone_user=live.opened.ctx.user,
        hosts=frozenset({public.netloc.lower()} if public else _own_hosts(host, port)),
        cookies=Cookies(port=port, https=public is not None and public.scheme == "https"),
        tell=tell,
        base_url=base_url,
        sheet_address=sheet_address,
        identity_header=settings.identity_header,
        trusted_proxies=frozenset(settings.trusted_proxies),
    )


def read_people(settings: ServeSettings) -> People:
    """The configured people.

    Raises:
        ConfigError: a role or a token hash is not of its form, or somebody can never sign in.
    """
    people, mistakes = [], []
    for person in settings.people:
        roles: frozenset[Role] = frozenset(role for role in ROLES if role in person.roles)
        if not roles or len(roles) != len(person.roles):
            mistakes.append(f"{person.user}: roles are {', '.join(ROLES)}")
        if not person.token_hash and not settings.identity_header:
            mistakes.append(f"{person.user}: has no token_hash, and no identity_header is named")
        try:
            token_hash = parse_token_hash(person.token_hash) if person.token_hash else None
        except ValueError as exc:
            mistakes.append(f"{person.user}: {exc}")
            continue
        people.append(Person(person.user, roles, token_hash))
    if settings.identity_header and not settings.people:
        mistakes.append("identity_header is named, but no [[serve.person]] says who has which role")
    if mistakes:
        hint = "make a token with 'sheetsync serve --new-token'"
        raise ConfigError(f"[serve]: {'; '.join(mistakes)}", mistakes=tuple(mistakes), hint=hint)
    return People.of(people)


def check_address(host: str, people: People, public_url: str) -> None:
    """Refuse to be reachable from outside without people who sign in, and without knowing our own name.

    Raises:
        ConfigError: with what is missing.
    """
    if is_loopback(host):
        return
    if not people:
        raise ConfigError(
            f"{host} can be reached from outside, and no people are configured who may sign in",
            hint="add [[serve.person]] to config/sheetsync.toml, or listen on 127.0.0.1",
        )
    if not public_url:
        raise ConfigError(
            f"{host} can be reached from outside, and serve.public_url does not say under which name",
            hint='set public_url = "https://…" in [serve]: every other Host is refused',
        )


def is_loopback(host: str) -> bool:
    """Does only this machine reach that address?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_hosts(host: str, port: int) -> set[str]:
    names = {"localhost", "127.0.0.1", _bracketed(host)} if is_loopback(host) else {_bracketed(host)}
    return {f"{name}:{port}" for name in names} | (names if port == DEFAULT_PORTS["http"] else set())


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        raise DestinationError(
            f"cannot listen on {host}:{port}: {exc.strerror or exc}",
            hint="choose another port: 'sheetsync serve --port 0'",
        ) from exc
    return listener
