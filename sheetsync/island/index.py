"""`index.json`: the derived roll-up of a namespace or selection, built from the store alone, the same bytes each time.

Its form is the public FlowMCP grading schema 2.0.1. It carries all hash bindings, so that sources need none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import format_utc
from sheetsync.island.address import Address
from sheetsync.island.grading import Grades, hashes_of, read_grades
from sheetsync.island.layout import PROVIDERS, SELECTIONS
from sheetsync.island.lock import lock_content, read_lock
from sheetsync.island.reader import IslandReader, OwnerContent, PartContent, tool_hash
from sheetsync.island.selection import Member, resolve_members
from sheetsync.island.status import (
    Evidence,
    NodeState,
    count_by_status,
    gather_evidence,
    roll_up,
    tool_state,
    with_grades,
    worst,
)
from sheetsync.registry.catalogue import Catalogue

INDEX_VERSION: Final = 2
ABOUT: Final = "about"


@dataclass(frozen=True)
class ProviderNodes:
    """The states of a provider's nodes."""

    tools: Mapping[tuple[str, str], NodeState]
    hashes: Mapping[tuple[str, str], str]  # of each tool's own content
    schemas: Mapping[str, NodeState]
    aggregate: NodeState
    vetoed: bool
    newest_at: datetime | None


class IndexBuilder:
    """Builds the index of any provider or selection; each provider's nodes are worked out once."""

    def __init__(self, reader: IslandReader, catalogue: Catalogue) -> None:
        self._reader = reader
        self._catalogue = catalogue
        self._nodes: dict[str, ProviderNodes] = {}

    # -- states

    def nodes(self, content: OwnerContent) -> ProviderNodes:
        """The states of a provider's tools, schemas and of the whole."""
        if content.owner not in self._nodes:
            self._nodes[content.owner] = self._work_out(content)
        return self._nodes[content.owner]

    def _work_out(self, content: OwnerContent) -> ProviderNodes:
        evidence = gather_evidence(self._catalogue, content.owner)
        grades = read_grades(self._reader.store, self._reader.tenant, PROVIDERS, content.owner)
        everything = hashes_of(Address("namespace", content.owner), content)
        approved = grades.approved(everything) is not None
        tools: dict[tuple[str, str], NodeState] = {}
        hashes: dict[tuple[str, str], str] = {}
        schemas: dict[str, NodeState] = {}
        for name, schema in content.schemas.items():
            vetoed = grades.vetoed([schema.hash]) is not None
            fine = approved or grades.approved([schema.hash]) is not None
            for tool, value in schema.tools.items():
                own = [tool_hash(value)]
                hashes[name, tool] = own[0]
                tools[name, tool] = with_grades(
                    tool_state(f"{name}.{tool}", value, evidence),
                    vetoed=vetoed or grades.vetoed(own) is not None,
                    approved=fine or grades.approved(own) is not None,
                )
            below = [state for (schema_name, _), state in tools.items() if schema_name == name]
            schemas[name] = with_grades(_schema_state(below, evidence), vetoed=vetoed, approved=False)
        vetoed = grades.vetoed_whole(content.owner, everything)
        aggregate = with_grades(worst(list(schemas.values())), vetoed=vetoed, approved=False)
        newest = _newest(content.newest_at, evidence.newest_at(), grades.saved_at())
        return ProviderNodes(tools, hashes, schemas, aggregate, vetoed, newest)

    def member_state(self, member: Member) -> NodeState:
        """A member's state: that of the node it leads to."""
        provider = self._reader.provider(member.namespace) if member.resolved else None
        if provider is None:
            return NodeState("blocked", reason=member.reason)
        nodes = self.nodes(provider)
        if member.tool:
            return nodes.tools[member.schema, member.tool]
        return nodes.schemas[member.schema] if member.schema else nodes.aggregate

    # -- indexes

    def namespace_index(self, content: OwnerContent) -> dict[str, JSONValue]:
        """The index of a provider."""
        nodes = self.nodes(content)
        states = list(nodes.schemas.values())
        index: dict[str, JSONValue] = {
            "indexVersion": INDEX_VERSION,
            "namespace": content.owner,
            "updatedAt": _time(nodes.newest_at),
            "status": roll_up(nodes.tools.values() if nodes.tools else states, vetoed=nodes.vetoed),
            "summary": self._summary(content, nodes),
            "schemas": {name: self._schema_json(content, name, nodes) for name in sorted(content.schemas)},
            "namespaceAggregate": nodes.aggregate.to_json(),
            "skills": _skills(content),
            "blockers": list(_blockers(nodes)),
        }
        return _finish(index, nodes.aggregate.grade, content)

    def _summary(self, content: OwnerContent, nodes: ProviderNodes) -> dict[str, JSONValue]:
        return {
            "schemas": len(content.schemas),
            "tools": len(nodes.tools),
            "toolsByStatus": count_by_status(nodes.tools.values()),
            "skills": len(_skills(content)),
        }

    def _schema_json(self, content: OwnerContent, name: str, nodes: ProviderNodes) -> dict[str, JSONValue]:
        schema = content.schemas[name]
        tools = {
            tool: {**nodes.tools[name, tool].to_json(), "boundTo": nodes.hashes[name, tool]} for tool in schema.tools
        }
        return {
            **nodes.schemas[name].to_json(),
            "snapshot": {"file": schema.filename, "hash": schema.hash},
            "boundTo": schema.hash,
            "tools": tools,
        }

    def selection_state(self, content: OwnerContent) -> NodeState:
        """The state of a selection as a whole: from its members, and what people said of it."""
        members = resolve_members(self._reader, content.selection_value)
        return self._selection_nodes(content, members)[1]

    def _selection_nodes(
        self, content: OwnerContent, members: tuple[Member, ...]
    ) -> tuple[dict[str, NodeState], NodeState, Grades]:
        states = {member.id: self.member_state(member) for member in members}
        grades = read_grades(self._reader.store, self._reader.tenant, SELECTIONS, content.owner)
        bound = hashes_of(Address("selection", content.owner), content)
        vetoed, approved = grades.vetoed(bound) is not None, grades.approved(bound) is not None
        return states, with_grades(worst(list(states.values())), vetoed=vetoed, approved=approved), grades

    def selection_index(self, content: OwnerContent) -> dict[str, JSONValue]:
        """The index of a selection: its members as they resolve now, and its lock as it was written."""
        store, tenant = self._reader.store, self._reader.tenant
        members = resolve_members(self._reader, content.selection_value)
        states, aggregate, grades = self._selection_nodes(content, members)
        lock = read_lock(store, tenant, content.owner)
        times = [content.newest_at, lock.saved_at if lock is not None else None, grades.saved_at()]
        times += [self._newest_of(member) for member in members if member.resolved]
        index: dict[str, JSONValue] = {
            "indexVersion": INDEX_VERSION,
            "selectionId": content.owner,
            "updatedAt": _time(_newest(*times)),
            "status": roll_up(states.values(), vetoed=aggregate.status == "rejected"),
            "summary": {"members": len(members), "membersByStatus": count_by_status(states.values())},
            "members": {member.id: {**states[member.id].to_json(), **_resolution(member)} for member in members},
            "selectionAggregate": aggregate.to_json(),
            "skills": _skills(content),
            "blockers": [
                {"node": f"members.{member.id}", "reason": states[member.id].reason}
                for member in members
                if states[member.id].status == "blocked"
            ],
        }
        if lock is not None:
            index["lockSnapshot"] = lock_content(lock)
        return _finish(index, aggregate.grade, content)

    def _newest_of(self, member: Member) -> datetime | None:
        provider = self._reader.provider(member.namespace)
        return self.nodes(provider).newest_at if provider is not None else None


