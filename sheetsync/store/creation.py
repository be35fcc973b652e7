"""Creating an object surely: create-if-absent through lost answers, and the proof that a bucket keeps to it.

A bucket's answer to a create may be lost, late, or "not now" while another request is at work. So after each doubt only
what stands there counts: ours is success, another's is a race lost for good, and nothing means to try again. The client
must repeat nothing by itself: of two attempts that it made, it tells the second one's answer only, and a refusal then
says nothing about the first.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sheetsync.errors import SheetSyncError, UnknownOutcomeError
from sheetsync.store.object_port import Objects


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, and for how long, a create is tried again.

    Attributes:
        attempts: at most so many.
        total_s: none is begun after this time.
        first_wait_s: about so long is waited after the first attempt, then twice as long each time.
        longest_wait_s: but never longer.
        sleep: waits so many seconds.
        monotonic: a clock, in seconds.
        chance: a number from 0 to 1, so that hosts which lost at the same moment do not come back at the same moment.
    """

    attempts: int = 8
    total_s: float = 60.0
    first_wait_s: float = 0.1
    longest_wait_s: float = 5.0
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    def tries(self) -> Iterator[int]:
        """The attempts' numbers, from 0, each after its wait."""
        end, wait_s = self.monotonic() + self.total_s, self.first_wait_s
        for number in range(self.attempts):
            if number:
                if self.monotonic() >= end:
                    return
                self.sleep(wait_s * (0.5 + self.chance() / 2))
                wait_s = min(2 * wait_s, self.longest_wait_s)
            yield number


PACE: Final = Pace()


def put_surely(objects: Objects, key: str, data: bytes, pace: Pace = PACE) -> bool:
    """Create if absent: True if what stands there is ours, False if it is another's.

    Raises:
        UnknownOutcomeError: it may or may not have been written. So is a refusal after a doubt: the attempt that was
            in doubt may have been taken.
        SheetSyncError: the first attempt was refused; nothing was written.
    """
    doubt: Exception | None = None
    for _ in pace.tries():
        try:
            objects.put_new(key, data)
        except (FileExistsError, TimeoutError) as exc:  # S3's 409 is said to exist, and means "another is at work"
            doubt = exc
        except SheetSyncError as exc:
            if doubt is None:
                raise
            raise _unknown(key) from exc
        else:
            return True
        there = _look(objects, key)
        if there is not None:
            return there == data
    raise _unknown(key) from doubt


def is_refused(objects: Objects, key: str, data: bytes, pace: Pace = PACE) -> bool:
    """Is a create refused because an object stands there, as every commit relies on? One request, as a rule.

    Where it is not refused, the object there now has these bytes.

    Raises:
        UnknownOutcomeError: no attempt was answered.
        SheetSyncError: it was refused for another reason.
    """
    doubt: TimeoutError | None = None
    for _ in pace.tries():
        try:
            objects.put_new(key, data)
        except FileExistsError:
            return True
        except TimeoutError as exc:  # nothing is proved by that
            doubt = exc
        else:
            return False
    raise _unknown(key) from doubt


def _look(objects: Objects, key: str) -> bytes | None:
    try:
        return objects.get(key)
    except SheetSyncError as exc:
        raise _unknown(key) from exc


def _unknown(key: str) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        f"no answer from the bucket about '{key}'; it may or may not have been written",
        hint="open the store again and look",
    )
