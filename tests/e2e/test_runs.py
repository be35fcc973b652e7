"""Runs as cron makes them: a bare environment, no terminal, two at once; and rounds of `sync --every`."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Work


class Gate:
    """A server in front of another one: calls wait until it is opened."""

    def __init__(self, url: str) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                gate.reached.set()
                gate.open.wait(60)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
                kind = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
                with urlopen(Request(url + self.path, data=body, method=self.command, headers=kind)) as answer:  # noqa: S310
                    data = answer.read()
                    self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815  # the names of http.server

            def log_message(self, *_args: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.open.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture
def gate(work: Work) -> Iterator[Gate]:
    """A gate in front of the workspace's server; the configuration is turned to it."""
    made = Gate(work.server.url)
    config = work.folder / "config" / "sheetsync.toml"
    config.write_text(config.read_text().replace(work.server.url, made.url))
    yield made
    made.close()


def test_two_syncs_at_once_one_works_the_other_exits_8(work: Work, github: Callable[[], str], gate: Gate) -> None:
    github()
    first = work.start("--json", "sync")
    assert gate.reached.wait(30)
    second = work.start("--json", "sync")
    out, err = second.communicate(timeout=30)
    assert (second.returncode, err) == (8, "")
    assert json.loads(out)["error"]["code"] == "lock_held"
    gate.open.set()
    out, err = first.communicate(timeout=60)
    assert (first.returncode, err) == (0, "")
    assert json.loads(out)["changed"] is True


def test_a_cron_like_loop_settles_to_silence(work: Work, github: Callable[[], str]) -> None:
    github()
    outputs = []
    for _ in range(3):
        run = work.start("--quiet", "sync", "--quiet-known")
        out, err = run.communicate(timeout=60)
        outputs.append((run.returncode, out, err))
    assert outputs == [(0, "", "")] * 3
    work.type_into("Policy Matrix", ("github", "read_public"), "firearm_id", "firearm.nonsense")
    first = work.start("--quiet", "sync", "--quiet-known")
    _, err = first.communicate(timeout=60)
    assert first.returncode == 3
    assert "firearm.nonsense" in err
    second = work.start("--quiet", "sync", "--quiet-known")
    assert (*second.communicate(timeout=60), second.returncode) == ("", "", 0)


def test_rounds_print_one_object_a_line_and_end_with_sigterm(work: Work, github: Callable[[], str]) -> None:
    github()
    run = work.start("--json", "sync", "--every", "1")
    assert run.stdout is not None
    rounds = [json.loads(run.stdout.readline()) for _ in range(2)]
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (0, "")
    assert [found["changed"] for found in rounds] == [True, False]


def test_all_goes_through_every_target(work: Work, github: Callable[[], str]) -> None:
    github()
    config = work.folder / "config" / "sheetsync.toml"
    config.write_text(
        config.read_text() + '\n[[target]]\ntenant = "other"\nspreadsheet = "1-nowhere-at-all-0000000000"\n'
    )
    ran = work.run("--json", "sync", "--all")
    found = ran.json()
    assert ran.code == 2
    assert [run["tenant"] for run in found["runs"]] == ["default", "other"]
    assert found["runs"][0]["changed"] is True
    assert found["runs"][1]["error"]["code"] == "spreadsheet_not_found"
