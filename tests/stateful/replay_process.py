"""One run of sync as a thread that stops before every API call, lease and commit: people can act between any two.

The network that loses, delays or doubles batches is here too. Who else acts is in the `replay_*` modules beside.
"""

from __future__ import annotations

import threading
from typing import Any

from sheetsync.domain.context import RequestContext
from sheetsync.errors import LockHeldError, SafetyStopError, TryLaterError, UnknownOutcomeError
from sheetsync.gsheets.api import SheetsApi
from sheetsync.services.syncing import Forces, sync
from sheetsync.store import Store
from tests.stateful.witness import Violation


class Killed(BaseException):
    """kill -9, at the point where the process stands."""


class Process(threading.Thread):
    """One run of sync that stops before each step."""

    def __init__(self, world: Any, forces: Forces) -> None:
        super().__init__(daemon=True)
        self.world, self.forces = world, forces
        self.parked, self.go = threading.Event(), threading.Event()
        self.fault, self.killed, self.at, self.outcome = "ok", False, "start", ""
        self.broken: BaseException | None = None
        self.read_at = 0

    def run(self) -> None:
        try:
            sync(self.world.gated, self.world.gateway, forces=self.forces)
            self.outcome = "done"
        except SafetyStopError:
            self.outcome = "stop"
        except LockHeldError:
            self.outcome = "busy"
        except TryLaterError:
            self.outcome = "later"
        except Killed:
            self.outcome = "killed"
        except BaseException as exc:  # noqa: BLE001 - reported by the world
            self.broken = exc
        self.at = "end"
        self.parked.set()

    def gate(self, kind: str) -> str:
        self.at = kind
        self.parked.set()
        if not self.go.wait(20):
            raise Killed
        self.go.clear()
        if self.killed:
            raise Killed
        return self.fault

    def step(self, fault: str = "ok") -> None:
        """Go on to the next step, or to the end."""
        self.fault = fault
        self.parked.clear()
        if self.at == "start":
            self.at = "running"
            self.start()
        else:
            self.go.set()
        if not self.parked.wait(20):
            raise Violation("hang", f"a step takes too long: {self.at}")


def has_read(world: Any) -> None:
    """What the sheet says now is what this process goes on from."""
    here = threading.current_thread()
    if isinstance(here, Process):
        here.read_at = world.now


def gate(kind: str) -> str:
    here = threading.current_thread()
    return here.gate(kind) if isinstance(here, Process) else "ok"


class GatedStore:
    """The store, with a stop before leases and commits."""

    def __init__(self, world: Any, store: Store) -> None:
        self._world, self._store = world, store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def lease(self, name: str, **options: Any) -> Any:
        gate("lease")
        return self._store.lease(name, **options)

    def transaction(self, ctx: RequestContext, **options: Any) -> Any:
        taking = options.get("expect_head") is not None  # what a comparison brought is taken in
        here = threading.current_thread()
        if taking and isinstance(here, Process):
            self._world.read_for[self._world.now] = here.read_at
        gate("take" if taking else "tx")
        return self._store.transaction(ctx, **options)


class GatedApi:
    """The calls, with a stop before each, and a network that loses, delays or doubles batches."""

    def __init__(self, world: Any, api: SheetsApi) -> None:
        self._world, self._api = world, api

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def get_by_filter_bytes(self, *args: Any, **options: Any) -> bytes:
        gate("read")
        has_read(self._world)
        with self._world.failing():
            return self._api.get_by_filter_bytes(*args, **options)

    def batch_update_bytes(self, *args: Any, **options: Any) -> bytes:
        fault, world = gate("batch"), self._world
        sent = (args, options)
        world.witness.sending(args[1])
        if fault == "before":
            raise UnknownOutcomeError("no answer")
        if fault == "late":
            world.flight.append(sent)
            raise UnknownOutcomeError("no answer")
        has_read(world)
        answer: bytes = world.deliver(sent)
        if fault == "twice" and not world.flight:
            world.flight.append(sent)
        if fault == "after":
            raise UnknownOutcomeError("no answer")
        return answer
