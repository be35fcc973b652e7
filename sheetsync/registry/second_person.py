"""The rule of the second person: who may publish a loosening (design.md section 4).

What a loosening is says `domain.gate`; who wrote a draft says the catalogue, from the journal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sheetsync.domain.draft import SheetOrigin, WorkbenchDraft
from sheetsync.domain.gate import Loosening
from sheetsync.domain.wording import describe_loosenings
from sheetsync.errors import SecondPersonError


def check_second_person(
    draft: WorkbenchDraft,
    loosenings: Iterable[Loosening],
    *,
    writers: Collection[str],
    user: str,
    unattended: Collection[str] = (),
) -> None:
    """Refuse the publication of a loosening by somebody who wrote it, or by nobody in particular.

    Raises:
        SecondPersonError: `user` saved content of the draft or of one it supersedes; or is an unattended user; or an
            unattended user pulled edits of unknown owners, and nobody else approved exactly this content.
    """
    found = tuple(loosenings)
    if not found:
        return
    what = f"{draft.id} loosens {draft.connector_id} ({describe_loosenings(found)})"
    me, wrote, machines = user.casefold(), _folded(writers), _folded(unattended)
    if me in machines:
        raise SecondPersonError(f"{what}: {user} is an unattended user", hint=_publish(draft, "a person"))
    if me in wrote:
        raise SecondPersonError(
            f"{what}: {user} wrote it, so that somebody else must publish it", hint=_publish(draft, "somebody else")
        )
    if not needs_approval(draft, writers=writers, unattended=unattended):
        return
    approvers = approvers_of(draft, unattended=unattended)
    if not approvers:
        raise SecondPersonError(
            f"{what}: its edits were pulled unattended, and nobody approved them",
            hint=f"one person approves ('sheetsync draft approve {draft.id}'), another publishes",
        )
    if _folded(approvers) == {me}:
        raise SecondPersonError(
            f"{what}: {user} approved it, so that somebody else must publish it", hint=_publish(draft, "somebody else")
        )


def needs_approval(draft: WorkbenchDraft, *, writers: Collection[str], unattended: Collection[str]) -> bool:
    """Did an unattended user pull edits whose author the sheet does not tell?"""
    known = isinstance(draft.origin, SheetOrigin) and draft.origin.editor_hint is not None
    return not known and not _folded(writers).isdisjoint(_folded(unattended))


def approvers_of(draft: WorkbenchDraft, *, unattended: Collection[str] = ()) -> set[str]:
    """The persons whose approval is of exactly this content."""
    now = draft.content_hash()
    machines = _folded(unattended)
    return {one.user for one in draft.approvals if one.content_hash == now and one.user.casefold() not in machines}


def _folded(users: Collection[str]) -> set[str]:
    """Names of people without regard to case: two spellings of one e-mail address are one person."""
    return {user.casefold() for user in users}


def _publish(draft: WorkbenchDraft, who: str) -> str:
    return f"let {who} run 'sheetsync publish {draft.id}' (--user NAME)"
