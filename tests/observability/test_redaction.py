"""What looks like a secret never gets through; what does not, does."""

from __future__ import annotations

import io
import logging

import pytest

from sheetsync.observability import logs
from sheetsync.observability.redaction import redact


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer planted-secret-value",
        "authorization: bearer planted-secret-value",
        '{"refresh_token": "planted-secret-value", "x": 1}',
        "client_secret=planted-secret-value&grant_type=x",
        "token ya29.planted-secret-value_-x here",
        "GOCSPX-planted-secret-value",
        "1//planted-secret-value-0000000",
        "-----BEGIN PRIVATE KEY-----\nplanted-secret-value\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nplanted-secret-value cut off",
        "assertion=eyJhbGciOiJSUzI1NiJ9.planted-secret-value.sig",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJwbGFudGVkLXNlY3JldC12YWx1ZSJ9.planted-secret-value",
        "{'private_key_id': 'planted-secret-value'}",
        'token_hash = "planted-secret-value"',
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    assert "planted" not in redact(text)
    assert "[redacted]" in redact(text)


@pytest.mark.parametrize(
    "text",
    ["GET /v4/spreadsheets/1AbC: 200, 12 ms, 300 bytes", "draft_0123456789ab", "the password policy", "token quota"],
)
def test_plain_words_stay(text: str) -> None:
    assert redact(text) == text


def test_tracebacks_are_redacted_too_and_levels_follow_the_flags() -> None:
    stream = io.StringIO()
    logs.configure(0, stream=stream)
    logger = logging.getLogger("sheetsync.somewhere")
    logger.info("not shown")
    try:
        raise ValueError("Bearer planted-secret-value")
    except ValueError:
        logger.exception("it failed")
    logs.configure(1, stream=stream)
    logger.info("shown")
    logs.configure(1, quiet=True, stream=stream)
    logger.warning("not shown either")
    text = stream.getvalue()
    assert "planted" not in text
    assert "ValueError" in text
    assert "not shown" not in text
    assert text.endswith("INFO sheetsync.somewhere: shown\n")


def test_lines_go_to_the_stderr_of_the_moment_and_a_closed_one_is_borne(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", closed)
        logs.configure()
        closed.close()
        logging.getLogger("sheetsync.somewhere").warning("to nobody")
    logging.getLogger("sheetsync.somewhere").warning("Bearer planted-secret-value")
    assert capsys.readouterr().err == "WARNING sheetsync.somewhere: Bearer [redacted]\n"
