"""`draft edit` of a draft that decides for a scope which its spec lost."""

from __future__ import annotations

import pytest

from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import NotFoundError
from sheetsync.services.draft_content import edit_policy

SPEC = ConnectorSpec.from_json({"id": "alpha", "version": "1.0.0", "name": "alpha", "scopes": [{"name": "s1"}]})
NONE = FirearmBinding(firearm_id=None)


@pytest.mark.parametrize("undecide", [["s2"], []])
def test_the_decision_goes_named_or_not(undecide: list[str]) -> None:
    policy = PolicySnapshot(firearms={"s1": NONE, "s2": NONE})
    assert edit_policy(SPEC, policy, {}, undecide, {}) == PolicySnapshot(firearms={"s1": NONE})


def test_a_scope_that_neither_has_is_refused() -> None:
    with pytest.raises(NotFoundError, match="s3"):
        edit_policy(SPEC, PolicySnapshot(firearms={"s2": NONE}), {}, ["s3"], {})


def test_no_decision_is_made_for_it() -> None:
    with pytest.raises(NotFoundError, match="s2"):
        edit_policy(SPEC, PolicySnapshot(firearms={"s2": NONE}), {"s2": NONE}, [], {})
