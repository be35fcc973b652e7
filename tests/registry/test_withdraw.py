"""What is left of a draft without owners' edits, and what resolving a conflict leaves to publish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.cells import (
    FIREARM_COLUMNS,
    KPI_COLUMNS,
    KPI_NAME,
    KPI_TAB,
    POLICY_TAB,
    PolicyCell,
    read_cell,
    with_cells,
)
from sheetsync.domain.clock import FAKE_START
from sheetsync.domain.connector import ConnectorSpec, Scope
from sheetsync.domain.draft import CellValue, Conflict, DraftBase, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.registry.conflicts import find_conflict, resolve
from sheetsync.registry.merge import State, merge
from sheetsync.registry.withdraw import without_pending

V = TypeVar("V")
SPEC = ConnectorSpec(id="c", version="1.0.0", scopes=(Scope(name="x"), Scope(name="y")))
BINDINGS = st.just(FirearmBinding(firearm_id=None)) | st.builds(
    FirearmBinding, firearm_id=st.sampled_from(["firearm.a", "firearm.b"]), strategy_lock=st.booleans()
)
KPIS = st.builds(
    KpiBinding, impact_type=st.sampled_from(["cost", "count"]), formula=st.sampled_from(["1", "2"]),
    target=st.sampled_from([None, 1.0]), unit=st.sampled_from([None, "EUR"]),
)  # fmt: skip
POLICIES = st.builds(
    PolicySnapshot,
    firearms=st.dictionaries(st.sampled_from("xy"), BINDINGS),
    kpis=st.dictionaries(st.sampled_from("pq"), KPIS),
)


def edits_between(base: PolicySnapshot, new: PolicySnapshot) -> list[SheetEdit]:
    """The owners' edits that lead from one policy to the other, cell by cell as pull makes them."""
    edits = []
    for scope in "xy":
        edits += [_edit(PolicyCell(POLICY_TAB, scope, column), base, new) for column in FIREARM_COLUMNS]
    for name in "pq":
        if (name in base.kpis) and name not in new.kpis:
            edits.append(_edit(PolicyCell(KPI_TAB, name, KPI_NAME), base, new))
            continue
        columns = (*KPI_COLUMNS, KPI_NAME) if name not in base.kpis else KPI_COLUMNS
        edits += [_edit(PolicyCell(KPI_TAB, name, column), base, new) for column in columns]
    return [edit for edit in edits if edit.base != edit.value]


def _edit(cell: PolicyCell, base: PolicySnapshot, new: PolicySnapshot) -> SheetEdit:
    was, now = read_cell(base, cell), read_cell(new, cell)
    return SheetEdit(tab=cell.tab, cell="", row_key=("c", cell.name), column=cell.column, base=was, value=now)


def sheet_draft(
    base: PolicySnapshot, new: PolicySnapshot, edits: list[SheetEdit], conflicts: tuple[Conflict, ...] = ()
) -> WorkbenchDraft:
    origin = SheetOrigin(spreadsheet_id="s", edits=tuple(edits), pulled_at=FAKE_START)
    return WorkbenchDraft(
        id="draft_abcdef", connector_id="c", spec_snapshot=SPEC, policy_snapshot=new, origin=origin,
        base=DraftBase(spec=SPEC, policy=base), conflicts=conflicts, created_by="ana", created_at=FAKE_START,
    )  # fmt: skip


@given(POLICIES, POLICIES)
def test_without_the_edits_the_base_is_left(base: PolicySnapshot, new: PolicySnapshot) -> None:
    assert without_pending(sheet_draft(base, new, edits_between(base, new))) == base


@given(POLICIES, POLICIES, BINDINGS, KPIS)
def test_without_the_edits_operators_work_is_left(
    base: PolicySnapshot, new: PolicySnapshot, binding: FirearmBinding, kpi: KpiBinding
) -> None:
    """Owners edited scope x and KPI p; operators set scope y and KPI q."""
    owners = PolicySnapshot(
        firearms=_only(new.firearms, "x") | _only(base.firearms, "y"), kpis=_only(new.kpis, "p") | _only(base.kpis, "q")
    )
    edits = edits_between(base, owners)
    both = PolicySnapshot(firearms=owners.firearms | {"y": binding}, kpis=owners.kpis | {"q": kpi})
    left = without_pending(sheet_draft(base, both, edits))
    assert left.firearms == _only(base.firearms, "x") | {"y": binding}
    assert left.kpis == _only(base.kpis, "p") | {"q": kpi}


def _only(mapping: Mapping[str, V], key: str) -> dict[str, V]:
    return {key: mapping[key]} if key in mapping else {}


CHOICES: dict[PolicyCell, list[CellValue]] = {
    PolicyCell(POLICY_TAB, "x", "firearm_id"): ["", "NONE", "firearm.a", "firearm.b"],
    PolicyCell(KPI_TAB, "p", "impact_type"): ["cost", "count", "revenue"],
    PolicyCell(KPI_TAB, "p", "formula"): ["1", "2", "3"],
    PolicyCell(KPI_TAB, "p", "target"): ["", 1.0, 2.0],
    PolicyCell(KPI_TAB, "p", "unit"): ["", "EUR", "USD"],
}
CONFLICTS = st.sampled_from(list(CHOICES)).flatmap(
    lambda cell: st.tuples(st.just(cell), st.permutations(CHOICES[cell]).map(lambda values: values[:3]))
)


@given(POLICIES, KPIS, CONFLICTS, st.booleans())
def test_a_resolved_conflict_leaves_nothing_that_moved(
    rest: PolicySnapshot, kpi: KpiBinding, case: tuple[PolicyCell, list[CellValue]], lock: bool
) -> None:
    """Owner and store changed one cell; whichever side is taken, publish merges without a moved field."""
    cell, values = case
    start = PolicySnapshot(firearms=_only(rest.firearms, "y"), kpis=rest.kpis | {"p": kpi})
    base, mine, theirs = (_changed(start, cell, value, lock=lock) for value in values)
    found = Conflict(
        tab=cell.tab, row_key=("c", cell.name), column=cell.column, base=values[0], yours=values[1], theirs=values[2]
    )
    draft = sheet_draft(base, mine, [_edit(cell, base, mine)], (found,))
    sides: tuple[Literal["yours", "theirs"], ...] = ("yours", "theirs")
    for side in sides:
        done = resolve(draft, find_conflict(draft, ("c", cell.name), None), side, live=theirs)
        assert done.open_conflicts() == ()
        assert isinstance(done.origin, SheetOrigin)
        assert done.base.policy is not None
        assert read_cell(done.base.policy, cell) == values[2]
        merged = merge(State(SPEC, done.base.policy), State(SPEC, theirs), State(SPEC, done.policy_snapshot))
        if side == "theirs":
            assert done.origin.edits == ()
            assert merged.moved == ()
            assert read_cell(merged.policy, cell) == values[2]
        else:
            assert [(edit.base, edit.value) for edit in done.origin.edits] == [(values[2], values[1])]
            assert read_cell(done.policy_snapshot, cell) == values[1]
            if not merged.moved:  # else the two cells together break a rule: publish says so
                assert read_cell(merged.policy, cell) == values[1]


def _changed(start: PolicySnapshot, cell: PolicyCell, value: CellValue, *, lock: bool) -> PolicySnapshot:
    change = {cell: value}
    if cell.tab == POLICY_TAB:
        change[PolicyCell(POLICY_TAB, cell.name, "strategy_lock")] = lock and value not in ("", "NONE")
    return with_cells(start, change)
