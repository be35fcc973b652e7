"""Addresses are hostile until parsed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.settings.address import parse_endpoint, parse_spreadsheet, parse_store

SHEET = "1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_abcd"


@pytest.mark.parametrize(
    "text",
    [
        SHEET,
        f"  {SHEET}\n",
        f"https://docs.google.com/spreadsheets/d/{SHEET}",
        f"https://docs.google.com/spreadsheets/d/{SHEET}/edit",
        f"https://docs.google.com/spreadsheets/d/{SHEET}/edit?usp=sharing#gid=0",
        f"https://docs.google.com/spreadsheets/u/1/d/{SHEET}/edit#gid=12",
        f"https://docs.google.com/a/example.com/spreadsheets/d/{SHEET}/edit",
    ],
)
def test_ids_and_addresses_of_google_give_the_id(text: str) -> None:
    assert parse_spreadsheet(text) == SHEET


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../../etc/passwd",
        "a b",
        f"http://docs.google.com/spreadsheets/d/{SHEET}",
        f"https://docs.google.com.evil.example/spreadsheets/d/{SHEET}",
        f"https://docs.google.com@evil.example/spreadsheets/d/{SHEET}",
        f"https://user@docs.google.com/spreadsheets/d/{SHEET}",
        f"https://evil.example/spreadsheets/d/{SHEET}",
        f"https://docs.google.com/document/d/{SHEET}/edit",
        "https://docs.google.com/spreadsheets/d/e/2PACX-1vT/pubhtml",
        "https://docs.google.com/spreadsheets/d/../x",
        "https://docs.google.com/spreadsheets/",
        "x" * 129,
        "tabelle-ä",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_spreadsheet(text)


def test_an_address_on_the_configured_endpoint_is_taken_and_on_another_is_not() -> None:
    address = f"http://127.0.0.1:8090/spreadsheets/d/{SHEET}/edit"
    assert parse_spreadsheet(address, endpoint="http://127.0.0.1:8090") == SHEET
    with pytest.raises(ValueError, match=r"docs\.google\.com"):
        parse_spreadsheet(address, endpoint="http://127.0.0.1:8091")


@given(st.text(max_size=60))
def test_what_is_accepted_is_always_a_plain_id(text: str) -> None:
    try:
        found = parse_spreadsheet(text)
    except ValueError:
        return
    assert found.isascii()
    assert all(char.isalnum() or char in "-_" for char in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", None), ("http://127.0.0.1:8090/", "http://127.0.0.1:8090"), ("https://h/base", "https://h/base")],
)
def test_an_endpoint_is_a_base_url(text: str, expected: str | None) -> None:
    assert parse_endpoint(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:8090",
        "ftp://x",
        "http://",
        "http://u:p@h",
        "http://h?x=1",
        "http://h#x",
        "http://h:99999",
        "http://[::1",
    ],
)
def test_an_endpoint_of_another_form_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_endpoint(text)
    assert "u:p" not in str(caught.value)


def test_a_store_is_a_folder_or_a_bucket() -> None:
    here = Path("/work/space")
    assert parse_store("store", here) == "/work/space/store"
    assert parse_store("/abs", here) == "/abs"
    assert parse_store("s3://bucket/prefix", here) == "s3://bucket/prefix"
    assert parse_store("memory://", here) == "memory://"
    for wrong in ("", "http://x", "s3://key:secret@bucket"):
        with pytest.raises(ValueError, match=r".") as caught:
            parse_store(wrong, here)
        assert "secret" not in str(caught.value)
