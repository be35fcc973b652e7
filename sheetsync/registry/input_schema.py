"""The JSON Schema of a tool's input: carried by the tool, or derived from FlowMCP parameters; and whether it is valid.

A derived schema is never stored. Validity against the metaschema is `jsonschema`'s word; schemas made only of a small,
plain subset are recognised here first, since the full check takes milliseconds a tool and imports of 1,000s need it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from sheetsync.domain.canonical import JSONValue

CARRIED: Final = ("inputSchema", "input_schema")
TYPES: Final = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
PRIMITIVES: Final = {
    "string": "string", "enum": "string", "number": "number", "boolean": "boolean", "array": "array",
    "object": "object",
}  # fmt: skip
CALL: Final = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
PLAIN_TEXTS: Final = frozenset({"description", "title"})
PLAIN_NUMBERS: Final = frozenset({"minimum", "maximum"})
PLAIN_COUNTS: Final = frozenset({"minLength", "maxLength", "minItems", "maxItems"})


def input_schema_of(tool: JSONValue) -> JSONValue:
    """The schema of a tool's input; the empty one, which allows anything, where the tool says nothing about it.

    Raises:
        ValueError: its FlowMCP parameters cannot be understood.
    """
    if not isinstance(tool, Mapping):
        raise ValueError("the tool is not a JSON object")
    for key in CARRIED:
        if key in tool:
            return tool[key]
    parameters = tool.get("parameters")
    if parameters is None:
        return {}
    if isinstance(parameters, Mapping):  # MCP-like hosts put a schema here
        return parameters
    if not isinstance(parameters, list):
        raise ValueError("its parameters are neither a list nor a schema")
    return derive_schema(parameters)


def derive_schema(parameters: list[JSONValue]) -> dict[str, JSONValue]:
    """The input schema of FlowMCP parameters (`position` and `z`); fixed values and server values are no input.

    Raises:
        ValueError: a parameter without a key, or with an unknown primitive.
    """
    properties: dict[str, JSONValue] = {}
    required = []
    for number, parameter in enumerate(parameters, start=1):
        position = parameter.get("position") if isinstance(parameter, Mapping) else None
        if not isinstance(position, Mapping) or not isinstance(position.get("key"), str) or not position["key"]:
            raise ValueError(f"parameter {number} has no position with a key")
        z = parameter.get("z")
        if not isinstance(z, Mapping):
            continue  # a value that the connector fixes
        key = position["key"]
        schema, optional = _derive_property(z, f"parameter {key!r}")
        if isinstance(parameter.get("description"), str):
            schema["description"] = parameter["description"]
        properties[key] = schema
        if not optional and key not in required:
            required.append(key)
    return {"type": "object", "properties": properties, "required": required}


def _derive_property(z: Mapping[str, Any], where: str) -> tuple[dict[str, JSONValue], bool]:
    call = CALL.fullmatch(str(z.get("primitive", "")).strip())
    if call is None or call[1] not in PRIMITIVES:
        raise ValueError(f"{where} has the unknown primitive {str(z.get('primitive'))[:40]!r}")
    kind = PRIMITIVES[call[1]]
    schema: dict[str, JSONValue] = {"type": kind}
    if call[1] == "enum" and call[2].strip():
        schema["enum"] = list(dict.fromkeys(part.strip() for part in call[2].split(",")))
    options = z.get("options") or []
    if not isinstance(options, list):
        raise ValueError(f"{where} has options that are no list")
    optional = False
    for option in options:
        name, _, rest = str(option).partition("(")
        value = rest.removesuffix(")")
        optional = optional or name in ("optional", "default")
        schema.update(_derive_option(kind, name, value))
    return schema, optional


def _derive_option(kind: str, name: str, value: str) -> dict[str, JSONValue]:
    """What one option adds to the schema; what has no counterpart (or no sense) there adds nothing."""
    if name in ("min", "max"):
        number = _number(value)
        if number is None:
            return {}
        if kind == "number":
            return {"minimum" if name == "min" else "maximum": number}
        what = {"string": "Length", "array": "Items"}.get(kind)
        return {f"{name}{what}": int(number)} if what and number >= 0 else {}
    if name == "length" and kind == "string" and value.isdigit():
        return {"minLength": int(value), "maxLength": int(value)}
    if name == "values":
        return {"enum": list(dict.fromkeys(part.strip() for part in value.split(",")))}
    if name == "regex" and kind == "string" and _compiles(value):
        return {"pattern": value}
    return {}


def _number(text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if number != number or abs(number) == float("inf"):
        return None
    return int(number) if number.is_integer() else number


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def schema_error(schema: JSONValue) -> str | None:
    """Why `schema` is no valid JSON Schema, or None. Its dialect is the one it declares, else 2020-12."""
    if _is_plain(schema):
        return None
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, dict):
        return f"a schema is an object or a boolean, not {type(schema).__name__}"
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as exc:
        return f"{exc.json_path}: {exc.message}"[:300]
    except RecursionError:
        return "it is nested too deeply"
    return None


def _is_plain(schema: JSONValue) -> bool:
    """Is it of the subset that is certainly valid in every dialect? Saying no only costs the full check."""
    if not isinstance(schema, dict):
        return False
    for key, value in schema.items():
        if key == "type":
            good = isinstance(value, str) and value in TYPES
        elif key in PLAIN_TEXTS:
            good = isinstance(value, str)
        elif key in PLAIN_NUMBERS:
            good = type(value) in (int, float)
        elif key in PLAIN_COUNTS:
            good = type(value) is int and value >= 0
        elif key == "properties":
            good = isinstance(value, dict) and all(_is_plain(one) for one in value.values())
        elif key == "items":
            good = _is_plain(value)
        elif key in ("required", "enum"):
            good = _is_list_of_names(value) and (key == "required" or bool(value))
        elif key == "pattern":
            good = isinstance(value, str) and _compiles(value)
        else:
            good = key == "default"
        if not good:
            return False
    return True


def _is_list_of_names(value: JSONValue) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value) and len(set(value)) == len(value)
