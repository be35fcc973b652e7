"""Configuration file, environment and flags, read into one `Settings`: the only place that reads any of them.

Later ones win: the file's value, then SHEETSYNC_*, then flags. All mistakes are told at once, with their line.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sheetsync.domain.context import USER_FORM
from sheetsync.domain.firearms import FirearmCatalogue
from sheetsync.errors import ConfigError, UsageError
from sheetsync.gsheets.options import CredentialSource, QuotaPolicy, RetryPolicy
from sheetsync.settings.address import LOCAL, parse_endpoint, parse_spreadsheet, parse_store
from sheetsync.settings.catalogues import read_firearms, read_routes
from sheetsync.settings.keys import ARRAYS, FILE_ONLY, KEYS, TARGETS, variable
from sheetsync.settings.mistakes import (
    OF_ENVIRONMENT,
    OF_FILE,
    OF_FLAGS,
    Mistakes,
    TomlFile,
    closest,
    did_you_mean,
)
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
from sheetsync.settings.toml_lines import KeyPath
from sheetsync.store.address import expanded

CONFIG_NAME: Final = Path("config") / "sheetsync.toml"
FILE_DEFAULTS: Final = {"firearms": "config/firearms.toml", "engine_routes": "config/engine_routes.toml"}


@dataclass(frozen=True, slots=True)
class Found:
    """A value and where it came from, for messages; `relative_to`: what a path in it is relative to."""

    value: Any
    place: str
    relative_to: Path
    level: int = OF_FILE


def load(
    *,
    config: Path | None = None,
    overrides: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    lenient: bool = False,
) -> Settings:
    """The settings of this invocation.

    Args:
        config: the file named by `--config`; None looks at SHEETSYNC_CONFIG, then in `cwd` and the folders above it.
        overrides: flags by key, like `{"store": …, "tenant": …, "user": …}`.
        environ: the environment; None takes the process's.
        cwd: the working directory; None takes the process's.
        lenient: for whoever must get at the store: mistakes become warnings, and what is wrong counts as not said; but
            for what leaves open which store, or which tenant, is meant.

    Raises:
        ConfigError: with all mistakes; or there is no configuration here, and no store was named.
        UsageError: the working directory was deleted.
    """
    environ = os.environ if environ is None else environ  # noqa: TID251  # this is the one place
    cwd = _here() if cwd is None else cwd
    overrides = overrides or {}
    path, unread = _find(config, environ, cwd, overrides, lenient=lenient)
    root = cwd if path is None else workspace_root(path)
    mistakes = Mistakes(root)
    file = TomlFile.read(path, mistakes, salvage=lenient) if path is not None else TomlFile(Path(), "no file")
    found = _from_file(file, root, mistakes)
    warnings = (*unread, *_from_environment(environ, cwd, found, mistakes))
    _from_flags(overrides, cwd, found, mistakes)
    settings = _build(found, file, root, environ, warnings, mistakes)
    if lenient:
        mistakes.raise_if_undecided({key: one.level for key, one in found.items()})
        return replace(settings, warnings=(*warnings, *mistakes.found))
    mistakes.raise_if_any()
    return settings


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as exc:
        raise UsageError("the current folder is gone", hint="change to one that is there: cd") from exc


def _find(
    config: Path | None, environ: Mapping[str, str], cwd: Path, overrides: Mapping[str, str], *, lenient: bool
) -> tuple[Path | None, tuple[str, ...]]:
    """The configuration file; leniently, where a flag names the store, one that cannot be had is only warned about.

    Raises:
        ConfigError: it cannot be had; or there is none, and no store was named.
    """
    try:
        path = find_config(config, environ, cwd)
    except ConfigError as error:
        if not lenient or "store" not in overrides:
            raise
        return None, (error.message,)
    if path is None and not ("store" in overrides or environ.get(variable("store"))):
        raise ConfigError(
            f"there is no workspace in {cwd} or above it (no {CONFIG_NAME})",
            hint="make one with 'sheetsync init', or name one with --config DIR/config/sheetsync.toml",
        )
    return path, ()


def find_config(config: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The configuration file to read; None if there is none.

    Raises:
        ConfigError: the one that was named does not exist, or the one found belongs to somebody else.
    """
    named = config or (Path(environ["SHEETSYNC_CONFIG"]) if environ.get("SHEETSYNC_CONFIG") else None)
    if named is not None:
        path = (cwd / expanded(named)).absolute()
        if path.is_dir():  # the workspace's folder is as good as the file in it
            path = path / (CONFIG_NAME.name if path.name == CONFIG_NAME.parent.name else CONFIG_NAME)
        if not path.is_file():
            raise ConfigError(f"there is no configuration file {path}", hint="make one with 'sheetsync init DIR'")
        return path
    for folder in (cwd, *cwd.parents):
        path = folder / CONFIG_NAME
        if path.is_file():
            _check_owner(path)
            return path
    return None


