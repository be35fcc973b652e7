"""The draft form: from a draft to fields, and from fields back to a spec and a policy, with every mistake at its field.

Pure. A form with mistakes keeps what was typed, so that nothing has to be typed twice. Saving is `desk`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from sheetsync.domain.connector import ConnectorSpec, Scope, check_line
from sheetsync.domain.draft import WorkbenchDraft
from sheetsync.domain.firearms import NO_FIREARM, FirearmBinding, FirearmCatalogue, closest
from sheetsync.domain.identifiers import check_kpi_name, check_scope, check_version
from sheetsync.domain.kpi import IMPACT_TYPES, KpiBinding, formula_error
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.web.visit import Fields

ROWS_MOST: Final = 10_000
BLANK_ROWS: Final = 1  # rows offered for additions without script; a button of the form gives more
MORE_ROWS: Final = 3
TEXT_MOST: Final = 20_000


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """One scope as typed. `is_new` rows have a name to type; others keep theirs."""

    name: str = ""
    title: str = ""
    description: str = ""
    firearm: str = ""  # "" undecided, "NONE", or an id
    locked: bool = False
    dropped: bool = False
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class KpiRow:
    """One KPI as typed."""

    name: str = ""
    impact: str = ""
    formula: str = ""
    target: str = ""
    unit: str = ""
    dropped: bool = False
    is_new: bool = False

    @property
    def is_blank(self) -> bool:
        """A row for additions that nobody used."""
        return self.is_new and not any(
            (self.name.strip(), self.formula.strip(), self.target.strip(), self.unit.strip())
        )


@dataclass(frozen=True, slots=True)
class DraftForm:
    """Everything on the form, as typed."""

    version: str
    name: str
    description: str
    engine_routes: str
    scopes: tuple[ScopeRow, ...]
    kpis: tuple[KpiRow, ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a form says. `spec` and `policy` are there only if there are no mistakes; `errors`: field name → what."""

    spec: ConnectorSpec | None
    policy: PolicySnapshot | None
    errors: dict[str, str] = field(default_factory=dict)


def form_of(draft: WorkbenchDraft, *, blanks: int = BLANK_ROWS) -> DraftForm:
    """The form that shows this draft, with blank rows for additions."""
    spec, policy = draft.spec_snapshot, draft.policy_snapshot
    scopes = [_scope_row(scope, policy.firearms.get(scope.name)) for scope in spec.scopes]
    kpis = [_kpi_row(name, kpi) for name, kpi in sorted(policy.kpis.items())]
    return DraftForm(
        version=spec.version,
        name=spec.name,
        description=spec.description,
        engine_routes="\n".join(spec.engine_routes),
        scopes=(*scopes, *(ScopeRow(is_new=True) for _ in range(blanks))),
        kpis=(*kpis, *(KpiRow(is_new=True) for _ in range(blanks))),
    )


def _scope_row(scope: Scope, binding: FirearmBinding | None) -> ScopeRow:
    return ScopeRow(
        name=scope.name,
        title=scope.title,
        description=scope.description,
        firearm="" if binding is None else binding.shown(),
        locked=binding is not None and binding.strategy_lock,
    )


def _kpi_row(name: str, kpi: KpiBinding) -> KpiRow:
    return KpiRow(name, kpi.impact_type, kpi.formula, _shown_target(kpi.target), kpi.unit or "")


def _shown_target(target: float | None) -> str:
    """The shortest text that reads back as exactly this number."""
    return "" if target is None else repr(target).removesuffix(".0")


def read_form(fields: Fields) -> DraftForm:
    """The form as it was sent."""
    return DraftForm(
        version=fields.one("version").strip(),
        name=fields.one("name").strip(),
        description=fields.one("description"),
        engine_routes=fields.one("engine_routes"),
        scopes=tuple(_read_scope(fields, f"scope.{index}.") for index in _rows(fields, "scope")),
        kpis=tuple(_read_kpi(fields, f"kpi.{index}.") for index in _rows(fields, "kpi")),
    )


def with_blanks(form: DraftForm, kind: str) -> DraftForm:
    """The form with more blank rows for scopes or KPIs."""
    if kind == "kpi":
        more = (*form.kpis, *(KpiRow(is_new=True) for _ in range(MORE_ROWS)))
        return DraftForm(form.version, form.name, form.description, form.engine_routes, form.scopes, more)
    rows = (*form.scopes, *(ScopeRow(is_new=True) for _ in range(MORE_ROWS)))
    return DraftForm(form.version, form.name, form.description, form.engine_routes, rows, form.kpis)


def _rows(fields: Fields, kind: str) -> range:
    count = fields.one(f"{kind}_count")
    return range(min(int(count), ROWS_MOST) if count.isascii() and count.isdigit() else 0)


def _read_scope(fields: Fields, at: str) -> ScopeRow:
    return ScopeRow(
        name=fields.one(at + "name").strip(),
        title=fields.one(at + "title").strip(),
        description=fields.one(at + "description"),
        firearm=fields.one(at + "firearm").strip(),
        locked=at + "lock" in fields,
        dropped=at + "drop" in fields,
        is_new=at + "new" in fields,
    )


def _read_kpi(fields: Fields, at: str) -> KpiRow:
    return KpiRow(
        name=fields.one(at + "name").strip(),
        impact=fields.one(at + "impact").strip(),
        formula=fields.one(at + "formula").strip(),
        target=fields.one(at + "target").strip(),
        unit=fields.one(at + "unit").strip(),
        dropped=at + "drop" in fields,
        is_new=at + "new" in fields,
    )


