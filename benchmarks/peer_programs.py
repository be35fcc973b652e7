"""The programs that `peers.py` compares: sheetsync, and the ways in which others write a table into a sheet.

The others get the most careful round that their writer allows: read the tab with their reader, keep every cell that
the owner changed since the last round (three-way, by key) and every column they do not know, then write.  What they
read counts as kept for good, though most such programs would forget it.  So only what their *writer* does can lose
edits.  Each round starts from nothing, as a cron job does: opening the spreadsheet is part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from importlib import import_module, metadata
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import gspread
import orjson
import requests
from google.auth.credentials import AnonymousCredentials

from benchmarks.connectors import publish_policies
from benchmarks.peer_scene import BEFORE, FIREARMS, HEADER, TAB, Edit, Key, Rows
from sheetsync.domain.connector import ConnectorSpec, EngineRoute
from sheetsync.domain.context import RequestContext
from sheetsync.domain.firearms import Firearm, FirearmBinding, FirearmCatalogue
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.gateway import GoogleSheetsGateway
from sheetsync.services.syncing import sync
from sheetsync.services.workspace import Rules, Workspace
from sheetsync.store import Store

HOSTS = ("https://sheets.googleapis.com", "https://www.googleapis.com")
Table = list[list[str]]  # with its header


class Program(Protocol):
    """One way to keep a table in a sheet."""

    name: str

    def set_up(self, rows: Rows) -> None:
        """Write the table for the first time."""

    def change(self, rows: Rows) -> None:
        """Learn what the table shall show from now on; not measured."""

    def round(self) -> None:
        """One run of the cron job; measured."""

    def knows(self, edit: Edit) -> bool:
        """Whether an owner's edit is in the program's own records."""

    def close(self) -> None:
        """Let go of files and connections."""


class Sheetsync:
    """The real services on a store on disk; the operator publishes, `sync` is the round."""

    name = "sheetsync"
    package = "sheetsync-workbench"

    def __init__(self, url: str, folder: Path, spreadsheet_id: str) -> None:
        catalogue = FirearmCatalogue(firearms=tuple(Firearm(id=one) for one in FIREARMS))
        rules = Rules(loosening_needs_second_person=False)
        routes = (EngineRoute(pattern="/chat/*", connectors=("connector-00000",)),)
        store = Store.open(folder / "store")
        self._ws = Workspace(store, RequestContext(user="ana"), catalogue, routes, rules)
        self._api = SheetsApi(endpoint=url)
        ids = self._ws.firearms.ids()
        self._gateway = GoogleSheetsGateway(self._api, spreadsheet_id, store_id=store.store_id, firearms=ids)
        self._reports: list[bytes] = []

    def set_up(self, rows: Rows) -> None:
        specs = {}
        for connector, keys in groupby(rows, key=lambda key: key[0]):
            scopes = [{"name": scope} for _, scope in keys]
            spec = {"id": connector, "version": "1.0.0", "name": connector, "scopes": scopes}
            specs[connector] = ConnectorSpec.from_json(spec)
        publish_policies(self._ws, _policies(rows), specs)
        self.round()

    def change(self, rows: Rows) -> None:
        live = self._ws.catalogue().published_all()
        policies = _policies(rows)
        moved = {name: new for name, new in policies.items() if live[name].policy().firearms != new.firearms}
        if moved:
            publish_policies(self._ws, moved)

    def round(self) -> None:
        self._reports.append(orjson.dumps(sync(self._ws, self._gateway).to_json()))

    def knows(self, edit: Edit) -> bool:
        text = edit.text.encode()
        found = self._ws.catalogue().drafts("open")
        in_draft = any(text in orjson.dumps(one.draft.to_json()) for one in found)
        return in_draft or any(text in report for report in self._reports)

    def close(self) -> None:
        self._ws.store.close()
        self._api.close()


def _policies(rows: Rows) -> dict[str, PolicySnapshot]:
    found: dict[str, dict[str, FirearmBinding]] = {}
    for (connector, scope), (firearm, lock) in rows.items():
        found.setdefault(connector, {})[scope] = FirearmBinding(firearm_id=firearm, strategy_lock=lock)
    return {connector: PolicySnapshot(firearms=bindings) for connector, bindings in found.items()}


class Careful:
    """The round of the others around their `read` and `write`."""

    name = ""
    package = ""

    def __init__(self, url: str, folder: Path, spreadsheet_id: str) -> None:
        self.url = url
        self.id = spreadsheet_id
        self._memory = folder / "written.json"  # what it last wrote, and what it ever read of the owner's
        self._taken: set[str] = set()
        self._written: dict[str, str] = {}
        self._wanted: Rows = {}
        self.stack = ExitStack()
        if self._memory.exists():
            self._written = orjson.loads(self._memory.read_bytes())

    # What differs from program to program.

    def open(self) -> Any:
        """The tab, as the library opens it."""
        return gspread_tab(self)

    def read(self, tab: Any) -> Table:
        raise NotImplementedError

    def write(self, tab: Any, new: Table, _old: Table) -> None:
        raise NotImplementedError

    # What is the same.

    def set_up(self, rows: Rows) -> None:
        self._wanted = rows
        new = [list(HEADER), *([*key, firearm, str(lock).upper()] for key, (firearm, lock) in rows.items())]
        tab = gspread_tab(self)
        tab.update_title(TAB)
        tab.resize(len(new), max(10, len(HEADER)))
        tab.update(new)
        tab.freeze(rows=1)
        self._remember(rows)

    def change(self, rows: Rows) -> None:
        self._wanted = rows

    def round(self) -> None:
        tab = self.open()
        old = self.read(tab)
        self.write(tab, self._merge(old), old)
        self._remember(self._wanted)

    def _merge(self, old: Table) -> Table:
        width = max((len(row) for row in old), default=0)
        found = {(row[0], row[1]): [*row, *[""] * (width - len(row))] for row in old[1:] if len(row) > 1 and row[0]}
        header = [*old[0], *[""] * (width - len(old[0]))] if old and len(old[0]) >= len(HEADER) else list(HEADER)
        return [header, *(self._line(key, found.get(key, [])) for key in self._wanted)]

    def _line(self, key: Key, seen: Sequence[str]) -> list[str]:
        firearm, lock = self._wanted[key]
        base = self._written.get("/".join(key), BEFORE)
        if len(seen) > 2 and seen[2] and seen[2] not in (base, firearm):
            self._taken.add(seen[2])
            firearm = seen[2]
        self._taken.update(text for text in seen[4:] if text)
        return [*key, firearm, str(lock).upper(), *seen[4:]]

    def _remember(self, rows: Rows) -> None:
        self._written = {"/".join(key): firearm for key, (firearm, _) in rows.items()}
        self._memory.write_bytes(orjson.dumps(self._written))

    def knows(self, edit: Edit) -> bool:
        return edit.text in self._taken

    def close(self) -> None:
        self.stack.close()


def gspread_tab(program: Careful) -> Any:
    """The tab through plain gspread, pointed at the local server."""
    base = program.url

    class Client(gspread.http_client.HTTPClient):
        def request(self, method: str, endpoint: str, *args: Any, **kwargs: Any) -> Any:
            return super().request(method, at_home(endpoint, base), *args, **kwargs)

    client = gspread.Client(AnonymousCredentials(), http_client=Client)  # type: ignore[no-untyped-call]
    program.stack.callback(client.http_client.session.close)
    book = client.open_by_key(program.id)
    titles = [sheet.title for sheet in book.worksheets()] if not program._memory.exists() else [TAB]
    return book.worksheet(TAB if TAB in titles else titles[0])


def at_home(url: str, base: str) -> str:
    """An address of Google's, on the local server."""
    for host in HOSTS:
        url = url.replace(host, base)
    return url


