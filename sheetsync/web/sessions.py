"""Sessions, kept on the server: who is signed in, their CSRF token, and the messages of their next page.

The browser holds a random key; the server keeps only its hash. A session begins at sign-in, never before, so there is
nothing to fixate; what protects the sign-in form itself is in `signin`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass, field
from typing import Final, Literal

from sheetsync.domain.clock import Clock
from sheetsync.web.people import Person

IDLE_S: Final = 2 * 60 * 60
LIFETIME_S: Final = 12 * 60 * 60
SESSIONS_KEPT: Final = 1000  # the one longest unused goes first: a flood of sign-ins cannot eat the memory
NOTES_KEPT: Final = 20

Tone = Literal["good", "bad", "plain"]


@dataclass(frozen=True, slots=True)
class Note:
    """A message for the next page that this person sees."""

    tone: Tone
    text: str
    hint: str = ""


@dataclass(slots=True)
class Session:
    """One signed-in browser. `csrf` is in every form of every page of it."""

    person: Person
    csrf: str
    began_s: float
    seen_s: float
    by_proxy: bool = False
    notes: list[Note] = field(default_factory=list)

    def csrf_matches(self, token: str) -> bool:
        """Is this the session's token?"""
        return hmac.compare_digest(self.csrf.encode(), token.encode("utf-8", "replace"))

    def tell(self, tone: Tone, text: str, hint: str = "") -> None:
        """Put a message on the next page."""
        self.notes = [*self.notes, Note(tone, text, hint)][-NOTES_KEPT:]

    def take_notes(self) -> tuple[Note, ...]:
        """The messages, which are then told."""
        notes, self.notes = tuple(self.notes), []
        return notes


class Sessions:
    """All sessions of this process. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_hash: dict[bytes, Session] = {}
        self._lock = threading.Lock()

    def begin(self, person: Person, *, by_proxy: bool = False) -> tuple[str, Session]:
        """A new session under a new key, for the cookie."""
        key, now = secrets.token_urlsafe(32), self._clock.monotonic()
        session = Session(person, secrets.token_urlsafe(32), now, now, by_proxy)
        with self._lock:
            self._drop_old(now)
            self._by_hash[_hashed(key)] = session
        return key, session

    def find(self, key: str) -> Session | None:
        """The live session of that key, or None; it counts as used now."""
        now, hashed = self._clock.monotonic(), _hashed(key)
        with self._lock:
            session = self._by_hash.get(hashed)
            if session is None:
                return None
            if _is_over(session, now):
                del self._by_hash[hashed]
                return None
            session.seen_s = now
            return session

    def end_session(self, session: Session) -> None:
        """Sign out: the session's key is worth nothing from now on."""
        with self._lock:
            self._by_hash = {hashed: other for hashed, other in self._by_hash.items() if other is not session}

    def _drop_old(self, now: float) -> None:
        for hashed in [hashed for hashed, session in self._by_hash.items() if _is_over(session, now)]:
            del self._by_hash[hashed]
        while len(self._by_hash) >= SESSIONS_KEPT:
            del self._by_hash[min(self._by_hash, key=lambda hashed: self._by_hash[hashed].seen_s)]


def _is_over(session: Session, now: float) -> bool:
    return now - session.seen_s > IDLE_S or now - session.began_s > LIFETIME_S


def _hashed(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
