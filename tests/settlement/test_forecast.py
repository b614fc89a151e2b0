"""The forecast of positions: what is under way goes at its cut-off, what waits once there is enough for it."""

from __future__ import annotations

from typing import Any

import pytest

from ops.settlement.forecast import forecast, moments_of
from schemas.clock import unix_ms
from schemas.rails import Rail
from schemas.settlement_batches import BatchRecord, PositionRecord
from tests.settlement.world import SEPA, START_MS, World, settled

NOW_MS = unix_ms("2026-11-27T10:00:00.000Z")
RAIL = Rail.model_validate_json(
    '{"name":"sepa","settlement":"deferred","adapter":{"kind":"simulated"},"calendar":"TARGET2",'
    '"cut_offs":{"time_zone":"Europe/Berlin","times":["12:00","15:30"]}}'
)


def position(**fields: Any) -> PositionRecord:
    given: dict[str, Any] = {
        "rail": "sepa",
        "asset": "EUR",
        "funded_minor": 1_000,
        "free_minor": 0,
        "recorded_at": "",
        **fields,
    }
    return PositionRecord(**given)


def batch(state: str, amount_minor: int, **fields: Any) -> BatchRecord:
    given: dict[str, Any] = {
        "batch_id": f"{state}{amount_minor}",
        "rail": "sepa",
        "asset": "EUR",
        "direction": "out",
        "state": state,
    }
    given |= {"transactions": 1, "amount_minor": amount_minor, "opened_at": "", "recorded_at": ""}
    return BatchRecord(**{**given, **fields})


def test_cut_offs_are_those_of_business_days() -> None:
    """A Friday: the third one is on Monday."""
    moments = moments_of(RAIL, NOW_MS, 3)
    assert [(one.at, one.day) for one in moments] == [
        ("2026-11-27T11:00:00.000Z", "2026-11-27"),
        ("2026-11-27T14:30:00.000Z", "2026-11-27"),
        ("2026-11-30T11:00:00.000Z", "2026-11-30"),
    ]


def test_without_cut_offs_there_is_one_moment() -> None:
    (moment,) = moments_of(Rail.model_validate(SEPA, strict=False), START_MS, 5)
    assert (moment.at, moment.day) == ("2026-11-23T04:51:00.000Z", None)


def test_what_is_under_way_goes_first_and_what_is_open_at_its_cut_off() -> None:
    batches = [
        batch("submitted", 300, settled_minor=100),
        batch("settled", 999),
        batch("open", 50, closes_at="2026-11-27T14:30:00.000Z"),
        batch("ready", 40, direction="in"),
        batch("open", 7, rail="other"),
    ]
    rows = forecast(position(committed_minor=253), batches, moments_of(RAIL, NOW_MS, 3))
    assert [(row.outgoing_minor, row.incoming_minor, row.position_minor) for row in rows] == [
        (203, 40, 837),  # with 3 of fees
        (50, 0, 787),
        (0, 0, 787),
    ]
    assert [row.free_minor for row in rows] == [787, 787, 787]


def test_what_waits_goes_once_there_is_enough_and_else_says_what_is_missing() -> None:
    moments = moments_of(RAIL, NOW_MS, 2)
    waiting = {"waiting": 2, "waiting_minor": 900, "minimum_reserve_minor": 150}
    rows = forecast(position(**waiting), [], moments)
    assert [(row.waiting_minor, row.missing_minor, row.position_minor) for row in rows] == [(900, 50, 1_000)] * 2
    coming = batch("open", 60, direction="in", closes_at=moments[1].at)
    rows = forecast(position(**waiting), [coming], moments)
    assert [(row.waiting_minor, row.missing_minor, row.free_minor) for row in rows] == [(900, 50, 850), (0, 0, 10)]
    rows = forecast(position(**waiting, prefunded=False), [], moments)
    assert (rows[0].waiting_minor, rows[0].position_minor, rows[0].free_minor) == (0, 100, -50)


def test_it_comes_true() -> None:
    """Of a world in memory, where all is settled in full and the rail charges what it is expected to."""
    terms = {**SEPA, "fees": {"EUR": {"instruction_minor": 1}}}
    world = World(terms)
    world.open_wallet("w1", 1_000)
    for minor in (100, 200, 300, 50):
        world.payout("w1", minor)
    world.payout("w1", 70, operation="credit")
    world.fund(1_000)
    world.run()
    (moment,) = moments_of(Rail.model_validate(terms, strict=False), world.now_ms, 1)
    (row,) = forecast(world.position(), world.batches().values(), [moment])
    assert (row.outgoing_minor, row.incoming_minor) == (654, 70)
    world.later(61)
    for sent in world.to_send():
        fee = {"fee_minor": 1} if sent.direction == "out" else {}
        world.answer(sent, "settled", *(settled(sent, number, **fee) for number in range(len(sent.instructions))))
    world.run()
    assert (world.position().funded_minor, world.position().free_minor) == (row.position_minor, row.free_minor)


@pytest.mark.parametrize("fees", [{"instruction_minor": 2, "batch_minor": 5, "basis_points": 30}, {"batch_minor": 5}])
def test_what_is_missing_is_enough_for_all_that_waits_with_its_fees(fees: dict[str, int]) -> None:
    """Three to a batch: five of them are two batches."""
    terms = {**SEPA, "fees": {"EUR": fees}}
    world = World(terms)
    world.open_wallet("w1", 1_000)
    for minor in (100, 200, 300, 50, 70):
        world.payout("w1", minor)
    world.run()
    rail = Rail.model_validate(terms, strict=False)
    (moment,) = moments_of(rail, world.now_ms, 1)
    (row,) = forecast(world.position(), world.batches().values(), [moment], rail)
    assert row.missing_minor == 720 + sum(
        fee
        for fee in (
            5 * fees.get("instruction_minor", 0),
            2 * fees["batch_minor"],
            720 * fees.get("basis_points", 0) // 10_000,
        )
    )
    world.fund(row.missing_minor)
    world.run()
    assert world.position().waiting == 0
    world.fund(1_000)
    world.run()
    (after,) = forecast(world.position(), world.batches().values(), [moment], rail)
    assert after.missing_minor == 0
