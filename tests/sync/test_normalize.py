"""Typed reading of single cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.sync.gateway import ErrorValue, Formula
from sheetsync.sync.normalize import Bad, clean_text, read_boolean, read_cell, read_id, read_key, read_number
from sheetsync.sync.tabs import LAYOUTS, ROLES, a1, column_letters

KNOWN = ("firearm.read", "firearm.external_write", "NONE")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("5", 5),
        ("2,5", 2.5),
        ("1 000", 1000),
        ("1'000,25", 1000.25),
        (3.0, 3),
        ("", ""),
        (" 7 ", 7),
        ("-0.5", -0.5),
        ("1e3", 1000),
        ("2.3750", 2.375),
        ("0,125", 0.125),
        ("1234,567", 1234.567),
        ("1 234,567", 1234.567),
        (2.375, 2.375),
    ],
)
def test_numbers_as_people_write_them(raw: str | float, value: object) -> None:
    assert read_number(raw) == value


@pytest.mark.parametrize("raw", ["many", "1.2.3", True, "12 EUR", float("inf"), "nan"])
def test_what_is_no_number(raw: str | float | bool) -> None:
    found = read_number(raw)
    assert isinstance(found, Bad)
    assert found.code == "not_number"


@pytest.mark.parametrize(
    ("raw", "may_be", "hint"),
    [
        ("1,000", "1000 or 1.000", "type 1000, or 1.0000 for the decimal"),
        ("-12.500", "-12500 or -12.500", "type -12500, or -12.5000 for the decimal"),
        ("\u00a0375,250 ", "375250 or 375.250", "type 375250, or 375.2500 for the decimal"),
    ],
)
def test_text_that_says_two_numbers_is_asked_for_again(raw: str, may_be: str, hint: str) -> None:
    found = read_number(raw)
    assert isinstance(found, Bad)
    assert (found.code, found.message.partition(" may be ")[2], found.hint) == ("not_number", may_be, hint)
    for said in hint.removeprefix("type ").removesuffix(" for the decimal").split(", or "):
        assert read_number(said) == float(said)


@given(st.text(max_size=12) | st.floats() | st.booleans() | st.integers())
def test_no_cell_is_unreadable(raw: str | float | bool) -> None:
    for role in ROLES:
        for column in LAYOUTS[role].columns:
            found = read_cell(column, raw, KNOWN)
            assert isinstance(found, Bad | str | bool | int | float)
            if isinstance(found, Bad):
                assert found.message
                assert found.hint


@given(
    st.sampled_from(KNOWN), st.sampled_from(["", " ", "\u00a0", "\u200b", "\t"]), st.sampled_from(["", " ", "\ufeff"])
)
def test_an_id_with_stray_characters_names_the_one_that_is_meant(word: str, before: str, after: str) -> None:
    found = read_id(before + word + after, KNOWN, "firearm")
    if isinstance(found, Bad):
        assert word in found.message
    else:
        assert found == word


@given(st.booleans() | st.sampled_from([0, 1, "yes", "Nein", "VRAI", "false"]))
def test_booleans_are_read_once_and_for_all(raw: bool | int | str) -> None:
    value = read_boolean(raw)
    assert isinstance(value, bool)
    assert read_boolean(value) is value


def test_formulas_and_errors_are_never_values() -> None:
    for role in ROLES:
        for column in LAYOUTS[role].columns:
            assert isinstance(read_cell(column, Formula("=1"), KNOWN), Bad)
            assert isinstance(read_cell(column, Formula("=A0", "#REF!"), KNOWN), Bad)
            assert isinstance(read_cell(column, ErrorValue("#REF!"), KNOWN), Bad)
    found = read_key(Formula("=A1"))
    assert isinstance(found, Bad)


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


def test_a1_names() -> None:
    assert [column_letters(at) for at in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
    assert a1(6, 2) == "C7"
