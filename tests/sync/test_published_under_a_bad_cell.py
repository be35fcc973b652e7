"""An edit is published while its cell holds something bad: it is told as published, whatever else is edited then."""

from __future__ import annotations

from typing import Any

import pytest

KPI: dict[str, Any] = {"impact_type": "cost", "formula": "usage.cost", "target": 5}
FIREARM = ("Policy Matrix", ("alpha", "s1"), "firearm_id", "firearm.money")
TARGET = ("KPIs", ("alpha", "k1"), "target", 6)
QUIET = {"read": 1, "write": 0, "drive": 0}


@pytest.mark.parametrize(("cell", "bad"), [(FIREARM, "zzz"), (FIREARM, ""), (TARGET, "1,000")])
def test_it_is_published(empty: Any, cell: tuple[str, tuple[str, str], str, Any], bad: str) -> None:
    title, row, column, value = cell
    empty.publish(empty.draft("alpha", ["s1", "s2"], {"s1": "firearm.read", "s2": "firearm.read"}, kpis={"k1": KPI}))
    empty.sync()
    empty.edit(row, column, value, title)
    empty.sync()
    empty.edit(row, column, bad, title)
    empty.sync()
    empty.publish(empty.open_drafts()[-1].id)
    empty.sync()
    empty.edit(("alpha", "s2"), "firearm_id", "firearm.money")
    empty.sync()
    assert empty.sync().calls == QUIET
    empty.edit(row, column, value, title)
    empty.sync()
    assert empty.row(*row, title=title)[-1] == "published"
    assert not [line for line in empty.values("Sync Status") if line[1] == "rejected"]
    assert empty.sync().calls == QUIET
