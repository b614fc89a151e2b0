"""What the items of a batch take from it, and what is said where one of them is refused."""

from __future__ import annotations

import json

import pytest

from schemas.topics import RAILS
from tests.ledger.bank import Bank, limits
from tests.ledger.commands import command, set_state
from tests.ledger.expected import DEVICE, EXTRAS
from tests.ledger.world import Json

ITEM: Json = {"operation": "debit", "amount_minor": 1, "asset": "EUR"}


def test_items_are_said_when_and_from_where_their_batch_was() -> None:
    """So that fraud rules see a payment in a batch as they see one alone."""
    bank = Bank()
    for given in ({name: EXTRAS[name] for name in ("occurred_at", "device", "references")}, {}):
        at = bank.world.put(command("batch", bank.anna, items=[ITEM], **given))
        bank.world.settle()
        *_, item = bank.world.events_of(at)
        said = {name: item[name] for name in ("occurred_at", "device", "references") if name in item}
        assert said == (given and {**given, "device": DEVICE})


@pytest.mark.parametrize("partition", [0, 1])
def test_items_came_from_where_their_batch_was_asked_for(partition: int) -> None:
    bank = Bank()
    asked = command("batch", bank.anna, items=[ITEM, ITEM], request_id="r-1")
    at = bank.world.put(asked, partition=partition)
    bank.world.settle()
    assert bank.world.answer(at)["code"] == "ok"
    batch, *items, _seal = bank.world.events[-4:]
    assert [event["operation"] for event in (batch, *items)] == ["batch", "debit", "debit"]
    cause = {name: value for name, value in batch["cause"].items() if name not in ("idempotency_key", "fingerprint")}
    assert ("origin" in cause) == (partition != bank.world.owner(bank.anna))
    assert [item["cause"] for item in items] == [cause, cause]
    bank.audit()


WITHIN = "a batch moves money within its wallet"
REFUSED: list[tuple[Json, str, str, str]] = [
    ({"operation": "transfer", "to_wallet_id": "bob"}, "illegal_in_batch", "to_wallet_id", WITHIN),
    ({"rail": "sepa"}, "illegal_in_batch", "rail", "the rail sepa settles later"),
    ({"rail": "card-wire"}, "illegal_in_batch", "rail", "payments over the rail card-wire are screened first"),
    ({"rail": "gone"}, "rail_unknown", "rail", "no rail 'gone' is configured"),
]


@pytest.mark.parametrize(("fields", "code", "field", "message"), REFUSED)
def test_an_item_that_is_refused_says_which_and_why(fields: Json, code: str, field: str, message: str) -> None:
    bank = Bank()
    rail = {"name": "card-wire", "settlement": "instant", "screening": True, "screening_deadline_s": 60}
    bank.world.machine.refer(RAILS, "card-wire", json.dumps(rail).encode())
    answer = bank.world.submit(command("batch", bank.anna, items=[ITEM, {**ITEM, **fields}]))
    assert (answer["code"], answer["field"], answer["message"]) == (code, f"items.1.{field}", message)
    assert bank.has() == 10_000


def test_an_item_that_a_limit_refuses_says_which_limit() -> None:
    bank = Bank()
    bank.ask(limits(bank.anna, day={"sum_minor": 1}))
    bank.ask(command(wallet_id=bank.anna, **ITEM))
    alone = bank.world.submit(command(wallet_id=bank.anna, **ITEM))
    answer = bank.world.submit(command("batch", bank.anna, items=[{**ITEM, "operation": "credit"}, ITEM]))
    assert (answer["code"], answer["field"]) == ("limit_exceeded", "items.1.amount_minor")
    assert answer["limit"] == alone["limit"]


@pytest.mark.parametrize("state", ["disabled", "locked"])
def test_where_the_wallet_takes_nothing_no_item_is_looked_at(state: str) -> None:
    """What is refused for the whole of it names no item. A lock refuses only what leaves."""
    bank = Bank()
    bank.ask(set_state(bank.anna, state))
    answer = bank.world.submit(command("batch", bank.anna, items=[ITEM]))
    said = ("wallet_disabled", None) if state == "disabled" else ("wallet_locked", "items.0")
    assert (answer["code"], answer.get("field")) == said
    credit = {**ITEM, "operation": "credit"}
    bank.ask(command("batch", bank.anna, items=[credit]), "wallet_disabled" if state == "disabled" else "ok")
