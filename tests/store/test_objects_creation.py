"""Creating an object surely: what counts after a doubt, when it ends, and what a refusal means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from sheetsync.errors import AuthError, NetworkError, SheetSyncError, UnknownOutcomeError
from sheetsync.store.creation import Pace, is_refused, put_surely
from sheetsync.store.object_port import MemoryObjects

Step = Exception | Callable[[], Exception | None]


@dataclass
class FakeTime:
    """A clock that sleeping and asking move."""

    now_s: float = 0.0
    waits_s: list[float] = field(default_factory=list)
    request_s: float = 0.0  # how long each look at the clock takes

    def sleep(self, wait_s: float) -> None:
        self.waits_s.append(wait_s)
        self.now_s += wait_s

    def monotonic(self) -> float:
        self.now_s += self.request_s
        return self.now_s

    def pace(self, chance: float = 1.0) -> Pace:
        return Pace(sleep=self.sleep, monotonic=self.monotonic, chance=lambda: chance)


class ScriptedObjects(MemoryObjects):
    """Each create does what the next step says: raises, or calls it and raises what it returns; then works."""

    def __init__(self, *steps: Step, lost: Exception | None = None) -> None:
        super().__init__()
        self.steps, self.lost = list(steps), lost
        self.creates = self.gets = 0

    def put_new(self, key: str, data: bytes) -> None:
        self.creates += 1
        if self.steps:
            step = self.steps.pop(0)
            error = step if isinstance(step, Exception) else step()
            if error is not None:
                raise error
        super().put_new(key, data)

    def get(self, key: str) -> bytes | None:
        self.gets += 1
        if self.lost is not None:
            raise self.lost
        return super().get(key)


def landing(objects: ScriptedObjects, data: bytes) -> Callable[[], Exception]:
    """The write takes effect, and its answer is lost."""

    def step() -> Exception:
        objects._objects["k"] = data
        return TimeoutError("503")

    return step


@pytest.mark.parametrize(("data", "ours"), [(b"ours", True), (b"theirs", False)])
def test_after_a_lost_answer_what_stands_there_decides(data: bytes, ours: bool) -> None:
    objects = ScriptedObjects()
    objects.steps = [landing(objects, data), AuthError("must not be asked again")]
    assert put_surely(objects, "k", b"ours", FakeTime().pace()) is ours
    assert (objects.creates, objects.gets) == (1, 1)


def test_where_nothing_stands_it_is_tried_again_after_a_longer_wait_each_time() -> None:
    time = FakeTime()
    objects = ScriptedObjects(*[TimeoutError("503")] * 7)
    assert put_surely(objects, "k", b"ours", time.pace())
    assert time.waits_s == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0])
    half = FakeTime()
    put_surely(ScriptedObjects(TimeoutError("503")), "k", b"ours", half.pace(0.0))
    assert half.waits_s == pytest.approx([0.05])


def test_a_conflict_where_nothing_stands_is_a_doubt() -> None:
    objects = ScriptedObjects(FileExistsError("409"), FileExistsError("409"))
    assert put_surely(objects, "k", b"ours", FakeTime().pace())
    assert objects.creates == 3


def test_attempts_and_time_are_bounded() -> None:
    objects = ScriptedObjects(*[TimeoutError("503")] * 99)
    with pytest.raises(UnknownOutcomeError):
        put_surely(objects, "k", b"ours", FakeTime().pace())
    assert objects.creates == 8
    slow = ScriptedObjects(*[TimeoutError("no answer")] * 99)
    with pytest.raises(UnknownOutcomeError):
        put_surely(slow, "k", b"ours", FakeTime(request_s=30.0).pace())
    assert slow.creates == 2


def test_a_refusal_at_once_is_a_failure_and_after_a_doubt_it_is_not_known() -> None:
    with pytest.raises(AuthError):
        put_surely(ScriptedObjects(AuthError("no")), "k", b"ours", FakeTime().pace())
    for doubt in (TimeoutError("503"), FileExistsError("409")):
        with pytest.raises(UnknownOutcomeError):
            put_surely(ScriptedObjects(doubt, AuthError("no")), "k", b"ours", FakeTime().pace())


@pytest.mark.parametrize("lost", [NetworkError("no answer"), AuthError("the token ran out")])
def test_what_cannot_be_looked_at_is_not_known(lost: SheetSyncError) -> None:
    with pytest.raises(UnknownOutcomeError):
        put_surely(ScriptedObjects(TimeoutError("503"), lost=lost), "k", b"ours", FakeTime().pace())


def test_a_bucket_that_creates_what_is_there_is_found_out() -> None:
    class Deaf(MemoryObjects):
        def put_new(self, key: str, data: bytes) -> None:
            self.put(key, data)

    deaf = Deaf()
    deaf.put("k", b"first")
    assert not is_refused(deaf, "k", b"second")
    sound = ScriptedObjects()
    sound.put("k", b"first")
    assert is_refused(sound, "k", b"second")
    assert (sound.creates, sound.gets) == (1, 0)
    doubtful = ScriptedObjects(TimeoutError("503"))
    doubtful.put("k", b"first")
    assert is_refused(doubtful, "k", b"second", FakeTime().pace())
    assert doubtful.get("k") == b"first"
