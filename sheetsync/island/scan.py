"""What lies under a path that is to be imported: which folders are providers or selections, and their files' bytes.

Nothing is followed and nothing outside is read: links are refused, every file is opened relative to its opened folder
without following, only regular files are read, and no more of one than a limit. What the bytes mean is in `sources`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sheetsync.domain.problems import Problem
from sheetsync.errors import NotFoundError, UsageError

SOURCE_SUFFIXES: Final = (".json", ".mjs")
TEXT_SUFFIXES: Final = (".md",)
NOT_SOURCES: Final = frozenset({"index.json", "grade.json", "package.json", "package-lock.json"})  # derived, or npm's
PARTS: Final = {"skills": (*SOURCE_SUFFIXES, ".md"), "resources": TEXT_SUFFIXES, "resources/about": TEXT_SUFFIXES}
MAX_FILE_BYTES: Final = 4_000_000  # the largest real schema has 143 kB
MAX_FILES: Final = 2_000  # of one folder
MAX_LEVELS: Final = 6  # of folders of folders: a library has two
READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
LINK: Final = "is a symbolic link, and links are not followed"
_SHOWN: Final = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A folder that may be a provider or a selection, or one file that may be a selection. `name`: for problems.

    `library`: the folder of folders that was named, else the one around it; `from_library`: it was named.
    """

    path: Path
    name: str
    from_library: bool
    library: Path


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file, as it is: `path` is relative to its folder, with `/`."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class FolderContent:
    """All that a folder holds for an import, and what could not be read."""

    name: str
    files: tuple[SourceFile, ...] = ()
    problems: tuple[Problem, ...] = ()
    findings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What the paths lead to: candidates in order, and problems of folders that are none."""

    candidates: tuple[Candidate, ...]
    problems: tuple[Problem, ...]
    findings: tuple[Problem, ...] = ()


def shown(name: str) -> str:
    """A file's name as text for people: what has no UTF-8 form, or would move the cursor, is `?`."""
    return _SHOWN.sub("?", name.encode("utf-8", "replace").decode("utf-8"))


def check_there(paths: tuple[Path, ...]) -> None:
    """Refuse what is not there, before anything is made for it.

    Raises:
        NotFoundError: a path does not exist.
    """
    for path in paths:
        if not path.exists():
            hint = "give a provider folder, or a folder of them"
            raise NotFoundError(f"there is no file or folder '{shown(str(path))}'", hint=hint)


def find_candidates(paths: tuple[Path, ...]) -> Found:
    """The provider and selection folders under the given paths, in code-point order within each.

    Raises:
        NotFoundError: a path does not exist.
        UsageError: a path is neither a folder nor a source file.
    """
    candidates: list[Candidate] = []
    problems: list[Problem] = []
    findings: list[Problem] = []
    check_there(paths)
    for path in paths:
        real = path.resolve()
        if real.is_dir():
            _search(real, real.name, 0, candidates, problems)
        elif real.is_file() and _is_source(real.name):
            candidates.append(Candidate(real, shown(real.name), from_library=False, library=real.parent))
        elif len(paths) > 1:  # a shell's `library/*` gives its README too
            findings.append(problem("not_a_source", real.name, "is neither a folder nor a .json or .mjs file"))
        else:
            raise UsageError(f"'{shown(str(path))}' is neither a folder nor a .json or .mjs file")
    once: dict[Path, Candidate] = {}
    for candidate in candidates:
        if candidate.path not in once or candidate.from_library:
            once[candidate.path] = candidate
    return Found(tuple(once.values()), tuple(problems), tuple(findings))


def _search(folder: Path, name: str, level: int, candidates: list[Candidate], problems: list[Problem]) -> None:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as exc:
        problems.append(problem("unreadable", name, f"the folder cannot be read: {exc.strerror}"))
        return
    visible = [entry for entry in entries if not entry.name.startswith(".")]
    if any(_is_source(entry.name) for entry in visible):
        library = folder.parents[level - 1] if level else folder.parent
        candidates.append(Candidate(folder, shown(name), from_library=level > 0, library=library))
        return
    folders = [entry for entry in visible if entry.is_symlink() or entry.is_dir(follow_symlinks=False)]
    if level >= MAX_LEVELS or not folders:
        what = "holds no .json or .mjs file" if not folders else f"is nested more than {MAX_LEVELS} deep"
        problems.append(
            problem("empty_folder", name, f"the folder {what}", hint="remove it, or give the folder above its files")
        )
        return
    for entry in folders:
        if entry.name == "node_modules":
            continue
        if entry.is_symlink():
            problems.append(problem("symlink", f"{name}/{entry.name}", LINK))
            continue
        inner = entry.name if level == 0 else f"{name}/{entry.name}"
        _search(Path(entry.path), inner, level + 1, candidates, problems)


