"""What every use case works in: one open store, on whose behalf, with the configuration's catalogues and rules.

Opening the store and reading the configuration is in `bootstrap` and `settings`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sheetsync.domain.clock import Clock, SystemClock
from sheetsync.domain.context import RequestContext
from sheetsync.domain.firearms import FirearmCatalogue
from sheetsync.store import Store

if TYPE_CHECKING:  # drafts and their models are heavy to import; `status` does without them
    from sheetsync.domain.connector import EngineRoute
    from sheetsync.registry.catalogue import Catalogue
    from sheetsync.registry.publish import PublishRules


@dataclass(frozen=True)
class Rules:
    """The rules of the configuration that use cases follow."""

    loosening_needs_second_person: bool = True
    unattended_users: frozenset[str] = frozenset()
    settle_seconds: float = 0.0

    def of_publishing(self) -> PublishRules:
        """Those that publish follows."""
        from sheetsync.registry.publish import PublishRules

        return PublishRules(self.loosening_needs_second_person, self.unattended_users)


@dataclass(frozen=True)
class Workspace:
    """An open store with everything that use cases need; immutable, shared by threads."""

    store: Store
    ctx: RequestContext
    firearms: FirearmCatalogue = FirearmCatalogue()  # noqa: RUF009 - a frozen value
    routes: tuple[EngineRoute, ...] = ()
    rules: Rules = field(default_factory=Rules)
    clock: Clock = field(default_factory=SystemClock)

    def catalogue(self) -> Catalogue:
        """Everything of the tenant, as it is now."""
        from sheetsync.registry.catalogue import Catalogue

        return Catalogue(self.store, self.ctx)

    def acting(self, user: str) -> Workspace:
        """The same workspace on behalf of another user of the tenant (the page: whoever is signed in)."""
        return replace(self, ctx=RequestContext(tenant=self.ctx.tenant, user=user))
