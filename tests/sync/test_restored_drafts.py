"""Never published: an earlier state is restored under an owner's edit. What it lacks there comes only if asked for."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from sheetsync.errors import UnresolvedConflictError
from sheetsync.services import drafts
from tests.sync.conftest import binding

S1, K1 = ("gamma", "s1"), ("gamma", "k1")
READ, MONEY = "firearm.read", "firearm.money"
LOCKS, FIREARM = "strategy_lock", "firearm_id"
QUIET = {"read": 1, "write": 0, "drive": 0}

# what the owner edits over firearm.read, what is restored, which conflicts there are, and what stands if his row does
CASES = [
    (LOCKS, True, "NONE", [(FIREARM, READ, READ, "NONE")], (READ, True)),
    (LOCKS, True, "", [(FIREARM, READ, READ, "")], (READ, True)),
    (FIREARM, "NONE", f"{READ}+lock", [(LOCKS, False, False, True)], ("NONE", False)),
    (
        FIREARM, "NONE", f"{MONEY}+lock",
        [(FIREARM, READ, "NONE", MONEY), (LOCKS, False, False, True)], ("NONE", False),
    ),
]  # fmt: skip
each = pytest.mark.parametrize(("column", "value", "restored", "asked", "yours"), CASES)


def kpi(target: int) -> dict[str, Any]:
    return {"k1": {"impact_type": "cost", "formula": "usage.cost", "target": target, "unit": "EUR"}}


class Gamma:
    """A connector never published, whose first state was saved; what the sheet shows came later."""

    def __init__(self, desk: Any, before: str = "", kpis: dict[str, Any] | None = None) -> None:
        self.desk = desk
        self.id = desk.draft("gamma", ["s1", "s2"], {"s1": before} if before else {}, kpis=kpis)
        self.at = self.snapshot()
        drafts.edit_draft(desk.ws, self.id, firearms={"s1": binding(READ)}, kpis=kpi(5))
        desk.sync()

    def snapshot(self) -> str:
        record = self.desk.ws.catalogue().draft(self.id).snapshot.record
        return str([one.filename for one in self.desk.ws.store.history(record)][-1])

    def restore(self) -> None:
        drafts.restore_draft(self.desk.ws, self.id, self.at)

    @property
    def draft(self) -> Any:
        return self.desk.open_drafts()[-1]

    def asked(self) -> list[tuple[str, Any, Any, Any]]:
        return [(one.column, one.base, one.yours, one.theirs) for one in self.draft.open_conflicts()]

    def decide(self, side: Any) -> None:
        for one in self.draft.open_conflicts():
            drafts.resolve_conflict(self.desk.ws, self.draft.id, one.row_key, one.column, side)

    def delete(self) -> None:
        self.desk.tab("KPIs").delete_rows(1 + self.desk.find(K1, "KPIs")[1])

    def live(self) -> tuple[tuple[Any, bool], Any]:
        policy = self.desk.ws.catalogue().published("gamma").policy()
        scope, row = policy.firearms.get("s1"), policy.kpis.get("k1")
        return ("", False) if scope is None else (scope.shown(), scope.strategy_lock), row and (row.target, row.unit)

    def publish(self) -> tuple[tuple[Any, bool], Any]:
        """What is live then; the next run but one has nothing to do."""
        self.desk.publish(self.draft.id)
        report = self.desk.sync()
        assert (report.problems, report.conflicts) == ([], [])
        assert self.desk.sync().calls == QUIET
        return self.live()


@each
@pytest.mark.parametrize("side", ["yours", "theirs"])
def test_a_row_that_an_edit_does_not_fit_is_asked_about(
    empty: Any, column: str, value: Any, restored: str, asked: Any, yours: Any, side: str
) -> None:
    gamma = Gamma(empty, restored)
    empty.edit(S1, column, value)
    empty.sync()
    gamma.restore()
    assert gamma.asked() == asked
    report = empty.sync()
    assert report.exit_code == 3
    assert gamma.asked() == asked
    assert empty.row(*S1)[2:4] == list(yours)
    assert empty.status(*S1).startswith("conflict: ")
    with pytest.raises(UnresolvedConflictError):
        empty.publish(gamma.draft.id)
    assert empty.sync().calls == QUIET
    gamma.decide(side)
    assert empty.sync().conflicts == []
    firearm, _, lock = restored.partition("+")
    stands = yours if side == "yours" else (firearm, bool(lock))
    assert tuple(empty.row(*S1)[2:4]) == stands
    if side == "yours":
        assert empty.status(*S1).startswith("pending")
    else:  # also where it was decided in the other cell of the row, in which nobody had typed
        assert empty.status(*S1) == "rejected: the published value was kept"
        assert [line[4] for line in empty.values("Sync Status")[1:] if line[1] == "rejected"] == [column]
    assert gamma.publish()[0] == stands


def test_a_lock_over_another_firearm_locks_that_one(empty: Any) -> None:
    gamma = Gamma(empty, MONEY)
    empty.edit(S1, LOCKS, True)
    empty.sync()
    gamma.restore()
    empty.sync()
    assert gamma.publish()[0] == (MONEY, True)


class TestAKpiThatTheRestoredStateLacks:
    @pytest.fixture
    def gamma(self, empty: Any) -> Gamma:
        gamma = Gamma(empty)
        empty.edit(K1, "target", 106, "KPIs")
        empty.sync()
        gamma.restore()
        report = empty.sync()
        assert report.problems == []
        assert gamma.asked() == [("target", 5, 106, None)]
        assert empty.row(*K1, title="KPIs")[:6] == [*K1, "cost", "usage.cost", 106, "EUR"]
        assert empty.sync().calls == QUIET
        return gamma

    @pytest.mark.parametrize("decided", [False, True])
    def test_its_owner_deletes_it(self, empty: Any, gamma: Gamma, decided: bool) -> None:
        if decided:
            gamma.decide("yours")
        gamma.delete()
        report = empty.sync()
        assert (report.problems, report.conflicts) == ([], [])
        assert gamma.publish()[1] is None

    @pytest.mark.parametrize("decided", [False, True])
    def test_its_owner_edits_another_cell(self, empty: Any, gamma: Gamma, decided: bool) -> None:
        if decided:
            gamma.decide("yours")
        empty.edit(K1, "unit", "USD", "KPIs")
        assert empty.sync().problems == []
        gamma.decide("yours")
        assert gamma.publish()[1] == (106, "USD")
        assert empty.status(*K1, title="KPIs") == "published"

    def test_it_stays_away_if_so_decided(self, empty: Any, gamma: Gamma) -> None:
        gamma.decide("theirs")
        assert gamma.publish()[1] is None
        assert len(empty.values("KPIs")) == 1

    @pytest.mark.parametrize("discarded", [False, True])
    def test_only_what_was_typed_is_answered(self, empty: Any, gamma: Gamma, discarded: bool) -> None:
        if discarded:
            drafts.discard_draft(empty.ws, gamma.draft.id, "no")
        else:
            gamma.decide("theirs")
        empty.sync()
        told = [line[4:] for line in empty.values("Sync Status")[1:] if line[1] == "rejected"]
        assert told == [["target", "", "", "", f"rejected: {'no' if discarded else 'the deletion was kept'}"]]

    def test_discarding_leaves_what_was_restored(self, empty: Any, gamma: Gamma) -> None:
        drafts.discard_draft(empty.ws, gamma.draft.id, "no")
        assert gamma.draft.policy_snapshot.kpis == {}


@pytest.mark.parametrize(("side", "stands"), [("yours", None), ("theirs", (7, "EUR"))])
def test_a_deletion_of_a_row_that_was_restored_otherwise_is_a_conflict(empty: Any, side: str, stands: Any) -> None:
    gamma = Gamma(empty, kpis=kpi(7))
    gamma.delete()
    empty.sync()
    gamma.restore()
    asked = [("kpi_name", "k1", None, "cost | usage.cost | 7 | EUR")]
    assert gamma.asked() == asked
    assert empty.sync().exit_code == 3
    empty.edit(S1, FIREARM, MONEY)  # the next draft has it, too
    assert empty.sync().exit_code == 3
    assert gamma.asked() == asked
    assert empty.sync().calls == QUIET
    gamma.decide(side)
    assert empty.sync().conflicts == []
    assert gamma.publish()[1] == stands


def test_a_deletion_of_a_row_that_was_restored_as_it_was_is_none(empty: Any) -> None:
    gamma = Gamma(empty, kpis=kpi(5))
    gamma.delete()
    empty.sync()
    gamma.restore()
    assert empty.sync().conflicts == []
    assert gamma.publish()[1] is None


@pytest.mark.parametrize(("side", "stands"), [("yours", None), ("theirs", (8, "EUR"))])
def test_what_is_restored_next_is_in_conflict_next(empty: Any, side: Literal["yours", "theirs"], stands: Any) -> None:
    gamma = Gamma(empty, kpis=kpi(7))
    drafts.edit_draft(empty.ws, gamma.id, kpis=kpi(8))
    eight = gamma.snapshot()
    drafts.edit_draft(empty.ws, gamma.id, kpis=kpi(5))
    empty.sync()
    gamma.delete()
    empty.sync()
    gamma.restore()
    gamma.at = eight
    gamma.restore()
    empty.sync()
    assert [one[3] for one in gamma.asked()] == ["cost | usage.cost | 8 | EUR"]
    drafts.resolve_conflict(empty.ws, gamma.draft.id, K1, None, side)
    assert empty.sync().conflicts == []
    assert gamma.publish()[1] == stands


@pytest.mark.parametrize(("then", "asked"), [(7, [7]), (8, [8]), (5, []), (106, [])])
def test_a_cell_is_in_conflict_with_what_was_restored_last(empty: Any, then: int, asked: list[int]) -> None:
    gamma = Gamma(empty, kpis=kpi(then))
    drafts.edit_draft(empty.ws, gamma.id, kpis=kpi(7))
    seven = gamma.snapshot()
    drafts.edit_draft(empty.ws, gamma.id, kpis=kpi(5))
    empty.sync()
    empty.edit(K1, "target", 106, "KPIs")
    empty.sync()
    last, gamma.at = gamma.at, seven
    gamma.restore()
    empty.sync()
    gamma.at = last
    gamma.restore()
    assert [one[3] for one in gamma.asked()] == asked
    assert len(empty.sync().conflicts) == len(asked)
    gamma.decide("yours")
    assert gamma.publish()[1] == (106, "EUR")


def test_a_row_that_was_dropped_in_the_draft_and_is_restored_has_its_owners_value(empty: Any) -> None:
    gamma = Gamma(empty, kpis=kpi(5))
    empty.edit(K1, "formula", "usage.cost * 2", "KPIs")
    empty.sync()
    drafts.edit_draft(empty.ws, gamma.draft.id, kpis={"k1": None})
    gamma.restore()
    empty.sync()
    assert gamma.draft.policy_snapshot.kpis["k1"].formula == "usage.cost * 2"
    assert gamma.publish()[1] == (5, "EUR")


class TestTheLockBesideNone:
    """Operators restore a lock under an owner's `NONE`, which goes with an open one: nobody typed that."""

    @pytest.fixture
    def gamma(self, empty: Any) -> Gamma:
        gamma = Gamma(empty, f"{READ}+lock")
        empty.edit(S1, FIREARM, "NONE")
        empty.sync()
        gamma.restore()
        empty.sync()
        assert gamma.asked() == [(LOCKS, False, False, True)]
        return gamma

    def rejected(self, desk: Any) -> list[Any]:
        return [line[4] for line in desk.values("Sync Status")[1:] if line[1] == "rejected"]

    @pytest.mark.parametrize("typed", [READ, MONEY])
    def test_it_goes_with_the_none(self, empty: Any, gamma: Gamma, typed: str) -> None:
        empty.edit(S1, FIREARM, typed)
        report = empty.sync()
        assert (report.problems, report.conflicts, gamma.asked()) == ([], [], [])
        assert empty.row(*S1)[2:4] == [typed, True]
        assert empty.sync().calls == QUIET
        assert gamma.publish()[0] == (typed, True)
        assert self.rejected(empty) == []

    def test_a_pull_takes_it_back_too(self, empty: Any, gamma: Gamma) -> None:
        empty.edit(S1, FIREARM, MONEY)
        empty.pull()
        assert gamma.asked() == []
        assert empty.sync().conflicts == []
        assert gamma.publish()[0] == (MONEY, True)

    def test_it_goes_when_the_lock_is_gone(self, empty: Any, gamma: Gamma) -> None:
        gamma.at = gamma.snapshot()
        gamma.restore()
        empty.sync()
        assert [one.column for one in gamma.draft.origin.edits] == [FIREARM]
        empty.edit(S1, FIREARM, READ)
        empty.sync()
        assert empty.status(*S1) == "not published yet"
        drafts.edit_draft(empty.ws, gamma.draft.id, firearms={"s1": binding(f"{READ}+lock")})
        assert gamma.publish()[0] == (READ, True)
        assert (self.rejected(empty), empty.status(*S1)) == ([], "")

    def test_it_is_answered_to_nobody(self, empty: Any, gamma: Gamma) -> None:
        drafts.discard_draft(empty.ws, gamma.draft.id, "no")
        empty.sync()
        assert empty.row(*S1)[2:] == [READ, True, "rejected: no"]
        assert self.rejected(empty) == [FIREARM]
