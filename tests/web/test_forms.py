"""The draft form: what is shown can be read back, whatever the draft holds."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.connector import ConnectorSpec, Scope
from sheetsync.domain.draft import WorkbenchDraft, WorkbenchOrigin
from sheetsync.domain.firearms import Firearm, FirearmBinding, FirearmCatalogue
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.web.forms import DraftForm, form_of, parse_form, read_form
from sheetsync.web.visit import Fields

CATALOGUE = FirearmCatalogue(firearms=(Firearm(id="firearm.x"),))
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20).map(str.strip)
BINDINGS = st.sampled_from(
    (None, FirearmBinding(firearm_id=None), FirearmBinding(firearm_id="firearm.x", strategy_lock=True),
     FirearmBinding(firearm_id="firearm.gone"))
)  # fmt: skip


@st.composite
def drafts(draw: st.DrawFn) -> WorkbenchDraft:
    names = draw(st.lists(st.sampled_from(("core.read", "a/b", "x:{id}")), unique=True))
    scopes = tuple(Scope(name=name, title=draw(TEXT), description=draw(TEXT)) for name in names)
    bindings = {name: draw(BINDINGS) for name in names}
    kpi = st.builds(
        KpiBinding, impact_type=st.sampled_from(("cost", "quality")), formula=st.sampled_from(("usage.cost", "wrong(")),
        target=st.none() | st.floats(allow_nan=False, allow_infinity=False), unit=st.none() | TEXT.filter(bool),
    )  # fmt: skip
    spec = ConnectorSpec(id="x", version="1.2.3-rc.1", name=draw(TEXT), description=draw(TEXT), scopes=scopes,
                         tools={name: {"n": 1} for name in names[:1]})  # fmt: skip
    policy = PolicySnapshot(
        firearms={name: one for name, one in bindings.items() if one is not None},
        kpis=draw(st.dictionaries(st.sampled_from(("k", "spend")), kpi)),
    )
    return WorkbenchDraft(
        id="draft_0123456789ab", connector_id="x", spec_snapshot=spec, policy_snapshot=policy, origin=WorkbenchOrigin(),
        created_by="ana", created_at=datetime(2026, 1, 7, tzinfo=UTC),
    )  # fmt: skip


def sent(form: DraftForm) -> Fields:
    """The form as a browser sends it."""
    pairs = [
        ("version", form.version),
        ("name", form.name),
        ("description", form.description.replace("\n", "\r\n")),
        ("engine_routes", form.engine_routes),
        ("scope_count", str(len(form.scopes))),
        ("kpi_count", str(len(form.kpis))),
    ]
    for index, row in enumerate(form.scopes):
        at = f"scope.{index}."
        pairs += [
            (at + "name", row.name),
            (at + "title", row.title),
            (at + "description", row.description),
            (at + "firearm", row.firearm),
        ]
        pairs += (
            [(at + "lock", "on")] * row.locked + [(at + "drop", "on")] * row.dropped + [(at + "new", "1")] * row.is_new
        )
    for index, kpi in enumerate(form.kpis):
        at = f"kpi.{index}."
        pairs += [
            (at + "name", kpi.name),
            (at + "impact", kpi.impact),
            (at + "formula", kpi.formula),
            (at + "target", kpi.target),
            (at + "unit", kpi.unit),
        ]
        pairs += [(at + "drop", "on")] * kpi.dropped + [(at + "new", "1")] * kpi.is_new
    return Fields.parse(urlencode(pairs))


@given(drafts())
def test_a_form_sent_back_unchanged_says_what_the_draft_said(draft: WorkbenchDraft) -> None:
    """Also where the draft holds what could not be typed now: a firearm that left the catalogue, a wrong formula."""
    form = form_of(draft)
    assert read_form(sent(form)) == form
    parsed = parse_form(form, draft, CATALOGUE)
    assert parsed.errors == {}
    assert parsed.spec == draft.spec_snapshot
    assert parsed.policy == draft.policy_snapshot


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    form = read_form(Fields.parse(text.encode("utf-8", "replace").decode()))
    assert len(form.scopes) <= 10_000
