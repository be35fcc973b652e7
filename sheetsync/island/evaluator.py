"""What a constant JavaScript expression is worth. Nothing is ever run: there are no calls, no assignments, no loops.

An expression that is not constant, or that an engine would refuse, raises `NotConstantError` with its place. Names are
looked up through a function, so this module knows nothing of scopes: those are in `modules`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tree_sitter import Node

from sheetsync.island.js_values import (
    UNDEFINED,
    JSValue,
    code_units,
    is_truthy,
    number_text,
    ordered_keys,
    to_number,
    to_text,
    type_name,
)
from sheetsync.island.literals import LiteralError, escape_value, number_value, template_piece
from sheetsync.island.operators import ARITHMETIC, compare, int32

MAX_DEPTH: Final = 200  # of nesting; real schemas reach about 20
MAX_TEXT: Final = 8_000_000  # characters that all the results of one file may take together
WRAPPERS: Final = frozenset({"parenthesized_expression"})
SIMPLE: Final[dict[str, JSValue]] = {"true": True, "false": False, "null": None, "undefined": UNDEFINED}
RESERVED: Final = frozenset(
    {
        "arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete",
        "do", "else", "enum", "eval", "export", "extends", "false", "finally", "for", "function", "if", "implements",
        "import", "in", "instanceof", "interface", "let", "new", "null", "package", "private", "protected", "public",
        "return", "static", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void", "while", "with",
        "yield"
    }
)  # fmt: skip  # words that are no names in a module
_BINDING: Final = ("identifier", "shorthand_property_identifier")
_NAME_SIGNS: Final = dict.fromkeys(map(ord, "$\u200c\u200d"), "_")  # allowed in names beyond what Unicode says
_MIXED: Final = {"??": frozenset({"&&", "||"}), "&&": frozenset({"??"}), "||": frozenset({"??"})}
REASONS: Final = {
    "call_expression": "a call is not constant, and nothing is run",
    "new_expression": "'new' is not constant, and nothing is run",
    "arrow_function": "a function is not data",
    "function_expression": "a function is not data",
    "generator_function": "a function is not data",
    "class": "a class is not data",
    "regex": "a regular expression has no JSON form",
    "await_expression": "'await' is not constant, and nothing is run",
    "yield_expression": "'yield' is not constant",
    "assignment_expression": "an assignment is a side effect, and nothing is run",
    "augmented_assignment_expression": "an assignment is a side effect, and nothing is run",
    "update_expression": "an assignment is a side effect, and nothing is run",
    "this": "'this' is not constant",
    "meta_property": "'import.meta' is not constant",
}


class NotConstantError(Exception):
    """An expression that is not constant, or not JavaScript; `node` is where."""

    def __init__(self, node: Node, message: str, code: str = "not_constant") -> None:
        super().__init__(message)
        self.node = node
        self.message = message
        self.code = code


def node_text(data: bytes, node: Node) -> str:
    """The node's source text. `node.text` would read the file again: the parser was given a reader of it."""
    return data[node.start_byte : node.end_byte].decode("utf-8")


