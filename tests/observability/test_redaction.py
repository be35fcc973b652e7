"""What looks like a secret never gets through; what does not, does."""

from __future__ import annotations

import ast
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import sheetsync
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
        "s3://AKIA:planted@store/x",
        "s3://planted@store/x",
        "s3://AKIA:planted/with+slashes/@store/x",
        "http://u:planted@127.0.0.1:1/c/FORMAT in 1 s",
        "http://u:planted@[::1/x",
        "abfss://c:planted@account.dfs.core.windows.net/x",
        "az://c?sv=2021&sig=planted%3D&se=2030",
        "https://h/x?X-Amz-Credential=planted/2026&X-Amz-Signature=planted",
        "x-amz-security-token:planted",
        "AccountName=a;AccountKey=planted==;EndpointSuffix=x",
        "Authorization: Basic planted",
        "SharedKey account:planted=",
        "<Error><Token-0>planted</Token-0></Error>",
        "<Error><Token-0>planted and cut off",
        "<AWSAccessKeyId>planted</AWSAccessKeyId><StringToSign>AWS4\nplanted</StringToSign>",
        r"""{'aws_secret_access_key': 'planted', \"sas_token\": \"planted\"}""",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    assert "planted" not in redact(text)
    assert "[redacted]" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "GET /v4/spreadsheets/1AbC: 200, 12 ms, 300 bytes",
        "draft_0123456789ab",
        "the password policy",
        "token quota",
        "http://127.0.0.1:8090/v4/people/ana@example.com",
        "http://127.0.0.1:8090: ana@example.com",
        "abfss://container@account.dfs.core.windows.net/x",
        "s3://bucket/ana@example.com",
        "a signature = the hash, the credential of a token",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert redact(text) == text


def texts_of(path: Path) -> Iterator[str]:
    """Every text of a module that is no docstring, with a space for what is filled in (that may be a secret)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else " " for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n\n" not in node.value:
            yield node.value


def test_nothing_that_we_say_ourselves_is_garbled() -> None:
    for path in Path(sheetsync.__file__).parent.rglob("*.py"):
        if path.name == "redaction.py" or path.parent.name == "localsheets":  # which makes tokens, and says them
            continue
        for text in texts_of(path):
            assert redact(text) == text, path


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
