"""Where the registries' records and the drafts live in the store (design.md section 3).

What is in them is `domain.published` and `domain.draft`; reading them is `catalogue`, writing them `publish`.
"""

from __future__ import annotations

from typing import Final

from sheetsync.store import RecordId

DRAFTS: Final = ("workbench_drafts",)
COMPONENTS: Final = ("components",)
FIREARMS: Final = ("firearms",)
KPIS: Final = ("kpis",)
REGISTRIES: Final = (COMPONENTS, FIREARMS, KPIS)


def draft_record(tenant: str, author: str, draft_id: str) -> RecordId:
    """A draft's record, in the folder of who made it."""
    return RecordId(tenant, (*DRAFTS, author, draft_id), draft_id)


def registry_record(tenant: str, registry: tuple[str, ...], connector_id: str) -> RecordId:
    """A connector's record in one of the three registries."""
    return RecordId(tenant, (*registry, connector_id), connector_id)