def _schema_state(tools: list[NodeState], evidence: Evidence) -> NodeState:
    """A schema without tools has nothing to verify but the draft it is in."""
    if tools:
        return worst(tools)
    return NodeState("pending" if evidence.drafts else "blocked", reason="" if evidence.drafts else "no-draft")


def _finish(index: dict[str, JSONValue], grade: str, content: OwnerContent) -> dict[str, JSONValue]:
    if grade:
        index["grade"] = grade
    about = next((part for part in content.parts if part.folder[-2:] == ("resources", ABOUT)), None)
    if about is not None:
        index[ABOUT] = _part_node(about)
    return index


def _part_node(part: PartContent) -> dict[str, JSONValue]:
    """A skill or document: the sandbox does not look at it, so it is pending."""
    ref = "/".join([*part.folder, part.filename])
    return {
        "status": "pending",
        "ref": ref,
        "boundTo": part.hash,
        "snapshot": {"file": part.filename, "hash": part.hash},
    }


def _skills(content: OwnerContent) -> dict[str, JSONValue]:
    """`<schema>.<skill>` → node; a skill that no schema names goes by its provider's (or selection's) own name."""
    found = {}
    for part in content.parts:
        if part.kind == "skill":
            owner = part.folder[0] if len(part.folder) > len(("skills", "skill")) else content.owner
            found[f"{owner}.{part.name}"] = _part_node(part)
    return dict(sorted(found.items()))


def _blockers(nodes: ProviderNodes) -> Iterable[dict[str, JSONValue]]:
    for (schema, tool), state in sorted(nodes.tools.items()):
        if state.status == "blocked":
            yield {"node": f"schemas.{schema}.tools.{tool}", "reason": state.reason}


def _resolution(member: Member) -> dict[str, JSONValue]:
    if not member.resolved:
        return {}
    pairs = {"namespace": member.namespace, "schema": member.schema, "tool": member.tool}
    resolved = {key: value for key, value in pairs.items() if value}
    return {"resolved": resolved, "snapshot": {"file": member.filename, "hash": member.hash}, "boundTo": member.hash}


def _newest(*times: datetime | None) -> datetime | None:
    return max((at for at in times if at is not None), default=None)


def _time(at: datetime | None) -> str:
    return format_utc(at) if at is not None else ""


def index_bytes(index: Mapping[str, JSONValue]) -> bytes:
    """The one byte form of an index: sorted keys, two spaces, a line feed at the end."""
    return orjson.dumps(index, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
