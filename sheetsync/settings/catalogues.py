"""`firearms.toml` and `engine_routes.toml`, read into values of the domain. `sheetsync.toml` is in `loading`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from sheetsync.domain.connector import EngineRoute
from sheetsync.domain.firearms import Firearm, FirearmCatalogue
from sheetsync.domain.model import Model
from sheetsync.settings.mistakes import Mistakes, TomlFile, did_you_mean

M = TypeVar("M", bound=Model)


def read_firearms(path: Path, mistakes: Mistakes) -> FirearmCatalogue:
    """The catalogue of firearms; a file with mistakes gives what is right in it."""
    file = TomlFile.read(path, mistakes)
    firearms = _read_entries(file, "firearm", Firearm, "id", mistakes)
    return FirearmCatalogue(firearms=tuple(firearms))


def read_routes(path: Path, mistakes: Mistakes) -> tuple[EngineRoute, ...]:
    """The engine's routes, in the file's order."""
    file = TomlFile.read(path, mistakes)
    return tuple(_read_entries(file, "route", EngineRoute, "pattern", mistakes))


def _read_entries(file: TomlFile, table: str, model: type[M], key: str, mistakes: Mistakes) -> list[M]:
    for name in file.values:
        if name != table:
            mistakes.add(
                file, (name,), f"unknown key {name!r}{did_you_mean(name, (table,))}: only [[{table}]] may stand here"
            )
    entries = file.values.get(table, [])
    if not isinstance(entries, list):
        mistakes.add(file, (table,), f"must be a list of tables: [[{table}]]")
        return []
    made: list[M] = []
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries):
        value = _read_entry(file, (table, index), entry, model, mistakes)
        if value is None:
            continue
        name = str(getattr(value, key))
        if name in seen:
            mistakes.add(file, (table, index, key), f"{name!r} stands here twice (first on line {seen[name]})")
            continue
        seen[name] = file.line((table, index, key))
        made.append(value)
    return made


def _read_entry(file: TomlFile, at: tuple[str, int], entry: object, model: type[M], mistakes: Mistakes) -> M | None:
    if not isinstance(entry, Mapping):
        mistakes.add(file, at, f"must be a table: [[{at[0]}]]")
        return None
    unknown = [name for name in entry if name not in model.model_fields]
    for name in unknown:
        mistakes.add(file, (*at, name), f"unknown key {name!r}{did_you_mean(name, model.model_fields)}")
    try:
        return model.model_validate({name: value for name, value in entry.items() if name not in unknown})
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_input=False):
            place = str(error["loc"][0]) if error["loc"] else ""
            message = "is missing" if error["type"] == "missing" else error["msg"].removeprefix("Value error, ")
            mistakes.add(file, (*at, place), f"{place}: {message}" if place else message)
        return None
