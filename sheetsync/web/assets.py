"""The page's static files: read once, served under names that hold a hash of their content, so caches never lie."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
FILES: Final = ("workbench.css", "workbench.js", "icon.svg")


@dataclass(frozen=True, slots=True)
class Assets:
    """All static files. `by_name` is what the server looks up: no path of a request ever reaches the disk."""

    by_name: Mapping[str, tuple[bytes, str]]
    public_name: Mapping[str, str]

    @classmethod
    def load(cls) -> Assets:
        """Read them from the package."""
        by_name, public_name = {}, {}
        for name in FILES:
            data = (files("sheetsync.web") / "static" / name).read_bytes()
            stem, _, suffix = name.rpartition(".")
            public = f"{stem}.{hashlib.sha256(data).hexdigest()[:12]}.{suffix}"
            by_name[public], public_name[name] = (data, TYPES[suffix]), public
        return cls(by_name, public_name)

    def url(self, name: str) -> str:
        """Where the browser finds a file."""
        return f"/static/{self.public_name[name]}"
