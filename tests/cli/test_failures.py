"""What goes wrong: one clear error, a hint, the right exit code, no traceback, no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from sheetsync.cli.failures import as_our_error, report_failure
from sheetsync.cli.session import Session
from sheetsync.domain.context import RequestContext
from sheetsync.errors import (
    ConfigError,
    LockHeldError,
    NotAllowedError,
    RefusedError,
    SheetSyncError,
    StoreDamagedError,
    TryLaterError,
    UsageError,
)
from sheetsync.store import VersionedStore, fsck

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ran


def test_a_mistyped_command_is_a_usage_error_with_a_guess(sheetsync: Callable[..., Ran]) -> None:
    ran = sheetsync("pusch")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        "error: there is no command 'pusch' (did you mean 'push'?)",
        "hint: see 'sheetsync --help'",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--json", "pusch"),
        ("push", "--bogus", "--json"),
        ("--json", "draft", "show"),
        ("publish", "--json"),
        ("--json", "sync", "--every", "soon"),
        ("draft", "pull", "--json"),
        ("draft", "--json"),
    ],
)
def test_usage_errors_are_one_json_object_under_json(sheetsync: Callable[..., Ran], words: tuple[str, ...]) -> None:
    ran = sheetsync(*words)
    assert ran.code == 2
    error = ran.json()["error"]
    assert set(error) == {"code", "message", "hint", "exit_code"}
    assert error["exit_code"] == 2
    assert len(error["message"].splitlines()) == 1
    assert ran.err == ""


def test_without_a_workspace_the_error_names_the_next_command(
    sheetsync: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = sheetsync("status")
    assert (ran.code, ran.out) == (2, "")
    assert "sheetsync init" in ran.err
    assert "Traceback" not in ran.err


def test_all_mistakes_of_a_configuration_are_told_at_once(sheetsync: Callable[..., Ran], tmp_path: Path) -> None:
    config = tmp_path / "config" / "sheetsync.toml"
    config.parent.mkdir()
    config.write_text('tenannt = "x"\n[pull]\nsettle_seconds = "soon"\n')
    ran = sheetsync("--config", str(config), "status")
    assert ran.code == 2
    assert "tenannt" in ran.err
    assert "settle_seconds" in ran.err
    assert sheetsync("--config", str(config), "status", "--json").json()["error"]["code"] == "config"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (click.UsageError("no"), 2),
        (ConfigError("no"), 2),
        (LockHeldError("no"), 8),
        (StoreDamagedError("no"), 9),
        (FileNotFoundError(2, "No such file", "x"), 2),
        (OSError(28, "No space left on device"), 75),
        (ZeroDivisionError("no"), 1),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
    ],
)
def test_every_failure_has_its_exit_code(error: BaseException, code: int) -> None:
    assert report_failure(error, Session()) == code


def test_a_defect_shows_its_traceback_only_with_debug(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> BaseException:
        try:
            raise ZeroDivisionError("by nothing")
        except ZeroDivisionError as error:
            return error

    report_failure(fail(), Session())
    assert "Traceback" not in capsys.readouterr().err
    report_failure(fail(), Session(debug=True))
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("secret", ['"private_key": "c2VjcmV0', "Authorization: Bearer ya29.c2VjcmV0", "ya29.c2VjcmV0"])
def test_no_secret_reaches_a_screen(secret: str, as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    report_failure(ZeroDivisionError(secret), Session(as_json=as_json, debug=True))
    captured = capsys.readouterr()
    assert "c2VjcmV0" not in captured.out + captured.err


def test_json_errors_hide_secrets_and_stay_json(capsys: pytest.CaptureFixture[str]) -> None:
    report_failure(SheetSyncError("Bearer ya29.secret was refused", hint="sign in"), Session(as_json=True))
    value = json.loads(capsys.readouterr().out)
    assert value["error"]["message"] == "Bearer [redacted] was refused"


def test_findings_of_a_damaged_store_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    report_failure(StoreDamagedError("the store is damaged", findings=("a is torn", "b is gone")), Session())
    assert "  a is torn\n  b is gone\n" in capsys.readouterr().err


def test_an_error_of_ours_stays_itself() -> None:
    error = LockHeldError("held")
    assert as_our_error(error) is error


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "import sys; from sheetsync.cli.app import run; sys.exit(run(['--help']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert err == b""
    assert process.returncode == 0


@pytest.mark.parametrize("gone", ["stdout", "stderr", "both"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_reader_that_goes_away_changes_nothing_of_what_is_found(gone: str, as_json: bool, tmp_path: Path) -> None:
    with VersionedStore(RequestContext(user="ada"), url=tmp_path / "store") as named:
        path = tmp_path / "store/default" / named.save("alpha", {"n": 1}).path
    path.write_bytes(b"damaged")
    (tmp_path / "bad.toml").write_text("nonsense = 1")  # a warning comes before anything is done
    words = ["--config", f"{tmp_path}/bad.toml", "--store", f"{tmp_path}/store", "fsck", *["--json"] * as_json]
    unread, nobody = os.pipe()
    os.close(unread)
    streams = {name: nobody if gone in (name, "both") else subprocess.PIPE for name in ("stdout", "stderr")}
    ran = subprocess.run([sys.executable, "-m", "sheetsync", *words], timeout=60, check=False, **streams)  # type: ignore[call-overload]
    os.close(nobody)
    assert ran.returncode == 9
    assert b"Traceback" not in (ran.stderr or b"")
    if gone == "stderr":
        assert b"changed" in ran.stdout


def test_a_terminal_without_utf8_gets_question_marks_and_whole_json(tmp_path: Path) -> None:
    def call(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "sheetsync", *words],
            capture_output=True, timeout=60, check=False, cwd=tmp_path,
            env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        )  # fmt: skip

    ran = call("→")
    assert (ran.returncode, ran.stderr.splitlines()[0]) == (2, b"error: there is no command '?'")
    assert "→" in json.loads(call("--json", "→").stdout)["error"]["message"]


@pytest.mark.parametrize("error", [UsageError("no"), RefusedError("no"), NotAllowedError("no"), TryLaterError("no")])
def test_an_error_without_a_hint_gets_one(error: SheetSyncError, capsys: pytest.CaptureFixture[str]) -> None:
    report_failure(error, Session(as_json=True))
    assert json.loads(capsys.readouterr().out)["error"]["hint"]


@pytest.mark.parametrize(
    "closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>&1"]
)
@pytest.mark.parametrize(
    ("words", "code"), [("log", 0), ("--json log", 0), ("log nosuch", 2), ("--json log nosuch", 2), ("lock show", 0)]
)
def test_closed_and_full_streams_change_no_exit_code_but_that_of_an_answer_nobody_got(
    closed: str, words: str, code: int, tmp_path: Path
) -> None:
    VersionedStore(RequestContext(user="ada"), url=tmp_path / "store").save("alpha", {"n": 1})
    command = f"exec {sys.executable} -m sheetsync --store {tmp_path}/store {words} {closed}"
    ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60)
    answered = code == 0 or "--json" in words
    lost = closed.startswith(">/dev/full") and answered
    assert ran.returncode == (75 if lost and code == 0 else code)
    assert "Traceback" not in ran.stderr
    assert "defect" not in ran.stderr
    with VersionedStore(RequestContext(user="ada"), url=tmp_path / "store") as named:
        assert named.store.head() == 1  # and nothing was written into what stood in the stream's place
    assert fsck(tmp_path / "store").exit_code == 0


@pytest.mark.parametrize("mode", ["", "--json", "--quiet --json"])
def test_what_was_saved_though_its_answer_could_not_be_written_is_not_called_a_full_disk(
    mode: str, tmp_path: Path
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"id": "alpha", "version": "1.0.0", "name": "Alpha", "scopes": [{"name": "read"}]}))
    call = (
        f"exec {sys.executable} -m sheetsync --store {tmp_path}/store {mode} draft new alpha --spec {spec} >/dev/full"
    )
    ran = subprocess.run(["/bin/sh", "-c", call], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ran.returncode == 75
    first, hint = ran.stderr.splitlines()
    assert first == "error: the answer could not be written (No space left on device); what the command did stands"
    assert "'sheetsync log' tells what was saved" in hint
    with VersionedStore(RequestContext(user="ada"), url=tmp_path / "store") as named:
        assert named.store.head() == 1
