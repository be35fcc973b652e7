"""Ids, semver, the gate, loosening, KPI formulas, and the words for them."""

from __future__ import annotations

import time
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.cells import PolicyCell, cell_at, policy_cells, read_cell, with_cells
from sheetsync.domain.draft import CellValue
from sheetsync.domain.firearms import Firearm, FirearmBinding, FirearmCatalogue, closest
from sheetsync.domain.gate import binding_loosens, gate_table, is_allowed, loosenings
from sheetsync.domain.identifiers import (
    bump_major,
    bump_minor,
    check_connector_id,
    check_draft_id,
    check_scope,
    check_version,
    new_draft_id,
    version_key,
    version_rises,
)
from sheetsync.domain.kpi import FUNCTIONS, SAMPLE_USAGE, USAGE_NAMES, KpiBinding, evaluate_formula, formula_error
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.domain.wording import cell_loosening, describe_change, describe_loosening, show_value
from sheetsync.errors import InvalidContentError, InvalidIdError

A, B = FirearmBinding(firearm_id="firearm.a"), FirearmBinding(firearm_id="firearm.b")
A_LOCKED = FirearmBinding(firearm_id="firearm.a", strategy_lock=True)
B_LOCKED = FirearmBinding(firearm_id="firearm.b", strategy_lock=True)
NONE = FirearmBinding(firearm_id=None)
STATES: tuple[FirearmBinding | None, ...] = (None, NONE, A, A_LOCKED, B, B_LOCKED)

# -- ids


@pytest.mark.parametrize("name", ["a", "github", "a-b-c", "a" * 63, "con"])
def test_connector_ids(name: str) -> None:
    assert check_connector_id(name) == name


@pytest.mark.parametrize("name", ["", "A", "1a", "a--b", "a_b", "a/b", "..", "a" * 64, "a\n", "ä"])
def test_what_is_no_connector_id(name: str) -> None:
    with pytest.raises(ValueError, match="not a connector id"):
        check_connector_id(name)


def test_scopes_are_values_with_the_characters_of_real_tools() -> None:
    for good in ("core.admin_write", "GET:/users/{id}", "a", "0"):
        assert check_scope(good) == good
    for bad in ("", " a", "-a", "a b", "a\t", "a" * 129, "/a", "é"):
        with pytest.raises(ValueError, match="not a scope"):
            check_scope(bad)


def test_new_draft_ids_have_twelve_hex_digits() -> None:
    assert check_draft_id(new_draft_id()) != check_draft_id(new_draft_id())
    assert new_draft_id(lambda count: "ab" * count) == "draft_" + "ab" * 6


# -- semver (semver.org, item 11)

ORDER = (
    "0.0.0", "0.0.1", "0.9.9", "1.0.0-0", "1.0.0-1", "1.0.0-9", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1",
    "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.1.0",
    "1.2.0", "1.10.0", "2.0.0", "10.0.0",
)  # fmt: skip


def test_versions_rise_in_the_order_of_semver() -> None:
    assert sorted(set(ORDER), key=version_key) == list(ORDER)
    for lower, higher in combinations(ORDER, 2):
        assert version_rises(lower, higher)
        assert not version_rises(higher, lower)
    assert not version_rises("1.0.0+a", "1.0.0+b")


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "01.0.0", "1.0.0-", "1.0.0-01", "v1.0.0", "1.0.0+", "1.0.0\n", "١.0.0"]
)
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="not a version"):
        check_version(text)
    with pytest.raises(InvalidIdError):
        version_key(text)


def test_bumps() -> None:
    assert (bump_minor("1.2.3"), bump_major("1.2.3"), bump_minor("2.0.0-rc.1")) == ("1.3.0", "2.0.0", "2.1.0")


# -- the gate

GATE = {  # binding: (grant, lock released) → allowed
    None: (False, False, False, False),
    NONE: (True, True, True, True),
    A: (False, False, True, True),
    A_LOCKED: (False, False, False, True),
}


@pytest.mark.parametrize(("binding", "allowed"), GATE.items(), ids=lambda value: str(value))
def test_the_gate_table(binding: FirearmBinding | None, allowed: tuple[bool, ...]) -> None:
    cells = gate_table(["x"], PolicySnapshot(firearms={"x": binding} if binding else {}))
    assert [(cell.grant, cell.lock_released) for cell in cells] == list(product((False, True), repeat=2))
    assert tuple(cell.allowed for cell in cells) == allowed


