"""What every scenario of the ledger and the whole story leave in the log is proved clean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ops.story.ledger import LedgerInMemory
from ops.story.play import play
from ops.story.steps import read_story, reference_records
from ops.verify.audit import LedgerAudit
from ops.verify.report import Report
from schemas.topics import INPUTS, LEDGER_EVENTS, TRANSACTION_OUTCOMES, WALLET_BALANCES
from streams.machine import Message
from tests.ledger.world import Shard, World
from tests.ops.verify.honest import LogRecord
from tests.scenarios.play import Player
from tests.scenarios.table import Scenario, read_scenarios

FOLDER = Path(__file__).parents[2] / "scenarios"
SCENARIOS = [(path.stem, scenario) for path in sorted(FOLDER.glob("*.scenario")) for scenario in read_scenarios(path)]


class _Written:
    """All that was written, by topic and partition."""

    def __init__(self) -> None:
        self._topics: dict[tuple[str, int], list[LogRecord]] = defaultdict(list)

    def take(self, message: Message) -> None:
        records = self._topics[message.topic, message.partition]
        records.append(LogRecord(len(records), 0, 1, message.key, message.value, message.headers))

    def audit(self, inputs: Sequence[Mapping[str, Sequence[Any]]]) -> Report:
        auditor = LedgerAudit(len(inputs))
        for index, (part, held) in enumerate(zip(auditor.partitions, inputs, strict=True)):
            part.take_events(self._topics[LEDGER_EVENTS, index])
            part.take_outcomes(self._topics[TRANSACTION_OUTCOMES, index])
            part.take_balances(self._topics[WALLET_BALANCES, index])
            for topic in INPUTS:
                part.take_inputs(topic, held[topic])
        return auditor.finish()


@pytest.mark.parametrize("scenario", [pytest.param(s, id=f"{file}: {s.name}") for file, s in SCENARIOS])
def test_a_scenario_leaves_nothing_to_be_found(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    written, write = _Written(), World._write

    def listen(world: World, shard: Shard, message: Message) -> None:
        written.take(message)
        write(world, shard, message)

    monkeypatch.setattr(World, "_write", listen)
    player = Player()
    player.play(scenario)
    report = written.audit([shard.inputs for shard in player.world.shards])
    assert report.counts == {}, report.findings


def test_the_story_leaves_nothing_to_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    written, decide, ledgers = _Written(), LedgerInMemory._decide, []

    def listen(ledger: LedgerInMemory, partition: Any) -> list[Message]:
        if ledger not in ledgers:
            ledgers.append(ledger)
        messages = decide(ledger, partition)
        for message in messages:
            written.take(message)
        return messages

    monkeypatch.setattr(LedgerInMemory, "_decide", listen)
    play(read_story(), reference_records())
    (ledger,) = ledgers
    report = written.audit([partition.inputs for partition in ledger._partitions])
    assert report.counts == {}, report.findings
