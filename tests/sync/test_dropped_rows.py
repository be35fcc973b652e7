"""Operators drop a KPI that an owner's sheet still shows, and he types in it: what he typed is asked about, no more."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.services import drafts

K1 = ("alpha", "k1")
KPI: dict[str, Any] = {"k1": {"impact_type": "cost", "formula": "usage.cost", "target": 5}}
ASKED = [("unit", "", "EUR", None)]
QUIET = {"read": 1, "write": 0, "drive": 0}


@pytest.fixture
def alpha(empty: Any) -> Any:
    """A connector never published, with one KPI; the sheet shows it."""
    empty.draft("alpha", ["s1"], {"s1": "firearm.read"}, kpis=KPI)
    empty.sync()
    return empty


def publish(desk: Any) -> Any:
    desk.publish(draft(desk).id)
    desk.sync()
    return desk


def draft(desk: Any) -> Any:
    return desk.open_drafts()[-1]


def asked(desk: Any) -> list[tuple[str, Any, Any, Any]]:
    return [(one.column, one.base, one.yours, one.theirs) for one in draft(desk).open_conflicts()]


def rejected(desk: Any) -> dict[str, str]:
    return {line[4]: line[8] for line in desk.values("Sync Status")[1:] if line[1] == "rejected"}


def live(desk: Any) -> Any:
    row = desk.ws.catalogue().published("alpha").policy().kpis.get("k1")
    return row and (row.impact_type, row.formula, row.target, row.unit)


def decide(desk: Any, side: Any) -> None:
    drafts.resolve_conflict(desk.ws, draft(desk).id, K1, "unit", side)
    assert desk.sync().conflicts == []


def drop(desk: Any, how: str) -> str:
    """An owner's formula is decided against, and its KPI dropped. Returns what is said of the formula."""
    desk.edit(K1, "formula", "usage.cost * 2", "KPIs")
    desk.sync()
    edited = draft(desk).id
    if how == "discarded":
        drafts.discard_draft(desk.ws, edited, "never times two")
        desk.set_kpi("alpha", {"k1": None})
        return "rejected: never times two"
    if how == "dropped in the draft":
        drafts.edit_draft(desk.ws, edited, kpis={"k1": None})
        desk.publish(edited)
        return "rejected: published as empty"
    desk.set_kpi("alpha", {"k1": None})
    desk.sync()
    drafts.resolve_conflict(desk.ws, edited, K1, "formula", "theirs")
    return "rejected: the deletion was kept"


@pytest.mark.parametrize("side", ["yours", "theirs"])
@pytest.mark.parametrize("first", ["sync", "pull", "push"])
@pytest.mark.parametrize("how", ["discarded", "dropped in the draft", "decided"])
def test_what_was_decided_against_does_not_come_back_with_another_edit(
    alpha: Any, how: str, first: str, side: str
) -> None:
    desk = publish(alpha)
    said = drop(desk, how)
    desk.edit(K1, "unit", "EUR", "KPIs")
    getattr(desk, first)()
    report = desk.sync()
    assert (report.exit_code, report.problems) == (3, [])
    assert asked(desk) == ASKED
    assert desk.row(*K1, title="KPIs")[2:6] == ["cost", "usage.cost", 5, "EUR"]
    assert rejected(desk) == {"formula": said}
    assert desk.sync().calls == QUIET
    decide(desk, side)
    if side == "yours":
        publish(desk)
        assert live(desk) == ("cost", "usage.cost", 5, "EUR")
    else:
        assert rejected(desk) == {"formula": said, "unit": "rejected: the deletion was kept"}
        assert (live(desk), len(desk.values("KPIs"))) == (None, 1)
    assert desk.sync().calls == QUIET


def test_typed_anew_it_starts_from_what_was_published(alpha: Any) -> None:
    desk = publish(alpha)
    drop(desk, "discarded")
    desk.edit(K1, "formula", "usage.cost * 3", "KPIs")
    desk.sync()
    assert asked(desk) == [("formula", "usage.cost", "usage.cost * 3", None)]
    assert rejected(desk) == {}


