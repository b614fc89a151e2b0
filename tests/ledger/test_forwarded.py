"""What follows a command that arrived in another partition says where it first arrived, as its own event does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ledger.bank import Bank
from tests.ledger.commands import command, credit, debit, fraud, operator
from tests.ledger.world import Json

Asked = Callable[[Bank], Json]


def on(operation: str, begin: Callable[[Bank], str], make: Callable[..., Json] = command, **fields: object) -> Asked:
    """The command about what `begin` has begun."""
    return lambda bank: make(operation, bank.anna, transaction_id=begin(bank), **fields)


def authorized(bank: Bank) -> str:
    return bank.ask(command("authorize", bank.anna, amount_minor=5, asset="EUR", expires_in_s=60))


def received(bank: Bank) -> str:
    return bank.ask(credit(bank.anna, 5, rail="card"))


def disputed(bank: Bank) -> str:
    return bank.on("dispute", received(bank), reason="fraud")


def screened(bank: Bank) -> str:
    return bank.ask(debit(bank.anna, 5, rail="wire"))


#: What is asked, and the types of the events that it causes.
FOLLOWED: dict[str, tuple[Asked, list[str]]] = {
    "capture": (on("capture", authorized, amount_minor=2, final=True), ["settled", "settled"]),
    "dispute": (on("dispute", received, reason="fraud"), ["disputed", "disputed"]),
    "resolve_dispute": (on("resolve_dispute", disputed, operator, won=True), ["settled", "settled"]),
    "reverse": (on("reverse", received, operator), ["settled", "reversed"]),
    "screening_verdict": (on("screening_verdict", screened, fraud, verdict="allow"), ["screened", "processed"]),
}


@pytest.mark.parametrize("operation", FOLLOWED)
def test_what_follows_says_where_the_command_first_arrived(operation: str) -> None:
    bank = Bank()
    asked, types = FOLLOWED[operation]
    at = bank.world.put(asked(bank), partition=1)
    bank.world.settle()
    assert bank.world.answer(at)["code"] == "ok"
    caused = [event for event in bank.world.events if event.get("cause", {}).get("origin") == at._asdict()]
    assert [event["type"] for event in caused] == [f"transaction.{type_}" for type_ in types]
    places = {tuple(event["cause"][name] for name in ("topic", "partition", "offset")) for event in caused}
    assert len(places) == 1, "the record that brought it"
    bank.audit()
