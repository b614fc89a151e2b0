"""What events say beside their entries, in words; and who belongs to whom."""

from __future__ import annotations

import asyncio

import pytest

from ops.amounts import Amounts
from ops.demo.story.player import Act, PlayedStep, Player
from ops.demo.story.script import STORY
from ops.demo.story.setting import registry
from ops.event_facts import facts_of, limit_fact
from ops.history import Child, Logged, concerns, family, in_order
from schemas.events import LedgerEvent, LimitFacts
from tests.ops.demo.story.in_memory import InMemory

AMOUNTS = Amounts(registry())


class Lived:
    """A ledger after the demo's story."""

    def __init__(self) -> None:
        self.ledger = InMemory()
        steps: list[PlayedStep] = []
        asyncio.run(Player(self.ledger).play(STORY, steps.append))
        self.acts: list[Act] = [act for step in steps for act in step.acts]

    def transaction_id(self, operation: str, number: int = 0) -> str:
        return [act for act in self.acts if act.operation == operation][number].outcome.transaction_id or ""

    def events(self, transaction_id: str) -> list[Logged]:
        return in_order(logged for logged in self.ledger.events if concerns(logged.event, transaction_id))

    def facts(self, transaction_id: str) -> list[list[str]]:
        own = [x.event for x in self.events(transaction_id) if x.event.transaction_id == transaction_id]
        return [list(facts_of(event, AMOUNTS)) for event in own]


@pytest.fixture(scope="module")
def lived() -> Lived:
    return Lived()


def test_of_a_hold(lived: Lived) -> None:
    opened, *_, released = lived.facts(lived.transaction_id("authorize"))
    assert opened[0].startswith("due at 2026-01-02T")
    assert opened[1:] == ["remaining 120.00 EUR"]
    assert released == ["by release", "remaining 0.00 EUR"]


def test_of_a_rail(lived: Lived) -> None:
    assert lived.facts(lived.transaction_id("settle")) == [
        [],
        ["by submit", "in batch sepa-1"],
        ["by settle", "rail reference sepa-ref-1", "rail fee 0.05 EUR"],
    ]
    assert lived.facts(lived.transaction_id("fail"))[-1] == ["by fail", "the rail says AC01"]


def test_of_fees_and_exchanges(lived: Lived) -> None:
    fee = "fee 0.50 EUR by purchases@1, given back with refunds"
    assert lived.facts(lived.transaction_id("transfer"))[0] == [fee]
    assert "of the fee 0.12 EUR is given back" in lived.facts(lived.transaction_id("refund"))[0]
    exchange = "50.00 EUR for 54.75 USD at eur-usd-1: 219/200 in minor units"
    assert lived.facts(lived.transaction_id("convert")) == [[exchange]]


def test_of_limits() -> None:
    count = LimitFacts("day.count", 3, 3, "2026-01-02T00:00:00.000Z", "standard@2")
    said = "day.count is 3 by tier standard@2, used 3; it frees up at 2026-01-02T00:00:00.000Z"
    assert limit_fact(count, "EUR", AMOUNTS) == said
    assert limit_fact(LimitFacts("single_max_minor", 500, 600), "EUR", AMOUNTS) == (
        "single_max_minor is 5.00 EUR, used 6.00 EUR"
    )


def test_nothing_of_what_says_nothing() -> None:
    assert list(facts_of(LedgerEvent(type="transaction.settled", recorded_at=""), AMOUNTS)) == []


def test_parents_and_children(lived: Lived) -> None:
    room = lived.transaction_id("authorize")
    parent, (stay,) = family(room, lived.events(room))
    assert parent is None
    capture = lived.transaction_id("capture")
    assert stay == Child(capture, "capture", 9_000, "EUR", "settled")
    assert family(capture, lived.events(capture)) == (room, [])
    books = lived.transaction_id("transfer")
    _, children = family(books, lived.events(books))
    assert [(child.operation, child.amount_minor, child.state) for child in children] == [
        ("refund", 1_000, "settled"),
        ("reverse", 3_000, "settled"),
    ]
