"""The ledger counts what was really sent, retries included."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sheetsync.observability.ledger import Call, CallLedger


def test_calls_are_counted_by_kind_and_summed() -> None:
    ledger = CallLedger()
    ledger.record(Call("read", 200, 0.5, 0, 1000))
    ledger.record(Call("read", 503, 0.25, 0, 10))
    ledger.record(Call("write", 0, 1.0, 400, 0))
    assert ledger.counts() == {"read": 2, "write": 1, "drive": 0}
    assert (ledger.seconds(), ledger.sent_bytes(), ledger.received_bytes()) == (1.75, 400, 1010)


def test_threads_lose_no_call() -> None:
    ledger = CallLedger()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ledger.record(Call("drive", 200, 0, 0, 0)), range(500)))
    assert ledger.counts()["drive"] == 500
