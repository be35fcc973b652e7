"""All live connectors as plain values, from a derived file: specs with their tools are large, and are read once.

What the values are is in `live`; the checked ones come from `catalogue`.
"""

from __future__ import annotations

from typing import Any, Final

from sheetsync.registry.derived import WORTH_KEEPING, read_rows, write_rows
from sheetsync.registry.draft_lines import StateReader, content, reading
from sheetsync.registry.live import LiveConnector, live_from_json
from sheetsync.registry.records import REGISTRIES, registry_record
from sheetsync.store import Store

LIVE_FILE: Final = ("catalogue", "live.json")


def read_live(store: Store, state: StateReader) -> dict[str, LiveConnector]:
    """All published connectors by id, in code-point order, tombstones too."""
    tenant = store.tenant
    names = [{record.name: filename for record, filename in state.newest(tenant, kind)} for kind in REGISTRIES]
    components, firearms, kpis = names
    known = read_rows(store, LIVE_FILE)
    found: dict[str, LiveConnector] = {}
    fresh = 0
    for name in sorted(name for name in components if name in firearms and name in kpis):
        stands = [components[name], firearms[name], kpis[name]]
        row = known.get(name)
        if row is not None and row[0] == stands:
            found[name] = _from_row(name, row)
            continue
        records = [registry_record(tenant, kind, name) for kind in REGISTRIES]
        snapshots = [state.latest(record) for record in records]
        with reading(*records):
            found[name] = live_from_json(*(content(one) for one in snapshots if one is not None))
        known[name] = _to_row(stands, found[name])
        fresh += 1
    if fresh >= WORTH_KEEPING and state is store:  # the past is not kept: it would push out the present
        write_rows(store, LIVE_FILE, {name: known[name] for name in found})
    return found


def _to_row(stands: list[str], one: LiveConnector) -> list[Any]:
    """Bindings stand in the order of the scopes, so that no scope is written twice; `rest` are those of no scope."""
    bindings = [one.firearms.get(scope) for scope in one.scopes]
    names = set(one.scopes)
    rest = {scope: binding for scope, binding in one.firearms.items() if scope not in names}
    plain = [one.version, one.published_at, one.retired, one.scopes, one.engine_routes]
    return [stands, *plain, bindings, rest, one.kpis]


def _from_row(name: str, row: list[Any]) -> LiveConnector:
    _, version, stamp, retired, scopes, routes, bindings, rest, kpis = row
    firearms = {scope: (one[0], one[1]) for scope, one in zip(scopes, bindings, strict=True) if one is not None}
    if rest:
        firearms |= {scope: (one[0], one[1]) for scope, one in rest.items()}
    return LiveConnector(name, version, stamp, tuple(scopes), tuple(routes), firearms, kpis, retired)