class ClearUpdate(Careful):
    """The idiom of most tutorials."""

    name = "gspread: clear + update"
    package = "gspread"

    def read(self, tab: Any) -> Table:
        values: Table = tab.get_all_values()
        return values

    def write(self, tab: Any, new: Table, _old: Table) -> None:
        tab.clear()
        tab.update(new)


class HandDiff(ClearUpdate):
    """The same by a careful hand: only the cells that differ, in one call, by row number."""

    name = "gspread: own diff + batch_update"

    def write(self, tab: Any, new: Table, _old: Table) -> None:
        at = {(row[0], row[1]): number for number, row in enumerate(_old, start=1)}
        cells = []
        for row in new[1:]:
            number = at[(row[0], row[1])]
            if row[2] != _old[number - 1][2]:
                cells.append({"range": f"C{number}", "values": [[row[2]]]})
        if cells:
            tab.batch_update(cells)


class GspreadDataframe(Careful):
    name = "gspread-dataframe: set_with_dataframe"
    package = "gspread-dataframe"

    def read(self, tab: Any) -> Table:
        library = import_module("gspread_dataframe")
        frame = library.get_as_dataframe(tab, evaluate_formulas=True, dtype=str).fillna("")
        return [[str(name) for name in frame.columns], *([str(cell) for cell in row] for row in frame.to_numpy())]

    def write(self, tab: Any, new: Table, _old: Table) -> None:
        frame = import_module("pandas").DataFrame(new[1:], columns=new[0])
        import_module("gspread_dataframe").set_with_dataframe(tab, frame)


