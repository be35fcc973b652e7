"""Where the island's records live in the store (design.md section 8), and which names it takes from outside.

    providers/<namespace>/<schema>/schema                   a schema's source
    providers/<namespace>/<schema>/skills/<skill>           a skill that the schema names, or holds inline
    providers/<namespace>/<schema>/resources/about          its document about itself (others: resources/<document>)
    providers/<namespace>/skills/<skill>, resources/…, lists/<list>     what no schema names
    providers/<namespace>/manifest                          which files the provider has now
    providers/<namespace>/grading/grades                    approvals and vetoes
    selections/<selection>/selection, skills, resources, manifest, grading/grades, grading/lock

`index.json` beside `manifest` is derived and no record. What is in the records is in `sources`, `manifest`, `grading`.
"""

from __future__ import annotations

import re
from typing import Final

from sheetsync.store import RecordId

PROVIDERS: Final = "providers"
SELECTIONS: Final = "selections"
INDEX_NAME: Final = "index.json"
NAME_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", re.ASCII)
DEVICES: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$|clock\$)(\..*)?", re.ASCII)
RESERVED: Final = frozenset({"manifest", "grading", "skills", "resources", "lists", "selection", INDEX_NAME})


def plain_name(stem: str) -> str:
    """A file's name without extension as the island knows it: leading dashes are dropped."""
    return stem.lstrip("-")


def name_fault(name: str) -> str | None:
    """Why a file's name cannot be the name of a schema, skill, list, document or selection, or None."""
    if not NAME_FORM.fullmatch(name):
        return "the name is not of the form [A-Za-z0-9][A-Za-z0-9._-]{0,79}"
    if "--" in name:
        return "the name holds '--', which separates the parts of a snapshot's name"
    if DEVICES.fullmatch(name) or name.endswith("."):
        return "the name is one that some file systems cannot hold"
    if name.lower() in RESERVED:
        return f"the name '{name}' is used by the island itself"
    return None


def manifest_record(tenant: str, kind: str, owner: str) -> RecordId:
    """Which files a provider or selection has now."""
    return RecordId(tenant, (kind, owner, "manifest"), "manifest")


def grades_record(tenant: str, kind: str, owner: str) -> RecordId:
    """The approvals and vetoes of a provider or selection."""
    return RecordId(tenant, (kind, owner, "grading", "grades"), "grades")


def lock_record(tenant: str, selection: str) -> RecordId:
    """The frozen members of a selection."""
    return RecordId(tenant, (SELECTIONS, selection, "grading", "lock"), "lock")


def index_path(kind: str, owner: str) -> tuple[str, ...]:
    """The derived `index.json`, below the tenant."""
    return (kind, owner, INDEX_NAME)
