"""Mistakes of the configuration, collected with their places, so that all are told at once."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from sheetsync.errors import ConfigError
from sheetsync.settings.toml_lines import KeyPath, find_lines

LINES_SALVAGED: Final = 500  # far beyond any configuration; each try parses all of them


@dataclass(frozen=True)
class TomlFile:
    """A TOML file as read; empty where it could not be."""

    path: Path
    shown: str
    text: str = ""
    values: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, mistakes: Mistakes, *, salvage: bool = False) -> TomlFile:
        """Read a file; what is wrong with it as a file is added to the mistakes. `salvage`: keep what stands before."""
        shown = mistakes.show(path)
        try:
            text = path.read_text(encoding="utf-8")
            return cls(path, shown, text, tomllib.loads(text))
        except OSError as exc:
            mistakes.say(f"{shown}: cannot be read: {exc.strerror}")
        except UnicodeDecodeError:
            mistakes.say(f"{shown}: is not UTF-8 text")
        except tomllib.TOMLDecodeError as exc:
            mistakes.say(f"{shown}:{_place_first(str(exc), text)}")
            if salvage:
                return cls(path, shown, text, _before_the_mistake(text))
        return cls(path, shown)

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        return find_lines(self.text)

    def line(self, at: KeyPath) -> int:
        """The line of a key, or of the nearest table around it that has one; 0 if none has."""
        while at and at not in self._lines:
            at = at[:-1]
        return self._lines.get(at, 0)


@dataclass
class Mistakes:
    """What is wrong, one line each, in the order found."""

    root: Path
    found: list[str] = field(default_factory=list)

    def show(self, path: Path) -> str:
        """A path as people know it: relative to the workspace where it lies inside."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def say(self, line: str) -> None:
        """Add a mistake with its place already in it."""
        self.found.append(line)

    def add(self, file: TomlFile, at: KeyPath, message: str) -> None:
        """Add a mistake at a key of a file."""
        self.say(f"{file.shown}:{file.line(at)}: {message}")

    def raise_if_any(self) -> None:
        """Tell all of them.

        Raises:
            ConfigError: there are some.
        """
        if not self.found:
            return
        if len(self.found) == 1:
            message = self.found[0]
        else:
            message = f"{len(self.found)} mistakes in the configuration:\n  " + "\n  ".join(self.found)
        hint = "correct what is named; 'sheetsync init' in an empty folder writes files that explain every key"
        raise ConfigError(message, mistakes=tuple(self.found), hint=hint)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or "" where nothing is close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _place_first(message: str, text: str) -> str:
    """`Expected '=' … (at line 3, column 5)` as `3: Expected '=' …`, where editors look for the line."""
    what, _, place = message.partition(" (at ")
    line = place.removeprefix("line ").split(",")[0].rstrip(")")
    return f"{line if line.isdigit() else len(text.splitlines()) or 1}: {what}"


def _before_the_mistake(text: str) -> Mapping[str, object]:
    """What the most whole lines from the top say that are TOML."""
    lines = text.splitlines()[:LINES_SALVAGED]
    for end in range(len(lines), 0, -1):
        with suppress(tomllib.TOMLDecodeError):
            return tomllib.loads("\n".join(lines[:end]))
    return {}