@pytest.mark.parametrize("published", [True, False])
class TestOnlyWhatWasTyped:
    @pytest.fixture
    def desk(self, alpha: Any, published: bool) -> Any:
        if published:
            publish(alpha).set_kpi("alpha", {"k1": None})
        else:
            drafts.edit_draft(alpha.ws, draft(alpha).id, kpis={"k1": None})
        alpha.edit(K1, "unit", "EUR", "KPIs")
        report = alpha.sync()
        assert [(one.column, one.base, one.value) for one in report.drafts[0].edits] == [("unit", "", "EUR")]
        assert (report.exit_code, len(report.conflicts), asked(alpha)) == (3, 1, ASKED)
        assert alpha.row(*K1, title="KPIs")[2:6] == ["cost", "usage.cost", 5, "EUR"]
        assert alpha.sync().calls == QUIET
        return alpha

    @pytest.mark.parametrize("discarded", [False, True])
    def test_is_answered(self, desk: Any, discarded: bool) -> None:
        if discarded:
            drafts.discard_draft(desk.ws, draft(desk).id, "no")
            desk.sync()
        else:
            decide(desk, "theirs")
        assert rejected(desk) == {"unit": f"rejected: {'no' if discarded else 'the deletion was kept'}"}
        assert len(desk.values("KPIs")) == 1
        assert desk.sync().calls == QUIET

    @pytest.mark.parametrize("side", ["yours", "theirs"])
    def test_another_cell_is_typed_then(self, desk: Any, side: str) -> None:
        desk.edit(K1, "target", 7, "KPIs")
        assert desk.sync().problems == []
        decide(desk, side)
        if side == "theirs":
            assert rejected(desk) == dict.fromkeys(("unit", "target"), "rejected: the deletion was kept")
            return
        publish(desk)
        assert live(desk) == ("cost", "usage.cost", 7, "EUR")
        assert desk.sync().calls == QUIET

    def test_the_row_is_rejected_and_changed_again(self, desk: Any) -> None:
        drafts.discard_draft(desk.ws, draft(desk).id, "no")
        desk.edit(K1, "target", 7, "KPIs")
        desk.sync()
        assert asked(desk) == [("target", 5, 7, None)]
        assert desk.row(*K1, title="KPIs")[2:6] == ["cost", "usage.cost", 7, ""]
        assert rejected(desk) == {"unit": "rejected: no"}


def test_a_kpi_that_comes_back_as_it_was_ends_the_question(alpha: Any) -> None:
    desk = publish(alpha)
    desk.set_kpi("alpha", {"k1": None})
    desk.edit(K1, "unit", "EUR", "KPIs")
    desk.sync()
    desk.set_kpi("alpha", KPI | {"k1": KPI["k1"] | {"target": 6}})
    assert desk.sync().conflicts == []
    publish(desk)
    assert live(desk) == ("cost", "usage.cost", 6, "EUR")


@pytest.mark.parametrize("side", ["yours", "theirs"])
@pytest.mark.parametrize("how", ["changed in the draft", "decided as theirs"])
def test_a_proposal_that_was_live_and_dropped_is_asked_about(alpha: Any, how: str, side: Any) -> None:
    desk, key = publish(alpha), ("alpha", "k2")
    desk.tab("KPIs").update([[*key, "cost", "usage.cost", 7]], f"A{len(desk.values('KPIs')) + 1}")
    desk.sync()
    nine = {"k2": KPI["k1"] | {"target": 9}}
    if how == "changed in the draft":
        drafts.edit_draft(desk.ws, draft(desk).id, kpis=nine)
        desk.publish(draft(desk).id)
    else:
        desk.set_kpi("alpha", nine)
        desk.sync()
        drafts.resolve_conflict(desk.ws, draft(desk).id, key, "target", "theirs")
    desk.set_kpi("alpha", {"k2": None})
    desk.edit(key, "unit", "EUR", "KPIs")
    report = desk.sync()
    assert [(one.column, one.base, one.value) for one in report.drafts[0].edits] == [("unit", "", "EUR")]
    assert (report.exit_code, len(report.conflicts), asked(desk)) == (3, 1, ASKED)
    assert desk.row(*key, title="KPIs")[2:6] == ["cost", "usage.cost", 9, "EUR"]
    kept = "published as 9" if how == "changed in the draft" else "the published value was kept"
    assert rejected(desk)["target"] == f"rejected: {kept}"
    assert desk.sync().calls == QUIET
    drafts.resolve_conflict(desk.ws, draft(desk).id, key, "unit", side)
    assert desk.sync().conflicts == []
    if side == "theirs":
        assert len(desk.values("KPIs")) == 2
    else:
        publish(desk)
        kpi = desk.ws.catalogue().published("alpha").policy().kpis["k2"]
        assert (kpi.formula, kpi.target, kpi.unit) == ("usage.cost", 9, "EUR")
    assert desk.sync().calls == QUIET


