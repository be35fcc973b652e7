"""One store on every backend: a fixture that opens it again and again, as other processes and hosts would."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sheetsync.store.backend import Backend
from sheetsync.store.buckets import open_bucket
from sheetsync.store.media import open_backend
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from tests.conformance.gcs_server import FakeGoogleStorage
from tests.conformance.servers import FaultyServer, azure_server, gcs_server, s3_server

Reopen = Callable[[], Backend]
SCHEMES = {"s3": "s3", "azure": "az", "gcs": "gs"}
_SERIAL = itertools.count()


@pytest.fixture(scope="session")
def s3() -> Iterator[tuple[dict[str, str], FaultyServer]]:
    """A running S3 server, and what can break its answers."""
    with s3_server() as server:
        yield server


@pytest.fixture
def s3_config(s3: tuple[dict[str, str], FaultyServer]) -> dict[str, str]:
    """How to reach it."""
    return s3[0]


@pytest.fixture(scope="session")
def azure_config() -> Iterator[dict[str, str]]:
    """A running Azure blob server."""
    with azure_server() as config:
        yield config


@pytest.fixture(scope="session")
def gcs() -> Iterator[tuple[dict[str, str], FaultyServer, FakeGoogleStorage]]:
    """A running Google Cloud Storage (ours), what can break its answers, and what it holds."""
    with gcs_server() as server:
        yield server


@pytest.fixture
def gcs_config(gcs: tuple[dict[str, str], FaultyServer, FakeGoogleStorage]) -> dict[str, str]:
    """How to reach it."""
    return gcs[0]


@pytest.fixture(params=["local", "memory", "s3", "azure", "gcs"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    """Opens the same fresh store's backend, each time as another process would."""
    kind = str(request.param)
    if kind == "local":
        return lambda: open_backend(tmp_path / "store", tell=lambda message: None)
    if kind == "memory":
        objects = MemoryObjects()
        return lambda: ObjectBackend(objects, "memory://", cheap=True)
    config = request.getfixturevalue(f"{kind}_config")
    prefix = f"{SCHEMES[kind]}://store/t{next(_SERIAL)}-{tmp_path.name[-40:]}"
    return lambda: open_bucket(prefix, config=config)
