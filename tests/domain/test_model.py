"""Every value round-trips JSON byte-stably, is frozen, and refuses unknown keys."""

from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sheetsync.domain.canonical import canonical_json
from sheetsync.domain.card import Card
from sheetsync.domain.connector import ConnectorSpec, EngineRoute, Scope
from sheetsync.domain.context import RequestContext, ScopeConfig
from sheetsync.domain.draft import (
    Approval,
    Check,
    Conflict,
    DraftBase,
    ImportedOrigin,
    SheetEdit,
    SheetOrigin,
    Validation,
    WorkbenchDraft,
    WorkbenchOrigin,
)
from sheetsync.domain.firearms import Firearm, FirearmBinding, FirearmCatalogue
from sheetsync.domain.gate import GateCell, Loosening
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.model import Model
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.domain.problems import Problem
from sheetsync.domain.published import PublishedComponent, PublishedConnector, PublishedFirearms, PublishedKpis
from sheetsync.errors import InvalidContentError

NOW = datetime(2026, 1, 7, 12, 0, 0, 250_000, tzinfo=UTC)
LINES = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | LINES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LINES, inner, max_size=3),
    max_leaves=6,
)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
SCOPES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/{}-]{0,20}", fullmatch=True)
CELLS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | LINES
)
BINDINGS = st.just(FirearmBinding(firearm_id=None)) | st.builds(
    FirearmBinding, firearm_id=st.sampled_from(["firearm.a", "firearm.b-c"]), strategy_lock=st.booleans()
)
KPIS = st.builds(
    KpiBinding,
    impact_type=st.sampled_from(["cost", "count", "duration", "revenue", "quality"]),
    formula=LINES,
    target=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    unit=st.none() | LINES,
)
POLICIES = st.builds(
    PolicySnapshot,
    firearms=st.dictionaries(SCOPES, BINDINGS, max_size=3),
    kpis=st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True), KPIS, max_size=2),
)


@st.composite
def specs(draw: st.DrawFn) -> ConnectorSpec:
    scopes = draw(st.lists(SCOPES, unique=True, max_size=3))
    return ConnectorSpec(
        id="github",
        version="1.2.0-rc.1+b7",
        name=draw(LINES),
        description=draw(LINES),
        scopes=tuple(Scope(name=name, title=draw(LINES)) for name in scopes),
        engine_routes=tuple(draw(st.lists(LINES, max_size=2))),
        tools={name: draw(JSON) for name in scopes[:1]},
    )


ORIGINS = st.one_of(
    st.just(ImportedOrigin(namespace="github")),
    st.builds(WorkbenchOrigin, why=st.sampled_from(["new", "restore", "retire", "withdrawn"])),
    st.builds(
        SheetOrigin,
        spreadsheet_id=LINES,
        pulled_at=TIMES,
        editor_hint=st.none() | LINES,
        edits=st.lists(
            st.builds(SheetEdit, tab=LINES, cell=LINES, row_key=st.tuples(LINES, LINES), column=LINES, base=CELLS,
                      value=CELLS), max_size=2
        ).map(tuple),
    ),
)  # fmt: skip
DRAFTS = st.builds(
    WorkbenchDraft,
    id=st.from_regex(r"draft_[0-9a-f]{6,32}", fullmatch=True),
    connector_id=st.just("github"),
    spec_snapshot=specs(),
    policy_snapshot=POLICIES,
    origin=ORIGINS,
    base=st.builds(DraftBase, components=st.none() | LINES, spec=st.none() | specs(), policy=st.none() | POLICIES),
    validation=st.none()
    | st.builds(Validation, ok=st.booleans(), content_hash=LINES, verified_at=TIMES, verified_by=LINES,
                checks=st.just((Check(code="a", ok=True, message="b"),)),
                gate=st.just((GateCell(scope="s", grant=True, lock_released=False, allowed=True),))),
    conflicts=st.lists(
        st.builds(Conflict, tab=LINES, row_key=st.tuples(LINES), column=LINES, base=CELLS, yours=CELLS, theirs=CELLS,
                  resolution=st.sampled_from([None, "yours", "theirs"])), max_size=2
    ).map(tuple),
    approvals=st.lists(st.builds(Approval, user=LINES, at=TIMES, content_hash=LINES), max_size=1).map(tuple),
    created_by=LINES,
    created_at=TIMES,
)  # fmt: skip


def assert_round_trip(value: Model) -> None:
    raw = canonical_json(value.to_json())
    again = type(value).model_validate_json(raw)
    assert again == value
    assert canonical_json(again.to_json()) == raw
    assert canonical_json(type(value).from_json(value.to_json()).to_json()) == raw


@given(DRAFTS)
def test_drafts_round_trip(draft: WorkbenchDraft) -> None:
    assert_round_trip(draft)
    assert draft.content_hash() == WorkbenchDraft.from_json(draft.to_json()).content_hash()


@given(specs(), POLICIES, TIMES, st.booleans())
def test_published_records_round_trip(spec: ConnectorSpec, policy: PolicySnapshot, at: datetime, retired: bool) -> None:
    head: dict[str, Any] = {
        "connector_id": "github", "published_at": at, "published_by": "ana", "draft_id": "draft_abcdef",
        "retired": retired,
    }  # fmt: skip
    whole = PublishedConnector.of(
        PublishedComponent(**head, spec=spec),
        PublishedFirearms(**head, firearms=policy.firearms),
        PublishedKpis(**head, kpis=policy.kpis),
    )
    assert_round_trip(whole)
    assert whole.policy() == policy


