"""What the medium says is said once, in our words where we have them."""

from __future__ import annotations

import errno
import os

import pytest

from sheetsync.errors import TryLaterError
from sheetsync.store.media import media_errors


def said(exc: OSError) -> tuple[str, str]:
    with pytest.raises(TryLaterError) as caught, media_errors("save to the store"):
        raise exc
    return caught.value.message, caught.value.hint or ""


def test_a_file_that_may_not_grow_names_the_limit() -> None:
    message, hint = said(OSError(errno.EFBIG, os.strerror(errno.EFBIG)))
    assert message == "cannot save to the store: a file may not grow further (File too large)"
    assert "ulimit -f" in hint


@pytest.mark.parametrize("name", [None, "default/journal/0000000001.jsonl"])
def test_what_we_have_no_words_for_is_said_once(name: str | None) -> None:
    exc = (
        OSError(errno.EXDEV, os.strerror(errno.EXDEV), name) if name else OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    )
    message, _ = said(exc)
    assert message.count("Invalid cross-device link") == 1
    assert name is None or message.count(name) == 1
    assert "()" not in message
