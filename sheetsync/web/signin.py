"""Signing in: the one-time link of a loopback server, the limit on tries, and the token of the sign-in form.

Who exists is in `people`; what comes after a sign-in is in `sessions`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import deque
from typing import Final

from sheetsync.domain.clock import Clock

LINK_LIFETIME_S: Final = 15 * 60
TRIES_PER_PLACE: Final = 5  # failed tries a minute from one address …
TRIES_IN_ALL: Final = 60  # … and from everywhere: tokens have 192 bits, this guards the processor
WINDOW_S: Final = 60.0
PLACES_KEPT: Final = 4096


class OneTimeLink:
    """The secret of the sign-in link: good for one sign-in, within a quarter of an hour."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secret: str | None = None
        self._made_s = 0.0
        self._lock = threading.Lock()

    def renew(self) -> str:
        """A new secret; the one before is worth nothing from now on."""
        with self._lock:
            self._secret, self._made_s = secrets.token_urlsafe(32), self._clock.monotonic()
            return self._secret

    def holds(self, secret: str) -> bool:
        """Would this secret sign in now? Does not use it up: a browser's preview may ask."""
        with self._lock:
            return self._matches(secret)

    def use(self, secret: str) -> bool:
        """Sign in with it, once."""
        with self._lock:
            if not self._matches(secret):
                return False
            self._secret = None
            return True

    def _matches(self, secret: str) -> bool:
        if self._secret is None or self._clock.monotonic() - self._made_s > LINK_LIFETIME_S:
            return False
        return hmac.compare_digest(self._secret.encode(), secret.encode("utf-8", "replace"))


class TryLimit:
    """Counts sign-ins in a sliding minute, by address and in all; a good one is forgotten by its address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_place: dict[str, deque[float]] = {}
        self._all: deque[float] = deque(maxlen=TRIES_IN_ALL)
        self._lock = threading.Lock()

    def take(self, place: str) -> int:
        """Take one try for this address: 0, or the seconds until there is one. Parallel tries cannot slip through."""
        with self._lock:
            now = self._clock.monotonic()
            here = self._by_place.get(place, deque())
            wait_s = max(_wait(here, TRIES_PER_PLACE, now), _wait(self._all, TRIES_IN_ALL, now))
            if wait_s == 0:
                self._count(place, now)
            return wait_s

    def _count(self, place: str, now: float) -> None:
        if len(self._by_place) >= PLACES_KEPT and place not in self._by_place:
            self._by_place = {name: tries for name, tries in self._by_place.items() if now - tries[-1] < WINDOW_S}
        self._by_place.setdefault(place, deque(maxlen=TRIES_PER_PLACE)).append(now)
        self._all.append(now)

    def forget(self, place: str) -> None:
        """A try succeeded: this address starts afresh."""
        with self._lock:
            self._by_place.pop(place, None)


def _wait(tries: deque[float], allowed: int, now: float) -> int:
    if len(tries) < allowed:
        return 0
    return max(0, round(tries[-allowed] + WINDOW_S - now + 0.5))


class FormSeal:
    """The CSRF token of forms for people who are not signed in: bound to a random cookie by a key of this process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def new_cookie(self) -> str:
        """A random value for the cookie."""
        return secrets.token_urlsafe(24)

    def token(self, cookie: str) -> str:
        """The form's token for that cookie."""
        return hmac.new(self._key, cookie.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def matches(self, cookie: str, token: str) -> bool:
        """Does the token belong to the cookie?"""
        return bool(cookie) and hmac.compare_digest(self.token(cookie).encode(), token.encode("utf-8", "replace"))
