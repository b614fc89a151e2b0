"""Later changes of what was done in a batch are told to who asked for the batch, as those of all else are."""

from __future__ import annotations

import pytest

from tests.ledger.bank import Bank
from tests.ledger.commands import command, operator

ITEMS = [
    {"operation": "credit", "amount_minor": 5, "asset": "EUR"},
    {"operation": "fee", "amount_minor": 5, "asset": "EUR", "code": "card"},
]


@pytest.mark.parametrize("partition", [0, 1])
@pytest.mark.parametrize("number", [0, 1])
def test_an_update_of_an_item_names_the_request(number: int, partition: int) -> None:
    bank = Bank()
    asked = command("batch", bank.anna, "pay-day", items=ITEMS, request_id="r-1")
    at = bank.world.put(asked, partition=partition)
    bank.world.settle()
    done = bank.world.answer(at)
    items = [e for e in bank.world.events if e.get("parent_transaction_id") == done["transaction_id"]]
    item = items[number]["transaction_id"]
    bank.ask(operator("reverse", bank.anna, transaction_id=item))
    (update,) = bank.world.updates(item)
    assert update["state"] == "reversed"
    assert (update["idempotency_key"], update["request_id"], update["source"]) == ("pay-day", "r-1", done["source"])
    bank.audit()
