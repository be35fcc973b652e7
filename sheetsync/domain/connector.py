"""What a connector is: its spec with scopes, engine routes and tools, and the engine routes it may wrap."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.identifiers import ConnectorId, ScopeName, Version
from sheetsync.domain.model import Model

CONTROL: Final = frozenset(chr(code) for code in (*range(0x20), 0x7F, 0x85, 0x2028, 0x2029))


def check_line(value: str) -> str:
    """Text for one cell or one TSV field: no tab, no line break, no control character."""
    bad = next((char for char in value if char in CONTROL), None)
    if bad is not None:
        raise ValueError(f"holds a tab, line break or control character (U+{ord(bad):04X})")
    return value


Line = Annotated[str, AfterValidator(check_line)]
EMPTY_TITLE: Final = ""


class Scope(Model):
    """One thing an agent may do through the connector."""

    name: ScopeName
    title: str = EMPTY_TITLE
    description: str = ""


class ConnectorSpec(Model):
    """What the connector is: the MCP contract. `tools`: scope → the tool as imported, unchanged."""

    id: ConnectorId
    version: Version
    name: Line = ""
    description: str = ""
    scopes: tuple[Scope, ...] = ()
    engine_routes: tuple[Line, ...] = ()
    tools: dict[str, JSONValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _scopes_once(self) -> Self:
        names = [scope.name for scope in self.scopes]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise ValueError(f"scope {twice[0]!r} occurs twice")
        stray = sorted(set(self.tools) - set(names))
        if stray:
            raise ValueError(f"tool {stray[0]!r} belongs to no scope")
        return self

    def scope_names(self) -> tuple[str, ...]:
        """The scopes' names, in the spec's order."""
        return tuple(scope.name for scope in self.scopes)


class EngineRoute(Model):
    """A route of the engine, from `config/engine_routes.toml`.

    `connectors` names the wrappers; where it is None, the specs' own `engine_routes` decide.
    """

    pattern: Line
    connectors: tuple[ConnectorId, ...] | None = None