def test_a_lock_with_none_is_refused() -> None:
    with pytest.raises(ValueError, match="locks nothing"):
        FirearmBinding(firearm_id=None, strategy_lock=True)


# -- loosening

LOOSER = {  # old → the new states that are looser
    None: {NONE, A, A_LOCKED, B, B_LOCKED},
    NONE: set(),
    A: {NONE, B, B_LOCKED},
    A_LOCKED: {NONE, A, B, B_LOCKED},
    B: {NONE, A, A_LOCKED},
    B_LOCKED: {NONE, B, A, A_LOCKED},
}  # fmt: skip


@pytest.mark.parametrize("old", STATES, ids=str)
@pytest.mark.parametrize("new", STATES, ids=str)
def test_the_loosening_table(old: FirearmBinding | None, new: FirearmBinding | None) -> None:
    assert (binding_loosens(old, new) is not None) == (new in LOOSER[old])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (None, NONE, "it could never fire, and now may with no firearm"),
        (None, A_LOCKED, "it could never fire, and now may with firearm.a"),
        (A, NONE, "it needs firearm.a no longer"),
        (A_LOCKED, NONE, "it needs firearm.a no longer and its strategy lock comes off"),
        (A_LOCKED, A, "its strategy lock comes off"),
        (A, B_LOCKED, "its firearm changes from firearm.a to firearm.b"),
        (A_LOCKED, B, "its firearm changes from firearm.a to firearm.b and its strategy lock comes off"),
    ],
)
def test_a_loosening_is_told_in_owners_words(
    old: FirearmBinding | None, new: FirearmBinding | None, words: str
) -> None:
    assert binding_loosens(old, new) == words


@pytest.mark.parametrize("old", STATES, ids=str)
@pytest.mark.parametrize("new", STATES, ids=str)
def test_a_gate_cell_that_opens_is_always_a_loosening(old: FirearmBinding | None, new: FirearmBinding | None) -> None:
    opens = any(
        is_allowed(new, grant=grant, lock_released=released)
        and not is_allowed(old, grant=grant, lock_released=released)
        for grant, released in product((False, True), repeat=2)
    )
    assert not opens or binding_loosens(old, new)


def policy(*, kpis: tuple[str, ...] = (), **firearms: FirearmBinding | None) -> PolicySnapshot:
    return PolicySnapshot(
        firearms={scope: binding for scope, binding in firearms.items() if binding},
        kpis={name: KpiBinding(impact_type="cost", formula="1") for name in kpis},
    )


def test_a_first_publication_loosens_nothing() -> None:
    assert loosenings(None, policy(x=NONE)) == ()


def test_dropping_a_kpi_loosens_changing_or_adding_one_does_not() -> None:
    (found,) = loosenings(policy(kpis=("a", "b")), policy(kpis=("b", "c")))
    assert (found.kpi_name, describe_loosening(found)) == ("a", "looser: KPI 'a': the KPI is dropped")


def test_a_scope_that_vanishes_loosens_nothing() -> None:
    assert loosenings(policy(x=NONE), policy()) == ()


# -- cells and their words


def test_the_cell_that_loosens_is_the_one_marked() -> None:
    old, new = policy(x=A_LOCKED), policy(x=B_LOCKED)
    firearm, lock = cell_at(("c", "x"), "firearm_id"), cell_at(("c", "x"), "strategy_lock")
    assert cell_loosening(old, new, firearm)
    assert cell_loosening(old, new, lock) is None
    assert cell_loosening(old, policy(x=A), lock)
    assert cell_loosening(None, new, firearm) is None
    assert cell_loosening(policy(x=A), policy(x=A_LOCKED), lock) is None


def test_releasing_the_lock_by_choosing_none_marks_the_firearm() -> None:
    old, new = policy(x=A_LOCKED), policy(x=NONE)
    assert cell_loosening(old, new, cell_at(("c", "x"), "firearm_id"))


def test_values_for_people() -> None:
    shown = [show_value(value) for value in (None, True, False, "", "x", 5.0, 2.5, 7)]
    assert shown == ["(no row)", "TRUE", "FALSE", "(empty)", "x", "5", "2.5", "7"]
    assert describe_change(cell_at(("c", "spend"), "kpi_name"), None, "spend") == "KPI spend is added"


