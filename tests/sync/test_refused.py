"""Writes that are refused, run after run: nothing piles up in the store, and what may still land is never forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import SharingError, TryLaterError
from sheetsync.localsheets.faults import Step
from sheetsync.services.sending import FILE, Sender
from sheetsync.services.sync_state import derived_place, load_state, read_tokens
from sheetsync.sync.gateway import Token

POST = ("slack", "post")
READ = ("slack", "read")


def shut_door(desk: Any, status: str = "403") -> None:
    """From now on what sheetsync writes is refused; owners go on editing (gspread writes values otherwise)."""
    desk.server.script.add(Step(status, calls="write", times=None, path=":batchUpdate"))


def intended(desk: Any) -> tuple[Any, ...]:
    return load_state(desk.ws, desk.spreadsheet_id)[0].intended


def refused_runs(desk: Any, count: int, error: type[Exception] = SharingError) -> None:
    for _ in range(count):
        with pytest.raises(error):
            desk.sync()


@pytest.fixture
def shut(desk: Any) -> Any:
    """The service account became a viewer: it reads, and every write is refused."""
    desk.set("slack", "post", "firearm.money")
    shut_door(desk)
    return desk


def test_a_run_refused_like_the_one_before_adds_nothing_to_the_store(shut: Any) -> None:
    refused_runs(shut, 1)
    before = shut.snapshots()
    refused_runs(shut, 20)
    assert shut.snapshots() == before
    assert len(intended(shut)) == 1


def test_edits_are_taken_while_writes_are_refused_and_refused_batches_are_dropped(shut: Any) -> None:
    for value in ("firearm.read", "firearm.money", "firearm.external_write", "NONE"):
        shut.edit(READ, "firearm_id", value)
        refused_runs(shut, 3)
        assert len(intended(shut)) == 1
    (draft,) = shut.open_drafts()
    assert [edit.value for edit in draft.origin.edits] == ["NONE"]


def test_once_it_may_write_again_everything_is_as_it_should_be(shut: Any) -> None:
    shut.edit(READ, "firearm_id", "firearm.read")
    refused_runs(shut, 3)
    shut.server.script.clear()
    shut.sync()
    assert shut.cell(POST, "firearm_id") == "firearm.money"
    assert shut.status(*READ).startswith("pending in draft_")
    assert intended(shut) == ()
    assert shut.sync().calls == {"read": 1, "write": 0, "drive": 0}


def test_the_first_opening_is_not_planned_anew_either(empty: Any) -> None:
    empty.publish(empty.draft("slack", ["post"], {"post": "firearm.read"}))
    shut_door(empty)
    refused_runs(empty, 1)
    before = empty.snapshots()
    refused_runs(empty, 5)
    assert empty.snapshots() == before
    empty.server.script.clear()
    empty.push()
    assert empty.values()[1:] == [["slack", "post", "firearm.read", False, ""]]


def test_a_write_whose_answer_was_lost_is_remembered_beside_a_refused_one(desk: Any) -> None:
    desk.set("slack", "post", "firearm.money")
    shut_door(desk, "503")
    refused_runs(desk, 1, TryLaterError)
    lost = intended(desk)
    assert lost
    desk.server.script.clear()
    shut_door(desk)
    refused_runs(desk, 2)
    desk.edit(READ, "firearm_id", "firearm.read")
    refused_runs(desk, 2)
    assert intended(desk)[: len(lost)] == lost
    assert len(intended(desk)) == len(lost) + 1


def test_a_refused_batch_that_is_sent_again_counts_as_unknown_from_then_on(shut: Any) -> None:
    refused_runs(shut, 1)
    (first,) = intended(shut)
    shut.server.script.clear()
    shut.server.script.add(Step.parse("drop after write"))  # it lands, and nobody hears of it
    place = derived_place(shut.spreadsheet_id, FILE)
    told: list[Any] = []
    land = shut.gateway.land

    def watched(batch: Any, read: Any) -> Any:
        told.append((batch.token, read_tokens(shut.ws, place)))
        return land(batch, read)

    shut.gateway.land = watched
    shut.sync()
    assert told[0] == (first.token, ())
    assert shut.cell(POST, "firearm_id") == "firearm.money"
    assert shut.sync().calls["write"] == 0


def test_without_the_derived_file_nothing_is_forgotten(shut: Any) -> None:
    refused_runs(shut, 1)
    shut.ws.store.write_derived("default", derived_place(shut.spreadsheet_id, FILE), b"[7, torn")
    refused_runs(shut, 1)
    assert len(intended(shut)) == 2
    shut.server.script.clear()
    shut.sync()
    assert intended(shut) == ()


def test_a_used_up_quota_is_a_refusal(desk: Any) -> None:
    desk.set("slack", "post", "firearm.money")
    shut_door(desk, "429")
    refused_runs(desk, 1, TryLaterError)
    before = desk.snapshots()
    refused_runs(desk, 2, TryLaterError)
    assert desk.snapshots() == before


@pytest.mark.parametrize("first", ["an opening", "a batch"])
def test_a_batch_that_another_run_forgot_meanwhile_is_not_sent(
    first: str, desk: Any, empty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if first == "an opening":
        desk = empty
        desk.publish(desk.draft("web", ["post"], {"post": "firearm.read"}))
    else:
        desk.set("slack", "post", "firearm.money")
    shut_door(desk)
    refused_runs(desk, 2)
    (forgotten,) = intended(desk)
    desk.server.script.clear()
    land = Sender.land
    sent: list[Token] = []

    def sleep_and_land(self: Sender, batch: Any, *args: Any, **options: Any) -> Any:
        if not sent:  # the lock was broken, and another run planned something else, which was refused, too
            self._write(set())
        sent.append(batch.token)
        return land(self, batch, *args, **options)

    monkeypatch.setattr(Sender, "land", sleep_and_land)
    desk.sync()
    assert sent[0] == forgotten.token
    assert forgotten.token not in read_tokens_of_landed(desk)
    assert desk.sync().calls == {"read": 1, "write": 0, "drive": 0}


def read_tokens_of_landed(desk: Any) -> set[Any]:
    return {tab_token(tab) for tab in desk.gateway.read({}).scratch}


def tab_token(tab: Any) -> Any:
    return Token(tab.epoch, tab.nonce)
