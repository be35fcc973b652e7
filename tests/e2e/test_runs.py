"""Runs as cron makes them: a bare environment, no terminal, two at once; and rounds of `sync --every`."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.e2e.conftest import plain_gspread

if TYPE_CHECKING:
    from tests.e2e.conftest import Work


class Quiet(ThreadingHTTPServer):
    """A client that was killed is no news."""

    daemon_threads = True

    def handle_error(self, *_args: Any) -> None:
        """Nothing."""


class Gate:
    """A server in front of another one, that holds calls back.

    `holds`: the next call whose path contains this is held, before it is passed on or after; then no further one.
    """

    def __init__(self, url: str) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        self.done = threading.Event()
        self.holds: tuple[str, str] | None = ("", "before")
        self.late: list[int] = []  # the statuses of calls that were held and then passed on
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
                when = gate.hold(self.path)
                if when == "before":
                    gate.open.wait(60)
                kind = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
                answer = requests.request(self.command, url + self.path, data=body, headers=kind, timeout=60)
                if when:
                    gate.late.append(answer.status_code)
                    gate.done.set()
                if when == "after":
                    gate.open.wait(60)
                self.send_response(answer.status_code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815  # the names of http.server

            def log_message(self, *_args: Any) -> None:
                """Nothing."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def hold(self, path: str) -> str:
        """Is this the call to hold, and when?"""
        if self.holds is None or self.holds[0] not in path:
            return ""
        when, self.holds = self.holds[1], None
        self.reached.set()
        return when

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
    assert gate.reached.wait(90)
    second = work.start("--json", "sync")
    out, err = second.communicate(timeout=90)
    assert (second.returncode, err) == (8, "")
    assert json.loads(out)["error"]["code"] == "lock_held"
    gate.open.set()
    out, err = first.communicate(timeout=90)
    assert (first.returncode, err) == (0, "")
    assert json.loads(out)["changed"] is True


def test_a_cron_like_loop_settles_to_silence(work: Work, github: Callable[[], str]) -> None:
    github()
    outputs = []
    for _ in range(3):
        run = work.start("--quiet", "sync", "--quiet-known")
        out, err = run.communicate(timeout=90)
        outputs.append((run.returncode, out, err))
    assert outputs == [(0, "", "")] * 3
    work.type_into("Policy Matrix", ("github", "read_public"), "firearm_id", "firearm.nonsense")
    first = work.start("--quiet", "sync", "--quiet-known")
    _, err = first.communicate(timeout=90)
    assert first.returncode == 3
    assert "firearm.nonsense" in err
    second = work.start("--quiet", "sync", "--quiet-known")
    assert (*second.communicate(timeout=90), second.returncode) == ("", "", 0)


def test_rounds_print_one_object_a_line_and_end_with_sigterm(work: Work, github: Callable[[], str]) -> None:
    github()
    run = work.start("--json", "sync", "--every", "1")
    assert run.stdout is not None
    rounds = [json.loads(run.stdout.readline()) for _ in range(2)]
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=90)
    assert (run.returncode, err) == (0, "")
    assert [found["changed"] for found in rounds] == [True, False]


def test_rounds_go_on_though_the_store_or_the_configuration_is_gone_for_a_while(
    work: Work, github: Callable[[], str]
) -> None:
    """A file system that is mounted again, a configuration that somebody is editing."""
    github()
    run = work.start("--json", "sync", "--every", "1")
    assert run.stdout is not None
    assert "error" not in json.loads(run.stdout.readline())
    for path, code in ((work.folder / "store", "not_found"), (work.folder / "config" / "sheetsync.toml", "config")):
        away = path.with_name("away")
        path.rename(away)
        while (found := json.loads(run.stdout.readline())).get("error", {}).get("code") != code:
            assert "error" not in found or found["error"]["exit_code"] == 75  # it went in the midst of a round
        away.rename(path)
        while "error" in json.loads(run.stdout.readline()):
            pass
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=90)
    assert (run.returncode, err) == (0, "")


def test_but_rounds_that_never_went_well_end(work: Work, github: Callable[[], str]) -> None:
    github()
    (work.folder / "store").rename(work.folder / "away")
    run = work.start("--json", "sync", "--every", "1")
    out, _ = run.communicate(timeout=90)
    assert (run.returncode, json.loads(out)["error"]["code"]) == (2, "not_found")


