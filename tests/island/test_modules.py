"""Modules are read statically, and exactly as a JavaScript engine would give them."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sheetsync.island.modules import read_module

Engine = Callable[[Sequence[Path]], list[dict[str, Any]]]
OPERATORS = [
    "+",
    "+",
    "-",
    "*",
    "/",
    "%",
    "|",
    "&",
    "^",
    "<<",
    ">>",
    ">>>",
    "===",
    "!==",
    "<",
    ">",
    "<=",
    ">=",
    "==",
    "!=",
]
OPERATORS += ["&&", "||", "??"]
EXPRESSIONS = 600
MUTANTS = 800
DOUBLING = b"".join(b"const a%d = a%d + a%d\n" % (n, n - 1, n - 1) for n in range(1, 60))
PLACE = "export const main = {\n  tools: {},\n  bad: %s,\n}\n"


def same_json(left: object, right: object) -> bool:
    """Equal with the order of keys."""
    return json.dumps(left) == json.dumps(right)


def test_every_hand_written_form_is_read_as_the_engine_gives_it(modules: list[Path], engine: Engine) -> None:
    assert len(modules) >= 9
    for file, answer in zip(modules, engine(modules), strict=True):
        read = read_module(file.read_bytes())
        assert read.faults == (), file.name
        assert same_json(read.exports, answer["exports"]), file.name


NUMBERS_WRITTEN = ["0x1f", "1_000", "1e21", ".5", "5.", "0b11", "1e-7", "-0", "2**31", "4294967296.5"]
TEXTS_WRITTEN = ["'a'", '"b"', "`c`", "''", "'12'", "' 7 '", "'0x10'", "'é😀'"]
OTHERS_WRITTEN = ["true", "false", "null", "undefined", "A", "B", "C", "D"]


def random_literal(rng: random.Random) -> str:
    numbers = [str(rng.randrange(-5, 100)), repr(rng.uniform(-10, 10)), *NUMBERS_WRITTEN]
    return rng.choice(rng.choice([numbers, TEXTS_WRITTEN, OTHERS_WRITTEN]))


def random_expression(rng: random.Random, depth: int) -> str:
    """An expression of all the forms that the evaluator knows."""
    if depth == 0:
        return random_literal(rng)
    some = [random_expression(rng, depth - 1) for _ in range(3)]
    binary = rng.choice(OPERATORS)
    unary = rng.choice(["!", "-", "+", "~", "typeof ", "void "])
    items = ", ".join(rng.choice(["...A", "...B", some[0], some[1]]) for _ in range(rng.randrange(4)))
    entries = ", ".join(
        rng.choice(
            ["...C", "...D", f"k{n}: {some[0]}", f"{rng.randrange(9) + n * 10}: {some[1]}", f'"s{n}": {some[2]}']
        )
        for n in range(rng.randrange(4))
    )
    return rng.choice(
        [
            f"({some[0]} {binary} {some[1]})", f"({unary}({some[0]}))", f"({some[0]} ? {some[1]} : {some[2]})",
            f"`x${{{some[0]}}}y${{ {some[1]} }}`", f"[{items}]", f"({{{entries}}})", random_literal(rng),
            rng.choice(["C.x", 'D["y"]', "A[0]", "A.length", "B.length", "C?.x", "D.z.w", "(C).q"]),
        ]
    )  # fmt: skip


CONSTANTS = """const A = [1, 'two', null]
const B = 'b😀'
const C = { x: 1, q: A }
const D = { ...C, y: 'y', z: { w: 2.5 } }
"""


def test_generated_expressions_are_worth_what_the_engine_says(tmp_path: Path, engine: Engine) -> None:
    rng = random.Random(7)
    files = []
    for number in range(EXPRESSIONS):
        file = tmp_path / f"{number}.mjs"
        file.write_text(
            f"{CONSTANTS}export const main = {{ v: {random_expression(rng, rng.randrange(1, 5))} }}\n", "utf-8"
        )
        files.append(file)
    read = 0
    for file, answer in zip(files, engine(files), strict=True):
        ours = read_module(file.read_bytes())
        if not ours.faults:
            read += 1
            assert same_json(ours.exports, answer.get("exports")), file.read_text("utf-8")
    assert read > EXPRESSIONS / 2


SIGNS = [
    *"'\"`{}[](),:+-\\\n\r10_.n=?!; e#@é\u2028",
    "...",
    "${",
    "//",
    "/*",
    "*/",
    "**",
    "&&",
    "??",
    "?.",
    "=>",
    "<!--",
]
WORDS = [
    "null",
    "const ",
    "main",
    "common",
    "ROOT",
    "get ",
    "await ",
    "new ",
    "let ",
    "of",
    "in",
    "0x",
    "async ",
    "yield",
]
WORDS += ["this", "__proto__", "import ", "export ", "delete ", "typeof ", "static", "var ", "function ", "class "]
TOKENS = SIGNS + WORDS


def mutate(rng: random.Random, data: bytes) -> bytes:
    """The bytes with one to three small changes."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at = rng.randrange(len(changed))
        token = rng.choice(TOKENS).encode()
        kind = rng.randrange(4)
        if kind == 0:
            changed[at:at] = token
        elif kind == 1:
            del changed[at : at + rng.choice([1, 1, 2, 5])]
        elif kind == 2:
            changed[at : at + 1] = token
        else:
            start = rng.randrange(len(changed))
            changed[at:at] = changed[start : start + rng.choice([3, 10, 40])]
    return bytes(changed)


