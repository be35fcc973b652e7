"""The coverage picture: which engine routes are wrapped, and how far policies cover them, as one SVG drawn here.

No script, no style attributes (the content policy forbids them): colours are classes of the style sheet. Beside the
picture the page has the same figures as a table, for everybody who cannot see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

ROW: Final = 26
LABEL_WIDTH: Final = 190
BAR_WIDTH: Final = 300
WIDTH: Final = LABEL_WIDTH + BAR_WIDTH + 130
LABEL_CHARACTERS: Final = 26
WORDS: Final = {"DONE": "wrapped", "IN_PROGRESS": "only in drafts", "MISSING": "not wrapped"}


@dataclass(frozen=True, slots=True)
class RouteBar:
    """One route: `status` is DONE, IN_PROGRESS or MISSING; `covered` from 0.0 to 1.0."""

    route: str
    status: str
    covered: float

    @property
    def words(self) -> str:
        """The status in plain words."""
        return WORDS.get(self.status, self.status)

    @property
    def percent(self) -> str:
        """Whole percents, floored, so that 100 % means all."""
        return f"{int(self.covered * 100 + 1e-9)}%"


def draw_coverage(bars: Sequence[RouteBar]) -> Markup:
    """The picture as inline SVG."""
    height = ROW * len(bars) + 6
    done = sum(bar.status == "DONE" for bar in bars)
    summary = f"{done} of {len(bars)} engine routes are wrapped; the table beside this picture has every figure"
    head = Markup(
        '<svg class="coverage" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}">'
    ).format(w=WIDTH, h=height, label=summary)
    return head + Markup("").join(_bar(bar, index) for index, bar in enumerate(bars)) + Markup("</svg>")


def _bar(bar: RouteBar, index: int) -> Markup:
    top = index * ROW + 3
    label = bar.route if len(bar.route) <= LABEL_CHARACTERS else bar.route[: LABEL_CHARACTERS - 1] + "…"
    words = f"{bar.percent} decided" if bar.status == "DONE" else bar.words
    return Markup(
        '<g class="route-{kind}"><title>{title}</title>'
        '<text class="label" x="0" y="{text_y}">{label}</text>'
        '<rect class="track" x="{x}" y="{top}" width="{full}" height="16" rx="3"/>'
        '<rect class="fill" x="{x}" y="{top}" width="{filled}" height="16" rx="3"/>'
        '<text class="figure" x="{figure_x}" y="{text_y}">{words}</text></g>'
    ).format(
        kind=bar.status.lower().replace("_", "-"),
        title=f"{bar.route}: {bar.words}, {bar.percent} of its scopes decided",
        label=label, words=words, top=top, text_y=top + 13, x=LABEL_WIDTH, full=BAR_WIDTH,
        filled=round(BAR_WIDTH * min(1.0, max(0.0, bar.covered))), figure_x=LABEL_WIDTH + BAR_WIDTH + 10,
    )  # fmt: skip
