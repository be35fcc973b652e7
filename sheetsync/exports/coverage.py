"""Which connectors wrap an engine route, and how far policies cover it."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from sheetsync.domain.connector import EngineRoute
from sheetsync.registry.live import LiveConnector

WrapperStatus = Literal["DONE", "IN_PROGRESS", "MISSING"]


class RouteCoverage(NamedTuple):
    """One route's wrapper status and coverage; `percent` is whole, floored, so that 100 means all."""

    pattern: str
    status: WrapperStatus
    percent: int


def wraps(route: EngineRoute, connector: LiveConnector) -> bool:
    """Does the connector wrap the route: named by it, or, where it names none, by one of its own engine routes?"""
    if route.connectors is not None:
        return connector.connector_id in route.connectors
    return any(fnmatchcase(own, route.pattern) for own in connector.engine_routes)


def cover(
    routes: Iterable[EngineRoute], published: Iterable[LiveConnector], drafts: Iterable[LiveConnector]
) -> list[RouteCoverage]:
    """One entry a route, in the routes' order. `drafts` are what open drafts propose."""
    live, proposed = list(published), list(drafts)
    found = []
    for route in routes:
        wrapping = [connector for connector in live if wraps(route, connector)]
        status: WrapperStatus = "DONE" if wrapping else "MISSING"
        if not wrapping and any(wraps(route, draft) for draft in proposed):
            status = "IN_PROGRESS"
        scopes = sum(len(connector.scopes) for connector in wrapping)
        decided = sum(connector.decided() for connector in wrapping)
        found.append(RouteCoverage(route.pattern, status, decided * 100 // scopes if scopes else 0))
    return found
