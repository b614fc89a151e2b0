"""What the role holds in memory of histories, and what it reads again: by how many rows it reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agents.fraud import stored
from agents.fraud.state import FraudState
from agents.fraud.turn import Limits
from tests.fraud.role import RoleWorld, counted, payment

CACHED = 200
RULES = [
    counted("merchant", ["merchant"], 1_000_000, window_s=86_400),
    counted("wallet", ["wallet_id"], 1_000_000, window_s=86_400),
]


class Rows:
    """Counts the rows that are read of histories whose names hold a text."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, part: str):
        self.read = 0
        read = stored.read

        def counting(state: FraudState, name: str, since_ms: int) -> Iterator[Any]:
            for row in read(state, name, since_ms):
                self.read += part in name
                yield row

        monkeypatch.setattr(stored, "read", counting)


def paid(world: RoleWorld, first: int, count: int, merchants: int) -> None:
    """So many payments of 50 wallets, one after the other to each of so many merchants."""
    for number in range(first, first + count):
        world.now_ms += 10
        merchant = f"m{number % merchants}"
        payment(world, number, f"w{number % 50}", 0, references={"merchant": merchant})
    world.run()


@pytest.mark.parametrize("merchants", [1, 2])
def test_a_history_longer_than_memory_is_to_hold_is_not_read_anew_for_each_fact(
    monkeypatch: pytest.MonkeyPatch, merchants: int
) -> None:
    world, rows = RoleWorld(RULES, partitions=1, limits=Limits(cached_entries=CACHED)), Rows(monkeypatch, "merchant")
    paid(world, 0, 500 * merchants, merchants)
    rows.read = 0
    paid(world, 500 * merchants, 300, merchants)
    assert not world.bugs
    assert rows.read == 0


def test_memory_holds_as_much_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    world, rows = RoleWorld(RULES[1:], partitions=1, limits=Limits(cached_entries=CACHED)), Rows(monkeypatch, "wallet")
    for number in range(1_000):
        world.now_ms += 10
        payment(world, number, f"w{number % 500}", 0)
    world.run()
    assert rows.read == 500, "each wallet's first one again: it had given its room to others"
