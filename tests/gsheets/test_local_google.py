"""The client against a server that shares no code with it: signing in, sharing, minute quotas, faults at a write."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from sheetsync.domain.clock import FakeClock
from sheetsync.errors import AuthError, NotFoundError, SharingError, SheetSyncError, UnknownOutcomeError
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.auth import Identity, open_identity
from sheetsync.gsheets.options import CredentialSource, QuotaPolicy, RetryPolicy
from sheetsync.gsheets.quota import FileLimiter, Limiter
from sheetsync.gsheets.retry import Retrier
from sheetsync.localsheets import LocalSheets
from sheetsync.localsheets.faults import Step

ROBOT = "robot@local.iam.gserviceaccount.com"
TABS = "sheets(properties(title))"
Make = Callable[..., SheetsApi]


@pytest.fixture
def make(clock: FakeClock) -> Iterator[Make]:
    made: list[SheetsApi] = []

    def make_api(server: LocalSheets, identity: Identity | None = None, limiter: Limiter | None = None) -> SheetsApi:
        retrier = Retrier(RetryPolicy(), clock, uniform=lambda low, high: (low + high) / 2)
        made.append(SheetsApi(identity, endpoint=server.url, clock=clock, limiter=limiter, retrier=retrier))
        return made[-1]

    yield make_api
    for api in made:
        api.close()


def robot_of(server: LocalSheets, folder: Path) -> Identity:
    path = folder / "key.json"
    path.write_text(json.dumps(server.service_account(ROBOT)))
    path.chmod(0o600)
    return open_identity(CredentialSource(file=path), endpoint=server.url)


def tabs(api: SheetsApi, sheet: str) -> list[str]:
    return [tab["properties"]["title"] for tab in api.get(sheet, fields=TABS)["sheets"]]


def add_tab(api: SheetsApi, sheet: str, title: str) -> None:
    api.batch_update(sheet, [{"addSheet": {"properties": {"title": title}}}])


def share(server: LocalSheets, sheet: str, role: str) -> None:
    owner = {"Authorization": "Bearer ana@example.com"}
    body = {"type": "user", "role": role, "emailAddress": ROBOT}
    url = f"{server.url}/drive/v3/files/{sheet}/permissions"
    requests.post(url, json=body, headers=owner, timeout=10).raise_for_status()


def test_a_robot_signs_in_and_sees_a_sheet_only_once_it_is_shared(make: Make, tmp_path: Path) -> None:
    with LocalSheets(private=True) as server:
        owner = {"Authorization": "Bearer ana@example.com"}
        mime = "application/vnd.google-apps.spreadsheet"
        made = requests.post(
            f"{server.url}/drive/v3/files", json={"name": "x", "mimeType": mime}, headers=owner, timeout=10
        )
        sheet = made.json()["id"]
        api = make(server, robot_of(server, tmp_path))
        with pytest.raises((SharingError, NotFoundError)) as caught:
            tabs(api, sheet)
        assert sheet in caught.value.message
        share(server, sheet, "reader")
        assert tabs(api, sheet) == ["Sheet1"]
        with pytest.raises(SharingError) as refused:
            add_tab(api, sheet, "new")
        assert ROBOT in refused.value.hint
        share(server, sheet, "writer")
        add_tab(api, sheet, "new")
        assert tabs(api, sheet) == ["Sheet1", "new"]


def test_without_a_token_where_one_is_needed_the_error_is_about_credentials(make: Make) -> None:
    with LocalSheets(strict_auth=True) as server, pytest.raises(AuthError) as caught:
        tabs(make(server), "x")
    assert "[credentials]" in caught.value.hint


def test_a_read_above_the_minute_quota_waits_for_the_next_minute_and_works(make: Make, clock: FakeClock) -> None:
    with LocalSheets(quota=True, clock=lambda: clock.now().timestamp()) as server:
        api = make(server)
        sheet = api.create_spreadsheet("x")
        for _ in range(61):
            tabs(api, sheet)
        assert clock.slept == [63.5]
        for number in range(61):
            add_tab(api, sheet, f"tab {number}")
        assert clock.slept == [63.5, 63.5]
        assert len(tabs(api, sheet)) == 62


def test_with_the_limiter_the_quota_is_never_hit(make: Make, clock: FakeClock) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalSheets(quota=True, clock=lambda: clock.now().timestamp()) as server,
    ):
        limiters = [FileLimiter(Path(folder), "robot", QuotaPolicy(), clock) for _ in range(2)]
        first, second = (make(server, limiter=limiter) for limiter in limiters)
        sheet = first.create_spreadsheet("x")
        for _ in range(100):
            tabs(first, sheet)
            tabs(second, sheet)
            clock.advance(0.05)
        answers = {call.status for api in (first, second) for call in api.ledger.calls}
    assert answers == {200}
    assert 170 < clock.monotonic() < 250


LOST = [(fault, landed) for fault in ("503", "500", "html", "drop") for landed in (False, True)]


@pytest.mark.parametrize(("fault", "landed"), [*LOST, ("truncate", True)])
def test_a_write_with_a_lost_answer_is_sent_once_and_the_next_read_tells(
    make: Make, clock: FakeClock, fault: str, landed: bool
) -> None:
    with LocalSheets() as server:
        api = make(server)
        sheet = api.create_spreadsheet("x")
        server.script.add(Step.parse(f"{fault} {'after' if landed else 'before'} write"))
        with pytest.raises(UnknownOutcomeError):
            add_tab(api, sheet, "new")
        assert tabs(api, sheet) == (["Sheet1", "new"] if landed else ["Sheet1"])
        assert api.ledger.counts()["write"] == 1
    assert clock.slept == []


@pytest.mark.parametrize("fault", ["408", "500", "503", "html", "drop", "truncate"])
def test_a_read_outlasts_two_faults_in_a_row(make: Make, clock: FakeClock, fault: str) -> None:
    with LocalSheets() as server:
        api = make(server)
        sheet = api.create_spreadsheet("x")
        server.script.add(Step.parse(f"{fault} after read times 2"))
        assert tabs(api, sheet) == ["Sheet1"]
        assert api.ledger.counts()["read"] == 3
    assert clock.slept == [0.5, 1.0]


@pytest.mark.parametrize("fault", ["400", "403", "404"])
def test_what_is_refused_is_refused_once(make: Make, clock: FakeClock, fault: str) -> None:
    with LocalSheets() as server:
        api = make(server)
        sheet = api.create_spreadsheet("x")
        server.script.add(Step.parse(f"{fault} before any times 1"))
        with pytest.raises(SheetSyncError) as caught:
            tabs(api, sheet)
        assert caught.value.exit_code in (2, 4, 5)
        assert tabs(api, sheet) == ["Sheet1"]
    assert clock.slept == []