def test_a_damaged_module_is_a_fault_or_still_what_the_engine_says(
    tmp_path: Path, modules: list[Path], engine: Engine
) -> None:
    """Only modules that do nothing are damaged here, since the engine runs what it is given."""
    rng = random.Random(11)
    bases = [file.read_bytes() for file in modules if file.stem != "handlers"]
    files = []
    for number in range(MUTANTS):
        file = tmp_path / f"{number}.mjs"
        file.write_bytes(mutate(rng, rng.choice(bases)))
        files.append(file)
    read = 0
    for file, answer in zip(files, engine(files), strict=True):
        ours = read_module(file.read_bytes())
        if ours.exports and not ours.faults:
            read += 1
            assert same_json(ours.exports, answer.get("exports")), f"{answer.get('error')}: {file.read_bytes()!r}"
    assert read > MUTANTS / 10


@pytest.mark.parametrize("runs", [4_000, pytest.param(200_000, marks=pytest.mark.torture)])
def test_no_bytes_make_the_reader_crash_or_hang(modules: list[Path], runs: int) -> None:
    rng = random.Random(13)
    bases = [file.read_bytes() for file in modules]
    for _ in range(runs):
        data = mutate(rng, rng.choice(bases))
        if rng.random() < 0.05:
            data = rng.randbytes(200)
        read = read_module(data)
        assert read.faults or isinstance(read.exports, dict)


