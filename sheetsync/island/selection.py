"""A selection's members, resolved to what the island holds now. One that is unknown is reported, never guessed.

Members are written as `{"schemaId": "ns.schema"}`, or as ids: `ns`, `ns/schema`, `ns/tool/x`, `ns/skill/x`,
`ns/resource/x`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sheetsync.domain.canonical import JSONValue
from sheetsync.island.address import find_tools
from sheetsync.island.gate import MEMBER_LISTS
from sheetsync.island.reader import IslandReader, OwnerContent

NOT_IMPORTED: Final = "not-imported"
AMBIGUOUS: Final = "ambiguous"
NOT_KEPT: Final = "prompts are not kept in the island"
_PARTS: Final = {"skill": "skill", "resource": "resource"}


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its id as written, and what it is resolved to; `reason` says why it is not."""

    id: str
    namespace: str = ""
    schema: str = ""
    tool: str = ""
    filename: str = ""
    hash: str = ""
    reason: str = ""

    @property
    def resolved(self) -> bool:
        """Does it lead to something that the island holds?"""
        return not self.reason

    def message(self) -> str:
        """What is wrong, in a sentence."""
        what = {NOT_IMPORTED: "is not in the island", AMBIGUOUS: "leads to more than one tool"}
        return f"member '{self.id[:80]}' {what.get(self.reason, self.reason)}"


def resolve_members(reader: IslandReader, selection: JSONValue) -> tuple[Member, ...]:
    """All members of a selection, in its order, each once."""
    ids = dict.fromkeys(member_ids(selection))
    return tuple(_resolve(reader, member) for member in ids)


def member_ids(selection: JSONValue) -> Iterator[str]:
    """The members' ids as written; skills and resources that the selection holds itself are none."""
    for key in MEMBER_LISTS:
        for entry in selection.get(key) or []:
            if isinstance(entry, str):
                yield entry
            elif isinstance(entry, Mapping) and isinstance(entry.get("schemaId"), str):
                yield entry["schemaId"]


def _resolve(reader: IslandReader, member: str) -> Member:
    namespace, kind, name = _split(member)
    provider = reader.provider(namespace) if namespace else None
    if provider is None:
        return Member(member, namespace, reason=NOT_IMPORTED)
    if kind == "namespace":
        manifest = provider.manifest.snapshot if provider.manifest is not None else None
        if manifest is None:
            return Member(member, namespace)
        return Member(member, namespace, filename=manifest.filename, hash=manifest.hash)
    if kind == "tool":
        return _resolve_tool(member, provider, name)
    if kind == "schema" and name in provider.schemas:
        schema = provider.schemas[name]
        return Member(member, namespace, name, filename=schema.filename, hash=schema.hash)
    if kind == "prompt":
        return Member(member, namespace, reason=NOT_KEPT)
    found = [part for part in provider.parts if part.kind == _PARTS.get(kind) and part.folder[-1] == name]
    if len(found) == 1:
        return Member(member, namespace, filename=found[0].filename, hash=found[0].hash)
    return Member(member, namespace, reason=AMBIGUOUS if found else NOT_IMPORTED)


def _resolve_tool(member: str, provider: OwnerContent, name: str) -> Member:
    found = find_tools(provider, name)
    if len(found) != 1:
        return Member(member, provider.owner, reason=AMBIGUOUS if found else NOT_IMPORTED)
    schema, tool = found[0]
    content = provider.schemas[schema]
    return Member(member, provider.owner, schema, tool, content.filename, content.hash)


def _split(member: str) -> tuple[str, str, str]:
    """(namespace, kind, name) of an id; a namespace has no dot, so that the first one ends it."""
    if "/" not in member:
        namespace, dot, name = member.partition(".")
        return namespace, "schema" if dot else "namespace", name
    namespace, _, rest = member.partition("/")
    kind, slash, name = rest.partition("/")
    if slash and kind in ("tool", "skill", "resource", "prompt"):
        return namespace, kind, name
    return namespace, "schema", rest
