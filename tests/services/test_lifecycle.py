"""Random lives of connectors: people make, edit, verify, publish, discard, retire and restore drafts, in any order.

Whatever they do, the registries stay whole, versions rise, and nobody publishes alone what they loosened.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.domain.firearms import Firearm, FirearmBinding, FirearmCatalogue
from sheetsync.domain.identifiers import version_rises
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import NotFoundError, RefusedError, SecondPersonError
from sheetsync.exports.schema import POLICY_MATRIX
from sheetsync.exports.tables import policy_matrix
from sheetsync.exports.tsv import read_tsv, write_tsv
from sheetsync.services.drafts import (
    approve_draft,
    diff_draft,
    discard_draft,
    edit_draft,
    new_draft,
    restore_draft,
    show_draft,
)
from sheetsync.services.publishing import publish_drafts, retire_connector, verify_drafts
from sheetsync.services.workspace import Rules, Workspace
from sheetsync.store import Store

PEOPLE = st.sampled_from(["ana", "ben", "cron"])
CONNECTORS = st.sampled_from(["alpha", "beta"])
SCOPES = ("read", "write")
BINDINGS = st.sampled_from(
    [
        FirearmBinding(firearm_id=None),
        FirearmBinding(firearm_id="firearm.a"),
        FirearmBinding(firearm_id="firearm.a", strategy_lock=True),
        FirearmBinding(firearm_id="firearm.b"),
        FirearmBinding(firearm_id="firearm.unknown"),
    ]
)
KPI = {"impact_type": "count", "formula": "usage.count"}


def opens(old: FirearmBinding | None, new: FirearmBinding | None) -> bool:
    """The rule of design section 4, written once more: may it fire where it could not, or is it another firearm?"""

    def fires(binding: FirearmBinding | None, granted: bool, released: bool) -> bool:
        if binding is None:
            return False
        if binding.firearm_id is not None and not granted:
            return False
        return released or not binding.strategy_lock

    cells = product((False, True), repeat=2)
    changed = old is not None and new is not None and None not in (old.firearm_id, new.firearm_id)
    other = changed and old is not None and new is not None and old.firearm_id != new.firearm_id
    return other or any(fires(new, *cell) and not fires(old, *cell) for cell in cells)


def is_looser(old: PolicySnapshot, new: PolicySnapshot) -> bool:
    if set(old.kpis) - set(new.kpis):
        return True
    return any(opens(old.firearms.get(scope), new.firearms.get(scope)) for scope in SCOPES)


class Lives(RuleBasedStateMachine):
    """The workspace, and who wrote what, kept apart from the product."""

    drafts = Bundle("drafts")

    @initialize()
    def start(self) -> None:
        self.clock = FakeClock()
        store = Store.open("memory://", clock=self.clock)
        firearms = FirearmCatalogue(firearms=(Firearm(id="firearm.a"), Firearm(id="firearm.b")))
        rules = Rules(unattended_users=frozenset({"cron"}))
        self.ws = Workspace(store, RequestContext(user="ana"), firearms, rules=rules, clock=self.clock)
        self.writers: dict[str, set[str]] = {}
        self.versions: dict[str, str] = {}
        for name in ("alpha", "beta"):
            draft_id = self.propose(name, "ana", 0)
            self.decide(draft_id, "ana", "write", FirearmBinding(firearm_id="firearm.a", strategy_lock=True))
            self.publish(draft_id, "ana", check=True)

    @rule(target=drafts, name=CONNECTORS, user=PEOPLE, bump=st.integers(0, 3))
    def propose(self, name: str, user: str, bump: int) -> Any:
        self.clock.advance(1)
        spec = {"version": f"1.{bump}.0", "description": str(bump), "scopes": [{"name": one} for one in SCOPES]}
        draft = new_draft(self.ws.acting(user), name, spec).draft
        self.writers[draft.id] = {user}
        return draft.id

    @rule(target=drafts, name=CONNECTORS, user=PEOPLE, restore=st.booleans())
    def start_from_what_there_is(self, name: str, user: str, restore: bool) -> Any:
        self.clock.advance(1)
        ws = self.ws.acting(user)
        try:
            draft = (restore_draft(ws, name) if restore else new_draft(ws, name)).draft
        except NotFoundError:
            return multiple()
        self.writers[draft.id] = {user}
        return draft.id

    @rule(draft_id=drafts, user=PEOPLE, scope=st.sampled_from(SCOPES), binding=st.none() | BINDINGS)
    def decide(self, draft_id: str, user: str, scope: str, binding: FirearmBinding | None) -> None:
        change: dict[str, Any] = {"undecide": [scope]} if binding is None else {"firearms": {scope: binding}}
        self._edit(draft_id, user, change)

    @rule(draft_id=drafts, user=PEOPLE, drop=st.booleans())
    def change_kpi(self, draft_id: str, user: str, drop: bool) -> None:
        if drop and "calls" not in show_draft(self.ws, draft_id).draft.policy_snapshot.kpis:
            return
        self._edit(draft_id, user, {"kpis": {"calls": None if drop else KPI}})

    def _edit(self, draft_id: str, user: str, change: dict[str, Any]) -> None:
        before = show_draft(self.ws, draft_id).draft
        if before.status != "open" or before.retires:
            return
        after = edit_draft(self.ws.acting(user), draft_id, **change).draft
        if after.content_hash() != before.content_hash():
            self.writers[draft_id].add(user)

    @rule(draft_id=drafts, user=PEOPLE)
    def verify(self, draft_id: str, user: str) -> None:
        if show_draft(self.ws, draft_id).draft.status == "open":
            verify_drafts(self.ws.acting(user), [draft_id])

    @rule(draft_id=drafts, user=st.sampled_from(["ana", "ben"]))
    def approve(self, draft_id: str, user: str) -> None:
        if show_draft(self.ws, draft_id).draft.status == "open":
            approve_draft(self.ws.acting(user), draft_id)

    @rule(draft_id=drafts, user=PEOPLE, check=st.booleans())
    def publish(self, draft_id: str, user: str, check: bool) -> None:
        draft = show_draft(self.ws, draft_id).draft
        if check and draft.status == "open":
            verify_drafts(self.ws, [draft_id])
        was = self.ws.catalogue().published(draft.connector_id)
        told = diff_draft(self.ws, draft_id).loosening if draft.status == "open" else ()
        self.clock.advance(1)
        try:
            report = publish_drafts(self.ws.acting(user), [draft_id])
        except (RefusedError, SecondPersonError):
            return
        if report.already:
            return
        now = self.ws.catalogue().published(draft.connector_id)
        assert now is not None
        if was is None or draft.retires:
            assert told == ()
            return
        looser = is_looser(was.policy(), now.policy())
        assert looser == bool(told)
        assert not looser or (user not in self.writers[draft_id] and user != "cron")
        if looser and "cron" in self.writers[draft_id]:
            assert {one.user for one in draft.approvals} - {user}

    @rule(
        name=CONNECTORS, user=PEOPLE, other=PEOPLE, scope=st.sampled_from(SCOPES), binding=BINDINGS, also=st.booleans()
    )
    def change_what_is_live(
        self, name: str, user: str, other: str, scope: str, binding: FirearmBinding, also: bool
    ) -> None:
        """The common way, in one go; sometimes something else is published in between, so that publish merges."""
        if self.ws.catalogue().published(name) is None:
            return
        draft_id = self.start_from_what_there_is(name, user, restore=False)
        if not isinstance(draft_id, str):
            return
        self.decide(draft_id, user, scope, binding)
        verify_drafts(self.ws, [draft_id])
        if also:
            between = self.start_from_what_there_is(name, "ana", restore=False)
            self.change_kpi(between, "ana", drop=False)
            self.publish(between, "ben", check=True)
        if other != user:
            approve_draft(self.ws.acting("ana"), draft_id)
        self.publish(draft_id, other, check=False)

    @rule(draft_id=consumes(drafts), user=PEOPLE)
    def discard(self, draft_id: str, user: str) -> None:
        if show_draft(self.ws, draft_id).draft.status == "open":
            discard_draft(self.ws.acting(user), draft_id, "no")

    @rule(target=drafts, name=CONNECTORS, user=PEOPLE)
    def retire(self, name: str, user: str) -> Any:
        self.clock.advance(1)
        try:
            draft = retire_connector(self.ws.acting(user), name).draft
        except (NotFoundError, RefusedError):
            return multiple()
        self.writers[draft.id] = {user}
        return draft.id

    @invariant()
    def the_registries_are_whole_and_versions_rise(self) -> None:
        if not hasattr(self, "ws"):
            return
        catalogue = self.ws.catalogue()
        for name, one in catalogue.published_all(retired=True).items():
            stamps = {(r.published_at, r.draft_id, r.retired) for r in (one.component, one.firearms, one.kpis)}
            assert len(stamps) == 1
            draft = catalogue.draft(one.component.draft_id).draft
            assert draft.status == "published"
            assert draft.spec_snapshot == one.spec
            assert one.policy() == (PolicySnapshot() if one.retired else draft.policy_snapshot)
            last = self.versions.get(name, one.spec.version)
            assert last == one.spec.version or version_rises(last, one.spec.version)
            self.versions[name] = one.spec.version

    @invariant()
    def nobody_is_missing_among_the_writers(self) -> None:
        if not hasattr(self, "ws"):
            return
        catalogue = self.ws.catalogue()
        for line in catalogue.lines("open"):
            assert catalogue.writers(catalogue.draft(line.id).draft) == self.writers[line.id]

    @invariant()
    def the_export_reads_back(self) -> None:
        if not hasattr(self, "ws"):
            return
        catalogue = self.ws.catalogue()
        table = policy_matrix(catalogue.live_all())
        assert table == policy_matrix(catalogue.published_all())
        assert read_tsv(POLICY_MATRIX, write_tsv(table)) == table


Lives.TestCase.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLives = Lives.TestCase
