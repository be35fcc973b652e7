"""The table of `sync.draft_rows`, and what publish makes of its base and policy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.cells import cell_at, policy_cells, read_cell, with_cells
from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.draft import CellValue, SheetEdit
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import InvalidContentError
from sheetsync.registry.merge import State, merge
from sheetsync.sync.decide import PendingEdit
from sheetsync.sync.draft_rows import DraftRows, RowRefusedError, cells_of
from sheetsync.sync.outcome import EditEvent
from sheetsync.sync.tabs import role_of

SCOPE, KPI = ("alpha", "s"), ("alpha", "k")
TABS = {"firearm_id": "Policy Matrix", "strategy_lock": "Policy Matrix"}
SPEC = ConnectorSpec.from_json({"id": "alpha", "version": "1.0.0", "name": "alpha", "scopes": [{"name": "s"}]})
COLUMNS = ("firearm_id", "strategy_lock", "impact_type", "formula", "target", "unit")


def key(column: str) -> tuple[str, str]:
    return SCOPE if column in TABS else KPI


def edit(column: str, base: CellValue, value: CellValue) -> SheetEdit:
    tab = TABS.get(column, "KPIs")
    return SheetEdit(tab=tab, cell="", row_key=key(column), column=column, base=base, value=value)


def event(column: str, base: CellValue, value: CellValue) -> EditEvent:
    cell = (role_of(TABS.get(column, "KPIs")) or "", key(column), column)
    return EditEvent(cell, "", PendingEdit(base, value), value)


bindings = st.sampled_from(
    [
        None,
        FirearmBinding(firearm_id=None),
        *(FirearmBinding(firearm_id=f"firearm.{name}", strategy_lock=lock) for name in "ab" for lock in (True, False)),
    ]
)
kpis = st.none() | st.builds(
    KpiBinding,
    impact_type=st.sampled_from(["cost", "count"]),
    formula=st.sampled_from(["1", "2", "3"]),
    target=st.sampled_from([None, 1, 2]),
    unit=st.sampled_from([None, "EUR", "USD"]),
)


@st.composite
def policies(draw: Any) -> PolicySnapshot:
    binding, kpi = draw(bindings), draw(kpis)
    return PolicySnapshot(firearms={"s": binding} if binding else {}, kpis={"k": kpi} if kpi else {})


def started(under: PolicySnapshot, column: str, mine: PolicySnapshot) -> SheetEdit:
    cell = cell_at(key(column), column)
    return edit(column, read_cell(under, cell), read_cell(mine, cell))


@given(st.data(), policies(), policies(), policies(), policies())
def test_publish_takes_what_is_published_wherever_nobody_changed_anything(
    data: Any, under: PolicySnapshot, mine: PolicySnapshot, live: PolicySnapshot, later: PolicySnapshot
) -> None:
    """`under` and `mine` differ by owners' and operators' changes; `later` is published before the draft is."""
    columns = data.draw(st.sets(st.sampled_from(COLUMNS)))
    edits = [started(under, column, mine) for column in sorted(columns)]
    rows = DraftRows(live, under, mine, never=False)
    rows.take_operators(edits)
    rows.take_carried(edits)
    base, policy = rows.lay(["s"])
    done = merge(State(SPEC, base), State(SPEC, later), State(SPEC, policy))
    changed = {cell for one in edits for cell in cells_of(one)}
    changed |= {cell for cell in policy_cells(under).keys() | policy_cells(mine).keys() if _differ(cell, under, mine)}
    if done.moved:
        return
    for cell in policy_cells(later):
        row_changed = cell.column == "kpi_name" and any(one[:2] == cell[:2] for one in changed)
        if cell not in changed and not row_changed and cell.name in done.policy.kpis.keys() | done.policy.firearms:
            assert read_cell(done.policy, cell) == read_cell(later, cell)


def _differ(cell: Any, one: PolicySnapshot, other: PolicySnapshot) -> bool:
    return read_cell(one, cell) != read_cell(other, cell)


@given(policies(), policies())
def test_without_any_change_it_is_what_is_published(under: PolicySnapshot, live: PolicySnapshot) -> None:
    rows = DraftRows(live, under, under, never=False)
    rows.take_operators([])
    assert rows.lay(["s"]) == (live, live)


@given(policies(), st.sampled_from(COLUMNS), policies())
def test_a_single_edit_is_all_that_differs(live: PolicySnapshot, column: str, other: PolicySnapshot) -> None:
    cell = cell_at(key(column), column)
    old, new = read_cell(live, cell), read_cell(other, cell)
    if old is None or new is None:
        return
    rows = DraftRows(live, PolicySnapshot(), PolicySnapshot(), never=False)
    rows.take_new([event(column, old, new)])
    try:
        wanted = with_cells(live, {cell: new})
    except InvalidContentError:
        wanted = None
    if wanted is not None and read_cell(wanted, cell) == new:
        assert rows.lay(["s"]) == (live, wanted)


def test_a_row_with_a_new_edit_that_fits_nowhere_is_refused() -> None:
    rows = DraftRows(PolicySnapshot(), PolicySnapshot(), PolicySnapshot(), never=False)
    rows.take_new([event("target", None, 5)])
    with pytest.raises(RowRefusedError) as caught:
        rows.lay(["s"])
    assert caught.value.row[1] == KPI


def test_a_connectors_first_edits_start_from_its_stand_in() -> None:
    live = PolicySnapshot(firearms={"s": FirearmBinding(firearm_id="firearm.a")})
    rows = DraftRows(live, live, live, never=True)
    rows.take_new([event("firearm_id", "firearm.b", "NONE")])
    base, policy = rows.lay(["s"])
    assert (base, policy.firearms["s"].shown()) == (live, "NONE")
