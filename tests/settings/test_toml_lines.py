"""Every key is found on the line where an editor shows it, whatever stands before it."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from sheetsync.settings.toml_lines import find_lines

TEXT = '''# a comment = with an equals sign
top = 1
"quoted.key" = "x = y"
many = [
  "a = b",  # ]
  ["nested]"],
]
long = """
fake = 1
[fake]
"""
after = 2

[section]
key = { inline = "a", other = 1 }
dotted.name = 'x # y'

[[entry]]
id = "one"

[[entry]]
  id = "two"
  [entry.sub]
  deep = true
[last]
x = """one line"""
y = 1
'''


def test_keys_tables_and_array_entries_are_found() -> None:
    tomllib.loads(TEXT)
    found = find_lines(TEXT)
    lines = TEXT.splitlines()
    expected = {
        ("top",): "top",
        ("quoted.key",): '"quoted',
        ("many",): "many",
        ("long",): "long",
        ("after",): "after",
        ("section",): "[section]",
        ("section", "key"): "key",
        ("section", "dotted", "name"): "dotted",
        ("entry", 0): "[[entry]]",
        ("entry", 0, "id"): 'id = "one"',
        ("entry", 1, "id"): '  id = "two"',
        ("entry", 1, "sub"): "  [entry.sub]",
        ("entry", 1, "sub", "deep"): "  deep",
        ("last", "x"): "x =",
        ("last", "y"): "y =",
    }
    for path, begins in expected.items():
        assert lines[found[path] - 1].startswith(begins), path
    assert set(found) == {*expected, ("entry", 1), ("last",)}


KEYS = st.text(alphabet="abcdef_-1", min_size=1, max_size=6)
VALUES = st.sampled_from(
    ["1", "'x'", '"a = [b"', "[\n 1,\n 2 ]", '"""\nk = 1\n"""', "{ a = 1 }", "true  # c = d", "'''a\n[b]\n'''"]
)


@given(st.lists(st.tuples(KEYS, VALUES), unique_by=lambda item: item[0], max_size=8), st.booleans())
def test_any_file_that_toml_can_read_has_a_line_for_each_of_its_keys(
    items: list[tuple[str, str]], in_table: bool
) -> None:
    text = ("[table]\n" if in_table else "") + "".join(f"{key} = {value}\n" for key, value in items)
    tomllib.loads(text)
    found = find_lines(text)
    lines = text.splitlines()
    for key, _ in items:
        path = ("table", key) if in_table else (key,)
        assert lines[found[path] - 1].startswith(f"{key} =")
