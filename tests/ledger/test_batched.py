"""What the items of a batch take from it."""

from __future__ import annotations

from tests.ledger.bank import Bank
from tests.ledger.commands import command
from tests.ledger.expected import DEVICE, EXTRAS


def test_items_are_said_when_and_from_where_their_batch_was() -> None:
    """So that fraud rules see a payment in a batch as they see one alone."""
    bank = Bank()
    items = [{"operation": "debit", "amount_minor": 1, "asset": "EUR"}]
    for given in ({name: EXTRAS[name] for name in ("occurred_at", "device", "references")}, {}):
        at = bank.world.put(command("batch", bank.anna, items=items, **given))
        bank.world.settle()
        *_, item = bank.world.events_of(at)
        said = {name: item[name] for name in ("occurred_at", "device", "references") if name in item}
        assert said == (given and {**given, "device": DEVICE})
