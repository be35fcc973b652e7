"""What looks after a store loads the settings leniently: but a mistake in what says *which* store ends it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sheetsync.errors import ConfigError
from tests.settings.conftest import Load

Write = Callable[..., Path]

OF_THE_STORE = {
    "an unknown kind": 'store = "s3x://prod/store"\n',
    "a password": 'store = "s3://AKIA:SECRETPW@prod/store"\n',
    "a query": 'store = "s3://prod/store?x=1"\n',
    "no text": "store = 5\n",
    "a table": '[store]\nurl = "s3://prod/store"\n',
    "a typing error": 'stor = "s3://prod/store"\n',
    "another one": 'stroe = "s3://prod/store"\n',
    "in a section": '[sheets]\nstore = "s3://prod/store"\n',
    "no quotes": "store = s3://prod/store\n",
    "after another mistake": 'user = ana\nstore = "s3://prod/store"\n',
    "a typing error after another mistake": '[sheets\nstore_ = "s3://prod/store"\n',
}
OF_THE_TENANT = {
    "a wrong form": 'tenant = "Acme Corp"\n',
    "a typing error": 'tenannt = "acme"\n',
    "after another mistake": 'user = ana\ntenant = "acme"\n',
}
OTHERS = {
    "an unknown key": "bogus = 1\n",
    "a wrong value": '[pull]\nsettle_seconds = "soon"\n',
    "no TOML": '[sheets\nendpoint = "x"\n',
    "a target's tenant": '[[target]]\ntenant = "Acme Corp"\n',
    "no TOML, and targets": 'user = ana\n[[target]]\ntenant = "acme"\n',
    "a wrong spreadsheet": 'spreadsheet = "https://x/y"\n',
}


@pytest.mark.parametrize("what", OF_THE_STORE)
def test_a_mistake_in_the_stores_address_is_an_error(load: Load, write: Write, what: str) -> None:
    write(OF_THE_STORE[what])
    with pytest.raises(ConfigError) as caught:
        load(lenient=True)
    assert "--store URL" in caught.value.hint
    assert caught.value.mistakes
    assert "SECRETPW" not in str(caught.value)
    assert load(lenient=True, overrides={"store": "/srv/store"}).store == "/srv/store"
    assert load(lenient=True, environ={"SHEETSYNC_STORE": "/srv/store"}).store == "/srv/store"


@pytest.mark.parametrize("what", OF_THE_TENANT)
def test_a_mistake_in_the_tenant_is_an_error(load: Load, write: Write, what: str) -> None:
    write(f'store = "elsewhere"\n{OF_THE_TENANT[what]}')
    with pytest.raises(ConfigError) as caught:
        load(lenient=True)
    assert caught.value.hint == "name it on the command line: --tenant NAME"
    assert load(lenient=True, overrides={"tenant": "acme"}).tenant == "acme"


@pytest.mark.parametrize("what", OTHERS)
def test_other_mistakes_are_warnings(load: Load, write: Write, workspace: Path, what: str) -> None:
    write(f'store = "elsewhere"\n{OTHERS[what]}')
    found = load(lenient=True)
    assert found.store == str(workspace / "elsewhere")
    assert found.warnings


@pytest.mark.parametrize(
    "environ",
    [
        {"SHEETSYNC_STORE": "s3x://prod/store"},
        {"SHEETSYNC_STORE": "s3://prod/store#2"},
        {"SHEETSYNC_STOR": "s3://prod/store"},
        {"SHEETSYNC_STORES": "s3://prod/store"},
        {"SHEETSYNC_TENANT": "Acme Corp"},
        {"SHEETSYNC_TENNANT": "acme"},
    ],
)
def test_a_mistake_in_the_environment_is_an_error_too(load: Load, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        load(lenient=True, environ=environ)
    assert load(lenient=True, environ=environ, overrides={"store": "/srv", "tenant": "acme"}).store == "/srv"


def test_a_store_named_by_a_flag_must_be_one(load: Load) -> None:
    with pytest.raises(ConfigError, match="--store: 's3x://…' is no store's address") as caught:
        load(lenient=True, overrides={"store": "s3x://prod/store"})
    assert caught.value.hint == "correct what is named"


def test_a_configuration_that_cannot_be_had_keeps_nobody_from_a_store_that_is_named(
    load: Load, workspace: Path, write: Write
) -> None:
    path = write("")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(lenient=True)
    named = {"store": "/srv/store", "tenant": "acme"}
    assert load(lenient=True, overrides=named).store == "/srv/store"
    missing = workspace / "missing.toml"
    with pytest.raises(ConfigError, match="there is no configuration file"):
        load(lenient=True, config=missing)
    assert load(lenient=True, config=missing, overrides=named).warnings


def test_two_mistakes_of_the_store_are_told_at_once(load: Load, write: Write) -> None:
    write('stor = "s3://prod/store"\ntenant = "Acme Corp"\n')
    with pytest.raises(ConfigError) as caught:
        load(lenient=True)
    assert len(caught.value.mistakes) == 2
    assert caught.value.hint == "name it on the command line: --store URL --tenant NAME"
