"""The story as it is written, on a ledger in memory: it ends as it says, and its pages say what was booked."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest

from ops.amounts import Amounts
from ops.buckets import Balances
from ops.demo.story.books import trial_balances
from ops.demo.story.page import Page
from ops.demo.story.player import TOPIC_OF, PlayedStep, Player
from ops.demo.story.script import STORY
from ops.demo.story.setting import registry
from ops.demo.story.steps import Ask, Step
from ops.demo.story.told import Told
from ops.errors import OperationError
from schemas.commands import CONTRACTS
from schemas.topics import SETTLEMENT_UPDATES
from tests.ops.demo.story.in_memory import InMemory

#: What the story has no place for.
UNTOLD = {
    "enable_asset",
    "close_wallet",
    "fee",
    "set_wallet_state",
    "set_tier",
    "release_quarantine",
    "adjust",
    "return",
    "lock",
    "require_step_up",
    "screening_verdict",
}


@dataclasses.dataclass
class Performance:
    ledger: InMemory
    steps: list[PlayedStep]
    balances: Balances

    @property
    def text(self) -> str:
        page = Page(Amounts(registry()))
        lines = [line for step in self.steps for line in page.step(step)]
        return "\n".join([*lines, *page.trial(trial_balances(self.balances))])


def play(story: Iterable[Step], ledger: InMemory | None = None) -> Performance:
    ledger, steps = ledger or InMemory(), list[PlayedStep]()
    balances = asyncio.run(Player(ledger).play(tuple(story), steps.append))
    return Performance(ledger, steps, balances)


@pytest.fixture(scope="module")
def played() -> Performance:
    return play(STORY)


def test_every_operation_has_its_place() -> None:
    asked = {act.operation for step in STORY for act in step.acts if isinstance(act, Ask)}
    assert set(TOPIC_OF) - asked == UNTOLD


def test_commands_go_to_the_topics_of_their_writers(played: Performance) -> None:
    for command in played.ledger.commands:
        CONTRACTS[TOPIC_OF[command["operation"]]].validate_python(command)
    assert [TOPIC_OF[o] for o in ("submit", "settle", "fail")] == [SETTLEMENT_UPDATES] * 3


def test_all_that_was_booked_is_told_once(played: Performance) -> None:
    told = [(one.partition, one.event.sequence) for s in played.steps for act in s.acts for one in act.journals]
    booked = [(e["_partition"], e["sequence"]) for e in played.ledger.world.events if e.get("entries")]
    assert sorted(told) == sorted(booked)
    assert len(told) > 30


def test_the_trial_balance_sums_to_zero(played: Performance) -> None:
    trials = trial_balances(played.balances)
    assert [trial.asset for trial in trials] == ["EUR", "POINTS", "USD"]
    assert all(trial.sum_minor == 0 < trial.debit_minor for trial in trials)


@pytest.mark.parametrize(
    "line",
    [
        "She checks in, and the hotel has 120.00 EUR held for the room.",
        "alice                  EUR            80.00      120.00",
        "capture -> processed, settled",
        "Dr transit                           90.00             EUR   partition 3",
        "capture -> exceeds_remaining (amount_minor)",
        "  Cr fees                                         0.50 EUR",
        "Dr fees                               0.12             EUR",
        "dispute -> disputed, forced",
        "alice                  EUR          -140.38                                          200.00",
        "50.00 EUR for 54.75 USD at eur-usd-1: 219/200 in minor units",
        "day.sum_minor is 10.00 EUR, used 8.00 EUR; it frees up at 2026-01-02T00:00:00.000Z",
        "batch -> insufficient_funds (items.1.amount_minor)",
        "reverse -> four_eyes (approved_by)",
        "hotel/taxes            EUR            17.10",
        "POINTS, difference 0 POINTS            360         360 POINTS",
    ],
)
def test_it_reads_as_a_ledger(played: Performance, line: str) -> None:
    assert line in played.text


def test_points_that_expire_soonest_are_spent_first(played: Performance) -> None:
    (step,) = [s for s in played.steps if any(act.operation == "reward" for act in s.acts)]
    (taken_back,) = step.acts[-1].journals
    assert taken_back.event.entries[0].debit_minor == 100 - 60


def test_as_json(played: Performance) -> None:
    told = Told(steps=played.steps, trials=trial_balances(played.balances), verify_holds=True)
    value: dict[str, Any] = told.as_json()
    assert value["ok"] is True
    assert [step["step"] for step in value["steps"]] == list(range(1, len(STORY) + 1))
    capture = value["steps"][3]["acts"][0]
    assert (capture["operation"], capture["states"], len(capture["events"])) == ("capture", ["processed", "settled"], 2)
    told.verify_holds = False
    assert told.as_json()["ok"] is False


def test_an_act_that_ends_otherwise_stops_the_story() -> None:
    opens, top_up = STORY[0], STORY[1]
    wrong = top_up.acts[0]._replace(ends="insufficient_funds")
    with pytest.raises(OperationError, match=r"step 2 .*ended as settled, ok, and not as insufficient_funds"):
        play((opens, top_up._replace(acts=(wrong,))))


def test_other_balances_than_those_of_the_events_stop_it() -> None:
    class Wrong(InMemory):
        async def published(self) -> Balances:
            return {**await super().published(), ("alice/main/available", "EUR"): 1}

    with pytest.raises(OperationError, match="do not say the same of alice/main/available in EUR"):
        play(STORY[:2], Wrong())


def test_what_never_comes_is_not_waited_for_for_ever() -> None:
    hold, (_, expires) = STORY[2].acts[0], STORY[5].acts
    waits = Step((hold._replace(name="bicycle"), expires), ())
    with pytest.raises(OperationError, match=r"step 3 .*nothing came"):
        play((*STORY[:2], waits))
