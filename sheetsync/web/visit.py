"""One request as a page sees it: who asks, for what, with which form; and the answers a page can give.

Pages are plain functions `Visit -> Response`, run in a thread. They never see the request itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl, urlencode

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from sheetsync.errors import InvalidContentError, NotAllowedError
from sheetsync.web.people import Deed, Person
from sheetsync.web.sessions import Session

if TYPE_CHECKING:
    from sheetsync.services.workspace import Workspace
    from sheetsync.web.site import Site

FIELDS_MOST: Final = 40_000  # a connector of 5,000 scopes has 25,000 fields
Method = Literal["GET", "POST"]


class Fields:
    """The fields of a form or query: text only, in order, a name may occur several times."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    @classmethod
    def parse(cls, text: str) -> Fields:
        """From `application/x-www-form-urlencoded` text.

        Raises:
            InvalidContentError: too many fields.
        """
        try:
            return cls(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MOST, errors="replace"))
        except ValueError as exc:
            raise InvalidContentError(f"a form of more than {FIELDS_MOST} fields") from exc

    def one(self, name: str, default: str = "") -> str:
        """The first value of that name; line ends as plain line feeds."""
        found = self._values.get(name)
        return found[0].replace("\r\n", "\n") if found else default

    def all(self, name: str) -> list[str]:
        """Every value of that name."""
        return self._values.get(name, [])

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __len__(self) -> int:
        return len(self._values)

    def items(self) -> list[tuple[str, str]]:
        """All fields, for carrying them on in hidden inputs."""
        return [(name, value) for name, values in self._values.items() for value in values]


@dataclass(frozen=True)
class Visit:
    """One request. `params` are the parts of the path, still to be parsed by whoever uses them."""

    site: Site
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    query: Fields = field(default_factory=lambda: Fields([]))
    form: Fields = field(default_factory=lambda: Fields([]))
    session: Session | None = None
    place: str = ""  # the peer's address
    seal: str = ""  # the cookie of the sign-in form

    @property
    def person(self) -> Person:
        """Who is signed in.

        Raises:
            NotAllowedError: nobody is.
        """
        if self.session is None:
            raise NotAllowedError("nobody is signed in", hint="sign in first")
        return self.session.person

    def may(self, deed: Deed) -> bool:
        """May the visitor do it?"""
        return self.session is not None and self.session.person.may(deed)

    @cached_property
    def workspace(self) -> Workspace:
        """What use cases work in, on behalf of whoever is signed in."""
        return self.site.for_user(self.person.user)

    def tell(self, tone: Literal["good", "bad", "plain"], text: str, hint: str = "") -> None:
        """Put a message on the visitor's next page."""
        if self.session is not None:
            self.session.tell(tone, text, hint)

    def show(self, template: str, status: int = 200, **values: object) -> Response:
        """A page made from a template; `visit` and the messages are always there."""
        notes = self.session.take_notes() if self.session is not None else ()
        html = self.site.renderer.render_page(template, self.site, self, {**values, "notes": notes})
        return HTMLResponse(html, status_code=status)

    def go(self, path: str, **query: str) -> Response:
        """Send the browser on to another page of ours, with GET."""
        url = f"{path}?{urlencode(query)}" if query else path
        return RedirectResponse(url, status_code=303)

    def answer_json(self, value: object) -> Response:
        """An answer for the page's script."""
        return JSONResponse(value)


Answer = Callable[[Visit], Response]


@dataclass(frozen=True, slots=True)
class Page:
    """One route. `needs` None makes it public; anything else is refused to people whose roles may not do it."""

    method: Method
    path: str
    answer: Answer
    needs: Deed | None
