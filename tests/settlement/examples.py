"""Golden examples of settlement's topics, from short stories: `python -m tests.settlement.examples` writes them.

One of each type of event, each kind of internal record, each state of a batch, and each kind of command.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import orjson

from agents.settlement.turn import Limits
from schemas.topics import SETTLEMENT_BATCHES, SETTLEMENT_COMMANDS, SETTLEMENT_EVENTS, SETTLEMENT_INTERNAL
from tests.golden import first_of_each, write
from tests.settlement.world import SEPA, World, rejected, returned, settled

TOPICS = (SETTLEMENT_EVENTS, SETTLEMENT_INTERNAL, SETTLEMENT_COMMANDS, SETTLEMENT_BATCHES)
DAY_S = 86_400


def _batches_of_two(**terms: Any) -> World:
    world = World({**SEPA, "batches": {"max_transactions": 2, "max_age_s": 60}, **terms}, partitions=1)
    world.open_wallet("w-alice", 5_000)
    world.open_wallet("w-bob", 5_000)
    world.run()
    return world


def _two_payouts(world: World) -> None:
    world.payout("w-alice", 1_200, instrument_ref="DE02120300000000202051", references={"order": "o-1"})
    world.payout("w-bob", 800, instrument_ref="DE02500105170137075030")
    world.run()


def a_batch_and_its_answers() -> World:
    world = _batches_of_two(fees={"EUR": {"instruction_minor": 2}}, minimum_reserve_minor={"EUR": 500})
    _two_payouts(world)
    world.fund(10_000, reference="bank transfer 17")
    world.run()
    (batch,) = world.to_send()
    world.fail_attempt(batch, message="the rail does not answer")
    world.later(2)
    (batch,) = world.to_send()
    for state in ("received", "accepted"):
        world.answer(batch, state)
        world.run()
    parts = (settled(batch, 0, fee_minor=2, value_date="2026-11-24"), rejected(batch, 1))
    for _ in range(2):
        world.answer(batch, "partially_settled", *parts)
        world.run()
    world.answer(batch, "partially_settled", returned(batch, 0, code="AC04"))
    world.answer("0" * 24, "settled")
    world.order(kind="retry", batch_id=batch.batch_id)
    world.order(kind="withdraw", asset="EUR", amount_minor=1_000)
    world.run()
    world.later(181 * DAY_S)
    return world


def what_falls_out_and_what_is_given_up() -> World:
    terms = {"payout_limits": {"EUR": {"transaction_minor": 2_000}}, "prefunded": False}
    world = _batches_of_two(**terms, retry={"breaker_failures": 1, "breaker_open_ms": 1_000})
    world.payout("w-alice", 700)
    world.run()
    world.cancel("w-alice", next(iter(world.transactions())))
    world.run()
    world.later(61)
    world.payout("w-alice", 3_000)
    world.run()
    (alert,) = world.alerts().values()
    world.order(kind="release", transaction_id=alert.transaction_id)
    world.payout("w-bob", 100)
    world.run()
    _two_payouts(world)
    for batch in world.to_send():
        world.fail_attempt(batch, message="connection refused")
    world.run()
    world.later(2)
    (probe,) = world.to_send()
    world.later(5)
    world.answer(probe, "rejected", code="AM05")
    world.run()
    world.later(3)
    for batch in world.to_send():
        world.fail_attempt(batch)
        world.run()
        world.order(kind="abandon", batch_id=batch.batch_id)
    world.run()
    world.later(10)
    for batch in world.to_send():
        world.answer(batch, "settled")
        world.run()
    return world


def a_merchant_and_a_queue() -> World:
    world = _batches_of_two(merchant_reserve={"basis_points": 1_000, "days": 2})
    world.limits = Limits()
    world.open_wallet("m-shop", 0, kind="merchant")
    world.request("w-alice", operation="transfer", amount_minor=1_000, asset="EUR", to_wallet_id="m-shop")
    world.run()
    world.payout("m-shop", 950)
    world.run()
    world.order(kind="release", transaction_id=next(iter(world.alerts().values())).transaction_id)
    world.run()
    world.cancel("m-shop", list(world.transactions())[-1])
    world.run()
    world.send(SETTLEMENT_INTERNAL, 0, None, b"{}")
    world.run()
    _fail_on_what_is_due(world)
    return world


def _fail_on_what_is_due(world: World) -> None:
    """By a bug that the role does not have."""
    world.fund(2_000)
    world.payout("w-bob", 100)
    world.run()
    with patch("agents.settlement.ticking.close_due", side_effect=ZeroDivisionError):
        world.later(61)


def a_command_elsewhere() -> World:
    world = World(SEPA, partitions=2)
    for partition in range(2):
        world.fund(500, partition=partition)
    world.open_wallet("w-carol", 100)
    world.payout("w-carol", 100)
    world.run()
    world.later(61)
    for batch in world.to_send():
        world.answer(batch, "settled")
    world.run()
    return world


STORIES = (
    a_batch_and_its_answers,
    what_falls_out_and_what_is_given_up,
    a_merchant_and_a_queue,
    a_command_elsewhere,
)


def examples() -> dict[str, bytes]:
    """Path below `schemas/examples` -> content."""
    return first_of_each(record for story in STORIES for record in _named(story()))


def _named(world: World) -> Iterator[tuple[str, str, bytes]]:
    for value in world.records(SETTLEMENT_EVENTS):
        said = orjson.loads(value)
        if said["type"] != "batch.sealed":
            yield SETTLEMENT_EVENTS, said["type"].replace(".", "_"), value
    for value in world.records(SETTLEMENT_INTERNAL):
        if value != b"{}":
            yield SETTLEMENT_INTERNAL, orjson.loads(value)["kind"], value
    for value in world.records(SETTLEMENT_COMMANDS):
        yield SETTLEMENT_COMMANDS, orjson.loads(value)["kind"], value
    for value in world.records(SETTLEMENT_BATCHES):
        said = orjson.loads(value)
        kind = said["kind"]
        yield SETTLEMENT_BATCHES, {"batch": said.get("state"), "alert": said.get("code")}.get(kind, kind), value


if __name__ == "__main__":
    write(TOPICS, examples())
