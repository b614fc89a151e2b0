"""What is said of fields that do not go together: why, and which of them."""

from __future__ import annotations

import pytest

from schemas.topics import TRANSACTION_REQUESTS
from tests.ledger.bad_input import GOOD, WALLET, encode
from tests.ledger.commands import Json, command, transfer
from tests.ledger.test_bad_input import opened
from tests.ledger.test_bad_internal import FORWARD, PLACE, tell
from tests.ledger.world import Position

SOME_ID = "f" * 32
SAME = "both assets are the same"
EXCHANGED = "only a transfer whose to_asset is another one is exchanged on its way"
_CONVERT: Json = {"operation": "convert", "amount_minor": 1, "asset": "EUR", "to_asset": "EUR"}
_TRANSFER: Json = {"operation": "transfer", "amount_minor": 1, "asset": "EUR", "to_wallet_id": WALLET}
CASES: list[tuple[Json, str, str]] = [
    (command(wallet_id=WALLET, **_CONVERT), "to_asset", SAME),
    (command("batch", WALLET, items=[_CONVERT]), "items.0.to_asset", SAME),
    (command("batch", WALLET, items=[_TRANSFER]), "items.0.to_sub_wallet", "payer and payee are the same sub-wallet"),
    (
        command("batch", WALLET, items=[{"operation": "authorize"}]),
        "items.0.operation",
        "`operation` is missing or names no operation of a batch",
    ),
    (
        command("batch", WALLET, sub_wallet="savings", items=[{**_CONVERT, "to_asset": "USD"}]),
        "sub_wallet",
        "batch is of the whole wallet; sub_wallet is `main` or left out",
    ),
    (transfer(WALLET, "bob", 1, rate_id="r-1"), "to_asset", EXCHANGED),
    (transfer(WALLET, "bob", 1, min_to_amount_minor=1), "to_asset", EXCHANGED),
    (
        command("capture", WALLET, transaction_id=SOME_ID, to_sub_wallet="main"),
        "to_sub_wallet",
        "only a capture to a payee names a sub-wallet of theirs",
    ),
    (
        command("capture", WALLET, transaction_id=SOME_ID, to_wallet_id="bob", rail="sepa"),
        "rail",
        "a capture goes over a rail or to a payee, not both",
    ),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case[0]['operation']}: {case[2]}") for case in CASES])
def test_fields_that_do_not_go_together_say_why(case: tuple[Json, str, str]) -> None:
    asked, field, message = case
    answer = opened().submit(asked)
    assert (answer["code"], answer["field"], answer["message"]) == ("malformed", field, message)
    assert (answer["operation"], answer["idempotency_key"]) == (asked["operation"], asked["idempotency_key"])


def test_a_header_that_is_refused_says_why() -> None:
    world = opened()
    headers = [("ce_id", b"a"), ("ce_id", b"b")]
    owner = world.owner(WALLET)
    at = world.append(TRANSACTION_REQUESTS, encode(GOOD), key=WALLET.encode(), headers=headers, partition=owner)
    world.settle()
    answer = world.answer(at)
    assert (answer["field"], answer["message"]) == ("ce_id", "is there twice; send it once")


def test_a_topic_that_has_no_commands_is_named() -> None:
    world = opened()
    tell(world, encode({**FORWARD, "source": {**PLACE, "topic": "nothing"}}))
    answer = world.answer(Position("nothing", PLACE["partition"], PLACE["offset"]))
    assert answer["message"] == "no operation is defined on nothing yet"


@pytest.mark.parametrize(("length", "is_read"), [(1, True), (255, True), (256, False)])
def test_a_key_is_read_of_what_is_malformed_as_long_as_keys_may_be(length: int, is_read: bool) -> None:
    asked = command("credit", WALLET, "k" * length, amount_minor="1", asset="EUR")
    world = opened()
    at = world.put(asked)
    world.settle()
    answer = world.answer(at)
    assert (answer["code"], answer.get("idempotency_key")) == ("malformed", "k" * length if is_read else None)
