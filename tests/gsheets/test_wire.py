"""The same rules on real sockets: a server that breaks off, stalls, cuts answers short or goes away, step by step."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.errors import NetworkError, UnknownOutcomeError
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.options import RetryPolicy, Timeouts
from sheetsync.gsheets.retry import Retrier

FINE = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"ok": true}'
BREAK_OFF = b""
TORN = b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"ok": tr'
TORN_CHUNKS = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"ok"\r\n50\r\nshort'
STALL = b"stall"
NO_HTTP = b"SSH-2.0-OpenSSH_9.2\r\n"
FINE_THEN_CLOSED = FINE + b"close"


class WireServer:
    """Answers each request with the next step of a script; `seen` counts the requests that came in whole."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.script: list[bytes] = []
        self.seen = 0
        self.hung_up = threading.Event()
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            with contextlib.suppress(OSError):  # the client may hang up first
                while self.script and self._answer(connection):
                    pass

    def _answer(self, connection: socket.socket) -> bool:
        """One request of a connection; False once the connection is done."""
        if not _read_request(connection):
            return False
        self.seen += 1
        step = self.script.pop(0)
        if step == STALL:
            return False  # the connection stays open, and silent
        connection.sendall(step.removesuffix(b"close"))
        if step != FINE:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            self.hung_up.set()
        return step == FINE

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=10)
        for connection in self._open:
            connection.close()


def _read_request(connection: socket.socket) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        block = connection.recv(65536)
        if not block:
            return False
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    wanted = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < wanted and (block := connection.recv(65536)):
        body += block
    return len(body) >= wanted


@pytest.fixture
def server() -> Iterator[WireServer]:
    made = WireServer()
    yield made
    made.close()


@pytest.fixture
def api(server: WireServer, clock: FakeClock) -> Iterator[SheetsApi]:
    retrier = Retrier(RetryPolicy(attempts=3), clock, uniform=lambda low, high: (low + high) / 2)
    with SheetsApi(
        endpoint=server.url, clock=clock, retrier=retrier, timeouts=Timeouts(connect_s=2, read_s=0.2)
    ) as made:
        yield made


def read(api: SheetsApi) -> object:
    return api.get("x", fields="a")


def write(api: SheetsApi) -> object:
    return api.batch_update("x", [{"addSheet": {}}])


BROKEN = {"breaks off": BREAK_OFF, "torn": TORN, "torn chunks": TORN_CHUNKS, "stalls": STALL, "no HTTP": NO_HTTP}


@pytest.mark.parametrize("step", BROKEN.values(), ids=list(BROKEN))
def test_a_read_is_sent_again_until_a_whole_answer_comes(server: WireServer, api: SheetsApi, step: bytes) -> None:
    server.script = [step, step, FINE]
    assert read(api) == {"ok": True}
    assert server.seen == 3


@pytest.mark.parametrize("step", BROKEN.values(), ids=list(BROKEN))
def test_a_write_is_sent_once_whatever_becomes_of_its_answer(
    server: WireServer, api: SheetsApi, clock: FakeClock, step: bytes
) -> None:
    server.script = [step, FINE]
    with pytest.raises(UnknownOutcomeError):
        write(api)
    assert server.seen == 1
    assert clock.slept == []


def test_a_connection_that_the_server_closed_while_it_was_idle_costs_no_write(
    server: WireServer, api: SheetsApi
) -> None:
    server.script = [FINE_THEN_CLOSED, FINE]
    read(api)
    assert server.hung_up.wait(timeout=10)
    assert write(api) == {"ok": True}
    assert server.seen == 2


def test_calls_share_one_connection(server: WireServer, api: SheetsApi) -> None:
    server.script = [FINE] * 5
    for act in (read, write, read, write, read):
        assert act(api) == {"ok": True}
    assert api.ledger.counts() == {"read": 3, "write": 2, "drive": 0}


@pytest.mark.parametrize("act", [read, write])
def test_a_server_that_is_gone_is_one_error_at_once(
    server: WireServer, api: SheetsApi, clock: FakeClock, act: Callable[[SheetsApi], object]
) -> None:
    server.close()
    with pytest.raises(NetworkError, match="no server answers"):
        act(api)
    assert clock.slept == []


def test_a_server_that_moved_is_found_again_by_reads_and_by_writes(clock: FakeClock, server: WireServer) -> None:
    gone = WireServer()
    gone.close()
    asked: list[str] = []

    def relocate() -> str:
        asked.append(server.url)
        return server.url

    server.script = [FINE, FINE]
    for act in (read, write):
        retrier = Retrier(RetryPolicy(), clock, uniform=lambda low, _: low)
        with SheetsApi(endpoint=gone.url, clock=clock, retrier=retrier, relocate=relocate) as api:
            assert act(api) == {"ok": True}
    assert len(asked) == 2
