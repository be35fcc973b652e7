"""Processes of one machine share an identity's calls a minute; a window's edges are the rule, not an average."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sheetsync.domain.clock import FakeClock
from sheetsync.errors import QuotaError
from sheetsync.gsheets.options import QuotaPolicy
from sheetsync.gsheets.quota import WINDOW_S, FileLimiter, NoLimiter

THREE = QuotaPolicy(reads_per_minute=3, writes_per_minute=2, max_wait_s=200)


def test_calls_within_the_limit_do_not_wait(tmp_path: Path, clock: FakeClock) -> None:
    limiter = FileLimiter(tmp_path / "quota", "robot", THREE, clock)
    for _ in range(3):
        limiter.acquire("read")
    assert clock.slept == []


def test_the_call_over_the_limit_waits_until_the_oldest_is_a_minute_old(tmp_path: Path, clock: FakeClock) -> None:
    limiter = FileLimiter(tmp_path, "robot", THREE, clock)
    for _ in range(3):
        limiter.acquire("read")
        clock.advance(5)
    limiter.acquire("read")
    assert clock.slept == [pytest.approx(45.0)]


def test_reads_and_writes_and_identities_are_counted_apart_and_drive_not_at_all(
    tmp_path: Path, clock: FakeClock
) -> None:
    robot, other = FileLimiter(tmp_path, "robot", THREE, clock), FileLimiter(tmp_path, "other", THREE, clock)
    for limiter in (robot, other):
        for _ in range(3):
            limiter.acquire("read")
        for _ in range(2):
            limiter.acquire("write")
    for _ in range(100):
        robot.acquire("drive")
    assert clock.slept == []


def test_two_limiters_on_one_folder_share_one_window(tmp_path: Path, clock: FakeClock) -> None:
    first, second = (FileLimiter(tmp_path, "robot", THREE, clock) for _ in range(2))
    first.acquire("write")
    second.acquire("write")
    first.acquire("write")
    assert clock.slept == [pytest.approx(60.0)]


def test_a_wait_that_is_too_long_is_an_error_and_takes_no_slot(tmp_path: Path, clock: FakeClock) -> None:
    limiter = FileLimiter(tmp_path, "robot", QuotaPolicy(reads_per_minute=1, max_wait_s=10), clock)
    limiter.acquire("read")
    for _ in range(5):
        with pytest.raises(QuotaError, match="booked"):
            limiter.acquire("read")
    clock.advance(WINDOW_S)
    limiter.acquire("read")
    assert clock.slept == []


def test_a_refusal_by_the_server_holds_back_every_process(tmp_path: Path, clock: FakeClock) -> None:
    first, second = (FileLimiter(tmp_path, "robot", THREE, clock) for _ in range(2))
    first.exhausted("read", 60)
    second.acquire("read")
    assert clock.slept == [pytest.approx(60.0)]


def test_a_clock_set_back_by_a_day_does_not_lock_the_limiter_for_a_day(tmp_path: Path, clock: FakeClock) -> None:
    limiter = FileLimiter(tmp_path, "robot", THREE, clock)
    for _ in range(3):
        limiter.acquire("read")
    limiter.exhausted("read", 60)
    clock.set(clock.now() - timedelta(days=1))
    limiter.acquire("read")
    assert clock.slept == []


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"slots": ["x"], "blocked_until": 0}', "\x00\x00"])
def test_a_torn_file_counts_as_an_empty_window(tmp_path: Path, clock: FakeClock, torn: str) -> None:
    limiter = FileLimiter(tmp_path, "robot", THREE, clock)
    limiter.acquire("read")
    (path,) = tmp_path.iterdir()
    path.write_text(torn)
    limiter.acquire("read")
    assert clock.slept == []


def test_the_file_names_nobody_and_nobody_else_may_read_it(tmp_path: Path, clock: FakeClock) -> None:
    FileLimiter(tmp_path / "quota", "robot@project.iam", THREE, clock).acquire("read")
    (path,) = (tmp_path / "quota").iterdir()
    assert "robot" not in path.name + path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_a_symlink_in_the_way_is_not_followed(tmp_path: Path, clock: FakeClock) -> None:
    limiter = FileLimiter(tmp_path / "quota", "robot", THREE, clock)
    limiter.acquire("read")
    (path,) = (tmp_path / "quota").iterdir()
    path.unlink()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        limiter.acquire("read")
    assert victim.read_text() == "precious"


@given(steps=st.lists(st.tuples(st.floats(0, 40), st.integers(0, 1)), max_size=60), limit=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_no_minute_ever_holds_more_calls_than_the_limit(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, int]], limit: int
) -> None:
    clock = FakeClock()
    folder = tmp_path_factory.mktemp("quota")
    policy = QuotaPolicy(reads_per_minute=limit, max_wait_s=1e6)
    limiters = [FileLimiter(folder, "robot", policy, clock) for _ in range(2)]
    calls = []
    for pause, which in steps:
        clock.advance(pause)
        limiters[which].acquire("read")
        calls.append(clock.now().timestamp())
    for index in range(len(calls) - limit):
        assert calls[index + limit] - calls[index] >= WINDOW_S - 1e-3


GREEDY = """
import sys
from pathlib import Path
from sheetsync.domain.clock import SystemClock
from sheetsync.errors import QuotaError
from sheetsync.gsheets.quota import FileLimiter
from sheetsync.gsheets.options import QuotaPolicy
limiter = FileLimiter(Path(sys.argv[1]), "robot", QuotaPolicy(reads_per_minute=60, max_wait_s=0.0), SystemClock())
granted = 0
sys.stdin.readline()
for _ in range(40):
    try:
        limiter.acquire("read")
        granted += 1
    except QuotaError:
        pass
sys.stdout.write(str(granted))
"""


def test_four_processes_at_once_get_sixty_calls_between_them(tmp_path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", GREEDY, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    granted = [int(child.communicate(timeout=60)[0]) for child in children]
    assert sum(granted) == 60


def test_no_limiter_never_waits() -> None:
    NoLimiter().acquire("read")
    NoLimiter().exhausted("read", 60)