@pytest.mark.parametrize("how", ["discarded", "published otherwise"])
def test_a_row_decided_as_yours_and_decided_against_then_does_not_come_back(alpha: Any, how: str) -> None:
    desk = publish(alpha)
    desk.set_kpi("alpha", {"k1": None})
    desk.edit(K1, "unit", "EUR", "KPIs")
    desk.sync()
    decide(desk, "yours")
    if how == "discarded":
        drafts.discard_draft(desk.ws, draft(desk).id, "no euros")
    else:
        drafts.edit_draft(desk.ws, draft(desk).id, kpis={"k1": KPI["k1"] | {"unit": "USD"}})
        desk.publish(draft(desk).id)
        desk.set_kpi("alpha", {"k1": None})
    desk.edit(K1, "target", 7, "KPIs")
    assert desk.sync().exit_code == 3
    assert asked(desk) == [("target", 5, 7, None)]
    unit, why = ("", "no euros") if how == "discarded" else ("USD", "published as USD")
    assert desk.row(*K1, title="KPIs")[2:6] == ["cost", "usage.cost", 7, unit]
    assert rejected(desk)["unit"] == f"rejected: {why}"
    assert desk.sync().calls == QUIET
    drafts.resolve_conflict(desk.ws, draft(desk).id, K1, "target", "yours")
    assert desk.sync().conflicts == []
    publish(desk)
    assert live(desk) == ("cost", "usage.cost", 7, unit or None)
    assert desk.sync().calls == QUIET


def test_so_it_is_where_the_kpi_never_was_live(alpha: Any) -> None:
    drafts.edit_draft(alpha.ws, draft(alpha).id, kpis={"k1": None})
    alpha.edit(K1, "unit", "EUR", "KPIs")
    alpha.sync()
    decide(alpha, "yours")
    drafts.discard_draft(alpha.ws, draft(alpha).id, "no euros")
    alpha.edit(K1, "target", 7, "KPIs")
    assert alpha.sync().exit_code == 3
    assert asked(alpha) == [("target", 5, 7, None)]
    assert alpha.row(*K1, title="KPIs")[2:6] == ["cost", "usage.cost", 7, ""]
    assert rejected(alpha) == {"unit": "rejected: no euros"}
    assert alpha.sync().calls == QUIET
    drafts.resolve_conflict(alpha.ws, draft(alpha).id, K1, "target", "yours")
    assert alpha.sync().conflicts == []
    publish(alpha)
    assert live(alpha) == ("cost", "usage.cost", 7, None)


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("first", ["sync", "pull", "push"])
def test_set_back_to_what_it_started_from_it_is_taken_back(alpha: Any, first: str, others: bool) -> None:
    desk = publish(alpha)
    desk.set_kpi("alpha", {"k1": None})
    desk.edit(K1, "unit", "EUR", "KPIs")
    if others:
        desk.edit(K1, "target", 7, "KPIs")
    desk.sync()
    desk.edit(K1, "unit", "", "KPIs")
    getattr(desk, first)()
    report = desk.sync()
    assert [(one.cell[2], one.yours) for one in report.conflicts] == ([("target", 7)] if others else [])
    desk.sync()
    assert (rejected(desk), len(desk.values("KPIs"))) == ({}, 1 + others)
    if others:
        assert asked(desk) == [("target", 5, 7, None)]
        assert desk.row(*K1, title="KPIs")[2:6] == ["cost", "usage.cost", 7, ""]
    else:
        assert desk.open_drafts() == []
    assert desk.sync().calls == QUIET


