"""The stories as a witness: a right ledger is found right, and every kind of loss, double and wrong answer is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.crash.scripts import SCRIPTS
from tests.crash.stories import Stories
from tests.crash.story import Asked, Record, Script, Story
from tests.crash.witness import Verdict

Said = dict[str, Any]
WALLETS, PARTITIONS = 40, 4


def wire(asked: Asked, told: str, **more: Any) -> Said:
    """An outcome that says this."""
    state, _, code = told.partition(" ")
    if told == "ok" or (not code and "_" in told):
        state, code = "", told
    said: Said = {"code": code or "ok", "idempotency_key": asked.key, "transaction_id": f"t{asked.key}"}
    return {**said, **({"state": state} if state else {}), **more}


class RightLedger:
    """Answers every record as the first that it may be told; `change` may spoil what is said."""

    def __init__(self, stories: Stories, change: Callable[[Said], list[Said]] = lambda said: [said]):
        self.stories, self.change = stories, change
        self.ends: Counter[tuple[str, int]] = Counter()
        #: How much was told of each request.
        self.told: Counter[str] = Counter()

    def run(self, count: int) -> Verdict:
        """Play until so many stories have begun, and to the end of all."""
        while self.stories.finished < count and (record := self.stories.take()) is not None:
            self.answer(record)
        self.stories.is_ending = True
        while (following := self.stories.take_following()) is not None:
            self.answer(following)
        verdict = Verdict()
        self.stories.judge(verdict)
        return verdict

    def answer(self, record: Record) -> None:
        """One record is in its topic, and is decided."""
        asked, where = record.asked, (record.topic, record.partition)
        offset = self.ends[where]
        source = {"topic": record.topic, "partition": record.partition, "offset": offset}
        self.ends[where] += 1
        is_first = asked.transaction_id is None and not asked.answered
        self.tell(wire(asked, asked.may_be[0][0], kind="answer", source=source, replayed=not is_first))
        self.stories.delivered(record, offset)
        self.told[asked.key] = max(1, self.told[asked.key])
        while due := [one for one in record.story.asked if 0 < self.told[one.key] < len(one.may_be[0])]:
            one = due[0]
            self.told[one.key] += 1
            self.tell(wire(one, one.may_be[0][self.told[one.key] - 1], kind="update", source=source))

    def tell(self, said: Said) -> None:
        """Write what is said, once it is spoilt."""
        for one in self.change(said):
            assert self.stories.outcome(orjson.dumps(one))


def credited(story: Story) -> Script:
    """One credit."""
    yield (story.ask(story.wallet(), "credit", "settled", amount_minor=5, asset="EUR"),)
    story.move("system/rail:instant", f"{story.wallet()}/main/available", "EUR", 5)


def played(change: Callable[[Said], list[Said]] = lambda said: [said]) -> Verdict:
    """A small campaign of credits, spoilt."""
    return RightLedger(Stories(7, WALLETS, PARTITIONS, [credited]), change).run(WALLETS + 20)


def test_every_script_comes_to_its_end_and_moves_what_balances() -> None:
    stories = Stories(7, WALLETS, PARTITIONS, SCRIPTS)
    verdict = RightLedger(stories).run(WALLETS + 400)
    assert verdict.holds, verdict.cases
    assert verdict.records == verdict.answers == stories.produced
    assert set(stories.by_script) == {"open_and_fund", *(script.__name__ for script in SCRIPTS)}
    sums: Counter[str] = Counter()
    for (_, asset), minor in stories.balances.items():
        sums[asset] += minor
    assert len(sums) == 2
    assert not any(sums.values())
    assert stories.balances["system/transit", "EUR"] == 0


def spoil(kind: str, spoilt: Callable[[Said], list[Said]]) -> Callable[[Said], list[Said]]:
    """Spoil the fifth outcome of a story after the beginning."""
    seen = Counter[str]()

    def change(said: Said) -> list[Said]:
        seen[kind] += said["kind"] == kind and int(said["idempotency_key"][1:].split("-")[0]) >= WALLETS
        return spoilt(said) if seen[kind] == 5 and said["kind"] == kind else [said]

    return change


@pytest.mark.parametrize(
    ("spoilt", "lost", "doubled", "wrong"),
    [
        (lambda said: [], 1, 0, 0),
        (lambda said: [said, said], 0, 1, 0),
        (lambda said: [{**said, "state": "", "code": "wallet_closed"}], 0, 0, 1),
        (lambda said: [{**said, "source": {**said["source"], "offset": 99_999}}], 0, 0, 1),
    ],
    ids=["no answer", "two answers", "another code", "answer to another record"],
)
def test_what_is_spoilt_is_seen(spoilt: Callable[[Said], list[Said]], lost: int, doubled: int, wrong: int) -> None:
    assert played().holds
    verdict = played(spoil("answer", spoilt))
    assert (verdict.lost, verdict.doubled, verdict.wrong) == (lost, doubled, wrong), verdict.cases


def test_an_update_that_is_missing_doubled_or_another_is_seen() -> None:
    def run(spoilt: Callable[[Said], list[Said]]) -> Verdict:
        stories = Stories(7, WALLETS, PARTITIONS, SCRIPTS)
        return RightLedger(stories, spoil("update", spoilt)).run(WALLETS + 40)

    assert run(lambda said: []).lost > 0
    doubled = run(lambda said: [said, said])
    assert doubled.doubled + doubled.wrong > 0
    assert run(lambda said: [{**said, "state": "reversed", "code": "four_eyes"}]).wrong > 0
