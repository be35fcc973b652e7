"""Mistakes of the configuration, collected with their places, so that all are told at once."""

from __future__ import annotations

import difflib
import re
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
DECISIVE: Final = {"store": "--store URL", "tenant": "--tenant NAME"}  # they say what a command acts on
OF_FILE, OF_ENVIRONMENT, OF_FLAGS = 0, 1, 2  # who said it; later ones win
CLOSE: Final = 0.6  # how alike two names are before one may be meant by the other
_HEADER: Final = re.compile(r"\s*\[+\s*([^\]]*?)\s*\]")
_KEY: Final = re.compile(r"\s*[\"']?([A-Za-z_][\w-]*)[\"']?\s*[=.]")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A mistake that leaves a decisive key open."""

    key: str
    level: int
    line: str


@dataclass(frozen=True)
class TomlFile:
    """A TOML file as read; empty where it could not be."""

    path: Path
    shown: str
    text: str = ""
    values: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, mistakes: Mistakes, *, salvage: bool = False) -> TomlFile:
        """Read a file; what is wrong with it as a file is added to the mistakes.

        Args:
            path: the file.
            mistakes: what is wrong is added here.
            salvage: it is the main one, and what stands before a mistake is kept.
        """
        shown = mistakes.show(path)
        try:
            text = path.read_text(encoding="utf-8")
            return cls(path, shown, text, tomllib.loads(text))
        except OSError as exc:
            mistakes.say(f"{shown}: cannot be read: {exc.strerror}", about=DECISIVE if salvage else ())
        except UnicodeDecodeError:
            mistakes.say(f"{shown}: is not UTF-8 text", about=DECISIVE if salvage else ())
        except tomllib.TOMLDecodeError as exc:
            values, kept = _before_the_mistake(text) if salvage else ({}, 0)
            mistakes.say(f"{shown}:{_place_first(str(exc), text)}", about=_said_after(text, kept) if salvage else ())
            return cls(path, shown, text if salvage else "", values)
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
    doubts: list[Doubt] = field(default_factory=list)
    level: int = OF_FILE  # of what is being read

    def show(self, path: Path) -> str:
        """A path as people know it: relative to the workspace where it lies inside."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def say(self, line: str, *, about: Iterable[str] = ()) -> None:
        """Add a mistake with its place already in it; `about`: the keys whose value nobody knows for it."""
        self.found.append(line)
        self.doubt(line, about)

    def add(self, file: TomlFile, at: KeyPath, message: str, *, about: Iterable[str] = ()) -> None:
        """Add a mistake at a key of a file."""
        self.say(f"{file.shown}:{file.line(at)}: {message}", about=about)

    def doubt(self, line: str, about: Iterable[str]) -> None:
        """Note that a line leaves open which store, or whose part of it, is meant."""
        self.doubts += [Doubt(key, self.level, line) for key in about if key in DECISIVE]

    def raise_if_undecided(self, given: Mapping[str, int]) -> None:
        """Tell what leaves open which store is meant: what looks after a store must not look after another one.

        Args:
            given: key → the level that gave its value; a doubt of a lower level does not matter then.

        Raises:
            ConfigError: there is some.
        """
        left = [doubt for doubt in self.doubts if doubt.level >= given.get(doubt.key, OF_FILE)]
        if left:
            lines = tuple(dict.fromkeys(doubt.line for doubt in left))
            flags = " ".join(dict.fromkeys(DECISIVE[doubt.key] for doubt in left if doubt.level != OF_FLAGS))
            hint = f"name it on the command line: {flags}" if flags else "correct what is named"
            raise ConfigError("\n  ".join(lines), mistakes=lines, hint=hint)

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
    close = closest(name, known)
    return f" (did you mean {close!r}?)" if close else ""


def closest(name: str, known: Iterable[str]) -> str:
    """The name that may be meant; "" where nothing is close."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=CLOSE)), "")


def _place_first(message: str, text: str) -> str:
    """`Expected '=' … (at line 3, column 5)` as `3: Expected '=' …`, where editors look for the line."""
    what, _, place = message.partition(" (at ")
    line = place.removeprefix("line ").split(",")[0].rstrip(")")
    return f"{line if line.isdigit() else len(text.splitlines()) or 1}: {what}"


def _before_the_mistake(text: str) -> tuple[Mapping[str, object], int]:
    """What the most whole lines from the top say that are TOML, and how many they are."""
    lines = text.splitlines()[:LINES_SALVAGED]
    for end in range(len(lines), 0, -1):
        with suppress(tomllib.TOMLDecodeError):
            return tomllib.loads("\n".join(lines[:end])), end
    return {}, 0


def _said_after(text: str, kept: int) -> list[str]:
    """The decisive keys that lines after the first `kept` ones seem to set."""
    found, section = [], ""
    for index, line in enumerate(text.splitlines()):
        if header := _HEADER.match(line):
            section = header[1]
        elif index >= kept and section != "target" and (key := _KEY.match(line)):
            found.append(closest(key[1], DECISIVE))
    return found