def _is_source(name: str) -> bool:
    return name.endswith(SOURCE_SUFFIXES) and name not in NOT_SOURCES and not name.startswith(".")


def problem(
    code: str, where: str, message: str, *, hint: str = "", cell: str = "", about: tuple[str, ...] = ()
) -> Problem:
    """A problem of an import; `where` is the file or folder, `about` the namespaces concerned."""
    return Problem(code=code, tab=shown(where), cell=cell, row_key=about, message=message, hint=hint)


def read_folder(candidate: Candidate) -> FolderContent:
    """The candidate's files: sources at its top, and what its `skills` and `resources` folders hold."""
    reader = _FolderReader(candidate.name)
    try:
        if candidate.path.is_file():
            with _opened(os.open(candidate.path.parent, FOLDER_FLAGS)) as folder:
                reader.read_file(folder, candidate.path.name, "")
        else:
            with _opened(os.open(candidate.path, FOLDER_FLAGS)) as folder:
                reader.read_level(folder, "", SOURCE_SUFFIXES)
    except OSError as exc:
        reader.problems.append(problem("unreadable", candidate.name, f"the folder cannot be read: {exc.strerror}"))
    return FolderContent(candidate.name, tuple(reader.files), tuple(reader.problems), tuple(reader.findings))


@contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class _FolderReader:
    """Reads one folder; every file relative to the descriptor of the folder it was listed in."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.files: list[SourceFile] = []
        self.problems: list[Problem] = []
        self.findings: list[Problem] = []

    def read_level(self, folder: int, prefix: str, suffixes: tuple[str, ...]) -> None:
        """One folder: its files of these suffixes, and the parts below it."""
        for name in sorted(os.listdir(folder)):
            if name.startswith(".") or (not prefix and name in NOT_SOURCES):
                continue
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode) and not name.endswith(SOURCE_SUFFIXES):
                self._read_part(folder, f"{prefix}{name}")
            elif stat.S_ISLNK(mode) and f"{prefix}{name}" in PARTS:
                self._refuse("symlink", f"{prefix}{name}", LINK)
            elif name.endswith(suffixes):
                if len(self.files) >= MAX_FILES:
                    self._refuse("too_large", "", f"the folder holds more than {MAX_FILES} files")
                    return
                self.read_file(folder, name, prefix)

    def _read_part(self, folder: int, part: str) -> None:
        if part not in PARTS:
            self.findings.append(
                problem("nested_folder", f"{self._name}/{part}", "is not read: one folder is one namespace")
            )
            return
        with _opened(os.open(part.rpartition("/")[2], FOLDER_FLAGS, dir_fd=folder)) as inner:
            self.read_level(inner, f"{part}/", PARTS[part])

    def read_file(self, folder: int, name: str, prefix: str) -> None:
        """One file, if it is a regular one of bearable size."""
        try:
            name.encode("utf-8")
            with _opened(os.open(name, READ_FLAGS, dir_fd=folder)) as descriptor:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    self._refuse("not_a_file", prefix + name, "is not a regular file")
                    return
                data = _read_at_most(descriptor, MAX_FILE_BYTES + 1)
        except UnicodeEncodeError:
            self._refuse("bad_name", prefix + name, "the file's name is not UTF-8")
            return
        except OSError as exc:
            if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                self._refuse("symlink", prefix + name, LINK)
            else:
                self._refuse("unreadable", prefix + name, f"cannot be read: {exc.strerror}")
            return
        if len(data) > MAX_FILE_BYTES:
            self._refuse("too_large", prefix + name, f"is larger than {MAX_FILE_BYTES:,} bytes")
            return
        self.files.append(SourceFile(prefix + name, data))

    def _refuse(self, code: str, path: str, message: str) -> None:
        self.problems.append(problem(code, f"{self._name}/{path}" if path else self._name, message))


def _read_at_most(descriptor: int, size: int) -> bytes:
    parts, left = [], size
    while left > 0:
        part = os.read(descriptor, min(left, 1 << 20))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