SAMPLES: list[Model] = [
    RequestContext(user="ana@example.com"),
    ScopeConfig(),
    EngineRoute(pattern="/chat/*", connectors=("github",)),
    FirearmCatalogue(firearms=(Firearm(id="firearm.a", title="A"),)),
    Problem(code="unknown_firearm", tab="Policy Matrix", cell="C7", row_key=("github", "x"), message="m", hint="h"),
    Loosening(scope="x", why="y"),
    KpiBinding(impact_type="cost", formula="usage.cost", target=1e300),
    Card(id="github", state="draft", version="1.0.0", name="", description="", scopes=(), kpis={}, engine_routes=(),
         validation=None, published_at=NOW),
]  # fmt: skip


@pytest.mark.parametrize("value", SAMPLES, ids=lambda value: type(value).__name__)
def test_plain_values_round_trip_are_frozen_and_closed(value: Model) -> None:
    assert_round_trip(value)
    field = next(iter(type(value).model_fields))
    with pytest.raises(ValidationError):
        setattr(value, field, None)
    with pytest.raises(InvalidContentError, match="surprise"):
        type(value).from_json({**value.to_json(), "surprise": 1})


def test_a_draft_is_frozen_and_closed() -> None:
    draft = WorkbenchDraft(
        id="draft_abcdef", connector_id="a", spec_snapshot=ConnectorSpec(id="a", version="1.0.0"),
        origin=WorkbenchOrigin(), created_by="ana", created_at=NOW,
    )  # fmt: skip
    with pytest.raises(ValidationError):
        draft.status = "published"  # type: ignore[misc]
    with pytest.raises(InvalidContentError):
        WorkbenchDraft.from_json({**draft.to_json(), "color": "red"})
    with pytest.raises(InvalidContentError, match="origin"):
        WorkbenchDraft.from_json({**draft.to_json(), "origin": {"kind": "elsewhere"}})


def test_times_are_utc_with_a_z_and_keep_microseconds() -> None:
    approval = Approval(user="ana", at=NOW, content_hash="x")
    assert approval.to_json()["at"] == "2026-01-07T12:00:00.250000Z"
    with pytest.raises(ValidationError):
        Approval(user="ana", at=datetime(2026, 1, 7), content_hash="x")  # noqa: DTZ001


def test_canonical_json_is_sorted_plain_utf8() -> None:
    assert canonical_json({"b": 1, "a": "ä", "é": [1.5, None]}) == '{"a":"ä","b":1,"é":[1.5,null]}'.encode()
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical_json({"x": bad})


@pytest.mark.parametrize("value", ["a\tb", "a\nb", "a\rb", "a\u2028b", "a\x85b", "\x00"])
def test_a_line_holds_no_tab_or_line_break(value: str) -> None:
    with pytest.raises(ValidationError):
        ConnectorSpec(id="a", version="1.0.0", name=value)
    with pytest.raises(ValidationError):
        KpiBinding(impact_type="cost", formula=value)


@pytest.mark.parametrize("lock", ["yes", "true", "TRUE", 1, 0, 1.0, None, []])
def test_a_lock_is_true_or_false_and_nothing_like_it(lock: Any) -> None:
    given = {"firearms": {"x": {"firearm_id": "firearm.a", "strategy_lock": lock}}}
    with pytest.raises(InvalidContentError, match=r"firearms\.x\.strategy_lock"):
        PolicySnapshot.from_json(given)


@pytest.mark.parametrize("target", [True, False, "5", "", float("nan"), float("inf"), -float("inf"), 10**400, []])
def test_a_target_is_a_finite_number_and_nothing_like_it(target: Any) -> None:
    given = {"kpis": {"k": {"impact_type": "cost", "formula": "1", "target": target}}}
    with pytest.raises(InvalidContentError, match=r"kpis\.k\.target"):
        PolicySnapshot.from_json(given)


@pytest.mark.parametrize("target", [5, 5.0, -0.5, 2**53, None])
def test_a_whole_target_is_the_same_number_as_ever(target: float | None) -> None:
    kpi = KpiBinding.from_json({"impact_type": "cost", "formula": "1", "target": target})
    assert kpi.target == target
    assert target is None or isinstance(kpi.target, float)  # so 5 and 5.0 give the same bytes, and the same hash


def test_a_scope_occurs_once_and_a_tool_belongs_to_one() -> None:
    twice = (Scope(name="x"), Scope(name="x"))
    with pytest.raises(ValidationError, match="occurs twice"):
        ConnectorSpec(id="a", version="1.0.0", scopes=twice)
    with pytest.raises(ValidationError, match="belongs to no scope"):
        ConnectorSpec(id="a", version="1.0.0", tools={"x": {}})


@pytest.mark.parametrize("tenant", ["", "A", "a/b", "-a", "..", "a" * 64])
def test_a_tenant_that_could_lead_elsewhere_is_refused(tenant: str) -> None:
    with pytest.raises(ValidationError):
        RequestContext(tenant=tenant, user="ana")


def test_without_a_user_the_login_name_acts() -> None:
    login = pwd.getpwuid(os.getuid()).pw_name
    assert RequestContext() == RequestContext(tenant="default", user=login)
