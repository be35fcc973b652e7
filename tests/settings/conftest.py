"""A workspace's folder with the three files as `init` writes them, loaded without the real environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sheetsync import settings
from sheetsync.bootstrap import TEMPLATES, read_template

Load = Callable[..., settings.Settings]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    config = tmp_path / "space" / "config"
    config.mkdir(parents=True)
    for name in TEMPLATES:
        (config / name).write_text(read_template(name), encoding="utf-8")
    return config.parent


@pytest.fixture
def write(workspace: Path) -> Callable[..., Path]:
    def write_file(text: str, name: str = "sheetsync.toml") -> Path:
        path = workspace / "config" / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def load(workspace: Path) -> Load:
    def load_it(**options: Any) -> settings.Settings:
        environ = {"HOME": "/home/ana", **options.pop("environ", {})}
        return settings.load(cwd=options.pop("cwd", workspace), environ=environ, **options)

    return load_it
