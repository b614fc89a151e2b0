"""The learned score in the role: in the fact once, the same for every order, restart and partition; off at no cost."""

from __future__ import annotations

import random

import pytest

from agents.fraud.learned import NEW, WINDOW, learn
from agents.fraud.state import DAY_MS, MODELS
from agents.fraud.turn import Limits
from schemas.clock import rfc3339
from schemas.partitioning import partition_of
from tests.fraud.role import Json, RoleWorld, counted, payment, rule

UNLIKE = rule("unlike", ["wallet_id"], state="shadow", condition={"left": "anomaly_score", "op": "ge", "value": 700})
#: Its key lives elsewhere than the model does.
BY_PAYEE = rule(
    "payee",
    ["to_wallet_id"],
    filter={"field": "anomaly_score", "op": "ge", "value": 300},
    aggregate={"function": "max", "field": "anomaly_score", "window_s": 86_400, "include_current": True},
    condition={"op": "ge", "value": 400},
)
LIMITS = Limits(lateness_ms=DAY_MS)
#: Of each partition, a wallet that lives there.
WALLETS = {partition_of(name, 2): name for name in ("w1", "w2", "w3", "w4")}
#: Another one of the first.
OTHER = next(name for number in range(99) if partition_of(name := f"other{number}", 2) == 0)


def pay(world: RoleWorld, number: int, chance: random.Random, **fields: object) -> None:
    """A usual payment, perhaps one that is told late."""
    world.now_ms += 3_600_000
    late_ms = chance.choice((0, 0, 0, 20_000_000))
    known = {"operation": "transfer", "counterparty": {"wallet_id": f"p{chance.randrange(4)}", "sub_wallet": "main"}}
    amount = {"amount_minor": int(chance.lognormvariate(8, 0.5)), "occurred_at": rfc3339(world.now_ms - late_ms)}
    payment(world, number, WALLETS[0], 0, **known | amount | fields)


def played(rules: list[Json], rng: random.Random | None = None) -> RoleWorld:
    world, chance = RoleWorld(rules, limits=LIMITS), random.Random(4)
    for number in range(3 * WINDOW):
        odd = number in (2 * WINDOW + 5, 2 * WINDOW + 9)
        more = (
            {"amount_minor": 900_000, "counterparty": {"wallet_id": f"new{number}", "sub_wallet": "main"}}
            if odd
            else {}
        )
        pay(world, number, chance, **more)
    world.run(rng)
    return world


def test_a_rule_fires_once_the_model_is_warm_and_in_shadow() -> None:
    world = played([UNLIKE])
    alerts = sorted(world.alerts().values(), key=lambda alert: alert.first_seen)
    assert len(alerts) == 2
    assert all(alert.shadow and alert.amount_minor == 900_000 for alert in alerts)
    assert alerts[0].observed is not None
    assert "anomaly score" in alerts[0].sentence
    scores = [event.fact.get("anomaly_score") for event in world.events("fact.evaluated") if event.fact]
    assert scores[:WINDOW] == [None] * WINDOW
    assert all(isinstance(score, int) for score in scores[WINDOW:])


def test_off_it_leaves_nothing_behind() -> None:
    world = played([counted("other", ["wallet_id"], 3)])
    assert not any(event.learned for event in world.events())
    assert not any("anomaly_score" in (event.fact or {}) for event in world.events())
    assert all(MODELS.name not in partition.rows() for partition in world.all)
    paused = played([UNLIKE | {"state": "paused"}])
    assert not any(event.learned for event in paused.events())


@pytest.mark.parametrize("seed", range(6))
def test_the_score_is_that_of_its_arrival_whatever_is_read_first(seed: int) -> None:
    """Late facts look again at earlier ones: by the scores that they had. Restarts fold to the same bytes."""
    once, again = played([UNLIKE, BY_PAYEE]), played([UNLIKE, BY_PAYEE], random.Random(seed))
    assert {name: alert.observed for name, alert in once.alerts().items()} == {
        name: alert.observed for name, alert in again.alerts().items()
    }
    assert {alert.rule_id for alert in once.alerts().values()} == {"unlike", "payee"}
    model = NEW
    for event in once.all[0].events():
        if event.learned:
            assert event.fact is not None
            assert event.event_time_ms is not None
            score, model = learn(model, event.fact, event.event_time_ms)
            assert event.fact.get("anomaly_score") == score
    assert model.seen == 3 * WINDOW
    (row,) = once.all[0].rows()[MODELS.name].values()
    assert row == MODELS.encode(model)
    for partition in again.all:
        partition.restart()
    assert again.all[0].rows()[MODELS.name] == once.all[0].rows()[MODELS.name]


def test_a_fact_in_another_partition_has_the_score_of_its_home() -> None:
    world = played([UNLIKE, BY_PAYEE])
    by_source: dict[object, set[object]] = {}
    for event in world.events("fact.evaluated"):
        by_source.setdefault(event.source, set()).add((event.fact or {}).get("anomaly_score"))
    assert all(len(scores) == 1 for scores in by_source.values())
    elsewhere = [event for event in world.all[1].events() if event.type == "fact.evaluated"]
    assert elsewhere
    assert not any(event.learned for event in elsewhere)


def test_a_model_goes_with_the_history_of_its_wallet() -> None:
    world = played([UNLIKE])
    assert MODELS.name in world.all[0].rows()
    world.now_ms += 60 * DAY_MS
    for number in range(1_000, 1_040):
        world.now_ms += DAY_MS
        payment(world, number, OTHER, 0)
        payment(world, number, WALLETS[1], 1)
    world.run()
    names = world.all[0].rows()[MODELS.name]
    assert [name for name in names if WALLETS[0] in name] == []
    assert names
