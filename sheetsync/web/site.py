"""What all requests of one running Workbench share: people, sessions, cookies, templates, the workspace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from sheetsync.domain.clock import Clock
from sheetsync.services.workspace import Workspace
from sheetsync.web.assets import Assets
from sheetsync.web.history import Histories
from sheetsync.web.live import LiveWorkspace
from sheetsync.web.overview import Card, CardShelf, Overview
from sheetsync.web.people import ROLES, People, Person
from sheetsync.web.rendering import Renderer
from sheetsync.web.sessions import LIFETIME_S, Sessions
from sheetsync.web.sheet_health import SheetAddress
from sheetsync.web.signin import FormSeal, OneTimeLink, TryLimit

SCRYPT_AT_ONCE: Final = 2  # each takes 16 MiB and a core


def nowhere(_spreadsheet_id: str) -> str:
    """The default for `sheet_address`: no spreadsheet can be seen."""
    return ""


@dataclass(frozen=True, slots=True)
class Cookies:
    """The names of our cookies. Browsers share cookies between the ports of a host, so the port is in the name."""

    port: int
    https: bool

    @property
    def session(self) -> str:
        """The cookie with the session's key."""
        return f"{self._prefix}sheetsync_session_{self.port}"

    @property
    def seal(self) -> str:
        """The cookie that the sign-in form's token is bound to."""
        return f"{self._prefix}sheetsync_seal_{self.port}"

    @property
    def _prefix(self) -> str:
        return "__Host-" if self.https else ""

    def set_session(self, response: Response, key: str) -> None:
        """Give the browser a new key."""
        self._set(response, self.session, key, LIFETIME_S)

    def set_seal(self, response: Response, value: str) -> None:
        """Give the browser the seal of the sign-in form."""
        self._set(response, self.seal, value, None)

    def clear(self, response: Response) -> None:
        """Take the session's key away."""
        self._set(response, self.session, "", 0)

    def _set(self, response: Response, name: str, value: str, max_age_s: int | None) -> None:
        response.set_cookie(
            name, value, max_age=max_age_s, path="/", secure=self.https, httponly=True, samesite="lax"
        )  # fmt: skip


@dataclass(frozen=True)
class Site:
    """One running Workbench.

    Attributes:
        live: what the use cases work in; `for_user` gives it on behalf of somebody.
        clock: by which sessions, links and tries end.
        people: who may sign in; empty means a loopback server with the one-time link.
        lone_user: whom the one-time link signs in, with every role.
        hosts: what `Host` may be.
        tell: says something to whoever started the server.
        sheet_address: where people see the spreadsheet of an id now.
    """

    live: LiveWorkspace
    clock: Clock
    people: People
    lone_user: str
    hosts: frozenset[str]
    cookies: Cookies
    tell: Callable[[str], None]
    base_url: str
    sheet_address: SheetAddress = nowhere
    identity_header: str = ""
    trusted_proxies: frozenset[str] = frozenset()
    overview: Overview = field(default_factory=Overview)
    histories: Histories = field(default_factory=Histories)
    renderer: Renderer = field(default_factory=lambda: Renderer(Assets.load()))
    form_seal: FormSeal = field(default_factory=FormSeal)
    _cards: CardShelf = field(default_factory=CardShelf)
    scrypt_slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(SCRYPT_AT_ONCE))

    @cached_property
    def sessions(self) -> Sessions:
        """Who is signed in."""
        return Sessions(self.clock)

    @cached_property
    def link(self) -> OneTimeLink:
        """The one-time link; used only where no people are configured."""
        return OneTimeLink(self.clock)

    @cached_property
    def tries(self) -> TryLimit:
        """The limit on failed sign-ins."""
        return TryLimit(self.clock)

    def for_user(self, user: str) -> Workspace:
        """The workspace on behalf of a signed-in person, with what other processes have committed meanwhile."""
        return self.live.current().acting(user)

    @property
    def by_link(self) -> bool:
        """Does one sign in with the one-time link?"""
        return not self.people

    def lone_person(self) -> Person:
        """Whom the one-time link signs in."""
        return Person(self.lone_user, frozenset(ROLES))

    def new_link(self) -> str:
        """A fresh one-time sign-in address; the one before is worth nothing from now on."""
        return f"{self.base_url}/sign-in?link={self.link.renew()}"

    def card_html(self, card: Card) -> Markup:
        """A card as HTML, made once for each state of its connector."""
        return self._cards.of(card, lambda: self.renderer.render("card.html", {"card": card}))

    @property
    def assets(self) -> Mapping[str, tuple[bytes, str]]:
        """The static files by their public name: bytes and media type."""
        return self.renderer.assets.by_name
