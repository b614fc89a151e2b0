"""Mutated commands on transactions that there are, of their own wallets and of others, on every topic of commands."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from schemas.lifecycle import Verb
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import Json, command, credit
from tests.ledger.lifecycle.stage import Seen, Stage
from tests.ledger.lifecycle.verbs import FIELDS, asked
from tests.ledger.lifecycle.ways import WAYS
from tests.ledger.mutate import mutate
from tests.ledger.profiles import THOROUGH, seeded
from tests.ledger.test_bad_input import money_of
from tests.ledger.world import TOPIC_OF, Position

MUTANTS = 50_000 if THOROUGH else 3_000
KINDS = [(operation, variant) for operation, ways in WAYS.items() for variant in ways if "refused" not in variant]


def of_all_kinds(stage: Stage) -> list[Seen]:
    """A transaction of each kind, as it was begun; wallets are as they were before."""
    begun = [WAYS[operation][variant].begin(stage) for operation, variant in KINDS]
    stage.world.settle()
    return begun


def sound(rng: Random, seen: list[Seen]) -> Json:
    """A command on one of them, by now and then another wallet, that may be possible or not."""
    verb = rng.choice([*FIELDS])
    of = rng.choice(seen)
    if rng.random() < 0.2:
        of = of._replace(wallet_id=rng.choice(seen).wallet_id, holder_id=rng.choice(seen).holder_id)
    amounts = {"amount_minor": rng.randint(1, 5)} if "amount_minor" in FIELDS[verb] else {}
    return asked(verb, of, **amounts)


def run(seed: int) -> None:
    rng, stage = Random(seed), Stage()
    stage.do(credit(stage.alice, 100_000))
    seen = [one for _ in range(3) for one in of_all_kinds(stage)]
    placed: list[Position] = []
    for number in range(MUTANTS):
        good = sound(rng, seen)
        mutant = mutate(rng, good, sound(rng, seen))
        headers = [(name, value) for name, value in mutant.headers if name != "ce_type"]
        topic, where = TOPIC_OF[good["operation"]], stage.world.owner((mutant.key or b"").decode(errors="replace"))
        placed.append(stage.world.append(topic, mutant.value, key=mutant.key, headers=headers, partition=where))
        placed.append(stage.world.put(good))
        if number % 100 == 0:
            stage.world.wait(rng.choice([0, 1_000, 600_000]))
            stage.world.settle(rng.choice([1, 10, 1_000]))
    stage.world.settle()
    codes = Counter(stage.world.answer(at)["code"] for at in placed)
    assert codes["malformed"] > MUTANTS / 4
    expected = {"ok", "illegal_transition", "transaction_not_found", "amount_out_of_range"}
    assert set(codes) >= expected
    audit(stage.world)
    audit_fold(stage.world)


def test_mutants_of_commands_on_transactions() -> None:
    seeded(run)


@pytest.mark.parametrize("verb", FIELDS)
@pytest.mark.parametrize("variant", KINDS, ids=", ".join)
def test_another_wallets_transaction_is_not_found(verb: Verb, variant: tuple[str, str]) -> None:
    """Not by a wallet in the same partition, nor by one in another; and nothing changes."""
    stage = Stage()
    operation, name = variant
    seen = WAYS[operation][name].begin(stage)
    stage.world.settle()
    strangers = [stage.world.name_in(p, "stranger") for p in (0, 1)]
    for stranger in strangers:
        stage.do(command("open_wallet", stranger, owner_ref="o-1", assets=["EUR"]))
    before = money_of(stage.world)
    for stranger in strangers:
        answer = stage.world.submit(asked(verb, seen._replace(wallet_id=stranger, holder_id=stranger)))
        assert (answer["code"], answer["field"]) == ("transaction_not_found", "transaction_id")
    assert money_of(stage.world) == before
