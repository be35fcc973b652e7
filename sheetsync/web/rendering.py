"""Templates: Jinja2 with autoescape always on, undefined names refused, and the few filters that pages share.

Templates come from the package only; no text of a user is ever compiled as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sheetsync import __version__
from sheetsync.domain.draft import CellValue, format_utc
from sheetsync.web.assets import Assets

if TYPE_CHECKING:
    from sheetsync.web.site import Site
    from sheetsync.web.visit import Visit


class Renderer:
    """Makes HTML from the package's templates. Thread-safe."""

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self._environment = Environment(
            loader=PackageLoader("sheetsync.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {"moment": moment, "cell": shown_cell, "count": counted}
        self._environment.globals |= {"asset": assets.url, "product_version": __version__}

    def render(self, template: str, values: Mapping[str, object]) -> Markup:
        """A template as HTML, with every value escaped."""
        return Markup(self._environment.get_template(template).render(values))  # noqa: S704 - autoescaped

    def render_page(self, template: str, site: Site, visit: Visit, values: Mapping[str, object]) -> str:
        """A page: besides its own values it has the visit, and `csrf()` for its forms."""
        token = visit.session.csrf if visit.session is not None else ""
        field = Markup('<input type="hidden" name="csrf" value="{}">').format(token)
        return self.render(template, {**values, "visit": visit, "by_link": site.by_link, "csrf": lambda: field})


def moment(value: datetime | str | None) -> Markup:
    """A time for people, with the exact one for machines; "never" for None."""
    if value is None:
        return Markup("never")
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    at = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(format_utc(at), at.strftime("%d %b %Y, %H:%M UTC"))


def shown_cell(value: CellValue) -> Markup:
    """A cell's value as owners see it in the sheet; an empty one is named."""
    if value is None or value == "":
        return Markup('<span class="faint">empty</span>')
    if isinstance(value, bool):
        value = "TRUE" if value else "FALSE"
    return Markup("<code>{}</code>").format(escape(value))


def counted(number: int, one: str, many: str = "") -> str:
    """`1 draft`, `2 drafts`, `1,200 drafts`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