def test_cells_and_back() -> None:
    whole = PolicySnapshot(
        firearms={"x": A_LOCKED, "y": NONE},
        kpis={"spend": KpiBinding(impact_type="cost", formula="usage.cost", target=5.0)},
    )
    cells = policy_cells(whole)
    assert with_cells(PolicySnapshot(), cells) == whole
    assert cells[PolicyCell("Policy Matrix", "y", "firearm_id")] == "NONE"
    assert cells[PolicyCell("KPIs", "spend", "unit")] == ""
    assert read_cell(whole, cell_at(("c", "z"), "firearm_id")) == ""
    assert read_cell(whole, cell_at(("c", "z"), "formula")) is None


def test_cells_that_break_a_rule_are_refused_together_with_their_row() -> None:
    start = policy(x=A_LOCKED, kpis=("spend",))
    with pytest.raises(InvalidContentError, match="locks nothing"):
        with_cells(start, {cell_at(("c", "x"), "firearm_id"): "NONE"})
    both: dict[PolicyCell, CellValue] = {
        cell_at(("c", "x"), "firearm_id"): "NONE",
        cell_at(("c", "x"), "strategy_lock"): False,
    }
    assert with_cells(start, both).firearms == {"x": NONE}
    assert with_cells(start, {cell_at(("c", "x"), "firearm_id"): ""}).firearms == {}
    with pytest.raises(InvalidContentError):
        with_cells(start, {cell_at(("c", "new"), "formula"): "1"})
    assert with_cells(start, {cell_at(("c", "spend"), "kpi_name"): None}).kpis == {}


def test_did_you_mean() -> None:
    catalogue = FirearmCatalogue(firearms=(Firearm(id="firearm.external_write"), Firearm(id="firearm.read")))
    assert closest("firearm.Extrenal_write", catalogue.ids()) == "firearm.external_write"
    assert closest("zzz", catalogue.ids()) is None
    assert "firearm.read" in catalogue
    assert "firearm.x" not in catalogue


# -- KPI formulas


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("usage.cost * 1.0", 0.25),
        (" 1 + 2 ", 3.0),
        ("usage.tokens_in / usage.count", 1200.0),
        ("max(usage.cost, 1)", 1.0),
        ("1 if usage.quality > 0.5 else 0", 1.0),
        ("-usage.revenue ** 2", -4.0),
        ("usage.cost < 1 and usage.count == 1", 1.0),
    ],
)
def test_formulas_have_values(formula: str, value: float) -> None:
    assert formula_error(formula) is None
    assert evaluate_formula(formula, dict(SAMPLE_USAGE)) == value


@pytest.mark.parametrize(
    "formula",
    [
        "", " ", "usage", "cost", "usage.price", "usage.cost.real", "usage['cost']", "'a'", "True", "None",
        "__import__('os').system('true')", "usage.__class__", "(1).__class__", "().__class__.__bases__", "open('x')",
        "lambda: 1", "[1]", "{1}", "{1: 2}", "[x for x in 1]", "x := 1", "f'{1}'", "1; 2", "x = 1", "max(*usage)",
        "round(1, ndigits=1)", "eval('1')", "usage.cost()", "1j", "b'x'", "...", "await x", "=usage.cost", "1 +",
        "usage.cost if", "max", "-" * 300 + "1", "1" + "+1" * 600, "\x00",
    ],
)  # fmt: skip
def test_what_is_no_formula(formula: str) -> None:
    assert formula_error(formula)
    with pytest.raises(ValueError, match=r"."):
        evaluate_formula(formula, dict(SAMPLE_USAGE))


@pytest.mark.parametrize("formula", ["1 / 0", "usage.cost / (usage.count - 1)", "9**9**9", "10.0 ** 1000", "1e999",
                                     "sqrt(-1)", "log10(0)", "1e308 * 10", "1 << 99999999", "max()"])  # fmt: skip
def test_formulas_without_a_finite_value_are_told_quickly(formula: str) -> None:
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"."):
        evaluate_formula(formula, dict(SAMPLE_USAGE))
    assert time.monotonic() - start < 5


@given(st.text(max_size=40))
def test_any_text_is_judged_without_an_accident(text: str) -> None:
    if formula_error(text) is None:
        try:
            evaluate_formula(text, dict(SAMPLE_USAGE))
        except ValueError:
            return


TOKENS = st.lists(st.sampled_from([*USAGE_NAMES, *FUNCTIONS, "usage.", "(", ")", "+", "*", "**", ",", "1", "9e9", " "]))


@given(TOKENS.map("".join))
def test_formula_like_text_is_judged_without_an_accident(text: str) -> None:
    if formula_error(text) is None:
        try:
            evaluate_formula(text, dict(SAMPLE_USAGE))
        except ValueError:
            return
