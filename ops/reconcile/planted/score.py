"""Whether planted breaks were found: each with its reason, and nothing else."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from agents.reconciliation.matching.lines import Exception_
from agents.reconciliation.matching.match import match
from ops.reconcile.planted.books import AS_OF_DAY, RULES
from ops.reconcile.planted.breaks import planted_books
from schemas.reconciliation_reasons import REASONS, Reason, Side

#: What is promised.
LEAST_RECALL: Final = 1.0
LEAST_PRECISION: Final = 0.99


@dataclass(frozen=True, slots=True)
class Score:
    """What came of one run."""

    lines: int
    seed: int
    seconds: float
    #: Reason -> lines that must have it; that were given it; that were given it rightly.
    planted: dict[Reason, int]
    told: dict[Reason, int]
    right: dict[Reason, int]
    #: The first lines that were told wrongly or not at all, for people.
    wrong: tuple[str, ...]

    def recall(self, reason: Reason | None = None) -> float:
        """Of the lines that must have the reason, or any: the share that was given it."""
        return _share(self.right, self.planted, reason)

    def precision(self, reason: Reason | None = None) -> float:
        """Of the lines that were given the reason, or any: the share that must have it."""
        return _share(self.right, self.told, reason)

    @property
    def ok(self) -> bool:
        """Whether the promise holds, of every reason."""
        return all(
            self.recall(reason) >= LEAST_RECALL and self.precision(reason) >= LEAST_PRECISION for reason in REASONS
        )

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "lines": self.lines,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "recall": self.recall(),
            "precision": self.precision(),
            "reasons": {
                reason: {
                    "planted": self.planted.get(reason, 0),
                    "told": self.told.get(reason, 0),
                    "right": self.right.get(reason, 0),
                }
                for reason in REASONS
            },
            "wrong": list(self.wrong),
            "ok": self.ok,
        }


def _share(some: dict[Reason, int], of: dict[Reason, int], reason: Reason | None) -> float:
    part = sum(some.values()) if reason is None else some.get(reason, 0)
    whole = sum(of.values()) if reason is None else of.get(reason, 0)
    return part / whole if whole else 1.0


def score(lines: int, breaks_of_a_kind: int, seed: int) -> Score:
    """Plant breaks, match, and compare.

    Args:
        lines: of both sides together.
        breaks_of_a_kind: how many of each of the fifteen.
        seed: the same seed plants the same.
    """
    books = planted_books(lines, breaks_of_a_kind, seed)
    began = time.perf_counter()
    found = match(RULES, books.left, books.right, AS_OF_DAY, statements=books.statements)
    seconds = time.perf_counter() - began
    told: dict[tuple[Side, str], Exception_] = {
        (each.side, each.line_id): each for each in (*found.exceptions, *found.expected)
    }
    wrong = [
        f"{side} {line_id}: must be {reason}, is {told[side, line_id].reason if (side, line_id) in told else 'matched'}"
        for (side, line_id), reason in books.truth.items()
        if (side, line_id) not in told or told[side, line_id].reason != reason
    ]
    wrong += [
        f"{each.side} {each.line_id}: is right, but told as {each.reason}"
        for key, each in told.items()
        if key not in books.truth
    ]
    return Score(
        lines=len(books.left) + len(books.right),
        seed=seed,
        seconds=seconds,
        planted=dict(Counter(books.truth.values())),
        told=dict(Counter(each.reason for each in told.values())),
        right=dict(Counter(each.reason for key, each in told.items() if books.truth.get(key) == each.reason)),
        wrong=tuple(wrong[:20]),
    )