def parse_form(form: DraftForm, draft: WorkbenchDraft, firearms: FirearmCatalogue) -> Parsed:
    """The spec and policy that the form says, or its mistakes."""
    errors: dict[str, str] = {}
    _try(errors, "version", check_version, form.version)
    _try(errors, "name", check_line, form.name)
    if len(form.description) > TEXT_MOST:
        errors["description"] = f"longer than {TEXT_MOST:,} characters"
    routes = tuple(line.strip() for line in form.engine_routes.splitlines() if line.strip())
    for route in routes:
        _try(errors, "engine_routes", check_line, route)
    scopes, bindings = _parse_scopes(form, draft, firearms, errors)
    kpis = _parse_kpis(form, draft, errors)
    if errors:
        return Parsed(None, None, errors)
    names = {scope.name for scope in scopes}
    tools = {name: tool for name, tool in draft.spec_snapshot.tools.items() if name in names}
    try:
        spec = ConnectorSpec(
            id=draft.connector_id, version=form.version, name=form.name, description=form.description,
            scopes=tuple(scopes), engine_routes=routes, tools=tools,
        )  # fmt: skip
        return Parsed(spec, PolicySnapshot(firearms=bindings, kpis=kpis))
    except ValidationError as exc:
        return Parsed(None, None, {"form": exc.errors()[0]["msg"]})


def _parse_scopes(
    form: DraftForm, draft: WorkbenchDraft, firearms: FirearmCatalogue, errors: dict[str, str]
) -> tuple[list[Scope], dict[str, FirearmBinding]]:
    known = draft.policy_snapshot.firearms
    scopes: list[Scope] = []
    bindings: dict[str, FirearmBinding] = {}
    seen: set[str] = set()
    for index, row in enumerate(form.scopes):
        at = f"scope.{index}."
        if row.dropped or (row.is_new and not row.name):
            continue
        _try(errors, at + "name", check_scope, row.name)
        if row.name in seen:
            errors[at + "name"] = f"scope {row.name} is there already"
        seen.add(row.name)
        if len(row.title) > TEXT_MOST or len(row.description) > TEXT_MOST:
            errors[at + "title"] = f"longer than {TEXT_MOST:,} characters"
        binding = _parse_binding(row, at, known.get(row.name), firearms, errors)
        if binding is not None:
            bindings[row.name] = binding
        if at + "name" not in errors:
            scopes.append(Scope(name=row.name, title=row.title, description=row.description))
    return scopes, bindings


def _parse_binding(
    row: ScopeRow, at: str, old: FirearmBinding | None, firearms: FirearmCatalogue, errors: dict[str, str]
) -> FirearmBinding | None:
    if not row.firearm:
        if row.locked:
            errors[at + "lock"] = "a lock needs a firearm to lock: choose one, or take the lock off"
        return None
    if row.firearm.upper() == NO_FIREARM:
        if row.locked:
            errors[at + "lock"] = "a lock with NONE locks nothing: choose a firearm, or take the lock off"
            return None
        return FirearmBinding(firearm_id=None)
    # A firearm that left the catalogue stays in a draft that has it: verify reports it, this form does not lose it.
    if row.firearm not in firearms and (old is None or old.firearm_id != row.firearm):
        close = closest(row.firearm, firearms.ids())
        errors[at + "firearm"] = f"unknown firearm {row.firearm!r}" + (f" (did you mean {close}?)" if close else "")
        return None
    try:
        return FirearmBinding(firearm_id=row.firearm, strategy_lock=row.locked)
    except ValidationError as exc:
        errors[at + "firearm"] = exc.errors()[0]["msg"]
        return None


def _parse_kpis(form: DraftForm, draft: WorkbenchDraft, errors: dict[str, str]) -> dict[str, KpiBinding]:
    found: dict[str, KpiBinding] = {}
    for index, row in enumerate(form.kpis):
        at = f"kpi.{index}."
        if row.dropped or row.is_blank:
            continue
        old = draft.policy_snapshot.kpis.get(row.name)
        mistakes = _kpi_mistakes(row, at, old, taken=row.name in found)
        if mistakes:
            errors.update(mistakes)
            continue
        target = float(row.target) if row.target else None
        found[row.name] = KpiBinding.model_validate(
            {"impact_type": row.impact, "formula": row.formula, "target": target, "unit": row.unit or None}
        )
    return found


def _kpi_mistakes(row: KpiRow, at: str, old: KpiBinding | None, *, taken: bool) -> dict[str, str]:
    errors: dict[str, str] = {}
    _try(errors, at + "name", check_kpi_name, row.name)
    if taken:
        errors[at + "name"] = f"KPI {row.name} is there already"
    if row.impact not in IMPACT_TYPES:
        errors[at + "impact"] = f"choose one of {', '.join(IMPACT_TYPES)}"
    _try(errors, at + "formula", check_line, row.formula)
    # As with firearms: a formula that was wrong already is verify's to report; a newly typed one is refused here.
    if old is None or old.formula != row.formula:
        problem = formula_error(row.formula)
        if problem:
            errors[at + "formula"] = problem
    _try(errors, at + "unit", check_line, row.unit)
    if row.target and _number(row.target) is None:
        errors[at + "target"] = f"{row.target[:40]!r} is not a number"
    return errors


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _try(errors: dict[str, str], name: str, check: Callable[[str], object], value: str) -> None:
    try:
        check(value)
    except ValueError as exc:
        errors[name] = str(exc)