def test_rounds_whose_answers_nobody_can_write_go_on(work: Work, github: Callable[[], str]) -> None:
    github()
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        run = work.start("--json", "sync", "--every", "1", stdout=full)
        assert run.stderr is not None
        for _ in range(3):
            assert run.stderr.readline().startswith("error: the answer could not be written (No space left on device)")
            run.stderr.readline()
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=90)
    assert run.returncode == 75
    assert work.run("status", "--json").json()["last_sync"] is not None


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
    assert found["error"] == found["runs"][1]["error"]
    assert (found["ok"], found["changed"], found["error"]["exit_code"]) == (False, True, ran.code)


def test_all_with_one_target_answers_as_sync_does(work: Work, github: Callable[[], str]) -> None:
    github()
    one, plain = work.ok("sync", "--all"), work.ok("sync")
    assert set(one) == {*plain, "runs"}
    assert {"tenant": "default", "spreadsheet": work.spreadsheet_id, **one} == {**one["runs"][0], "runs": one["runs"]}
    assert one["tabs"]["Policy Matrix"]["rows_added"] == 2


def test_all_sums_what_its_targets_say(work: Work, github: Callable[[], str]) -> None:
    github()
    other = plain_gspread(work.server.url).create("Another").id
    config = work.folder / "config" / "sheetsync.toml"
    config.write_text(config.read_text() + f'\n[[target]]\nspreadsheet = "{other}"\n')
    work.ok("push")
    work.type_into("Policy Matrix", ("github", "read_public"), "firearm_id", "firearm.nonsense")
    found = work.ok("sync", "--all", code=3)
    first, second = found["runs"]
    assert set(found) == {*first, "runs"} - {"tenant", "spreadsheet"}
    assert (found["ok"], found["changed"]) == (True, True)
    assert [one["code"] for one in found["problems"]] == [one["code"] for one in first["problems"]] != []
    assert found["calls"] == {name: first["calls"][name] + second["calls"][name] for name in first["calls"]}
    assert found["tabs"]["Policy Matrix"]["rows_added"] == second["tabs"]["Policy Matrix"]["rows_added"] == 2
    assert found["commit"] == second["commit"] >= first["commit"]


def test_all_names_no_commit_where_tenants_count_apart(work: Work, github: Callable[[], str]) -> None:
    github()
    other = plain_gspread(work.server.url).create("Another").id
    config = work.folder / "config" / "sheetsync.toml"
    config.write_text(config.read_text() + f'\n[[target]]\ntenant = "other"\nspreadsheet = "{other}"\n')
    found = work.ok("sync", "--all")
    assert found["commit"] is None
    assert all(isinstance(run["commit"], int) for run in found["runs"])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_killed_at_its_write_is_finished_by_the_next(
    work: Work, github: Callable[[], str], gate: Gate, when: str
) -> None:
    """Before: the write is still under way when the next run is done, and must not land then. After: it landed."""
    github()
    gate.holds = None
    work.ok("push")
    work.type_into("Policy Matrix", ("github", "read_public"), "firearm_id", "firearm.payment")
    gate.holds = (":batchUpdate", when)
    killed = work.start("sync")
    assert gate.reached.wait(90)
    if when == "after":
        assert gate.done.wait(90)
    killed.kill()
    killed.communicate()
    report = work.ok("sync")
    gate.open.set()
    assert gate.done.wait(90)
    assert gate.late == [200 if when == "after" else 400]
    assert (report["problems"], report["conflicts"], report["healed"]) == ([], [], [])
    (draft,) = work.ok("draft", "list")["drafts"]
    assert work.rows("Policy Matrix")[("github", "read_public")]["sync_status"] == f"pending in {draft['id']}"
    again = work.ok("sync")
    assert (again["changed"], again["calls"]["write"]) == (False, 0)


def test_a_broken_lock_keeps_its_old_holder_from_writing(work: Work, github: Callable[[], str], gate: Gate) -> None:
    github()
    gate.holds = None
    work.ok("push")
    work.type_into("Policy Matrix", ("github", "read_public"), "firearm_id", "firearm.payment")
    gate.holds = ("", "after")
    first = work.start("--json", "sync")
    assert gate.reached.wait(90)
    (held,) = work.ok("lock", "show")["locks"]
    assert (held["who"], held["pid"], held["alive"]) == ("cron", first.pid, True)
    assert work.ok("lock", "break", held["name"])["broken"]["pid"] == first.pid
    before = work.snapshots()
    gate.open.set()
    out, err = first.communicate(timeout=90)
    assert (first.returncode, err) == (8, "")
    assert json.loads(out)["error"]["code"] == "lock_held"
    assert work.snapshots() == before
    assert len(work.ok("sync")["drafts"]) == 1
    assert work.ok("lock", "show")["locks"] == []
