"""A baseline as JSON and back. The form is versioned: a newer one than ours is a safety stop, never guessed at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sheetsync.errors import DefectError, NewerFormatError
from sheetsync.sync.baseline import Debt, Intended, LostRow, PutBack, SyncState, TabMark
from sheetsync.sync.gateway import AddRow, DeleteRow, ErrorValue, Formula, Raw, Token, TouchRow, Written
from sheetsync.sync.tabs import Cell

FORMAT: Final = 1
JSON = Any  # as the store gave it


def raw_to_json(raw: Raw) -> JSON:
    """A cell's content; formulas and errors as objects."""
    if isinstance(raw, Formula):
        return {"formula": raw.text, "error": raw.error} if raw.error else {"formula": raw.text}
    if isinstance(raw, ErrorValue):
        return {"error": raw.text}
    return raw


def raw_from_json(value: JSON) -> Raw:
    """The way back."""
    if isinstance(value, dict):
        if "formula" in value:
            return Formula(str(value["formula"]), str(value.get("error", "")))
        return ErrorValue(str(value["error"]))
    if not isinstance(value, str | int | float | bool):
        raise DefectError(f"a baseline holds {value!r} where a cell's content belongs")
    return value


def _raws(values: JSON) -> tuple[Raw, ...]:
    return tuple(raw_from_json(value) for value in values)


def _raws_json(values: tuple[Raw, ...]) -> JSON:
    return [raw_to_json(raw) for raw in values]


def _written_json(value: Written) -> JSON:
    return None if value is None else raw_to_json(value)


def _written(value: JSON) -> Written:
    return None if value is None else raw_from_json(value)


def _sets_json(sets: Mapping[str, Written]) -> JSON:
    return {name: _written_json(value) for name, value in sets.items()}


def _sets(sets: JSON) -> dict[str, Written]:
    return {str(name): _written(value) for name, value in sets.items()}


def _cell_json(cell: Cell) -> JSON:
    return [cell[0], list(cell[1]), cell[2]]


def _cell(value: JSON) -> Cell:
    return str(value[0]), tuple(value[1]), str(value[2])


def _token(value: JSON) -> Token | None:
    return None if value is None else Token(int(value[0]), str(value[1]))


def state_to_json(state: SyncState) -> JSON:
    """The content of a baseline's snapshot; parts that are empty are left out."""
    parts: dict[str, JSON] = {
        "differs": [[role, list(key), None if row is None else list(row)] for (role, key), row in sorted_rows(state)],
        "pending": [[*_cell_json(cell), draft] for cell, draft in sorted(state.pending.items())],
        "answers": [[*_cell_json(cell), text] for cell, text in sorted(state.answers.items())],
        "untaken": [_cell_json(cell) for cell in sorted(state.untaken)],
        "notes": [[*_cell_json(cell), text] for cell, text in sorted(state.notes.items())],
        "token": None if state.token is None else list(state.token),
        "seal": state.seal,
        "top": state.top,
        "planned": state.planned,
        "intended": [intended_to_json(one) for one in state.intended],
        "debts": [[*_cell_json(one.cell), raw_to_json(one.left), raw_to_json(one.covered)] for one in state.debts],
        "lost_rows": [
            [one.id, one.role, list(one.key), _raws_json(one.cells), list(one.whole)] for one in state.lost_rows
        ],
        "put_back": [
            [one.role, list(one.key), _raws_json(one.cells), _raws_json(one.own), one.lost_id] for one in state.put_back
        ],
        "accept": state.accept,
        "asked": [list(token) for token in state.asked],
        "tabs": {role: [mark.sheet_id, mark.columns, mark.rows] for role, mark in sorted(state.tabs.items())},
        "shown_commit": state.shown_commit,
        "held": state.held,
        "digests": state.digests,
        "said": [[role, list(key), text] for (role, key), text in sorted(state.said.items())],
        "rules": state.rules,
        "mending": list(state.mending) if state.mending[0] else [],
    }
    head = {"format": FORMAT, "spreadsheet_id": state.spreadsheet_id, "commit": state.commit}
    head |= {} if state.known else {"known": False}
    return head | {name: value for name, value in parts.items() if value not in (None, "", 0, [], {})}


def sorted_rows(state: SyncState) -> list[tuple[tuple[str, tuple[str, ...]], tuple[JSON, ...] | None]]:
    """The differing rows in a stable order."""
    return sorted(state.differs.items(), key=lambda one: one[0])


