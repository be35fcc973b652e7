"""What a user may do with a file: its owner, its permissions, and whether files are private at all.

A server whose files are not private (the default) lets everybody write everything, so that tests need no sharing.
"""

from __future__ import annotations

from typing import Any, Final

from sheetsync.localsheets import errors
from sheetsync.localsheets.files import FileRecord

RANKS: Final = {"reader": 1, "commenter": 2, "writer": 3, "fileOrganizer": 3, "organizer": 3, "owner": 4}


def owner_permission(record: FileRecord) -> dict[str, Any]:
    """The permission that a file's owner has without being given it."""
    return permission(record.owner, "owner")


def permission(user: str, role: str, kind: str = "user") -> dict[str, Any]:
    """A permission as Drive writes it."""
    found: dict[str, Any] = {"kind": "drive#permission", "id": permission_id(user, kind), "type": kind, "role": role}
    if kind in ("user", "group"):
        found |= {"emailAddress": user, "displayName": user.partition("@")[0], "deleted": False}
    elif kind == "domain":
        found["domain"] = user
    return found


def permission_id(user: str, kind: str = "user") -> str:
    """An id that stays the same for a user."""
    if kind == "anyone":
        return "anyoneWithLink"
    number = 0
    for char in user:
        number = (number * 131 + ord(char)) % 10**20
    return f"{number:020d}"


def permissions_of(record: FileRecord) -> list[dict[str, Any]]:
    """All permissions of a file, the owner's first."""
    return [owner_permission(record), *record.extra.get("permissions", [])]


def rank(record: FileRecord, user: str, *, private: bool) -> int:
    """How far a user's permission reaches: 0 none, 1 reader, 2 commenter, 3 writer, 4 owner."""
    if user == record.owner:
        return RANKS["owner"]
    if not private:
        return RANKS["writer"]
    best = 0
    for one in permissions_of(record):
        matches = (
            one["type"] == "anyone"
            or one.get("emailAddress") == user
            or (one["type"] == "domain" and one.get("domain") == user.partition("@")[2])
        )
        if matches:
            best = max(best, RANKS.get(one["role"], 0))
    return best


def check(record: FileRecord | None, user: str, *, private: bool, write: bool) -> None:
    """Refuse a call of Sheets on a file that is not shared with the caller.

    Raises:
        ApiError: 403.
    """
    if record is not None and rank(record, user, private=private) < (3 if write else 1):
        raise errors.no_permission()
