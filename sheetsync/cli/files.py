"""Reading and writing the few files that commands take or make: specs, policies, plans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from sheetsync.errors import DestinationError, InvalidContentError, NotFoundError

LARGEST_BYTES: Final = 50_000_000
SHOWN: Final = 80
KINDS: Final = {
    type(None): "null",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


class SaidTwiceError(ValueError):
    """An object of a JSON file has a name twice: of two values, JSON readers silently take the last."""


def _said_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SaidTwiceError(f"{twice[:SHOWN]!r} is given twice")
    return found


def read_json(path: Path) -> Any:
    """A JSON file's value.

    Raises:
        NotFoundError: there is no such file.
        InvalidContentError: it is not JSON in UTF-8, says a thing twice, or is far too large.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InvalidContentError(f"{path} is larger than {LARGEST_BYTES // 1_000_000} MB")
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_said_once)
    except SaidTwiceError as exc:
        raise InvalidContentError(f"{path}: {exc}", hint="say it once") from exc
    except (FileNotFoundError, IsADirectoryError) as exc:
        raise NotFoundError(f"there is no file {path}", hint="give the path of a JSON file") from exc
    except UnicodeDecodeError as exc:
        raise InvalidContentError(f"{path} is not UTF-8") from exc
    except json.JSONDecodeError as exc:
        raise InvalidContentError(f"{path}, line {exc.lineno}: {exc.msg}", hint="the file must be JSON") from exc
    except RecursionError as exc:
        raise InvalidContentError(f"{path} is nested too deeply") from exc
    except ValueError as exc:  # Python reads no integer of more than 4,300 digits
        raise InvalidContentError(f"{path} holds a number of too many digits") from exc


def read_object(path: Path, takes: str) -> dict[str, Any]:
    """A JSON file's object. `takes`: which option takes what, for the hint.

    None would mean that no file was given; so a file that says null, or is no object, is never passed on.

    Raises:
        NotFoundError: there is no such file.
        InvalidContentError: it is not JSON, or JSON of another kind.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise InvalidContentError(f"{path} holds {KINDS[type(value)]}, not a JSON object", hint=takes)
    return value


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist.

    Raises:
        DestinationError: it exists, or cannot be written.
    """
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as exc:
        raise DestinationError(f"{path} exists already", hint="give the name of a new file") from exc
    except OSError as exc:
        raise DestinationError(f"{path} cannot be written: {exc.strerror}") from exc