class GspreadPandas(Careful):
    name = "gspread-pandas: df_to_sheet(replace=True)"
    package = "gspread-pandas"

    def open(self) -> Any:
        base = self.url

        class Session(requests.Session):
            def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
                return super().request(method, at_home(str(url), base), *args, **kwargs)

        session = self.stack.enter_context(Session())
        library = import_module("gspread_pandas")
        here = self.id

        class Client(library.Client):  # type: ignore[misc]
            def _drive_request(self, method: str = "get", file_id: str | None = None, **options: Any) -> Any:
                # The local server has no folder `root`; the same call asks for the spreadsheet's file instead.
                return super()._drive_request(method, here if file_id == "root" else file_id, **options)

        client = Client(session=session, creds=AnonymousCredentials())  # type: ignore[no-untyped-call]
        return library.Spread(self.id, sheet=TAB, client=client)

    def read(self, tab: Any) -> Table:
        frame = tab.sheet_to_df(index=None, header_rows=1)
        return [list(frame.columns), *([str(cell) for cell in row] for row in frame.to_numpy())]

    def write(self, tab: Any, new: Table, _old: Table) -> None:
        frame = import_module("pandas").DataFrame(new[1:], columns=new[0])
        tab.df_to_sheet(frame, index=False, replace=True)


class Pygsheets(Careful):
    name = "pygsheets: set_dataframe"
    package = "pygsheets"

    def open(self) -> Any:
        base = self.url
        http: Any = import_module("httplib2")

        class Http(http.Http):  # type: ignore[misc]
            def request(self, uri: str, *args: Any, **kwargs: Any) -> Any:
                return super().request(at_home(uri, base), *args, **kwargs)

        own = Http(timeout=120)
        self.stack.callback(own.close)
        client = import_module("pygsheets.client").Client(AnonymousCredentials(), http=own)  # type: ignore[no-untyped-call]
        return client.open_by_key(self.id).worksheet_by_title(TAB)

    def read(self, tab: Any) -> Table:
        frame = tab.get_as_df(numerize=False, include_tailing_empty=False)
        return [list(frame.columns), *([str(cell) for cell in row] for row in frame.to_numpy())]

    def write(self, tab: Any, new: Table, _old: Table) -> None:
        frame = import_module("pandas").DataFrame(new[1:], columns=new[0])
        tab.set_dataframe(frame, (1, 1))


FRAMES = ("GspreadDataframe", "GspreadPandas", "Pygsheets")  # they take and give pandas' data frames
Maker = Callable[[str, Path, str], Program]
PROGRAMS: tuple[type[Sheetsync] | type[Careful], ...] = (
    Sheetsync, ClearUpdate, HandDiff, GspreadDataframe, GspreadPandas, Pygsheets,
)  # fmt: skip


MODULES = ("pandas", "gspread_dataframe", "gspread_pandas", "pygsheets.client", "httplib2")


def load_modules(programs: Sequence[Maker]) -> None:
    """Import what programs import when they first need it: it is no part of a round."""
    if any(getattr(program, "__name__", "") in FRAMES for program in programs):
        for name in MODULES:
            with suppress(ImportError):
                import_module(name)


def version_of(program: type[Sheetsync] | type[Careful]) -> str | None:
    """The version of a program's package; None if it, or pandas where it needs that, is not installed."""
    try:
        if program.__name__ in FRAMES:
            metadata.version("pandas")
        return metadata.version(program.package)
    except metadata.PackageNotFoundError:
        return None
