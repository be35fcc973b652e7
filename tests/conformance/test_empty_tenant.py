"""Who opens what should be there, and mistyped the tenant, is told which ones there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.store import RecordId, Store
from sheetsync.store.backend import Backend

Reopen = Callable[[], Backend]


def opened(reopen: Reopen, tenant: str, *, create: bool = False) -> list[str]:
    """What is told when the tenant is opened."""
    told: list[str] = []
    Store.on(reopen(), tenant=tenant, create=create, tell=told.append).close()
    return told


def fill(reopen: Reopen, *tenants: str) -> None:
    for tenant in tenants:
        ctx = RequestContext(user="ada", tenant=tenant)
        with Store.on(reopen(), tenant=tenant) as store, store.transaction(ctx) as tx:
            tx.save(RecordId(tenant, ("kpis",), "alpha"), {"n": 1})


def test_an_empty_tenant_beside_others_is_told(reopen: Reopen) -> None:
    fill(reopen, "acme", "con")
    assert opened(reopen, "acmee") == ["warning: tenant 'acmee' has nothing in this store yet; there is 'acme', 'con'"]
    fill(reopen, "acmee")
    assert opened(reopen, "acmee") == []


def test_but_not_one_that_is_there_or_alone_or_to_be_filled(reopen: Reopen) -> None:
    fill(reopen)
    assert opened(reopen, "acme", create=True) == opened(reopen, "acme") == []
    fill(reopen, "acme")
    assert opened(reopen, "acme") == opened(reopen, "acmee", create=True) == []


def test_of_very_many_a_few_are_named(reopen: Reopen) -> None:
    fill(reopen, *(f"t{number}" for number in range(7)))
    (told,) = opened(reopen, "other")
    assert told.endswith("there is 't0', 't1', 't2', 't3', 't4' and more")


def test_a_folder_that_is_called_as_no_tenant_can_be_is_not_named(
    reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(reopen, "acme")
    backend = reopen()
    there = [*backend.tenants(), "a%0aerror%3a fake", "a b", "x" * 200]
    monkeypatch.setattr(type(backend), "tenants", lambda _backend: there)
    told: list[str] = []
    Store.on(backend, tenant="acmee", create=False, tell=told.append).close()
    assert told == ["warning: tenant 'acmee' has nothing in this store yet; there is 'acme'"]


def test_it_is_a_hint_and_nothing_fails_of_it(reopen: Reopen, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(reopen, "acme")

    def fails(_backend: object) -> list[str]:
        raise PermissionError("not yours")

    backend = reopen()
    monkeypatch.setattr(type(backend), "tenants", fails)
    told: list[str] = []
    Store.on(backend, tenant="acmee", create=False, tell=told.append).close()
    assert told == []
