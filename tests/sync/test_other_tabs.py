"""A spreadsheet with 200 tabs of other people: a run neither reads nor touches one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.sync.conftest import Desk

OTHERS = 200
KEY = ("github", "admin_write")


class Tee:
    """An answer's stream that keeps what is read from it."""

    def __init__(self, raw: Any, kept: list[bytes]) -> None:
        self.raw, self.kept = raw, kept

    def read1(self, amount: int, *, decode_content: bool) -> bytes:
        block: bytes = self.raw.read1(amount, decode_content=decode_content)
        self.kept.append(block)
        return block

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


class Wire:
    """All that went over the wire."""

    def __init__(self, desk: Desk) -> None:
        self.sent: list[str] = []
        self.answers: list[list[bytes]] = []
        self.session = desk.api.client.session
        self.session.hooks["response"].append(self._keep)

    def _keep(self, response: requests.Response, *_: Any, **__: Any) -> None:
        body = response.request.body
        self.sent.append(f"{response.request.url} {body.decode() if isinstance(body, bytes) else body}")
        self.answers.append([])
        response.raw = Tee(response.raw, self.answers[-1])

    @property
    def came(self) -> list[str]:
        """The answers' bodies."""
        return [b"".join(blocks).decode() for blocks in self.answers]

    def close(self) -> None:
        self.session.hooks["response"].remove(self._keep)


@pytest.fixture
def crowded(desk: Desk) -> Desk:
    """Others' tabs, each with a word of its own, a formula, and a tab called nearly like one of ours."""
    small = {"rowCount": 3, "columnCount": 2}
    made = [
        {"addSheet": {"properties": {"sheetId": 5000 + n, "title": title_of(n), "gridProperties": small}}}
        for n in range(OTHERS)
    ]
    desk.book.batch_update({"requests": made})
    data = [{"range": f"'{title_of(n)}'!A1:B2", "values": [[f"theirs-{n}", n], ["=1+1", ""]]} for n in range(OTHERS)]
    desk.book.values_batch_update({"valueInputOption": "USER_ENTERED", "data": data})
    return desk


@pytest.fixture
def wire(crowded: Desk) -> Iterator[Wire]:
    watching = Wire(crowded)
    yield watching
    watching.close()


def title_of(number: int) -> str:
    return "Policy  Matrix" if number == 0 else f"Others {number}"


def theirs(desk: Desk) -> list[dict[str, Any]]:
    """Everything in the others' tabs, in their order; our hidden tab may move behind them."""
    found = desk.book.fetch_sheet_metadata({"includeGridData": "true"})["sheets"]
    kept = [sheet for sheet in found if sheet["properties"]["title"] in {title_of(n) for n in range(OTHERS)}]
    for sheet in kept:
        del sheet["properties"]["index"]
    return kept


def mentions(texts: list[str]) -> list[str]:
    """Texts in which one of the others' tabs or cells occurs."""
    words = ["Others ", "Policy  Matrix", "theirs-", *(f'"sheetId": {5000 + n}' for n in (0, 77, 199))]
    squeezed = [text.replace('"sheetId":5', '"sheetId": 5') for text in texts]
    return [text for text in squeezed if any(word in text for word in words)]


def test_a_quiet_run_reads_none_of_them(crowded: Desk, wire: Wire) -> None:
    report = crowded.sync()
    assert report.calls == {"read": 1, "write": 0, "drive": 0}
    assert len(wire.came) == 1
    assert not mentions(wire.sent)
    assert not mentions(wire.came)


def test_edits_changes_and_row_moves_touch_none_of_them(crowded: Desk, wire: Wire) -> None:
    before = theirs(crowded)
    assert len(before) == OTHERS
    crowded.edit(KEY, "firearm_id", "firearm.money")
    crowded.set("slack", "post", "firearm.read")
    crowded.publish(crowded.draft("jira", ["issue"], {"issue": "firearm.read"}))
    report = crowded.sync()
    assert report.calls == {"read": 1, "write": 1, "drive": 0}
    crowded.retire("jira")
    assert crowded.sync().calls == {"read": 1, "write": 1, "drive": 0}
    assert not mentions(wire.sent)
    assert not mentions(wire.came)
    assert theirs(crowded) == before


def test_the_words_would_be_noticed(crowded: Desk, wire: Wire) -> None:
    """The list of all tabs, which only set-up and the doctor ask for, names them."""
    crowded.gateway.list_tabs()
    assert mentions(wire.came)