def as_js(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    """A constant written as JavaScript, in one of the ways that people write it."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"({value!r})" if draw(st.booleans()) else repr(value)
    if isinstance(value, str):
        plain = json.dumps(value, ensure_ascii=draw(st.booleans()))
        single = "'" + plain[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"
        template = "`" + plain[1:-1].replace("`", "\\`").replace("${", "\\${") + "`"
        return str(draw(st.sampled_from([plain, single, template])))
    comma = draw(st.sampled_from([",", ", ", " , // more\n", ", /* and */ "]))
    end = draw(st.sampled_from(["", ", "])) if value else ""
    if isinstance(value, list):
        items = [as_js(item, draw) for item in value]
        return "[" + str(comma).join(items) + str(end) + "]"
    assert isinstance(value, dict)
    written = {key: key if key.isidentifier() and key.isascii() else json.dumps(key) for key in value}
    pairs = [f"{written[key]}: {as_js(item, draw)}" for key, item in value.items()]
    return "{ " + str(comma).join(pairs) + str(end) + " }"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEYS = TEXTS.filter(lambda key: key != "__proto__" and not key.isdecimal())
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
NUMBERS = st.integers(-(2**53), 2**53) | FRACTIONS
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=5), st.data())
def test_a_constant_written_as_javascript_reads_back(value: dict[str, Any], data: st.DataObject) -> None:
    source = f"export const main = {as_js(value, data.draw)}\n"
    read = read_module(source.encode("utf-8"))
    assert read.faults == ()
    assert read.exports["main"] == value


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("run()", "not_constant"),
        ("new Date()", "not_constant"),
        ("() => 1", "not_constant"),
        ("function () {}", "not_constant"),
        ("class {}", "not_constant"),
        ("/x/g", "not_constant"),
        ("await x", "not_constant"),
        ("this", "not_constant"),
        ("import.meta.url", "not_constant"),
        ("process.env.KEY", "not_constant"),
        ("nowhere", "not_constant"),
        ("(x = 1)", "not_constant"),
        ("tag`a`", "not_constant"),
        ("10n", "not_constant"),
        ("010", "not_constant"),
        ("'\\01'", "not_constant"),
        ("{ get a() { return 1 } }", "accessor"),
        ("{ set a( x ) {} }", "accessor"),
        ("{ a() {} }", "not_constant"),
        ("{ [ 'a' ]: 1 }", "computed_key"),
        ("{ a: 1, a: 2 }", "duplicate_key"),
        ("{ a: 1, 'a': 2 }", "duplicate_key"),
        ("{ __proto__: { a: 1 } }", "proto_key"),
        ("{ '__proto__': null }", "proto_key"),
        ("1 / 0", "no_json_form"),
        ("'\\uD800'", "no_json_form"),
        ("{ a: 1,, b: 2 }", "syntax"),
        ("{ a: 1, null }", "syntax"),
        ("1 <!-- a comment", "syntax"),
        ("'one\\ntwo'.replace('\\\\n', '')", "not_constant"),
        ("0 || 1 ?? 2", "syntax"),
        ("{ a: ", "syntax"),
    ],
)
def test_what_is_no_constant_is_a_fault_with_its_code(expression: str, code: str) -> None:
    read = read_module((PLACE % expression).encode())
    assert [fault.code for fault in read.faults] == [code]


def test_a_fault_names_line_and_column_in_characters() -> None:
    fault = read_module(b"export const main = {\n  \xc3\xa9: 1, bad: run(),\n}\n").faults[0]
    assert (fault.line, fault.column) == (2, 14)


@pytest.mark.parametrize(
    "source",
    [
        "console.log( 1 )\nexport const main = {}",
        "export const main = { tools: {} }\nmain.tools.more = 1",
        "const base = { a: 1 }\nbase.a = 2\nexport const main = { ...base }",
        "const b = { a: 1 }\nconst done = change( b )\nfunction change( x ) { x.a = 2 }\nexport const main = { b }",
        "const b = { a: 1 }\nconst change = () => { b.a = 2 }\nconst done = change()\nexport const main = { b }",
        "if ( true ) {}\nexport const main = {}",
        "for ( const x of [] ) {}\nexport const main = {}",
        "throw new Error()\nexport const main = {}",
        "class Run { static { main.x = 1 } }\nexport const main = {}",
        "export const main = {}\nexport default run( main )\nfunction run( x ) { x.y = 1 }",
    ],
)
def test_code_on_loading_that_could_change_the_data_is_a_side_effect(source: str) -> None:
    assert [fault.code for fault in read_module(source.encode()).faults] == ["side_effect"]


@pytest.mark.parametrize(
    "source",
    [
        "let a = 1\na = 2\nexport const main = { a }",
        "let a = 1\nconst set = () => { a = 2 }\nexport const main = { a }",
        "export const main = { a }\nconst a = 1",
        "const a = a\nexport const main = { a }",
        "import { a } from './a.mjs'\nexport const main = { a }",
        "export { main } from './a.mjs'",
        "const { a } = { a: 1 }\nexport const main = { a }",
        "let a\nexport const main = { a }",
        "export const main = 1\nconst main = 2",
        "const secret = 1\nexport { secrets as main }",
        "const nothing\nexport const main = {}",
        "<!-- a comment\nexport const main = {}",
    ],
)
def test_a_name_that_is_not_surely_constant_is_a_fault(source: str) -> None:
    assert len(read_module(source.encode()).faults) == 1


def test_code_on_loading_that_cannot_reach_the_data_is_no_fault() -> None:
    source = "const cache = new Map( [ [ 'a', hash( 'b' ) ] ] )\nfunction hash( x ) { return x }\n"
    source += "export const main = { a: 1 }"
    assert read_module(source.encode()).exports == {"main": {"a": 1}}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"export const main = " + b"[" * 10_000 + b"]" * 10_000, "too_deep"),
        (b"export const main = " + b"{ a: " * 10_000 + b"1" + b"}" * 10_000, "too_deep"),
        (b"export const main = " + b"( 1 + " * 10_000 + b"1" + b")" * 10_000, "too_deep"),
        (b"export const main = " + b"[" * 10_000, "syntax"),
        (b"const a0 = 'xxxxxxxxxx'\n" + DOUBLING + b"export const main = { v: a59 }", "too_large"),
        (b"export const main = { a: '\xff' }", "not_utf8"),
    ],
)
def test_hostile_sizes_and_bytes_are_faults(text: bytes, code: str) -> None:
    assert [fault.code for fault in read_module(text).faults] == [code]


def test_a_deep_module_is_a_fault_and_no_crash_where_little_stack_is_left() -> None:
    source = b"export const main = " + b"[" * 190 + b"]" * 190

    def deeper(levels: int) -> list[str]:
        return deeper(levels - 1) if levels else [fault.code for fault in read_module(source).faults]

    assert deeper(0) == []
    assert deeper(sys.getrecursionlimit() - 350) == ["too_deep"]


def test_a_long_concatenation_is_no_deep_nesting() -> None:
    source = "export const main = { text: " + " + ".join(["'x'"] * 3_000) + " }"
    assert read_module(source.encode()).exports == {"main": {"text": "x" * 3_000}}


def test_a_parse_that_takes_too_long_is_given_up() -> None:
    ticks = iter(range(10**9))
    read = read_module(b"export const main = " + b"a<b>(c)" * 20_000, monotonic=lambda: float(next(ticks)), limit_s=3.0)
    assert [fault.code for fault in read.faults] == ["too_complex"]


def test_a_module_is_never_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    source = f"import fs from 'node:fs'\nexport const main = {{ a: fs.writeFileSync( {str(witness)!r}, 'x' ) }}\n"
    assert read_module(source.encode()).faults
    assert not witness.exists()


def as_flowmcp(value: Any) -> str:
    """A constant as the public libraries write it: bare keys, single quotes, handlers beside it."""
    if isinstance(value, str):
        return "'" + json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"
    if isinstance(value, list):
        return "[ " + ", ".join(map(as_flowmcp, value)) + " ]"
    if isinstance(value, dict):
        keys = {key: key if key.isidentifier() else as_flowmcp(key) for key in value}
        return "{ " + ",\n".join(f"{keys[key]}: {as_flowmcp(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


@pytest.mark.shared
def test_every_shared_connector_written_as_a_module_reads_back(shared: Path) -> None:
    files = sorted((shared / "connectors").glob("*/*.json"))
    assert len(files) == 245
    for file in files:
        value = json.loads(file.read_bytes())
        source = f"export const main = {as_flowmcp(value)}\nexport const handlers = () => ( {{}} )\n"
        assert read_module(source.encode()).exports == {"main": value}, file.name
