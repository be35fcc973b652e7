"""Who may knock: names of this machine and of Google, and no page of another site."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.localsheets import LocalSheets


def status(book: Any, **headers: str) -> int:
    return int(book.http.get(book.path, headers=headers).status_code)


@pytest.mark.parametrize("host", ["127.0.0.1:80", "localhost", "LOCALHOST:9", "[::1]:80", "sheets.googleapis.com"])
def test_names_of_this_machine_and_of_google_are_answered(book: Any, host: str) -> None:
    assert status(book, Host=host) == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.7"])
def test_strange_names_are_refused_unless_the_server_was_asked_to_listen_elsewhere(book: Any, host: str) -> None:
    assert status(book, Host=host) == 403
    with LocalSheets(host="0.0.0.0") as server:  # noqa: S104 -- that is what is tested
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 -- as above
        other = type(book)(server).make()
        assert status(other, Host=host) == 200
        other.close()


def test_pages_of_other_sites_may_not_call(book: Any) -> None:
    own = book.server.url.removeprefix("http://")
    assert status(book, Origin="https://evil.example") == 403
    assert status(book, Origin="null") == 403
    assert status(book, Host=own, Origin=f"http://{own}") == 200
    before = book.state()
    headers = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    answer = book.http.post(f"{book.path}/values/A1:clear", content=b"{}", headers=headers)
    assert answer.status_code == 403
    assert book.state() == before
