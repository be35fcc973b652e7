"""The replay of the model's histories, as fixtures; the world itself is in the `replay_*` modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stateful.replay_world import World, play


@pytest.fixture(scope="session")
def replay() -> Any:
    """`play`: one history against the real engine."""
    return play


@pytest.fixture(scope="session")
def model(shared: Path) -> Any:
    """The model's own generator of histories."""
    folder = str(shared / "model")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("sync_model", f"{folder}/sync_model.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


@pytest.fixture(scope="session")
def world_class() -> type[World]:
    """The world itself, for tests that act by hand."""
    return World
