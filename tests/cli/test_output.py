"""Tables and words of the output layer."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.cli.output import Output, count, plain_table, shown, text_width


def test_a_table_keeps_columns_in_line_and_numbers_to_the_right() -> None:
    assert plain_table(("name", "count"), [("github", 2), ("web", 11)]) == [
        "name    count",
        "github      2",
        "web        11",
    ]


def test_a_table_without_rows_says_so() -> None:
    assert plain_table(("name",), [], empty="no drafts") == ["no drafts"]


def test_wide_characters_take_two_columns() -> None:
    assert text_width("日本") == 4
    assert plain_table(("a", "b"), [("日本", "x"), ("abcd", "y")])[1:] == ["日本  x", "abcd  y"]


def test_values_look_as_in_the_sheet() -> None:
    assert [shown(v) for v in (True, False, None, 1.0, 0.5, ("a", "b"))] == ["TRUE", "FALSE", "", "1", "0.5", "a / b"]


def test_control_characters_never_reach_the_terminal() -> None:
    assert shown("a\x1b[31mb\tc\nd") == "a�[31mb c d"


EVIL = "x\x1b[2J\x1b]0;pwn\x07\ny\x9b31m\u202e"


def test_lines_and_talk_are_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False, quiet=False, verbose=0, no_color=False)
    output.answer(None, [f"broke {EVIL}"])
    output.say(f"recovered {EVIL} s3://AKIA:SECRETPW@store")
    output.tell_person([EVIL])
    told = capsys.readouterr()
    assert told.out == "broke x�[2J�]0;pwn� y�31m�\n"
    assert not [char for char in told.out + told.err if (ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160]
    assert "SECRETPW" not in told.err


def test_on_a_terminal_our_own_colours_stay_and_others_go(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Output(as_json=False, quiet=False, verbose=0, no_color=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    output.answer(None, [output.style("sound", "green", bold=True) + EVIL])
    out = capsys.readouterr().out
    assert out == "\x1b[32m\x1b[1msound\x1b[0mx�[2J�]0;pwn� y�31m�\n"


def test_json_holds_the_text_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True, quiet=False, verbose=0, no_color=False).answer({"why": EVIL})
    out = capsys.readouterr().out
    assert json.loads(out) == {"why": EVIL}
    assert not [char for char in out.rstrip() if ord(char) < 32 or 127 <= ord(char) < 160]


@given(st.lists(st.tuples(st.text(max_size=8), st.integers()), max_size=5))
def test_a_table_has_one_line_a_row(rows: list[tuple[str, int]]) -> None:
    assert len(plain_table(("a", "b"), rows)) == max(1, len(rows) + 1 if rows else 1)


def test_one_and_many() -> None:
    assert (count(1, "draft"), count(2, "draft"), count(0, "entry", "entries")) == ("1 draft", "2 drafts", "0 entries")


def test_no_colours_outside_a_terminal() -> None:
    assert Output(as_json=False, quiet=False, verbose=0, no_color=False).style("x", "red") == "x"