def _check_owner(path: Path) -> None:
    """A file that was only come across may name commands to run: it must be ours, or the administrator's."""
    owner = path.stat().st_uid
    if os.geteuid() not in (0, owner) and owner != 0:
        raise ConfigError(f"{path} belongs to somebody else", hint=f"if you trust it, name it: --config {path}")


def workspace_root(config_file: Path) -> Path:
    """The workspace's folder: the one around `config/`, or that of a file that lies elsewhere."""
    folder = config_file.parent
    return folder.parent if folder.name == CONFIG_NAME.parent.name else folder


def _from_file(file: TomlFile, root: Path, mistakes: Mistakes) -> dict[str, Found]:
    found: dict[str, Found] = {}
    sections = {key.rpartition(".")[0] for key in KEYS} | {"sheets"}

    def walk(table: Mapping[str, Any], prefix: str) -> None:
        for name, value in table.items():
            key = f"{prefix}.{name}" if prefix else name
            at = tuple(key.split("."))
            if key in ARRAYS:
                found[key] = Found(_entries(file, key, value, mistakes), file.shown, root)
            elif key in KEYS:
                try:
                    found[key] = Found(KEYS[key](value), f"{file.shown}:{file.line(at)}", root)
                except ValueError as exc:
                    mistakes.add(file, at, f"{key} {exc}", about=(key,))
            elif key in sections and isinstance(value, Mapping):
                walk(value, key)
            else:
                mistakes.add(file, at, f"unknown key {key!r}{_close_key(key)}", about=(closest(name, KEYS),))

    walk(file.values, "")
    return found


def _close_key(key: str) -> str:
    sections = {known.rpartition(".")[0] for known in KEYS} - {""}
    guess = did_you_mean(key, [*KEYS, *sections, *ARRAYS])
    if guess:
        return guess
    last = key.rpartition(".")[2]  # right name, wrong section
    homes = [known for known in KEYS if known.rpartition(".")[2] == last]
    return f" (did you mean {homes[0]!r}?)" if homes else ""


def _entries(file: TomlFile, key: str, value: object, mistakes: Mistakes) -> list[tuple[int, dict[str, Any]]]:
    """The entries of an array of tables that are right, each with the line it begins on."""
    section: KeyPath = tuple(key.split("."))
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        mistakes.add(file, section, f"must be a list of tables: [[{key}]]")
        return []
    kind = ARRAYS[key]
    made: list[tuple[int, dict[str, Any]]] = []
    for index, entry in enumerate(value):
        at: KeyPath = (*section, index)
        parts = {name: _entry_value(file, (*at, name), key, raw, mistakes) for name, raw in entry.items()}
        missing = [name for name in kind.required if name not in entry]
        for name in missing:
            mistakes.add(file, at, f"[[{key}]] has no {name!r}")
        if not missing and _BROKEN not in parts.values():
            made.append((file.line(at), parts))
    return made


_BROKEN: Final = object()


def _entry_value(file: TomlFile, at: KeyPath, key: str, raw: object, mistakes: Mistakes) -> object:
    kind, name = ARRAYS[key], str(at[-1])
    if name not in kind.forms:
        mistakes.add(file, at, f"unknown key {name!r}{did_you_mean(name, kind.forms)}")
        return _BROKEN
    try:
        return kind.forms[name](raw)
    except ValueError as exc:
        mistakes.add(file, at, f"{name} {exc}" if name not in kind.secret else f"{name} is not of its form")
        return _BROKEN


def _from_environment(
    environ: Mapping[str, str], cwd: Path, found: dict[str, Found], mistakes: Mistakes
) -> tuple[str, ...]:
    names = {variable(key): key for key in KEYS if key not in FILE_ONLY}
    warnings = []
    mistakes.level = OF_ENVIRONMENT
    for name in sorted(environ):
        if not name.startswith("SHEETSYNC_") or not environ[name] or name == "SHEETSYNC_CONFIG":
            continue
        if name not in names:
            warnings.append(f"the environment variable {name} is not known{did_you_mean(name, names)}")
            mistakes.doubt(warnings[-1], (names.get(closest(name, names), ""),))
            continue
        _take(names[name], environ[name], name, cwd, found, mistakes)
    return tuple(warnings)


def _from_flags(overrides: Mapping[str, str], cwd: Path, found: dict[str, Found], mistakes: Mistakes) -> None:
    mistakes.level = OF_FLAGS
    for key, raw in overrides.items():
        _take(key, raw, f"--{key.replace('.', '-')}", cwd, found, mistakes)


def _take(key: str, raw: str, place: str, cwd: Path, found: dict[str, Found], mistakes: Mistakes) -> None:
    try:
        found[key] = Found(KEYS[key](raw), place, cwd, mistakes.level)
    except ValueError as exc:
        mistakes.say(f"{place}: {exc}", about=(key,))


