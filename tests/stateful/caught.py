"""For each deliberate mistake a history that shows it: which promise it breaks, and how. As short as was found.

Acts are those of the model, and of the world in which it is replayed: a run's steps stop at each call and commit. Where
B is not published, it is a connector with a draft only; what is still on its way at the end lands, or never does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

S = ("step", 1)
TO_THE_BATCH = ("until", 1, "batch")  # lease, read, commit: the batch is next
OTHER_TO_THE_BATCH = ("until", 2, "batch")
TO_THE_COMMIT = ("until", 1, "take")  # read and compared: drafts and the intended batch are next

# the promises, by the model's names
PROMISES = {
    "I1": "no owner's value and no operator's work is lost",
    "I2": "only publish changes what is published",
    "I3": "the sheet shows what the store says",
    "I4": "people's own columns stay with their rows; only retired rows go",
    "I5": "syncs come to rest",
    "I6": "what is pending is not written over",
    "I7": "what was decided, closed or agreed does not come back",
    "I8": "no draft holds what no owner typed",
    "I9": "sheetsync doubles no key",
    "I10": "a run asks a person exactly when no batch explains the spreadsheet's version",
}


@dataclass(frozen=True)
class Catch:
    """A history that breaks the promise `by`, only with the mistake made. `how`: what is seen, in a sentence."""

    by: str
    how: str
    history: tuple[tuple[Any, ...], ...]
    published: bool = True  # B, at the start
    land: bool = True  # do batches in flight land at the end


CAUGHT: dict[str, Catch] = {
    "no_token": Catch(
        "I10",
        "a late batch lands over a newer one, and its version passes for the newest",
        (("direct", "A1", "y"), ("run", 1, "late"), ("direct", "A1", "z"), ("run", 1)),
    ),
    "adopt_unchecked": Catch(
        "I8",
        "rows were sorted under a batch whose answer was lost: what it left in the wrong row becomes an owner's edit",
        (("direct", "A1", "y"), TO_THE_BATCH, ("sort", 0), S, ("kill", 1)),
    ),
    "unchecked_deleted": Catch(
        "I4",
        "a deleted row, of which only the scratch tab still knew, is in no journal",
        (("retire", "B"), ("run", 1, "after")),
    ),
    "adopt_whole": Catch(
        "I7",
        "a batch lands after another cell was pulled and its edit discarded: the old baseline makes it a new edit",
        (
            ("direct", "A1", "z"), TO_THE_BATCH, ("step", 1, "late"), ("kill", 1), ("edit", 1, "z"),
            OTHER_TO_THE_BATCH, ("kill", 2), ("land",), ("discard", "A"),
        ),
    ),
    "nonce_not_compared": Catch(
        "I10",
        "two runs planned the same epoch: the batch that never left is taken for the one that landed",
        (
            ("direct", "A1", "y"), TO_THE_BATCH, ("kill", 1), ("edit", 1, "z"), OTHER_TO_THE_BATCH, ("step", 2),
            ("kill", 2),
        ),
    ),
    "print_not_compared": Catch(
        "I8",
        "a batch lands once more after a restore, on rows in another order, and nobody looks",
        (("direct", "A1", "z"), ("sort", 0), ("run", 1, "twice"), ("restore", 4, True)),
    ),
    "counts_back": Catch(
        "I10",
        "after a restore the epoch of a batch that is still on its way is used again",
        (
            ("direct", "A1", "y"), ("run", 1), ("direct", "A1", "z"), ("run", 1, "late"), ("restore", 2, True),
            ("accept", "adopt"), ("run", 1),
        ),
    ),
    "restore_goes_on": Catch(
        "I10",
        "a restored version is written over without a word",
        (("direct", "A1", "y"), ("run", 1), ("restore", 1, True)),
    ),
    "lost_restarts": Catch(
        "I10",
        "the new epoch stands beside the old one: a person is asked about what no person did",
        (("lose",),),
    ),
    "foreign_forgotten": Catch(
        "I1",
        "a batch lands again after a restore, over an owner's edit: a person says go on, and the edit is nowhere",
        (("opedit", "B1", "y"), ("run", 1, "twice"), ("restore", 4, True), ("edit", 2, "z")),
        published=False,
    ),
    "open_and_write": Catch(
        "I10",
        "the first batch after the tab was deleted comes late, beside the one that was planned after it",
        (
            ("unscratch",), ("run", 1), ("accept", "adopt"), ("direct", "A1", "y"), ("run", 1, "late"),
            ("direct", "A1", "z"), ("run", 1), ("land",),
        ),
    ),
    "planned_forgotten": Catch(
        "I10",
        "of two batches planned against one epoch the first one lands, and is not known any more",
        (
            ("direct", "A1", "y"), TO_THE_BATCH, ("step", 1, "late"), ("kill", 1), ("edit", 1, "z"),
            OTHER_TO_THE_BATCH, ("kill", 2), ("land",),
        ),
    ),
    "no_intended": Catch(
        "I10",
        "a batch whose answer was lost passes for somebody else's",
        (("direct", "A1", "y"), ("run", 1, "after")),
    ),
    "no_preimages": Catch(
        "I1",
        "an edit between our read and our write is overwritten, and nowhere",
        (("direct", "A1", "y"), TO_THE_BATCH, ("edit", 0, "z"), ("run", 1)),
    ),
    "delete_keys_only": Catch(
        "I4",
        "rows move under a deletion: the wrong row comes back without its owner's columns",
        (("retire", "B"), TO_THE_BATCH, ("sort", 1), ("run", 1)),
    ),
    "agreed_race_forgotten": Catch(
        "I7",
        "an owner types what is just being published, and it is pending against the next publication (the model has no "
        "such promise, and does not find it)",
        (("direct", "A1", "y"), TO_THE_BATCH, ("edit", 0, "y"), S, ("direct", "A1", "z"), ("run", 1)),
    ),
    "debts_dropped": Catch(
        "I4",
        "rows move under a deletion, and again under the batch that heals it: a row is gone",
        (("retire", "B"), TO_THE_BATCH, ("sort", 1), S, TO_THE_BATCH, ("sort", 1), ("run", 1)),
    ),
    "no_chain": Catch(
        "I8",
        "the same cell is damaged twice: our first write in it becomes an owner's edit",
        (("direct", "A1", "y"), TO_THE_BATCH, ("sort", 0), S, TO_THE_BATCH, ("sort", 0), ("run", 1, "after")),
    ),
    "own_duplicate": Catch(
        "I9",
        "an owner's undo brings a deleted row back at the moment in which we do",
        (("delrow", 2), TO_THE_COMMIT, ("restore", 1, False), ("run", 1)),
    ),
    "base_before_batch": Catch(
        "I8",
        "the batch never left: what still stands in the sheet becomes an owner's edit",
        (("direct", "A1", "y"), TO_THE_BATCH, ("kill", 1)),
    ),
    "stale_lease": Catch(
        "I10",
        "a run that was taken for dead takes the baseline back to where it had read it",
        (("direct", "A1", "y"), TO_THE_COMMIT, ("expire",), ("run", 2), ("run", 1)),
    ),
    "draft_local_is_pending": Catch(
        "I3",
        "an operator changes a pending cell of a connector never published, and no conflict is seen",
        (("edit", 2, "y"), ("opedit", "B1", "z")),
        published=False,
    ),
    "discard_removes_rows": Catch(
        "I4",
        "the rows of a connector never published go with the owner's edit",
        (("edit", 2, "y"), ("run", 1), ("discard", "B")),
        published=False,
    ),
    "operator_work_dropped": Catch(
        "I1",
        "an owner takes his only edit back, and what an operator did in that draft goes with it",
        (("edit", 0, "z"), ("run", 1), ("opedit", "A2", "z"), ("undo", 0)),
    ),
    "resolve_keeps_base": Catch(
        "I7",
        "a conflict resolved as yours is there again at the next run",
        (("edit", 0, "z"), ("run", 1), ("direct", "A1", "y"), ("run", 1), ("resolve", "A1", "yours")),
    ),
    "drafts_late": Catch(
        "I1",
        "the sheet says 'pending in draft …' of a draft that a kill at this moment would have lost",
        (("edit", 0, "z"), ("run", 1)),
    ),
    "no_overlay": Catch("I6", "a pending edit is written over with what is published", (("edit", 0, "z"), ("run", 1))),
    "no_expected": Catch(
        "I7",
        "a draft is discarded between comparison and commit, and is open again",
        (("edit", 0, "z"), ("run", 1), ("direct", "A1", "y"), TO_THE_COMMIT, ("discard", "A"), ("run", 1)),
    ),
    "carry_forgotten": Catch(
        "I1",
        "a second edit supersedes the draft of the first one, and the first one is gone",
        (("edit", 0, "z"), ("run", 1), ("edit", 1, "z")),
    ),
    "third_value_silent": Catch(
        "I3",
        "what is published moves under a pending edit, and the sheet says pending, not conflict",
        (("edit", 0, "z"), ("run", 1), ("direct", "A1", "y")),
    ),
    "withdrawn_is_change": Catch(
        "I7",
        "the edit after a discarded one starts from a value that never was published",
        (("edit", 0, "z"), ("run", 1), ("discard", "A"), ("edit", 0, "y")),
    ),
    "lost_is_refused": Catch(
        "I10",
        "a batch without an answer is forgotten when the next one is planned, and lands",
        (
            ("direct", "A1", "y"), TO_THE_BATCH, ("step", 1, "late"), ("kill", 1), ("edit", 1, "z"),
            OTHER_TO_THE_BATCH, ("kill", 2), ("land",),
        ),
    ),
    "agrees_with_anything": Catch(
        "I1", "an owner's edit is overwritten, and is nowhere", (("edit", 0, "z"), ("run", 1))
    ),
}  # fmt: skip
