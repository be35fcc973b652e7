"""A workspace in memory, the real local Sheets server over HTTP, and a policy owner who edits through plain gspread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gspread
import pytest
from google.auth.credentials import AnonymousCredentials
from gspread.http_client import HTTPClient

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.connector import EngineRoute
from sheetsync.domain.context import RequestContext
from sheetsync.domain.firearms import Firearm, FirearmBinding, FirearmCatalogue
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.gateway import GoogleSheetsGateway
from sheetsync.localsheets import LocalSheets
from sheetsync.services import drafts, publishing
from sheetsync.services.syncing import Forces, SyncReport, pull, push, sync
from sheetsync.services.workspace import Rules, Workspace
from sheetsync.store import Store

HOSTS = ("https://sheets.googleapis.com", "https://www.googleapis.com")
FIREARMS = ("firearm.external_write", "firearm.read", "firearm.money")


class Desk:
    """Everything a test of the loop needs: operators (`publish`, `push` …), and an owner's `worksheet`."""

    def __init__(self, server: LocalSheets, folder: Path, *, firearms: tuple[str, ...] = FIREARMS) -> None:
        self.server = server
        self.clients: list[gspread.Client] = []
        self.clock = FakeClock()
        self.api = SheetsApi(endpoint=server.url, clock=self.clock)
        catalogue = FirearmCatalogue(firearms=tuple(Firearm(id=one) for one in firearms))
        routes = (EngineRoute(pattern="/chat/*", connectors=("github",)), EngineRoute(pattern="/video/*"))
        store = Store.open(folder / "store", clock=self.clock)
        rules = Rules(loosening_needs_second_person=False)
        self.ws = Workspace(store, RequestContext(user="ana"), catalogue, routes, rules, self.clock)
        self.spreadsheet_id = self.api.create_spreadsheet("policies")
        self.gateway = self.gateway_for(self.spreadsheet_id)
        self.book = self.open(self.spreadsheet_id)

    def gateway_for(self, spreadsheet_id: str) -> GoogleSheetsGateway:
        firearms = self.ws.firearms.ids()
        return GoogleSheetsGateway(self.api, spreadsheet_id, store_id=self.ws.store.store_id, firearms=firearms)

    def open(self, spreadsheet_id: str) -> gspread.Spreadsheet:
        base = self.server.url

        class Client(HTTPClient):
            def request(self, method: str, endpoint: str, *args: Any, **kwargs: Any) -> Any:
                for host in HOSTS:
                    endpoint = endpoint.replace(host, base)
                return super().request(method, endpoint, *args, **kwargs)

        client = gspread.Client(AnonymousCredentials(), http_client=Client)  # type: ignore[no-untyped-call]
        self.clients.append(client)
        return client.open_by_key(spreadsheet_id)

    def close(self) -> None:
        self.ws.store.close()
        self.api.close()
        for client in self.clients:
            client.http_client.session.close()

    # -- operators

    def draft(self, connector: str, scopes: list[str], policy: dict[str, Any] | None = None, *, version: str = "1.0.0",
              kpis: dict[str, Any] | None = None) -> str:  # fmt: skip
        """A draft of a connector with decided scopes: `"firearm.read+lock"`, `"NONE"`."""
        spec = {"id": connector, "version": version, "name": connector, "scopes": [{"name": name} for name in scopes]}
        made = drafts.new_draft(self.ws, connector, spec).draft.id
        bindings = {scope: binding(text) for scope, text in (policy or {}).items()}
        drafts.edit_draft(self.ws, made, firearms=bindings, kpis=kpis or {})
        return made

    def publish(self, *draft_ids: str) -> None:
        publishing.verify_drafts(self.ws, list(draft_ids))
        publishing.publish_drafts(self.ws, list(draft_ids))

    def set(self, connector: str, scope: str, value: str) -> None:
        """Change one scope of what is published, as an operator does."""
        made = drafts.new_draft(self.ws, connector).draft.id
        drafts.edit_draft(self.ws, made, firearms={scope: binding(value)})
        self.publish(made)

    def set_kpi(self, connector: str, kpis: dict[str, Any]) -> None:
        made = drafts.new_draft(self.ws, connector).draft.id
        drafts.edit_draft(self.ws, made, kpis=kpis)
        self.publish(made)

    def retire(self, connector: str) -> None:
        publishing.publish_drafts(self.ws, [publishing.retire_connector(self.ws, connector).draft.id])

    def push(self, **options: Any) -> SyncReport:
        self.clock.advance(1)
        return push(self.ws, self.gateway, **options)

    def pull(self, **options: Any) -> SyncReport:
        self.clock.advance(1)
        return pull(self.ws, self.gateway, **options)

    def sync(self, **options: Any) -> SyncReport:
        self.clock.advance(1)
        return sync(self.ws, self.gateway, **options)

    def force(self, **options: Any) -> Forces:
        return Forces(**options)

    # -- what owners see and do

    def tab(self, title: str = "Policy Matrix") -> gspread.Worksheet:
        return self.book.worksheet(title)

    def values(self, title: str = "Policy Matrix") -> list[list[Any]]:
        """The tab as typed values, without trailing empties."""
        option: Any = "UNFORMATTED_VALUE"
        return self.tab(title).get_all_values(value_render_option=option)

    def find(self, key: tuple[str, ...], title: str) -> tuple[list[Any], int, list[Any]]:
        """Headers, index and values of the row with this key, wherever its columns stand."""
        rows = self.values(title)
        at = rows[0].index("connector_id")
        index = next(i for i, row in enumerate(rows) if tuple(row[at : at + len(key)]) == key)
        return rows[0], index, rows[index]

    def row(self, *key: str, title: str = "Policy Matrix") -> list[Any]:
        return self.find(key, title)[2]

    def cell(self, key: tuple[str, ...], column: str, title: str = "Policy Matrix") -> Any:
        headers, _, row = self.find(key, title)
        return row[headers.index(column)]

    def at(self, key: tuple[str, ...], column: str, title: str = "Policy Matrix") -> str:
        """The A1 address of a cell."""
        headers, index, _ = self.find(key, title)
        return f"{chr(ord('A') + headers.index(column))}{index + 1}"

    def edit(
        self, key: tuple[str, ...], column: str, value: Any, title: str = "Policy Matrix", *, raw: bool = True
    ) -> str:
        """Write a cell as gspread does; `raw=False` as if typed on the page."""
        address = self.at(key, column, title)
        option: Any = "RAW" if raw else "USER_ENTERED"
        self.tab(title).update([[value]], address, value_input_option=option)
        return address

    def note(self, address: str, title: str = "Policy Matrix") -> str:
        return str(self.tab(title).get_note(address))

    def status(self, *key: str, title: str = "Policy Matrix") -> str:
        return str(self.cell(key, "sync_status", title))

    def snapshots(self) -> int:
        return self.ws.store.head()

    def open_drafts(self) -> list[Any]:
        return [one.draft for one in self.ws.catalogue().drafts("open")]


def binding(text: str) -> FirearmBinding:
    name, _, lock = text.partition("+")
    return FirearmBinding(firearm_id=None if name == "NONE" else name, strategy_lock=bool(lock))


@pytest.fixture
def server() -> Iterator[LocalSheets]:
    with LocalSheets() as running:
        yield running


@pytest.fixture
def empty(server: LocalSheets, tmp_path: Path) -> Iterator[Desk]:
    """Nothing published, nothing pushed."""
    desk = Desk(server, tmp_path)
    yield desk
    desk.close()


@pytest.fixture
def desk(empty: Desk) -> Desk:
    """Two connectors published and pushed; slack has an undecided scope; github has a KPI."""
    kpi = {"cost_per_call": {"impact_type": "cost", "formula": "usage.cost * 1.0", "target": 5, "unit": "EUR"}}
    policy = {"admin_write": "firearm.external_write+lock", "read_public": "NONE"}
    github = empty.draft("github", ["admin_write", "read_public"], policy, version="1.2.0", kpis=kpi)
    slack = empty.draft("slack", ["post", "read"], {"post": "firearm.external_write"})
    empty.publish(github, slack)
    empty.push()
    return empty