class _Values:
    """The values found, or their defaults, parsed; mistakes are collected."""

    def __init__(self, found: dict[str, Found], mistakes: Mistakes) -> None:
        self._found = found
        self._mistakes = mistakes

    def get(self, key: str, default: Any) -> Any:
        return self._found[key].value if key in self._found else default

    def path(self, key: str) -> Path | None:
        at = self._found.get(key)
        return None if at is None or at.value is None else at.relative_to / at.value

    def options(self, section: str, **names: str) -> dict[str, Any]:
        """Keyword arguments for what was found: `options("sheets.quota", max_wait_s="longest_wait_s")`."""
        return {
            names.get(key.rpartition(".")[2], key.rpartition(".")[2]): at.value
            for key, at in self._found.items()
            if key.rpartition(".")[0] == section
        }

    def parsed(self, key: str, default: Any, parse: Any) -> Any:
        if key not in self._found:
            return default
        found = self._found[key]
        try:
            return parse(found.value)
        except ValueError as exc:
            self._mistakes.level = found.level
            named = f"{found.place}: {key}" if found.level == OF_FILE else found.place
            self._mistakes.say(f"{named}: {exc}", about=(key,))
            return default


def _build(
    found: dict[str, Found],
    file: TomlFile,
    root: Path,
    environ: Mapping[str, str],
    warnings: tuple[str, ...],
    mistakes: Mistakes,
) -> Settings:
    values = _Values(found, mistakes)
    endpoint = values.parsed("sheets.endpoint", None, parse_endpoint)
    state_dir = values.path("state_dir") or _state_dir(environ)
    store_root = found["store"].relative_to if "store" in found else root
    has_file = file.path != Path()
    firearms_path = root / values.get("firearms", FILE_DEFAULTS["firearms"])
    routes_path = root / values.get("engine_routes", FILE_DEFAULTS["engine_routes"])
    return Settings(
        root=root,
        config_file=file.path if has_file else None,
        store=values.parsed("store", str(root / "store"), lambda text: parse_store(text, store_root)),
        tenant=values.get("tenant", "default"),
        user=values.get("user", None) or _login_name(mistakes),
        spreadsheet=values.parsed("spreadsheet", LOCAL, lambda text: parse_spreadsheet(text, endpoint=endpoint)),
        state_dir=state_dir,
        sheets=_sheets(values, endpoint),
        credentials=_credentials(values, state_dir, environ),
        pull=PullSettings(**values.options("pull")),
        publish=PublishSettings(**values.options("publish")),
        importing=ImportSettings(**values.options("import")),
        serve=_serve(values),
        targets=_targets(values, file, endpoint, mistakes),
        firearms=read_firearms(firearms_path, mistakes) if has_file else FirearmCatalogue(),
        routes=read_routes(routes_path, mistakes) if has_file else (),
        warnings=warnings,
    )


def _sheets(values: _Values, endpoint: str | None) -> SheetsSettings:
    retry = values.options("sheets.retry", first_wait_s="base_s", longest_wait_s="cap_s")
    quota = values.options("sheets.quota", longest_wait_s="max_wait_s")
    options = values.options("sheets") | {"endpoint": endpoint}
    return SheetsSettings(**options, retry=RetryPolicy(**retry), quota=QuotaPolicy(**quota))


def _credentials(values: _Values, state_dir: Path, environ: Mapping[str, str]) -> CredentialSource:
    options = values.options("credentials")
    for name in ("file", "oauth_client", "oauth_token"):
        options[name] = values.path(f"credentials.{name}")
    options["oauth_token"] = options["oauth_token"] or state_dir / "oauth_token.json"
    adc = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    return CredentialSource(**options, adc_file=Path(adc) if adc else None)


def _serve(values: _Values) -> ServeSettings:
    options = values.options("serve")
    people = tuple(Person(**parts) for _line, parts in options.pop("person", []))
    return ServeSettings(**options, people=people)


def _targets(values: _Values, file: TomlFile, endpoint: str | None, mistakes: Mistakes) -> tuple[Target, ...]:
    made = []
    for line, parts in values.get(TARGETS, []):
        try:
            sheet = parse_spreadsheet(parts["spreadsheet"], endpoint=endpoint) if "spreadsheet" in parts else None
            made.append(Target(parts.get("tenant"), sheet))
        except ValueError as exc:
            mistakes.say(f"{file.shown}:{line}: {TARGETS}.spreadsheet: {exc}")
    return tuple(made)


def _state_dir(environ: Mapping[str, str]) -> Path:
    """Where programs keep state by the XDG rules; cron may give no HOME."""
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"]) / "sheetsync"
    try:
        home = environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        home = "/nonexistent"
    return Path(home) / ".local" / "state" / "sheetsync"


def _login_name(mistakes: Mistakes) -> str:
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = ""
    if not USER_FORM.fullmatch(name):
        mistakes.say("this machine gives no login name: set 'user' in sheetsync.toml, SHEETSYNC_USER or --user")
        return "unknown"
    return name