def intended_to_json(one: Intended) -> JSON:
    """An intended batch, as a baseline keeps it."""
    return {
        "token": list(one.token),
        "parent": None if one.parent is None else list(one.parent),
        "commit": one.commit,
        "columns": one.columns,
        "touches": [
            [t.role, t.index, list(t.key), _raws_json(t.planned), _sets_json(t.sets), t.started, t.status, t.notes]
            for t in one.touches
        ],
        "deletes": [[d.role, d.index, list(d.key), _raws_json(d.planned), *_true(d.undoes)] for d in one.deletes],
        "adds": [
            [
                a.role,
                list(a.key),
                [_written_json(one) for one in a.values],
                a.at,
                a.status,
                None if a.started is None else list(a.started),
                a.lost_id,
                a.known,
            ]
            for a in one.adds
        ],
        "all_of": list(one.all_of),
        "rules": one.rules,
        "said": [[role, list(key), text] for role, key, text in one.said],
        **({"holds": True} if one.holds else {}),
    }


def _true(value: bool) -> list[bool]:
    """Something that is rarely so, and then written."""
    return [True] if value else []


def _intended(value: JSON) -> Intended:
    token = _token(value["token"])
    if token is None:
        raise DefectError("an intended batch without a token")
    return Intended(
        token, _token(value["parent"]), int(value["commit"]),
        tuple(TouchRow(t[0], t[1], tuple(t[2]), _raws(t[3]), _sets(t[4]), t[5], t[6], t[7]) for t in value["touches"]),
        tuple(DeleteRow(d[0], d[1], tuple(d[2]), _raws(d[3]), d[4:] == [True]) for d in value["deletes"]),
        tuple(
            AddRow(
                a[0], tuple(a[1]), tuple(map(_written, a[2])), a[3], a[4], None if a[5] is None else tuple(a[5]),
                a[6], (), a[7],
            ) for a in value["adds"]
        ),
        tuple(value["all_of"]), {role: dict(columns) for role, columns in value["columns"].items()},
        str(value.get("rules", "")), tuple((r, tuple(k), str(text)) for r, k, text in value.get("said", [])),
        bool(value.get("holds")),
    )  # fmt: skip


def _mending(value: JSON) -> tuple[str, int]:
    return (str(value[0]), int(value[1])) if value else ("", 0)


def state_from_json(value: JSON) -> SyncState:
    """The way back.

    Raises:
        NewerFormatError: a newer sheetsync wrote it.
    """
    if int(value.get("format", 0)) > FORMAT:
        raise NewerFormatError(
            "the baseline of this spreadsheet was written by a newer sheetsync", hint="update sheetsync on this machine"
        )
    get = value.get
    return SyncState(
        spreadsheet_id=str(value["spreadsheet_id"]), known=bool(get("known", True)), commit=int(value["commit"]),
        differs={(r, tuple(k)): None if row is None else tuple(row) for r, k, row in get("differs", [])},
        pending={_cell(one): str(one[3]) for one in get("pending", [])},
        answers={_cell(one): str(one[3]) for one in get("answers", [])},
        untaken=set(map(_cell, get("untaken", []))),
        notes={_cell(one): str(one[3]) for one in get("notes", [])},
        token=_token(get("token")), seal=get("seal", ""), top=get("top", 0), planned=get("planned", 0),
        intended=tuple(_intended(one) for one in get("intended", [])),
        debts=tuple(Debt(_cell(one), raw_from_json(one[3]), raw_from_json(one[4])) for one in get("debts", [])),
        lost_rows=tuple(LostRow(i, r, tuple(k), _raws(c), tuple(w)) for i, r, k, c, w in get("lost_rows", [])),
        put_back=tuple(PutBack(r, tuple(k), _raws(c), _raws(o), lost) for r, k, c, o, lost in get("put_back", [])),
        accept=get("accept"), asked=tuple(Token(int(e), str(n)) for e, n in get("asked", [])),
        tabs={role: TabMark(one[0], dict(one[1]), one[2]) for role, one in get("tabs", {}).items()},
        shown_commit=get("shown_commit", 0), held=get("held", ""), digests=dict(get("digests", {})),
        said={(r, tuple(k)): str(text) for r, k, text in get("said", [])},
        rules=get("rules", ""), mending=_mending(get("mending")),
    )  # fmt: skip
