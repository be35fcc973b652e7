"""The one retry wrapper: which failed calls are sent again, and after which wait.

Only what is safe is sent again. A read always is. A write (batchUpdate, files.create) is sent again only after an
answer that proves it was not carried out: a used-up quota, or a connection that was never made. After a 5xx, a
timeout or a torn connection it may have been carried out: `UnknownOutcomeError`, and the caller reads again.

What an answer means is decided in `error_table`; sending is in `client`. Clock and randomness are passed in.
Source: design.md section 7 (Retries), sheets_api.md section 1.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Final, TypeVar

from sheetsync.domain.clock import Clock
from sheetsync.errors import NetworkError, SheetSyncError, UnknownOutcomeError
from sheetsync.gsheets.error_table import Failure, Target, translate
from sheetsync.gsheets.options import RetryPolicy

T = TypeVar("T")
LOG: Final = logging.getLogger(__name__)
READ_AGAIN: Final = "run the command again: it reads the sheet first and finds out what landed"


NO_RETRIES: Final = RetryPolicy(attempts=1, unreachable_attempts=1)


class AttemptFailedError(Exception):
    """One attempt failed. `again`: sending the very same call is safe and may help.

    `quota`: a per-minute quota is used up. `unreachable`: no connection was made. `at_least_s`: the server's own wish.
    """

    def __init__(
        self,
        error: SheetSyncError,
        *,
        again: bool,
        quota: bool = False,
        unreachable: bool = False,
        at_least_s: float = 0.0,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.again = again
        self.quota = quota
        self.unreachable = unreachable
        self.at_least_s = at_least_s


def judge_answer(failure: Failure, target: Target, *, is_write: bool) -> AttemptFailedError:
    """What an answer that is not a success means for the call."""
    error = translate(failure, target)
    wait = failure.retry_after_s or 0.0
    if failure.is_quota:  # refused before it was looked at: safe even for a write
        return AttemptFailedError(error, again=failure.is_rate, quota=failure.is_per_minute, at_least_s=wait)
    if not failure.is_transient:
        return AttemptFailedError(error, again=False)
    if is_write:  # Google has answered 503 with the rows written (section 1)
        return AttemptFailedError(unknown_outcome(error.message), again=False)
    return AttemptFailedError(error, again=True, at_least_s=wait)


def judge_silence(what: str, *, hint: str, is_write: bool, was_sent: bool) -> AttemptFailedError:
    """What it means that no whole answer came. `was_sent`: the request may have reached the server."""
    if is_write and was_sent:
        return AttemptFailedError(unknown_outcome(what), again=False)
    return AttemptFailedError(NetworkError(what, hint=hint), again=True, unreachable=not was_sent)


def unknown_outcome(what: str) -> UnknownOutcomeError:
    """A write without an answer: it may or may not have been done."""
    return UnknownOutcomeError(f"the write may or may not have landed: {what}", hint=READ_AGAIN)


class Retrier:
    """Runs attempts until one works, none may follow, or the deadline is near."""

    def __init__(
        self,
        policy: RetryPolicy,
        clock: Clock,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._uniform = uniform

    def run(self, attempt: Callable[[], T], *, policy: RetryPolicy | None = None) -> T:
        """The result of the first attempt that works.

        Raises:
            SheetSyncError: that of the last attempt.
        """
        policy = policy or self._policy
        ends_at = self._clock.monotonic() + policy.deadline_s
        quota_hits = 0
        for number in range(1, policy.attempts + 1):
            try:
                return attempt()
            except AttemptFailedError as failed:
                limit = policy.unreachable_attempts if failed.unreachable else policy.attempts
                first_quota = failed.quota and quota_hits == 0
                quota_hits += failed.quota
                wait = self._wait(policy, failed, number, first_quota=first_quota)
                if not failed.again or number >= limit or self._clock.monotonic() + wait > ends_at:
                    raise failed.error from failed.__cause__
                LOG.warning("%s; attempt %d follows in %.1f s", failed.error.message, number + 1, wait)
                self._clock.sleep(wait)
        raise AssertionError("a policy has at least one attempt")

    def _wait(self, policy: RetryPolicy, failed: AttemptFailedError, number: int, *, first_quota: bool) -> float:
        if first_quota:  # anything shorter would only be refused again
            return max(failed.at_least_s, policy.quota_wait_s + self._uniform(0.0, policy.quota_jitter_s))
        jittered = self._uniform(0.0, min(policy.cap_s, policy.base_s * 2.0 ** (number - 1)))
        return failed.at_least_s + jittered