@pytest.mark.parametrize("how", ["proposed anew", "changed before the drop"])
def test_what_operators_made_of_the_row_in_the_draft_goes_on(alpha: Any, how: str) -> None:
    desk = publish(alpha)
    desk.set_kpi("alpha", {"k1": KPI["k1"] | {"unit": "USD"}})
    desk.sync()
    desk.edit(("alpha", "s1"), "firearm_id", "firearm.money")
    desk.pull()
    theirs = {"impact_type": "cost", "formula": "usage.cost * 9"}
    if how == "proposed anew":
        desk.set_kpi("alpha", {"k1": None})
        desk.edit(("alpha", "s1"), "strategy_lock", True)
        desk.pull()
        assert draft(desk).base.policy.kpis == {}
        drafts.edit_draft(desk.ws, draft(desk).id, kpis={"k1": theirs})
    else:
        drafts.edit_draft(desk.ws, draft(desk).id, kpis={"k1": theirs | {"target": 5, "unit": "USD"}})
        desk.set_kpi("alpha", {"k1": None})
    desk.edit(K1, "target", 7, "KPIs")
    report = desk.sync()
    assert (report.exit_code, [one.code for one in report.problems]) == (3, ["overtaken_change"])
    assert asked(desk) == [("target", 5, 7, None)]
    unit = None if how == "proposed anew" else "USD"
    kpi = draft(desk).policy_snapshot.kpis["k1"]
    assert (kpi.impact_type, kpi.formula, kpi.target, kpi.unit) == ("cost", "usage.cost * 9", 7, unit)
    assert desk.row(*K1, title="KPIs")[2:6] == ["cost", "usage.cost", 7, "USD"]
    assert desk.sync().calls == QUIET
    drafts.resolve_conflict(desk.ws, draft(desk).id, K1, "target", "yours")
    report = desk.sync()
    assert (report.conflicts, report.problems) == ([], [])
    publish(desk)
    assert live(desk) == ("cost", "usage.cost * 9", 7, unit)
    assert desk.row(*K1, title="KPIs")[2:6] == ["cost", "usage.cost * 9", 7, unit or ""]
    assert desk.sync().calls == QUIET


@pytest.mark.parametrize(("again", "value"), [("unit", "USD"), ("target", 6)])
def test_and_where_its_owner_typed_once_more_since_it_was_decided(alpha: Any, again: str, value: Any) -> None:
    drafts.edit_draft(alpha.ws, draft(alpha).id, kpis={"k1": None})
    alpha.edit(K1, "unit", "EUR", "KPIs")
    alpha.sync()
    decide(alpha, "yours")
    alpha.edit(K1, again, value, "KPIs")
    alpha.sync()
    drafts.discard_draft(alpha.ws, draft(alpha).id, "no euros")
    alpha.edit(K1, "formula", "usage.cost * 3", "KPIs")
    assert alpha.sync().exit_code == 3
    assert asked(alpha) == [("formula", "usage.cost", "usage.cost * 3", None)]
    assert alpha.row(*K1, title="KPIs")[2:6] == ["cost", "usage.cost * 3", 5, ""]
    assert rejected(alpha) == dict.fromkeys({"unit", again}, "rejected: no euros")
    assert alpha.sync().calls == QUIET
    drafts.resolve_conflict(alpha.ws, draft(alpha).id, K1, "formula", "yours")
    assert alpha.sync().conflicts == []
    publish(alpha)
    assert live(alpha) == ("cost", "usage.cost * 3", 5, None)
    assert alpha.sync().calls == QUIET
