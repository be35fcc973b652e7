"""A store's address: what is one, what is refused, and that a secret in it is never said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.context import RequestContext
from sheetsync.errors import UsageError
from sheetsync.store import Store, VersionedStore, copy_store, fsck
from sheetsync.store.address import parse_address

SECRET: Final = "SECRETPW"
WITH_SECRETS: Final = [
    "s3://AKIA:SECRETPW@store/x", "s3://SECRETPW@store/x", "s3://AKIA:SECRETPW/with/slashes@store/x", "s3://u:SECRETPW@[::1/x",
    "gs://u:SECRETPW@b", "az://c?sig=SECRETPW", "az://c/x?sig=SECRETPW", "az://c/x#SECRETPW", "az://c#SECRETPW",
    "abfss://c:SECRETPW@account.dfs.core.windows.net/x", "ftp://u:SECRETPW@h/x", "foo://u:SECRETPW@store/x",
    "https://u:SECRETPW@h/x", "memory://u:SECRETPW@x", "file://u:SECRETPW@h/x", "AKIA:SECRETPW@://x", "s3://b/../x?SECRETPW",
    "http:/u:SECRETPW@h/x",
]  # fmt: skip
OTHERWISE_WRONG: Final = [
    "s3://b?x", "s3://b/x?", "s3://b/x#2", "s3://b/../x", "s3://b/x/..", "s3://b/./x", "s3://b//x", "s3://b/x//y", "s3://b/x//",
    "s3://b/%2e%2e/x", "s3://b/a%2Fb", "s3://b/%61", "s3://b/a\tb", "s3://b/a\nb", "s3://b/x ", "s3://b/ x", "s3://b/a\\b",
    "s3://b:80/x", "s3:///x", "s3://", "s3://b c/x", "s3://.b/x", "S3://b/x", "s3:/b/x", "s3:b", "memory:x", "file:/x",
    "http://x", "://", "", " ", "file://", "memory://a/../b", "memory://a?b", "azb://c", "s3+https://b",
]  # fmt: skip


@pytest.mark.parametrize("text", [*WITH_SECRETS, *OTHERWISE_WRONG])
def test_what_is_no_address_is_refused_without_saying_a_secret(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert "\\u2026" not in caught.value.message
    assert SECRET not in f"{caught.value} {caught.value.message} {caught.value.hint}"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("s3://b", "s3://b"),
        ("s3://b/", "s3://b"),
        ("s3://b/team/x/", "s3://b/team/x"),
        ("gs://my_bucket.2/a b/é", "gs://my_bucket.2/a b/é"),
        ("az://$web/x", "az://$web/x"),
        ("s3://b/ana@example.com/a..b/.hidden", "s3://b/ana@example.com/a..b/.hidden"),
        ("abfss://c@account.dfs.core.windows.net/x", "abfss://c@account.dfs.core.windows.net/x"),
        ("memory://", "memory://"),
        ("memory://one", "memory://one"),
    ],
)
def test_a_buckets_address_has_one_form(text: str, form: str) -> None:
    found = parse_address(text)
    assert (found.text, found.folder) == (form, None)
    assert parse_address(form) == found


def test_a_folder_called_like_the_beginning_of_a_url_is_one_for_who_gives_a_path() -> None:
    assert parse_address(Path("./ab:/x")).folder == Path("ab:/x")
    assert parse_address("./ab:/x").folder == Path("ab:/x")


@pytest.mark.parametrize("text", ["store", "./s3:x", "/abs/store", "a#b", "a?b", "a%20b", "../x", "C:x", "u@h"])
def test_a_folder_is_taken_as_it_is_written(text: str) -> None:
    assert parse_address(text).folder == Path(text)
    assert parse_address(Path(text)).folder == Path(text)
    assert parse_address("file:///srv/a?b").folder == Path("/srv/a?b")


def test_a_url_that_went_through_a_path_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="two slashes"):
        Store.open(Path("s3://bucket/store"))
    assert not list(tmp_path.iterdir())


@given(st.text(alphabet="ab/.?#%@: \\\t\n", max_size=12))
def test_two_addresses_of_a_bucket_that_differ_are_two_stores(text: str) -> None:
    """What is accepted holds nothing that a client of buckets cuts, decodes or resolves."""
    try:
        found = parse_address(f"s3://bucket/{text}")
    except UsageError:
        return
    assert found.text in (f"s3://bucket/{text}", f"s3://bucket/{text}".removesuffix("/"))
    assert not set(found.rest) & set("?#%\\\t\n")
    assert not {"", ".", ".."} & set(found.rest.split("/"))


WAYS_IN: Final[dict[str, Callable[[str, Path], Any]]] = {
    "open": lambda url, _: Store.open(url),
    "open to look": lambda url, _: Store.open(url, create=False),
    "versioned": lambda url, _: VersionedStore(RequestContext(user="ada"), url=url),
    "fsck": lambda url, _: fsck(url),
    "copy from": lambda url, place: copy_store(url, place / "new"),
    "copy to": lambda url, place: copy_store(place / "old", url),
}


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize("url", WITH_SECRETS)
def test_every_way_into_the_store_reads_addresses_alike(way: str, url: str, tmp_path: Path) -> None:
    Store.open(tmp_path / "old").close()
    with pytest.raises(UsageError) as caught:
        WAYS_IN[way](url, tmp_path)
    assert SECRET not in str(caught.value)
    assert not (tmp_path / "new").exists()