class Evaluator:
    """Evaluates expressions of one file; the same node is the same value (objects keep their identity)."""

    def __init__(self, data: bytes, lookup: Callable[[Node, str, int], JSValue]) -> None:
        """`data`: the file. `lookup(node, name, depth)`: the value of a name used at `node`, or `NotConstantError`."""
        self._data = data
        self._lookup = lookup
        self._budget = MAX_TEXT
        self._methods: Final[dict[str, Callable[[Node, int], JSValue]]] = {
            "identifier": self._name,
            "number": self._number,
            "string": self._string,
            "template_string": self._template,
            "array": self._array,
            "object": self._object,
            "binary_expression": self._binary,
            "unary_expression": self._unary,
            "ternary_expression": self._ternary,
            "member_expression": self._member,
            "subscript_expression": self._subscript,
        }

    def value(self, node: Node, depth: int = 0) -> JSValue:
        """The expression's value.

        Raises:
            NotConstantError: it is not constant, too deeply nested, or too large.
        """
        if depth > MAX_DEPTH:
            raise NotConstantError(node, f"nested more than {MAX_DEPTH} deep", "too_deep")
        while node.type in WRAPPERS:
            node = self._only(node)
        if node.type in SIMPLE:
            return SIMPLE[node.type]
        method = self._methods.get(node.type)
        if method is None:
            raise NotConstantError(node, REASONS.get(node.type, f"{node.type.replace('_', ' ')} is not constant"))
        return method(node, depth + 1)

    def _only(self, node: Node) -> Node:
        inner = [child for child in node.named_children if child.type != "comment"]
        if len(inner) != 1:
            raise NotConstantError(node, "cannot be read")
        return inner[0]

    def _spend(self, node: Node, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            raise NotConstantError(node, "the constants of this file grow too large", "too_large")

    def _identifier(self, node: Node) -> str:
        """The name that an identifier stands for; escapes in it are refused, since nobody writes them by chance."""
        text = node_text(self._data, node)
        if "\\" in text:
            raise NotConstantError(node, "an escape in a name is not read: write the name itself")
        if not text.translate(_NAME_SIGNS).isidentifier() or (node.type in _BINDING and text in RESERVED):
            raise NotConstantError(node, f"{text[:40]!r} is not a name", "syntax")
        return text

    def _pieces(self, node: Node) -> Iterator[tuple[Node | None, str]]:
        """What stands between the quotes, whole: the parts, and (None, text) for what the grammar takes for space."""
        end = node.start_byte + 1
        for child in node.children[1:]:
            if child.start_byte > end:
                yield None, self._data[end : child.start_byte].decode("utf-8")
            if child.end_byte < node.end_byte:
                yield child, node_text(self._data, child)
            end = child.end_byte

    def _name(self, node: Node, depth: int) -> JSValue:
        return self._lookup(node, self._identifier(node), depth)

    def _number(self, node: Node, _depth: int) -> JSValue:
        try:
            return number_value(node_text(self._data, node))
        except LiteralError as exc:
            raise NotConstantError(node, str(exc)) from exc

    def _string(self, node: Node, _depth: int) -> JSValue:
        parts = []
        for child, text in self._pieces(node):
            if child is not None and child.type == "escape_sequence":
                parts.append(self._escape(child, text))
            elif "\r" in text or "\n" in text:
                raise NotConstantError(node, "a string does not end on its line", "syntax")
            else:
                parts.append(text)
        self._spend(node, sum(map(len, parts)))
        return "".join(parts)

    def _escape(self, node: Node, text: str) -> str:
        try:
            return escape_value(text)
        except LiteralError as exc:
            raise NotConstantError(node, str(exc)) from exc

    def _template(self, node: Node, depth: int) -> JSValue:
        parts = []
        for child, text in self._pieces(node):
            if child is not None and child.type == "template_substitution":
                parts.append(self._text(child, self.value(self._only(child), depth)))
            elif child is not None and child.type == "escape_sequence":
                parts.append(self._escape(child, template_piece(text)))
            else:
                parts.append(template_piece(text))
        self._spend(node, sum(map(len, parts)))
        return "".join(parts)

    def _text(self, node: Node, value: JSValue) -> str:
        """ToString, as `${…}` and `+` do it; an object's own `toString` would be called, so it is refused."""
        if isinstance(value, dict) and {"toString", "valueOf"} & value.keys():
            raise NotConstantError(node, "an object with its own toString cannot become text")
        text = to_text(value)
        self._spend(node, len(text))
        return text

    def _array(self, node: Node, depth: int) -> JSValue:
        items: list[JSValue] = []
        filled = False
        for child in node.children[1:-1]:
            if child.type == "comment":
                continue
            if child.type == ",":
                if not filled:
                    items.append(UNDEFINED)  # a hole: [1,,2]
                filled = False
                continue
            filled = True
            if child.type == "spread_element":
                items += self._spread_items(child, depth)
            else:
                items.append(self.value(child, depth))
        self._spend(node, len(items))
        return items

    def _spread_items(self, node: Node, depth: int) -> list[JSValue]:
        value = self.value(self._only(node), depth)
        if isinstance(value, list):
            self._spend(node, len(value))
            return list(value)
        if isinstance(value, str):
            return list(code_units(value).decode("utf-16-be", "surrogatepass"))
        raise NotConstantError(node, f"{type_name(value)} cannot be spread into an array")

    def _object(self, node: Node, depth: int) -> JSValue:
        result: dict[str, JSValue] = {}
        own: set[str] = set()  # keys written in this literal itself: a second one is surely a mistake
        after_comma = True
        for child in node.children[1:-1]:
            if child.type == "comment":
                continue
            if child.type == "," and after_comma:
                raise NotConstantError(child, "a comma without an entry before it", "syntax")
            after_comma = child.type == ","
            if after_comma:
                continue
            if child.type == "spread_element":
                result.update(self._spread_entries(child, depth))
                continue
            key, value = self._entry(child, depth)
            if key in own:
                raise NotConstantError(child, f"the key {key[:60]!r} occurs twice", "duplicate_key")
            own.add(key)
            result[key] = value
        self._spend(node, len(result))
        return result

    def _entry(self, node: Node, depth: int) -> tuple[str, JSValue]:
        if node.type == "shorthand_property_identifier":
            return self._allowed(node, self._identifier(node)), self._name(node, depth)
        if node.type == "method_definition":
            words = {child.type for child in node.children}
            what = "a getter" if "get" in words else "a setter" if "set" in words else "a method"
            raise NotConstantError(
                node, f"{what} is code, not data", "accessor" if what != "a method" else "not_constant"
            )
        if node.type != "pair":
            raise NotConstantError(node, f"{node.type.replace('_', ' ')} is not constant")
        key_node, value_node = node.child_by_field_name("key"), node.child_by_field_name("value")
        if key_node is None or value_node is None:
            raise NotConstantError(node, "cannot be read")
        return self._key(key_node, depth), self.value(value_node, depth)

    def _key(self, node: Node, depth: int) -> str:
        if node.type == "property_identifier":
            return self._allowed(node, self._identifier(node))
        if node.type == "string":
            return self._allowed(node, to_text(self._string(node, depth)))
        if node.type == "number":
            return number_text(to_number(self._number(node, depth)))
        if node.type == "computed_property_name":
            raise NotConstantError(node, "a computed key is not read: write the key itself", "computed_key")
        raise NotConstantError(node, f"{node.type.replace('_', ' ')} is not a key")

    def _allowed(self, node: Node, key: str) -> str:
        if key == "__proto__":
            raise NotConstantError(node, "'__proto__' would set the object's prototype", "proto_key")
        return key

    def _spread_entries(self, node: Node, depth: int) -> dict[str, JSValue]:
        value = self.value(self._only(node), depth)
        if isinstance(value, dict):
            self._spend(node, len(value))
            return {key: value[key] for key in ordered_keys(value)}
        if isinstance(value, list):
            self._spend(node, len(value))
            return {str(index): item for index, item in enumerate(value)}
        if isinstance(value, str):
            units = code_units(value)
            self._spend(node, len(units))
            pieces = [units[at : at + 2].decode("utf-16-be", "surrogatepass") for at in range(0, len(units), 2)]
            return {str(index): piece for index, piece in enumerate(pieces)}
        return {}  # numbers, booleans, null and undefined have no own properties

    def _binary(self, node: Node, depth: int) -> JSValue:
        spine, left = [], node  # a long concatenation is a long left spine: walk it without recursion
        while left.type == "binary_expression":
            inner = left.child_by_field_name("left")
            if inner is None:
                raise NotConstantError(left, "cannot be read")
            spine.append(left)
            left = inner
        value = self.value(left, depth)
        for step in reversed(spine):
            value = self._operate(step, value, depth)
        return value

    def _operate(self, node: Node, left: JSValue, depth: int) -> JSValue:
        operator, right_node = node.child_by_field_name("operator"), node.child_by_field_name("right")
        if operator is None or right_node is None:
            raise NotConstantError(node, "cannot be read")
        sign = operator.type
        if _MIXED.get(sign, frozenset()) & {_sign_of(right_node), _sign_of(node.child_by_field_name("left"))}:
            raise NotConstantError(node, "'??' needs parentheses beside '&&' and '||'", "syntax")
        if sign in ("&&", "||", "??"):
            keep = {"&&": not is_truthy(left), "||": is_truthy(left), "??": left is not None and left is not UNDEFINED}
            return left if keep[sign] else self.value(right_node, depth)
        right = self.value(right_node, depth)
        if sign == "+":
            return self._add(node, left, right)
        compared = compare(sign, left, right)
        if compared is not None:
            return compared
        if sign in ARITHMETIC:
            self._text(node, left), self._text(node, right)
            return ARITHMETIC[sign](to_number(left), to_number(right))
        raise NotConstantError(node, f"the operator {sign} is not evaluated")

    def _add(self, node: Node, left: JSValue, right: JSValue) -> JSValue:
        if isinstance(left, (str, list, dict)) or isinstance(right, (str, list, dict)):
            return self._text(node, left) + self._text(node, right)
        return to_number(left) + to_number(right)

    def _unary(self, node: Node, depth: int) -> JSValue:
        operator, argument = node.child_by_field_name("operator"), node.child_by_field_name("argument")
        if operator is None or argument is None:
            raise NotConstantError(node, "cannot be read")
        if operator.type == "delete":
            raise NotConstantError(node, "'delete' is a side effect, and nothing is run", "side_effect")
        value = self.value(argument, depth)
        if operator.type in ("-", "+", "~"):
            self._text(node, value)
            number = to_number(value)
            return -number if operator.type == "-" else number if operator.type == "+" else float(~int32(number))
        if operator.type == "typeof":
            return type_name(value)
        return UNDEFINED if operator.type == "void" else not is_truthy(value)

    def _ternary(self, node: Node, depth: int) -> JSValue:
        parts = [node.child_by_field_name(name) for name in ("condition", "consequence", "alternative")]
        if parts[0] is None or parts[1] is None or parts[2] is None:
            raise NotConstantError(node, "cannot be read")
        return self.value(parts[1] if is_truthy(self.value(parts[0], depth)) else parts[2], depth)

    def _member(self, node: Node, depth: int) -> JSValue:
        target, name = node.child_by_field_name("object"), node.child_by_field_name("property")
        if target is None or name is None or name.type != "property_identifier":
            raise NotConstantError(node, "is not constant")
        return self._property(node, self.value(target, depth), self._identifier(name))

    def _subscript(self, node: Node, depth: int) -> JSValue:
        target, index = node.child_by_field_name("object"), node.child_by_field_name("index")
        if target is None or index is None:
            raise NotConstantError(node, "is not constant")
        return self._property(node, self.value(target, depth), self._text(index, self.value(index, depth)))

    def _property(self, node: Node, target: JSValue, key: str) -> JSValue:
        optional = any(child.type == "optional_chain" for child in node.children)
        if optional and (target is None or target is UNDEFINED):
            return UNDEFINED
        if isinstance(target, dict) and key in target:
            return target[key]
        if isinstance(target, list):
            if key == "length":
                return float(len(target))
            if key.isdecimal() and str(int(key[:12])) == key and int(key) < len(target):
                return target[int(key)]
        if isinstance(target, str) and key == "length":
            return float(len(code_units(target)) // 2)
        raise NotConstantError(node, f"{key[:60]!r} is not a property of this constant")


def _sign_of(node: Node | None) -> str:
    operator = node.child_by_field_name("operator") if node is not None and node.type == "binary_expression" else None
    return operator.type if operator is not None else ""
