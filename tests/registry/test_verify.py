"""The sandbox: what it checks, what it derives, and that it never runs anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, SchemaError

from sheetsync.domain.clock import FAKE_START, FakeClock
from sheetsync.domain.connector import ConnectorSpec, Scope
from sheetsync.domain.draft import Validation, WorkbenchDraft, WorkbenchOrigin
from sheetsync.domain.firearms import Firearm, FirearmBinding, FirearmCatalogue
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.registry.input_schema import derive_schema, input_schema_of, schema_error
from sheetsync.registry.verify import run_sandbox, same_result

CATALOGUE = FirearmCatalogue(firearms=(Firearm(id="firearm.external_write"),))


def draft(policy: PolicySnapshot | None = None, *, why: Any = "new", **tools: Any) -> WorkbenchDraft:
    names = tuple(dict.fromkeys(["read", "write", *tools]))
    spec = ConnectorSpec(id="c", version="1.0.0", scopes=tuple(Scope(name=name) for name in names), tools=tools)
    return WorkbenchDraft(
        id="draft_abcdef", connector_id="c", spec_snapshot=spec, policy_snapshot=policy or PolicySnapshot(),
        origin=WorkbenchOrigin(why=why), created_by="ana", created_at=FAKE_START,
    )  # fmt: skip


def verify(one: WorkbenchDraft) -> Validation:
    return run_sandbox(one, CATALOGUE, clock=FakeClock(), user="ana")


def failed(one: WorkbenchDraft) -> list[tuple[str, str]]:
    return [(check.code, check.message) for check in verify(one).checks if not check.ok]


def test_a_result_is_bound_to_the_content() -> None:
    one = draft()
    result = verify(one)
    assert result.content_hash == one.content_hash()
    other = one.model_copy(
        update={"policy_snapshot": PolicySnapshot(firearms={"read": FirearmBinding(firearm_id=None)})}
    )
    assert other.content_hash() != result.content_hash
    assert draft(why="retire").content_hash() != one.content_hash()
    assert same_result(result, verify(one))
    assert not same_result(result, verify(other))
    assert not same_result(None, result)


def test_undecided_scopes_are_a_warning() -> None:
    result = verify(draft())
    assert result.ok
    warnings = [check for check in result.checks if check.code == "undecided_scope"]
    assert [check.ok for check in warnings] == [True, True]


def test_an_unknown_firearm_fails_with_a_guess() -> None:
    policy = PolicySnapshot(firearms={"write": FirearmBinding(firearm_id="firearm.extrenal_write")})
    ((code, message),) = failed(draft(policy))
    assert code == "firearm_known"
    assert message.endswith("(did you mean 'firearm.external_write'?)")


def test_a_binding_of_a_scope_that_is_not_there_fails() -> None:
    ((code, _),) = failed(draft(PolicySnapshot(firearms={"gone": FirearmBinding(firearm_id=None)})))
    assert code == "spec_wellformed"


@pytest.mark.parametrize("formula", ["usage.price", "1 / 0", "__import__('os')", ""])
def test_a_kpi_formula_without_a_value_fails(formula: str) -> None:
    policy = PolicySnapshot(kpis={"spend": KpiBinding(impact_type="cost", formula=formula)})
    ((code, message),) = failed(draft(policy))
    assert code == "kpi_formula"
    assert message.startswith("KPI spend: ")


@pytest.mark.parametrize("key", ["inputSchema", "input_schema"])
@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"required": "x"}, {"properties": []}, 7, None, "x", [],
                                    {"$ref": 5}, {"minLength": -1}, {"enum": "a"}])  # fmt: skip
def test_an_input_schema_that_is_none_fails(key: str, schema: Any) -> None:
    ((code, message),) = failed(draft(read={key: schema}))
    assert code == "input_schema"
    assert "scope read" in message


@pytest.mark.parametrize(
    "schema",
    [
        {}, True, {"type": "object"}, {"type": ["string", "null"]},
        {"$schema": "http://json-schema.org/draft-07/schema#"},
        {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "string"}}}, {"const": None},
    ],
)  # fmt: skip
def test_a_valid_input_schema_passes(schema: Any) -> None:
    assert failed(draft(read={"inputSchema": schema})) == []


def test_tools_that_say_nothing_of_their_input_pass() -> None:
    assert failed(draft(read={"description": "x"}, write={"parameters": []})) == []


def test_flowmcp_parameters_become_a_schema() -> None:
    parameters = [
        {"position": {"key": "address", "value": "{{USER_PARAM}}", "location": "query"},
         "z": {"primitive": "string()", "options": ["length(42)", "regex(^0x[a-f0-9]{40}$)"]}, "description": "whose"},
        {"position": {"key": "limit"},
         "z": {"primitive": "number()", "options": ["min(1)", "max(100)", "default(20)"]}},
        {"position": {"key": "sort"}, "z": {"primitive": "enum(asc, desc)", "options": ["optional()"]}},
        {"position": {"key": "ids"}, "z": {"primitive": "array()", "options": ["min(1)"]}},
        {"position": {"key": "key", "value": "{{API_KEY}}"}},
    ]  # fmt: skip
    schema = derive_schema(parameters)
    assert schema == {
        "type": "object",
        "required": ["address", "ids"],
        "properties": {
            "address": {"type": "string", "minLength": 42, "maxLength": 42, "pattern": "^0x[a-f0-9]{40}$",
                        "description": "whose"},
            "limit": {"type": "number", "minimum": 1, "maximum": 100},
            "sort": {"type": "string", "enum": ["asc", "desc"]},
            "ids": {"type": "array", "minItems": 1},
        },
    }  # fmt: skip
    Draft202012Validator.check_schema(schema)


STRANGE = {"primitive": "string()", "options": 1}


@pytest.mark.parametrize(
    "parameters",
    [
        [{}], [{"position": {}}], ["x"], "x", 7, [{"position": {"key": "a"}, "z": {"primitive": "date()"}}],
        [{"position": {"key": "a"}, "z": STRANGE}],
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_understood_fail(parameters: Any) -> None:
    ((code, _),) = failed(draft(read={"parameters": parameters}))
    assert code == "input_schema"


def test_a_tool_that_is_no_object_fails() -> None:
    assert failed(draft(read=["x"]))[0][0] == "input_schema"


def test_retiring_has_nothing_to_check_and_closes_every_gate() -> None:
    policy = PolicySnapshot(firearms={"read": FirearmBinding(firearm_id="firearm.unknown")})
    result = verify(draft(policy, why="retire"))
    assert result.ok
    assert not any(cell.allowed for cell in result.gate)


TEXTS = st.sampled_from(["a", "", "string", "object", "(", "^a$"])
LEAVES = st.none() | st.booleans() | st.integers(-2, 3) | TEXTS | st.lists(TEXTS, max_size=2)
KEYS = st.sampled_from(["type", "properties", "required", "enum", "items", "minLength", "maximum", "pattern", "default",
                        "description", "$ref", "additionalProperties"])  # fmt: skip
SCHEMAS = st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS | TEXTS, inner, max_size=4), max_leaves=8)


@given(st.dictionaries(KEYS, SCHEMAS, max_size=4))
def test_the_quick_look_never_passes_what_the_metaschema_refuses(schema: dict[str, Any]) -> None:
    try:
        Draft202012Validator.check_schema(schema)
        good = True
    except SchemaError:
        good = False
    assert (schema_error(schema) is None) == good


@pytest.mark.shared
def test_every_tool_of_the_real_connectors_has_a_valid_schema(shared: Path) -> None:
    count = 0
    for path in sorted((shared / "connectors").glob("*/*.json")):
        for name, tool in json.loads(path.read_bytes())["tools"].items():
            schema = input_schema_of(tool)
            assert schema_error(schema) is None, f"{path.name} {name}"
            Draft202012Validator.check_schema(schema)
            count += 1
    assert count > 1000
