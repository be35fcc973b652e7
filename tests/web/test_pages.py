"""The pages themselves: what they show, and what their forms do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.web.conftest import Bench


def test_first_page(bench: Bench) -> None:
    bench.publish()
    page = bench.browser().get("/")
    assert page.status_code == 200, page.text
    assert "GitHub" in page.text
