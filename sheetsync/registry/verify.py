"""The sandbox: what can be known of a draft without running its connector, and the gate table owners can read.

It is pure: where its result is saved, and that it is bound to the content, is the caller's part (`services.publishing`,
`publish`). What a gate cell means is in `domain.gate`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sheetsync.domain.clock import Clock
from sheetsync.domain.draft import Check, Validation, WorkbenchDraft
from sheetsync.domain.firearms import FirearmCatalogue, closest
from sheetsync.domain.gate import gate_table
from sheetsync.domain.kpi import SAMPLE_USAGE, evaluate_formula
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.registry.input_schema import input_schema_of, schema_error

SPEC, SCHEMA, FIREARM, KPI = "spec_wellformed", "input_schema", "firearm_known", "kpi_formula"
UNDECIDED = "undecided_scope"  # a warning: it never fails
RETIRE = "retire"


def run_sandbox(draft: WorkbenchDraft, catalogue: FirearmCatalogue, *, clock: Clock, user: str) -> Validation:
    """Check a draft. The result is bound to the hash of its spec and policy.

    A draft that retires its connector has nothing to check: after it, no scope may fire.
    """
    policy = PolicySnapshot() if draft.retires else draft.policy_snapshot
    checks: tuple[Check, ...]
    if draft.retires:
        checks = (Check(code=RETIRE, ok=True, message="publishing this draft retires the connector"),)
    else:
        checks = tuple(_all_checks(draft, catalogue))
    return Validation(
        ok=all(check.ok for check in checks),
        content_hash=draft.content_hash(),
        checks=checks,
        gate=gate_table(draft.spec_snapshot.scope_names(), policy),
        verified_at=clock.now(),
        verified_by=user,
    )


def same_result(old: Validation | None, new: Validation) -> bool:
    """Did a validation say the same of the same content? Then saving it again tells nothing new."""
    return old is not None and (old.ok, old.content_hash, old.checks, old.gate) == (
        new.ok, new.content_hash, new.checks, new.gate,
    )  # fmt: skip


def failures(validation: Validation) -> str:
    """The failed checks on one line, for errors."""
    return "; ".join(check.message for check in validation.checks if not check.ok)


def _all_checks(draft: WorkbenchDraft, catalogue: FirearmCatalogue) -> Iterator[Check]:
    yield from _or_good(SPEC, _spec_faults(draft), "the spec is well-formed")
    yield from _or_good(SCHEMA, _schema_faults(draft), "every tool's input schema is a valid JSON Schema")
    yield from _or_good(FIREARM, _firearm_faults(draft, catalogue), "every firearm is in the catalogue")
    yield from _or_good(KPI, _kpi_faults(draft), "every KPI formula has a value on sample usage")
    firearms = draft.policy_snapshot.firearms
    for scope in draft.spec_snapshot.scope_names():
        if scope not in firearms:
            yield Check(code=UNDECIDED, ok=True, message=f"warning: scope {scope} is undecided, so that it never fires")


def _or_good(code: str, faults: Iterator[str], good: str) -> Iterator[Check]:
    """One failed check a fault, or one good check."""
    found = [Check(code=code, ok=False, message=fault) for fault in faults]
    yield from found or [Check(code=code, ok=True, message=good)]


def _spec_faults(draft: WorkbenchDraft) -> Iterator[str]:
    """What the model itself does not refuse: spec and policy must fit the connector and each other."""
    spec = draft.spec_snapshot
    if spec.id != draft.connector_id:
        yield f"the spec is of {spec.id}, the draft of {draft.connector_id}"
    for scope in sorted(set(draft.policy_snapshot.firearms) - set(spec.scope_names())):
        yield f"the policy binds scope {scope}, which the spec does not have"


def _schema_faults(draft: WorkbenchDraft) -> Iterator[str]:
    for scope, tool in draft.spec_snapshot.tools.items():
        try:
            schema = input_schema_of(tool)
        except ValueError as exc:
            yield f"scope {scope}: {exc}"
            continue
        error = schema_error(schema)
        if error:
            yield f"scope {scope}: its input schema is not a valid JSON Schema: {error}"


def _firearm_faults(draft: WorkbenchDraft, catalogue: FirearmCatalogue) -> Iterator[str]:
    known = frozenset(catalogue.ids())
    for scope, binding in sorted(draft.policy_snapshot.firearms.items()):
        if binding.firearm_id is not None and binding.firearm_id not in known:
            close = closest(binding.firearm_id, known)
            guess = f" (did you mean {close!r}?)" if close else ""
            yield f"scope {scope}: unknown firearm {binding.firearm_id!r}{guess}"


def _kpi_faults(draft: WorkbenchDraft) -> Iterator[str]:
    for name, binding in sorted(draft.policy_snapshot.kpis.items()):
        try:
            evaluate_formula(binding.formula, dict(SAMPLE_USAGE))
        except ValueError as exc:
            yield f"KPI {name}: {exc}"
