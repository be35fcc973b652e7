"""Servers that speak the buckets' protocols, started by the tests: moto's S3, Microsoft's Azurite, and our own GCS."""

from __future__ import annotations

import contextlib
import logging
import random
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.gcs_server import FakeGoogleStorage, serve

HERE = Path(__file__).resolve().parent
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # public
START_S = 90.0  # a busy machine starts node slowly


def request(url: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> None:
    """One request to a server of ours."""
    asked = urllib.request.Request(url, method=method, headers=headers or {})  # noqa: S310 (a loopback address)
    urllib.request.urlopen(asked, timeout=30).close()  # noqa: S310


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True)
class Reply:
    """An answer in the server's place; with `done` the server does first what it was asked."""

    status: str
    body: bytes = b""
    done: bool = False


class FaultyServer:
    """A WSGI application between the client and a server that breaks requests which write, one in so many.

    `before`: 503, and nothing was done. `after`: the write was done, and the answer is 503 (as after a time-out).
    `rule` is asked first: it may answer a request (its method and path) itself, whatever it is.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._rng = random.Random(1)
        self.rate = 0.0
        self.faults = {"before": 0, "after": 0}
        self.rule: Callable[[str, str], Reply | None] = lambda method, path: None
        self.asked: list[tuple[str, str]] = []
        self.deaf = False  # to If-None-Match

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if self.deaf:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        if (reply := self.rule(*self.asked[-1])) is not None:
            if reply.done:
                list(self._app(environ, lambda status, headers, info=None: None))
            else:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(reply.status, [("Content-Type", "text/xml"), ("Content-Length", str(len(reply.body)))])
            return [reply.body]
        if environ["REQUEST_METHOD"] != "PUT" or self._rng.random() >= self.rate:
            return self._app(environ, start_response)
        kind = self._rng.choice(["before", "after"])
        self.faults[kind] += 1
        if kind == "after":
            list(self._app(environ, lambda status, headers, info=None: None))
        start_response("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", "0")])
        return [b""]


@contextlib.contextmanager
def s3_server() -> Iterator[tuple[dict[str, str], FaultyServer]]:
    """obstore's configuration for a running moto server with the bucket `store`, and what can break its answers."""
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed: the S3 suite needs it")
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # One request after the other: moto looks and puts in two steps, which S3 does in one.
    app = FaultyServer(moto.DomainDispatcherApplication(moto.create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        request(f"{endpoint}/store", method="PUT")
        config = {"endpoint": endpoint, "access_key_id": "testing", "secret_access_key": "testing"}
        yield {**config, "region": "us-east-1", "virtual_hosted_style_request": "false"}, app
    finally:
        server.shutdown()
        thread.join(timeout=20)
        server.server_close()


@contextlib.contextmanager
def gcs_server() -> Iterator[tuple[dict[str, str], FaultyServer, FakeGoogleStorage]]:
    """obstore's configuration for a running Google Cloud Storage of ours with the bucket `store`."""
    google = FakeGoogleStorage("store")
    app = FaultyServer(google)
    with serve(app) as address:
        yield {"base_url": address, "bearer_token": "test-token"}, app, google


def azurite_program() -> str:
    local = HERE / "node_modules" / ".bin" / "azurite-blob"
    found = str(local) if local.exists() else shutil.which("azurite-blob")
    if found is None:
        pytest.skip("Azurite is not installed ('npm ci' in tests/conformance): the Azure suite needs it")
    return found


@contextlib.contextmanager
def azure_server() -> Iterator[dict[str, str]]:
    """obstore's configuration for a running Azurite with the container `store`."""
    port = free_port()
    command = [azurite_program(), "--silent", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]
    command += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/devstoreaccount1?comp=list")
            config = {
                "account_name": "devstoreaccount1",
                "account_key": AZURITE_KEY,
                "endpoint": f"http://127.0.0.1:{port}/devstoreaccount1",
            }
            make_container(config, "store")
            yield config
        finally:
            process.terminate()
            process.wait(timeout=20)


def wait_for(url: str) -> None:
    """Until the server answers anything."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            request(url)
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def make_container(config: dict[str, str], name: str) -> None:
    """Create a container with a shared-key signature (obstore makes objects only)."""
    import base64
    import hashlib
    import hmac
    from email.utils import formatdate

    date, version = formatdate(usegmt=True), "2021-12-02"
    account = config["account_name"]
    resource = f"/{account}/{account}/{name}\nrestype:container"
    text = f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n{resource}"
    digest = hmac.new(base64.b64decode(config["account_key"]), text.encode(), hashlib.sha256).digest()
    headers = {
        "x-ms-date": date,
        "x-ms-version": version,
        "Authorization": f"SharedKey {account}:{base64.b64encode(digest).decode()}",
    }
    url = f"{config['endpoint']}/{name}?restype=container"
    request(url, method="PUT", headers=headers)
