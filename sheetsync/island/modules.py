"""A JavaScript module, read statically: which data it exports. It is parsed, never run.

tree-sitter gives the tree; `evaluator` the worth of an expression. Here live the module's scope, its exports, and the
proof that no code of the module that runs on loading can change them: where that cannot be shown, it is a fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from tree_sitter import Language, Node, Parser, Tree

from sheetsync.domain.canonical import JSONValue
from sheetsync.island.evaluator import SIMPLE, Evaluator, NotConstantError, node_text
from sheetsync.island.js_values import JSValue, NoJSONFormError, to_json

EXPORTS: Final = ("main", "schema", "skill", "list", "selection")  # the data exports of FlowMCP 3 and 4
PARSE_LIMIT_S: Final = 5.0  # a real schema takes some milliseconds; a hostile one must not hang the run
BOM: Final = b"\xef\xbb\xbf"
GLOBALS: Final[dict[str, JSValue]] = {"NaN": float("nan"), "Infinity": float("inf"), **SIMPLE}
_DECLARATIONS: Final = ("lexical_declaration", "variable_declaration")
_FUNCTIONS: Final = ("function_declaration", "generator_function_declaration", "class_declaration")
_INERT: Final = ("comment", "empty_statement", "hash_bang_line", "import_statement")
_DEFERRED: Final = frozenset(
    {"arrow_function", "function_expression", "generator_function", "method_definition", *_FUNCTIONS[:2]}
)  # their bodies do not run on loading
_ACTING: Final = frozenset(
    {
        "call_expression", "new_expression", "assignment_expression", "augmented_assignment_expression",
        "update_expression", "await_expression", "class_static_block", "yield_expression",
    }
)  # fmt: skip
_IDENTIFIERS: Final = frozenset(
    {"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a source that cannot be read as data; line and column are 1-based, in characters."""

    code: str
    message: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class ModuleData:
    """What a module exports as data, by export name; if there are faults, `exports` is not to be trusted."""

    exports: dict[str, JSONValue] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class _Binding:
    """A top-level name: its initialiser, or why it has no constant value."""

    node: Node
    value: Node | None = None
    reason: str = ""
    variable: bool = False  # let or var


def read_module(
    data: bytes, *, monotonic: Callable[[], float] = time.monotonic, limit_s: float = PARSE_LIMIT_S
) -> ModuleData:
    """Read the data exports (`EXPORTS`) of a module's bytes. It never raises for anything that the bytes may hold."""
    data = data.removeprefix(BOM)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        return ModuleData(faults=(Fault("not_utf8", f"is not UTF-8: byte {exc.start}", line),))
    tree = _parse(data, monotonic, limit_s)
    if tree is None:
        return ModuleData(faults=(Fault("too_complex", f"cannot be parsed within {limit_s:g} seconds"),))
    broken = _first_error(tree.root_node, whole=b"<!--" in data or b"-->" in data)
    if broken is not None:
        what = (
            f"'{node_text(data, broken)[:40]}'" if broken.end_byte > broken.start_byte else "something is missing here"
        )
        return ModuleData(faults=(_fault(data, broken, "syntax", f"this is not JavaScript: {what}"),))
    try:
        return _Module(data, tree.root_node).read()
    except RecursionError:  # whoever called us has used up most of the stack
        return ModuleData(faults=(Fault("too_deep", "nested too deeply"),))


@cache
def _language() -> Language:
    import tree_sitter_javascript

    return Language(tree_sitter_javascript.language())


def _parse(data: bytes, monotonic: Callable[[], float], limit_s: float) -> Tree | None:
    end = monotonic() + limit_s
    try:
        return Parser(_language()).parse(
            lambda offset, _point: data[offset : offset + 65536],
            progress_callback=lambda _offset, _error: monotonic() > end,
        )
    except ValueError:  # the parser was told to stop
        return None


