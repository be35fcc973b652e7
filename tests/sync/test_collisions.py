"""Tabs of people's own where one of ours is to come: no run gives up because of them."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import SafetyStopError
from sheetsync.services.sync_state import load_state
from sheetsync.sync.epoch import free_epoch, scratch_sheet_id, scratch_title

QUIET = {"read": 1, "write": 0, "drive": 0}


def next_epoch(desk: Any) -> int:
    return load_state(desk.ws, desk.spreadsheet_id)[0].top + 1


def add_tab(desk: Any, **properties: Any) -> None:
    desk.book.batch_update({"requests": [{"addSheet": {"properties": properties}}]})


def id_of(desk: Any, epoch: int) -> int:
    return scratch_sheet_id(desk.ws.store.store_id, desk.spreadsheet_id, epoch)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("by", ["id", "title", "title in capitals"])
def test_a_persons_tab_with_the_next_epochs_id_or_title_is_stepped_over(desk: Any, by: str, count: int) -> None:
    for epoch in range(next_epoch(desk), next_epoch(desk) + count):
        title = scratch_title(epoch) if by == "title" else scratch_title(epoch).upper()
        add_tab(desk, **({"sheetId": id_of(desk, epoch), "title": f"mine {epoch}"} if by == "id" else {"title": title}))
    desk.edit(("slack", "post"), "firearm_id", "firearm.read")
    report = desk.sync()
    assert (report.exit_code, len(report.drafts)) == (0, 1)
    assert report.calls == {"read": 3, "write": 2, "drive": 0}
    assert desk.status("slack", "post").startswith("pending in draft_")
    desk.set("slack", "post", "firearm.money")
    assert desk.sync().calls["write"] == 1
    assert desk.sync().calls == QUIET


def test_the_first_push_steps_over_one_too(empty: Any) -> None:
    add_tab(empty, title=scratch_title(1))
    empty.publish(empty.draft("slack", ["post"], {"post": "firearm.read"}))
    empty.push()
    assert empty.values()[1:] == [["slack", "post", "firearm.read", False, ""]]
    assert empty.sync().calls == QUIET


def test_the_first_free_epoch() -> None:
    listed = [(scratch_sheet_id("store", "sheet", 7), "mine"), (5, "Sheetsync EPOCH 8"), (6, "x")]
    assert [free_epoch("store", "sheet", epoch, listed) for epoch in (6, 7, 8, 9)] == [6, 9, 9, 9]


@pytest.fixture
def taken(empty: Any) -> Any:
    """A tab of our name with other columns, before the first push."""
    empty.publish(empty.draft("slack", ["post"], {"post": "firearm.read"}))
    tab = empty.book.add_worksheet("policy matrix", 5, 3)
    tab.update([["owner", "hello"], ["bob", "x"]], "A1")
    return empty


BOTH = {"adopt": True, "headers": frozenset({"Policy Matrix"})}


def test_an_adopted_tab_whose_headers_are_forced_is_read_as_they_will_say(taken: Any) -> None:
    taken.push(forces=taken.force(**BOTH))
    assert taken.values("policy matrix")[0][:2] == ["owner", "hello"]
    assert taken.row("slack", "post", title="policy matrix")[2:] == ["slack", "post", "firearm.read", False, ""]
    assert taken.sync().calls == QUIET


def test_after_an_adoption_that_did_not_get_through_it_is_asked_again(taken: Any) -> None:
    real = taken.gateway.land
    sent: list[Any] = []

    def dies(batch: Any, read: Any) -> Any:
        sent.append(batch)
        if len(sent) > 1:  # the opening lands, the batch that adopts does not
            raise KeyboardInterrupt
        return real(batch, read)

    taken.gateway.land = dies
    with pytest.raises(KeyboardInterrupt):
        taken.push(forces=taken.force(**BOTH))
    taken.gateway.land = real
    for _ in range(2):
        with pytest.raises(SafetyStopError) as stop:
            taken.sync()
        assert stop.value.code == "unmarked_tab"
    taken.push(forces=taken.force(**BOTH))
    assert taken.row("slack", "post", title="policy matrix")[4] == "firearm.read"
    assert taken.sync().calls == QUIET
