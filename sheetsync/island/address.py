"""Ids of the island: `<namespace>`, `<namespace>/<schema>`, `<namespace>/tool/<tool>`, `<selection>`.

An id leads to exactly one thing, or is an error: one that is unknown or ambiguous is never widened.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sheetsync.errors import NotFoundError, UsageError
from sheetsync.island.layout import PROVIDERS, SELECTIONS
from sheetsync.island.reader import IslandReader, OwnerContent

CLOSE = 3


class AmbiguousIdError(UsageError):
    """An id that leads to more than one thing; the hint names them."""

    code = "ambiguous_id"


@dataclass(frozen=True, slots=True)
class Address:
    """What an id leads to. `kind` says which of the other fields are set."""

    kind: Literal["namespace", "schema", "tool", "selection"]
    owner: str
    schema: str = ""
    tool: str = ""

    def __str__(self) -> str:
        if self.kind == "tool":
            return f"{self.owner}/tool/{self.schema}.{self.tool}"
        return f"{self.owner}/{self.schema}" if self.kind == "schema" else self.owner


def resolve_address(reader: IslandReader, text: str) -> Address:
    """The one thing that an id leads to.

    Raises:
        NotFoundError: nothing; the hint names close ids.
        AmbiguousIdError: more than one.
    """
    owner, slash, rest = text.partition("/")
    provider, selection = _look_up(reader, owner)
    if not slash:
        return _resolve_owner(reader, text, provider, selection)
    if provider is None:
        raise NotFoundError(f"the island has no namespace '{owner[:80]}'", hint=_close(owner, _ids(reader, PROVIDERS)))
    if rest.startswith("tool/"):
        return _resolve_tool(provider, rest.removeprefix("tool/"))
    if rest in provider.schemas:
        return Address("schema", owner, rest)
    raise NotFoundError(f"'{owner}' has no schema '{rest[:80]}'", hint=_close(rest, provider.schemas))


def _look_up(reader: IslandReader, owner: str) -> tuple[OwnerContent | None, OwnerContent | None]:
    known = owner in _ids(reader, PROVIDERS), owner in _ids(reader, SELECTIONS)
    return reader.provider(owner) if known[0] else None, reader.selection(owner) if known[1] else None


def _ids(reader: IslandReader, kind: str) -> list[str]:
    records = reader.store.records(reader.tenant, (kind,))
    return sorted({record.folder[1] for record in records if record.name == "manifest"})


def _resolve_owner(
    reader: IslandReader, text: str, provider: OwnerContent | None, selection: OwnerContent | None
) -> Address:
    if provider is not None and selection is not None:
        raise AmbiguousIdError(f"'{text}' is both a namespace and a selection", hint="rename the selection")
    if provider is not None:
        return Address("namespace", text)
    if selection is not None:
        return Address("selection", text)
    known = [*_ids(reader, PROVIDERS), *_ids(reader, SELECTIONS)]
    raise NotFoundError(f"the island has no namespace or selection '{text[:80]}'", hint=_close(text, known))


def find_tools(provider: OwnerContent, name: str) -> list[tuple[str, str]]:
    """(schema, tool) pairs that a tool's id may mean: the tool's name, or its scope `<schema>.<tool>`."""
    pairs = [(schema, tool) for schema, content in provider.schemas.items() for tool in content.tools]
    scoped = [pair for pair in pairs if f"{pair[0]}.{pair[1]}" == name]
    return scoped or [pair for pair in pairs if pair[1] == name]


def _resolve_tool(provider: OwnerContent, name: str) -> Address:
    found = find_tools(provider, name)
    if len(found) == 1:
        return Address("tool", provider.owner, *found[0])
    if found:
        ids = " or ".join(f"{provider.owner}/tool/{schema}.{tool}" for schema, tool in found)
        raise AmbiguousIdError(
            f"{len(found)} schemas of '{provider.owner}' have a tool '{name[:80]}'", hint=f"say {ids}"
        )
    tools = {tool for content in provider.schemas.values() for tool in content.tools}
    raise NotFoundError(f"'{provider.owner}' has no tool '{name[:80]}'", hint=_close(name, tools))


def _close(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=CLOSE, cutoff=0.6)
    return f"did you mean {' or '.join(found)}?" if found else "'sheetsync import' brings providers and selections in"
