"""Nothing that a store or a sheet holds steers the terminal that it is shown on."""

from __future__ import annotations

import io
import logging

from hypothesis import given
from hypothesis import strategies as st

from sheetsync.observability import logs
from sheetsync.observability.terminal import clean_line, clean_text

EVIL = "a\x1b[2J\x1b]0;pwn\x07\x9b31m\r\b\x7f\u202eb\u2028"


def test_escapes_are_replaced_and_words_stay() -> None:
    assert clean_text(EVIL) == "a�[2J�]0;pwn��31m����b�"
    assert (
        clean_text("Grüße, 日本\u00a0\N{GRINNING FACE}\nzwei\tdrei") == "Grüße, 日本\u00a0\N{GRINNING FACE}\nzwei drei"
    )
    assert clean_line("one\nerror: two") == "one error: two"


@given(st.text())
def test_a_line_is_one_line_without_control_characters(text: str) -> None:
    cleaned = clean_line(text)
    assert not [char for char in cleaned if ord(char) < 32 or 127 <= ord(char) < 160]
    assert len(cleaned.splitlines()) <= 1
    assert len(cleaned) == len(text)


def test_a_log_line_is_clean_too() -> None:
    stream = io.StringIO()
    logs.configure(0, stream=stream)
    logging.getLogger("sheetsync.somewhere").warning("tab %s", EVIL)
    assert "\x1b" not in stream.getvalue()
    assert "pwn" in stream.getvalue()
