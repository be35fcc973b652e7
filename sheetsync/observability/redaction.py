"""Takes secrets out of text before it is logged or shown. What is logged and where is not here: that is `logs`."""

from __future__ import annotations

import re
from typing import Final

REDACTED: Final = "[redacted]"

_SECRETS: Final = (
    re.compile(r"-----BEGIN[A-Z ]*PRIVATE KEY-----.*?(?:-----END[A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\bya29\.[A-Za-z0-9._-]+"),  # Google's access tokens
    re.compile(r"\b1//[A-Za-z0-9_-]{20,}"),  # Google's refresh tokens
    re.compile(r"\bGOCSPX-[A-Za-z0-9_-]+"),  # Google's OAuth client secrets
    re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"),  # signed tokens (JWT)
    re.compile(
        r"""(?ix)(?<![A-Za-z])
        (?P<name>private_key(?:_id)?|client_secret|refresh_token|access_token|id_token|assertion|password|token_hash)
        (?P<between>["']?\s*[:=]\s*["']?)(?P<value>[^\s"',&}]+)"""
    ),
)


def redact(text: str) -> str:
    """The text with everything that looks like a secret replaced by `[redacted]`."""
    for pattern in _SECRETS:
        named = "value" in pattern.groupindex
        text = pattern.sub(rf"\g<name>\g<between>{REDACTED}" if named else REDACTED, text)
    return text
