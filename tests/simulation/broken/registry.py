"""Registry of the commit protocol's guards, each with a way to leave it out.

A broken variant takes pytest's monkeypatch and breaks one sentence of the protocol; the simulation has to notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.simulation.faults import Kind, Planned, Point
from tests.simulation.world import Profile

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Broken:
    """A guard, how to leave it out, and the faults under which that shows."""

    guard: str
    leave_out: Callable[[Patch], None]
    profile: Profile
    #: The machine that shows it.
    machine: str = "toy"


ALL: list[Broken] = []


def often(point: Point, *kinds: Kind) -> tuple[Planned, ...]:
    """One fault of these kinds after the other at every third occurrence of a point."""
    return tuple(Planned(point, 3 * n + 2, kinds[n % len(kinds)]) for n in range(6))


def without(
    guard: str, *kinds: Kind, machine: str = "toy", **profile: Any
) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Register a broken variant, run with faults of some `kinds` only."""

    def register(leave_out: Callable[[Patch], None]) -> Callable[[Patch], None]:
        ALL.append(Broken(guard, leave_out, Profile(kinds=kinds, **{"most_faults": 10, **profile}), machine))
        return leave_out

    return register
