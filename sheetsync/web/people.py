"""The people who may sign in to the Workbench: their roles, and their tokens, kept only as scrypt hashes.

What a role may do is decided here and nowhere else. Not here: sessions (`sessions`) and the sign-in itself (`signin`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Role = Literal["owner", "reviewer", "publisher"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
Deed = Literal["see", "edit", "resolve", "discard", "verify", "approve", "publish", "retire"]

# What each role may do besides seeing. A person may hold several; the second-person rule holds for all of them.
MAY: Final[Mapping[Role, frozenset[Deed]]] = {
    "owner": frozenset({"see", "edit", "resolve", "discard", "verify"}),
    "reviewer": frozenset({"see", "resolve", "discard", "verify", "approve"}),
    "publisher": frozenset({"see", "verify", "approve", "publish", "retire"}),
}

SCRYPT_N: Final = 2**14  # 16 MiB and about 50 ms a try: OWASP's floor for r=8, p=5 is lower; tokens are random anyway
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
TOKEN_BYTES: Final = 24
MAX_MEMORY_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TokenHash:
    """A token as it is kept: `scrypt$<log2 n>$<r>$<p>$<salt>$<hash>`, both in URL-safe base64."""

    log2_n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def matches(self, token: str) -> bool:
        """Is this the token? Takes the same time for every answer."""
        return hmac.compare_digest(_scrypt(token, self.salt, 2**self.log2_n, self.r, self.p), self.digest)

    def __str__(self) -> str:
        salt, digest = (base64.urlsafe_b64encode(part).decode() for part in (self.salt, self.digest))
        return f"scrypt${self.log2_n}${self.r}${self.p}${salt}${digest}"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in. `token_hash` is None where only a trusted proxy vouches for them."""

    user: str
    roles: frozenset[Role]
    token_hash: TokenHash | None = None

    def may(self, deed: Deed) -> bool:
        """May this person do it? The second-person rule is checked apart from this, by publish."""
        return any(deed in MAY[role] for role in self.roles)


@dataclass(frozen=True, slots=True)
class People:
    """Everybody from the configuration, by user name."""

    by_user: Mapping[str, Person]

    @classmethod
    def of(cls, people: Iterable[Person]) -> People:
        """From a list; the configuration has refused doubles already."""
        return cls({person.user: person for person in people})

    def __bool__(self) -> bool:
        return bool(self.by_user)

    def find(self, user: str) -> Person | None:
        """The person of that name, or None."""
        return self.by_user.get(user)

    def sign_in(self, user: str, token: str) -> Person | None:
        """The person, if the token is theirs. An unknown name costs as much time as a wrong token."""
        person = self.by_user.get(user)
        expected = person.token_hash if person is not None and person.token_hash is not None else _NOBODY
        return person if expected.matches(token) and expected is not _NOBODY else None


def parse_token_hash(text: str) -> TokenHash:
    """Parse the configured form of a hash.

    Raises:
        ValueError: it is not of the form, or its cost is out of bounds.
    """
    parts = text.split("$")
    if len(parts) != 6 or parts[0] != "scrypt" or not all(part.isdigit() for part in parts[1:4]):
        raise ValueError("a token hash looks like scrypt$14$8$1$<salt>$<hash>: make one with 'serve --new-token'")
    log2_n, r, p = (int(part) for part in parts[1:4])
    if not (14 <= log2_n <= 18 and 1 <= r <= 16 and 1 <= p <= 8) or 128 * r * 2**log2_n > MAX_MEMORY_BYTES // 2:
        raise ValueError("the cost of the token hash is out of bounds: make one with 'serve --new-token'")
    try:
        salt, digest = (base64.b64decode(part, altchars=b"-_", validate=True) for part in parts[4:])
    except binascii.Error as exc:
        raise ValueError("salt and hash of a token hash are URL-safe base64") from exc
    if len(salt) < SALT_BYTES or len(digest) != HASH_BYTES:
        raise ValueError("salt or hash of the token hash is too short")
    return TokenHash(log2_n=log2_n, r=r, p=p, salt=salt, digest=digest)


def new_token() -> tuple[str, str]:
    """A new random token and its hash: the token goes to the person, the hash into the configuration."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, str(hash_token(token))


def hash_token(token: str) -> TokenHash:
    """The hash of a token, with a new salt."""
    salt = secrets.token_bytes(SALT_BYTES)
    digest = _scrypt(token, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    return TokenHash(SCRYPT_N.bit_length() - 1, SCRYPT_R, SCRYPT_P, salt, digest)


def _scrypt(token: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    secret = token.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=MAX_MEMORY_BYTES, dklen=HASH_BYTES)


_NOBODY: Final = TokenHash(SCRYPT_N.bit_length() - 1, SCRYPT_R, SCRYPT_P, b"nobody's salt...", bytes(HASH_BYTES))
