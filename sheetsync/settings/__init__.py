"""The only reader of configuration files, the environment and flags: `load` gives one frozen `Settings`."""

from __future__ import annotations

from sheetsync.settings.loading import find_config, load, workspace_root
from sheetsync.settings.model import (
    ImportSettings,
    Person,
    PublishSettings,
    PullSettings,
    ServeSettings,
    Settings,
    SheetsSettings,
    Target,
)

__all__ = [
    "ImportSettings",
    "Person",
    "PublishSettings",
    "PullSettings",
    "ServeSettings",
    "Settings",
    "SheetsSettings",
    "Target",
    "find_config",
    "load",
    "workspace_root",
]
