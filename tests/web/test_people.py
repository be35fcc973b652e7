"""Roles, tokens and their hashes."""

from __future__ import annotations

import pytest

from sheetsync.web.people import MAY, ROLES, People, Person, hash_token, new_token, parse_token_hash


def test_a_token_matches_its_own_hash_only() -> None:
    token, text = new_token()
    kept = parse_token_hash(text)
    assert kept.matches(token)
    assert not kept.matches(token + "x")
    assert not kept.matches("")
    assert token not in text
    assert str(kept) == text


def test_the_same_token_never_hashes_alike() -> None:
    assert str(hash_token("t")) != str(hash_token("t"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "scrypt$1$8$1$AAAA$AAAA",
        "scrypt$60$8$1$x$y",
        "scrypt$14$8$1$!!$!!",
        "scrypt$18$16$1$" + "A" * 24 + "$" + "A" * 44,
        "md5$14$8$1$a$b",
        "scrypt$14$8$1$" + "A" * 24 + "$AAAA",
        "scrypt$-1$8$1$a$b",
    ],
)
def test_a_hash_of_another_form_or_cost_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"token hash|cost|base64|too short"):
        parse_token_hash(text)


def test_everybody_sees_and_only_publishers_publish() -> None:
    for role in ROLES:
        person = Person("p", frozenset({role}))
        assert person.may("see")
        assert person.may("publish") == (role == "publisher")
        assert person.may("edit") == (role == "owner")
    assert Person("p", frozenset(ROLES)).may("edit")
    assert not Person("p", frozenset()).may("see")
    assert set(MAY) == set(ROLES)


def test_nobody_signs_in_with_the_hash_of_nobody() -> None:
    people = People.of([Person("rob", frozenset({"owner"}))])
    assert people.sign_in("rob", "") is None
    assert people.sign_in("rob", "anything") is None