def _first_error(root: Node, *, whole: bool) -> Node | None:
    """The first place that is no JavaScript; `whole`: look into good parts too."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing or node.type == "html_comment":  # a module has no HTML comments
            return node
        stack += [child for child in reversed(node.children) if whole or child.has_error or child.is_missing]
    return None


def _fault(data: bytes, node: Node, code: str, message: str) -> Fault:
    start = data.rfind(b"\n", 0, node.start_byte) + 1
    column = len(data[start : node.start_byte].decode("utf-8", "replace")) + 1
    return Fault(code, message, data.count(b"\n", 0, node.start_byte) + 1, column)


class _Module:
    """One parsed module: its scope, filled by `read`, and what was looked up on the way."""

    def __init__(self, data: bytes, root: Node) -> None:
        self._data = data
        self._root = root
        self._scope: dict[str, _Binding] = {}
        self._exported: dict[str, Node | str] = {}  # export name → local name, or the place of what cannot be followed
        self._places: dict[str, Node] = {}
        self._values: dict[str, JSValue] = {}
        self._used: set[str] = set()
        self._evaluating: list[str] = []
        self._evaluator = Evaluator(data, self._look_up)
        self._faults: list[Fault] = []

    def read(self) -> ModuleData:
        try:
            for statement in self._root.children:
                self._declare(statement)
        except NotConstantError as exc:
            return ModuleData(faults=(_fault(self._data, exc.node, exc.code, exc.message),))
        for name, local in self._exported.items():
            if isinstance(local, str) and local not in self._scope:
                place = self._places.get(name, self._root)
                fault = _fault(self._data, place, "syntax", f"'{local}' is exported, but not defined in this file")
                return ModuleData(faults=(fault,))
        exports = {name: value for name in EXPORTS for value in self._export(name)}
        if exports and not self._faults:
            self._check_untouched()
        return ModuleData(exports, tuple(self._faults))

    def _export(self, name: str) -> Iterator[JSONValue]:
        """The export's value, if the module has it and it can be read."""
        local = self._exported.get(name)
        if local is None:
            return
        if not isinstance(local, str):
            self._faults.append(_fault(self._data, local, "not_constant", f"'{name}' comes from another file"))
            return
        binding = self._scope.get(local)
        place = binding.node if binding else self._root
        try:
            yield to_json(self._binding_value(place, local, 0))
        except NotConstantError as exc:
            self._faults.append(_fault(self._data, exc.node, exc.code, exc.message))
        except NoJSONFormError as exc:
            self._faults.append(_fault(self._data, place, "no_json_form", f"'{name}': {exc}"))

    def _text(self, node: Node) -> str:
        return node_text(self._data, node)

    def _names(self, node: Node) -> Iterator[str]:
        """Every identifier in the node, those of inner functions too."""
        return (self._text(inner) for inner in _walk(node) if inner.type in _IDENTIFIERS)

    # -- scope -------------------------------------------------------------------------------------------------

    def _declare(self, statement: Node) -> None:
        if statement.type == "import_statement":
            for name in self._names(statement):
                self._bind(name, _Binding(statement, reason="comes from another file, which is not read"))
        elif statement.type == "export_statement":
            self._declare_export(statement)
        elif statement.type in _DECLARATIONS:
            self._declare_variables(statement)
        elif statement.type in _FUNCTIONS:
            self._declare_function(statement)
        elif statement.type == "expression_statement" and [c.type for c in statement.named_children] == ["string"]:
            return  # a directive, like "use strict"
        elif statement.type not in _INERT:
            message = "code that runs on loading is a side effect, and nothing is run"
            raise NotConstantError(statement, message, "side_effect")

    def _declare_function(self, statement: Node) -> str:
        name = statement.child_by_field_name("name")
        if name is None:
            return ""
        self._bind(self._text(name), _Binding(statement, reason="is code, not data"))
        return self._text(name)

    def _declare_variables(self, statement: Node) -> list[str]:
        declared = []
        variable = statement.children[0].type != "const"
        for declarator in statement.named_children:
            target = declarator.child_by_field_name("name")
            if declarator.type != "variable_declarator" or target is None:
                continue
            value = declarator.child_by_field_name("value")
            if value is None and not variable:
                raise NotConstantError(declarator, "a 'const' without a value", "syntax")
            if target.type == "identifier":
                self._bind(self._text(target), _Binding(declarator, value, "" if value else "has no value", variable))
                declared.append(self._text(target))
                continue
            for name in self._names(target):
                self._bind(name, _Binding(declarator, reason="is taken out of a pattern, which is not read"))
                declared.append(name)
        return declared

    def _bind(self, name: str, binding: _Binding) -> None:
        if name in self._scope:
            raise NotConstantError(binding.node, f"'{name}' is declared twice", "syntax")
        self._scope[name] = binding

    def _declare_export(self, statement: Node) -> None:
        declaration = statement.child_by_field_name("declaration")
        from_elsewhere = statement.child_by_field_name("source") is not None
        if declaration is not None and declaration.type in _DECLARATIONS:
            for name in self._declare_variables(declaration):
                self._exported[name] = name
        elif declaration is not None and declaration.type in _FUNCTIONS:
            name = self._declare_function(declaration)
            self._exported[name] = name
        for clause in (child for child in statement.named_children if child.type == "export_clause"):
            for specifier in clause.named_children:
                local = specifier.child_by_field_name("name")
                alias = specifier.child_by_field_name("alias") or local
                if local is not None and alias is not None:
                    self._exported[self._text(alias)] = specifier if from_elsewhere else self._text(local)
                    self._places[self._text(alias)] = specifier
        value = statement.child_by_field_name("value")
        if value is not None and _first_acting(value) is not None:  # export default f()
            self._scope[" default"] = _Binding(statement, value)

    # -- values ------------------------------------------------------------------------------------------------

    def _look_up(self, node: Node, name: str, depth: int) -> JSValue:
        binding = self._scope.get(name)
        if binding is None and name in GLOBALS:
            return GLOBALS[name]
        if binding is not None and binding.value is not None and binding.node.end_byte > node.start_byte:
            raise NotConstantError(node, f"'{name}' is used before it is defined")
        return self._binding_value(node, name, depth)

    def _binding_value(self, node: Node, name: str, depth: int) -> JSValue:
        binding = self._scope.get(name)
        if binding is None:
            raise NotConstantError(node, f"'{name}' is not defined in this file")
        if binding.value is None:
            raise NotConstantError(node, f"'{name}' {binding.reason}")
        self._used.add(name)
        if name not in self._values:
            if name in self._evaluating:
                raise NotConstantError(node, f"'{name}' is made of itself")
            self._evaluating.append(name)
            try:
                self._values[name] = self._evaluator.value(binding.value, depth)
            finally:
                self._evaluating.pop()
        return self._values[name]

    # -- nothing that runs on loading touches them -----------------------------------------------------------------

    def _check_untouched(self) -> None:
        for name, binding in self._scope.items():
            if name in self._used:
                if binding.variable:
                    self._check_never_assigned(name)
                continue
            acting = _first_acting(binding.value or binding.node) if binding.node.type != "import_statement" else None
            if acting is None or (binding.node.type in _FUNCTIONS and binding.node.type != "class_declaration"):
                continue
            touched = self._reach(acting) & self._used
            if touched:
                message = f"code that runs on loading reaches '{min(touched)}', which it may change"
                self._faults.append(_fault(self._data, acting, "side_effect", message))

    def _check_never_assigned(self, name: str) -> None:
        for node in _walk(self._root):
            if node.type in ("assignment_expression", "augmented_assignment_expression", "update_expression"):
                target = node.child_by_field_name("left") or node.child_by_field_name("argument")
                if target is not None and name in set(self._names(target)):
                    fault = _fault(
                        self._data, node, "not_constant", f"'{name}' is assigned again, so it is not constant"
                    )
                    self._faults.append(fault)
                    return

    def _reach(self, node: Node) -> set[str]:
        """All names that code in `node` can come to, through the functions and values of this module."""
        reached: set[str] = set()
        todo = [node]
        while todo:
            for name in set(self._names(todo.pop())) - reached:
                reached.add(name)
                binding = self._scope.get(name)
                if binding is not None and binding.node.type != "import_statement" and name not in self._used:
                    todo.append(binding.node)
        return reached


def _walk(node: Node) -> Iterator[Node]:
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack += reversed(current.children)


def _first_acting(node: Node) -> Node | None:
    """The first expression that does something when the node is evaluated; function bodies are not."""
    stack = [node]
    while stack:
        current = stack.pop()
        if current.type in _ACTING or (current.type == "unary_expression" and current.children[0].type == "delete"):
            return current
        if current.type not in _DEFERRED:
            stack += reversed(current.children)
    return None
