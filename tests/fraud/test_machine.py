"""The role's machine: whatever the interleaving, the restarts and the memory, the alerts are those of the engine."""

from __future__ import annotations

import random

import pytest

from agents.fraud import followed as followed_module
from agents.fraud import portions, stored
from agents.fraud.engine import Engine
from agents.fraud.turn import Limits
from schemas.clock import rfc3339
from schemas.partitioning import partition_of
from schemas.topics import LEDGER_EVENTS
from tests.fraud.expected import expected_alerts, what_is_told
from tests.fraud.role import Json, RoleWorld, counted, payment, rule
from tests.ledger.profiles import share

LATENESS_MS = 20_000
RULES = [
    counted("burst", ["wallet_id"], 3, cooldown_s=30),
    counted("device", ["device"], 4, window_s=20),
    rule(
        "fan-in",
        ["party_id"],
        filter={"field": "direction", "op": "eq", "value": "in"},
        aggregate={"function": "count_distinct", "field": "wallet_id", "window_s": 40, "include_current": True},
        condition={"op": "ge", "value": 3},
        cooldown_s=15,
    ),
    rule(
        "own-mean",
        ["wallet_id"],
        aggregate={"function": "avg", "field": "amount_minor", "window_s": 60, "min_events": 2},
        condition={"left": "amount_minor", "op": "gt", "factor": 3},
    ),
    rule(
        "small-then-large",
        ["wallet_id", "device"],
        sequence={
            "steps": [
                {"field": "amount_minor", "op": "le", "value": 10},
                {"field": "amount_minor", "op": "ge", "value": 500},
            ],
            "within_s": 30,
        },
        cooldown_s=5,
    ),
    rule("both", ["wallet_id"], combination={"rules": ["burst", "own-mean"], "within_s": 30, "threshold": 100}),
]


def random_ledger(world: RoleWorld, rng: random.Random, count: int) -> None:
    wallets = [f"w{number}" for number in range(5)]
    for number in range(count):
        world.now_ms += rng.choice((0, 200, 1_000, 4_000))
        wallet_id = rng.choice(wallets)
        fields: Json = {"amount_minor": rng.choice((5, 50, 60, 700))}
        if rng.random() < 0.7:
            fields["device"] = {"fingerprint": rng.choice(("d0", "d1"))}
        if rng.random() < 0.4:
            to_wallet_id = rng.choice(wallets)
            fields |= {"operation": "transfer", "counterparty": {"wallet_id": to_wallet_id, "sub_wallet": "main"}}
        if rng.random() < 0.5:
            fields["occurred_at"] = rfc3339(world.now_ms - rng.randint(-2_000, 25_000))
        payment(world, number, wallet_id, partition_of(wallet_id, world.partitions), **fields)


def logs_of(world: RoleWorld) -> dict[int, list[tuple[int, bytes]]]:
    return {
        partition: [(record.offset, record.value or b"") for record in world.topics[LEDGER_EVENTS, partition]]
        for partition in range(world.partitions)
    }


@pytest.mark.parametrize("seed", range(share(60)))
def test_the_alerts_are_those_of_the_engine(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of several partitions in any order, batches of any size, restarts from the log, hardly any memory."""
    rng = random.Random(seed)
    monkeypatch.setattr(stored, "FORGOTTEN_AT_ONCE", rng.choice((1, 3, 500)))
    monkeypatch.setattr(portions, "MOST_TOLD", rng.choice((0, 2, 64)))
    monkeypatch.setattr(portions, "MOST_TOLD_BYTES", rng.choice((1, 1_500)))
    # Nothing is kept that no rule needs.
    monkeypatch.setattr(followed_module, "LEAST_KEPT_S", 0)
    monkeypatch.setattr(followed_module, "BY_WALLET_KEPT_S", 0)
    limits = Limits(LATENESS_MS, partition_lag_ms=3_600_000, cached_entries=rng.choice((1, 10, 1_000)))
    world = RoleWorld(RULES, partitions=rng.choice((1, 2, 3)), limits=limits)
    random_ledger(world, rng, rng.choice((40, 80, 160)))
    world.run(rng)
    assert world.bugs == []
    assert not world.events("fact.late")
    wanted = expected_alerts(RULES, logs_of(world), LATENESS_MS)
    assert wanted
    assert what_is_told(world.alerts().values()) == wanted
    assert all(alert.wallet_id for alert in world.alerts().values())
    for partition in world.all:
        partition.restart()


def test_a_small_batch_looks_at_few_histories_for_what_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    world = RoleWorld(RULES, partitions=1, limits=Limits(lateness_ms=LATENESS_MS))
    asked: list[int] = []
    real = Engine.trim

    def trim(engine: Engine, now_ms: int, histories: int = 1_000) -> None:
        asked.append(histories)
        real(engine, now_ms, histories)

    monkeypatch.setattr(Engine, "trim", trim)
    for number in range(300):
        payment(world, number, f"w{number}", 0)
    world.run(most=200)
    payment(world, 300, "w1", 0)
    world.run()
    assert asked == [200, 100, 1]
