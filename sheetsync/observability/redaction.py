"""Takes secrets out of text before it is logged or shown. What is logged and where is not here: that is `logs`.

It is the last net: what is ours names no secret in the first place. The net is wide where a secret is known by its
place (`sig=…`, `//…@`), and leaves whole what our own messages say (a test reads all of them).
"""

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
    # a user and a password in a URL; the password may hold slashes, and a port is no password
    re.compile(r"""(?P<before>//)[^\s/:@'"<>]*:(?!\d{1,5}(?:[^\w@]|$))[^\s'"<>]*(?=@)"""),
    # a user alone; `abfss://container@account` is the form of that address
    re.compile(r"""(?P<before>(?<!abfs:)(?<!abfss:)//)[^\s/:@'"<>]+(?::[^\s/@'"<>]*)?(?=@)"""),
    # AWS repeats the session's token and what was signed in the bodies of its errors; the end may be cut off
    re.compile(
        r"(?P<before><(?:[A-Za-z]*Token(?:-\d+)?|SecretAccessKey|AWSAccessKeyId|SignatureProvided|StringToSign(?:Bytes)?"
        r"|CanonicalRequest(?:Bytes)?)>)[^<]+"
    ),
    re.compile(r"(?i)(?P<before>\bauthorization: basic |\bsharedkey(?:lite)? [^:\s]+:)\S+"),
    re.compile(  # words of Google's, Amazon's, Microsoft's and ours, then `:` or `=`
        r"""(?ix)(?<![A-Za-z])
        (?P<before>(?:private_key(?:_id)?|client_secret|refresh_token|access_token|id_token|assertion|password|token_hash
            |(?:aws_)?secret_access_key|(?:aws_)?session_token|x-amz-security-token|account_?key|sas_(?:token|key))
        \\?["']?\s*[:=]\s*\\?["']?)
        [^\s"',&}<]+"""
    ),
    re.compile(  # words of which only `=` makes a secret, as in signed URLs and connection strings
        r"""(?ix)(?<![A-Za-z0-9])
        (?P<before>(?:sig|signature|x-(?:amz|goog)-(?:signature|credential)|sharedaccesssignature|credential|token|secret
            |passwd|pwd|api_?key)
        =\s*["']?)
        [^\s"',&}<]+"""
    ),
)


def redact(text: str) -> str:
    """The text with everything that looks like a secret replaced by `[redacted]`."""
    for pattern in _SECRETS:
        text = pattern.sub(rf"\g<before>{REDACTED}" if pattern.groups else REDACTED, text)
    return text
