"""Fixtures of the island's tests: a JavaScript engine as the oracle, and small providers to write."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).parent / "fixtures"
Engine = Callable[[Sequence[Path]], list[dict[str, Any]]]
BATCH = 400


@pytest.fixture(scope="session")
def modules() -> list[Path]:
    """The hand-written modules, one for each group of language forms."""
    return sorted((FIXTURES / "modules").glob("*.mjs"))


@pytest.fixture(scope="session")
def engine() -> Engine:
    """What Node makes of modules: `{"exports": …}` or `{"error": …}` each. Node is the oracle in tests only."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no JavaScript engine (node) here: this test compares our reader with it")

    def ask(files: Sequence[Path]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        while len(answers) < len(files):
            batch = [str(file) for file in files[len(answers) : len(answers) + BATCH]]
            command = [str(node), str(FIXTURES / "oracle.mjs"), *batch]
            said = subprocess.run(command, capture_output=True, timeout=120, check=False).stdout.decode("utf-8")
            got = [json.loads(line) for line in said.split("\n") if line]
            if len(got) < len(batch):
                got.append({"error": "the module ended the engine"})  # a top-level await that never settles
            answers += got
        return answers

    return ask
