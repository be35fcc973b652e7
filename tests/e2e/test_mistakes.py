"""What people get wrong: each one clear error, a hint, the right exit code, no traceback, no secret."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Work

FORBIDDEN = {"error": {"code": 403, "message": "The caller does not have permission", "status": "PERMISSION_DENIED"}}


@pytest.fixture
def forbidding() -> Iterator[str]:
    """A server that refuses every call, as Google does with what is not shared."""

    class Handler(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.dumps(FORBIDDEN).encode()
            self.send_response(403)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = refuse  # noqa: N815  # the names of http.server

        def log_message(self, *_args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(10)


def configure(work: Work, *lines: str, endpoint: str | None = None) -> None:
    config = work.folder / "config" / "sheetsync.toml"
    text = config.read_text()
    if endpoint is not None:
        text = text.replace(f'endpoint = "{work.server.url}"', f'endpoint = "{endpoint}"' if endpoint else "")
    config.write_text(text.replace("[credentials]\n", "\n".join(["[credentials]", *lines, ""])))


def check(work: Work, code: int, *words: str) -> dict[str, str]:
    """The command fails so, for people and as JSON."""
    ran = work.run(*words)
    assert (ran.code, ran.out) == (code, ""), ran
    lines = ran.err.strip().splitlines()
    assert lines[0].startswith("error: "), ran.err
    assert lines[-1].startswith("hint: "), ran.err
    assert "Traceback" not in ran.err
    error: dict[str, str] = work.ok(*words, code=code)["error"]
    assert error["message"]
    assert error["hint"]
    return error


def test_a_spreadsheet_that_is_not_shared(work: Work, github: Callable[[], str], forbidding: str) -> None:
    github()
    configure(work, endpoint=forbidding)
    assert check(work, 5, "push")["code"] == "not_shared"


def test_a_spreadsheet_that_does_not_exist(work: Work, github: Callable[[], str]) -> None:
    github()
    config = work.folder / "config" / "sheetsync.toml"
    config.write_text(config.read_text().replace(work.spreadsheet_id, "1" * 44))
    assert check(work, 2, "push")["code"] == "spreadsheet_not_found"


def test_no_server(work: Work, github: Callable[[], str]) -> None:
    github()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configure(work, endpoint=f"http://127.0.0.1:{port}")
    config = work.folder / "config" / "sheetsync.toml"
    config.write_text(config.read_text().replace("[sheets.retry]\n", "[sheets.retry]\nattempts = 1\n"))
    assert check(work, 75, "pull")["code"] == "network"


def test_missing_credentials(work: Work, github: Callable[[], str]) -> None:
    github()
    configure(work, 'kind = "service_account"', 'file = "/nowhere/key.json"', endpoint="")
    assert "/nowhere/key.json" in check(work, 5, "push")["message"]


def test_a_key_that_others_can_read_is_refused_and_not_shown(work: Work, github: Callable[[], str]) -> None:
    github()
    key = work.folder / "key.json"
    secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    content = {"type": "service_account", "private_key": secret, "client_email": "a@b.iam.gserviceaccount.com"}
    key.write_text(json.dumps(content))
    key.chmod(0o644)
    configure(work, 'kind = "service_account"', f'file = "{key}"', endpoint="")
    error = check(work, 5, "push")
    assert "chmod 600" in error["message"] + error["hint"]
    assert "c2VjcmV0" not in json.dumps(error)


def test_a_wrong_configuration_names_all_mistakes_with_their_lines(work: Work) -> None:
    config = work.folder / "config" / "sheetsync.toml"
    config.write_text('tennant = "x"\n\n[pull]\nsettle_seconds = "soon"\n')
    ran = work.run("status")
    assert ran.code == 2
    assert "sheetsync.toml:1" in ran.err
    assert "sheetsync.toml:4" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("draft", "show", "draft_000000000000"),
        ("draft", "show", "nonsense"),
        ("publish", "draft_000000000000"),
        ("verify", "draft_000000000000"),
        ("card", "nobody"),
        ("retire", "nobody"),
        ("draft", "new", "nobody"),
        ("draft", "new", "../../etc", "--spec", "nowhere.json"),
        ("import", "/nowhere/at/all"),
        ("restore", "nobody"),
        ("log", "nobody"),
    ],
)
def test_unknown_names_are_usage_errors(work: Work, words: tuple[str, ...]) -> None:
    ran = work.run("--json", *words)
    assert ran.code == 2, ran
    assert ran.json()["error"]["exit_code"] == 2


def test_publish_without_verify_is_refused(work: Work, tmp_path: Path) -> None:
    spec = tmp_path / "one.json"
    spec.write_text('{"id": "one", "version": "1.0.0", "scopes": [{"name": "go"}]}')
    draft = work.ok("draft", "new", "one", "--spec", str(spec))["draft"]["id"]
    assert check(work, 4, "publish", draft)["code"] == "not_verified"


def test_a_damaged_store_is_exit_9_and_fsck_needs_no_configuration(work: Work, github: Callable[[], str]) -> None:
    github()
    (journal,) = (work.folder / "store" / "default" / "journal").glob("*.jsonl")
    data = bytearray(journal.read_bytes())
    data[len(data) // 3] ^= 0xFF
    journal.write_bytes(bytes(data))
    assert work.run("status").code == 9
    (work.folder / "config" / "sheetsync.toml").write_text("broken")
    ran = work.run("--json", "--store", str(work.folder / "store"), "fsck")
    assert ran.code == 9
    assert ran.json()["error"]["exit_code"] == 9
