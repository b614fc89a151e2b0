"""An independent witness: what was produced against what was answered. Knows no ledger, only the stream and the wire.

A few bytes for each record, so that a million of them fit: answers are kept by the offset that they name as source.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

import msgspec

from schemas.codes import Code
from tests.crash.stream import INTENTS, Kind, Stream

_NOBODY: Final = 0xFFFFFFFF
_CODES: Final = [code.value for code in Code]
_NUMBER_OF: Final = {code: number for number, code in enumerate(_CODES)}
_MOST_SHOWN: Final = 10


class _Source(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Outcome(msgspec.Struct):
    kind: str
    code: str
    source: _Source
    idempotency_key: str | None = None
    transaction_id: str | None = None
    replayed: bool = False


_decode: Final = msgspec.json.Decoder(_Outcome).decode


class _Answers:
    """What is known of each offset of one partition of the requests."""

    def __init__(self) -> None:
        self.numbers = array("I")
        self.counts = bytearray()
        self.codes = bytearray()
        self.transactions = array("I")
        self.fresh = bytearray()

    def reach(self, offset: int) -> None:
        """Make room for `offset`."""
        more = offset + 1 - len(self.counts)
        if more > 0:
            self.numbers.extend([_NOBODY] * more)
            self.transactions.extend([0] * more)
            for cells in (self.counts, self.codes, self.fresh):
                cells.extend(bytes(more))


@dataclass
class Verdict:
    """What the witness has found. Lists hold the first few cases, counts all."""

    records: int = 0
    intents: int = 0
    answers: int = 0
    updates: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    by_code: dict[str, int] = field(default_factory=dict)
    cases: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, doubled or answered wrongly."""
        return not (self.lost or self.doubled or self.wrong)

    def count(self, what: str, case: str) -> None:
        """One more that is `lost`, `doubled` or `wrong`."""
        setattr(self, what, getattr(self, what) + 1)
        if len(self.cases) < _MOST_SHOWN:
            self.cases.append(f"{what}: {case}")


class Witness:
    """Sees every record produced and every outcome committed."""

    def __init__(self, stream: Stream):
        self.stream = stream
        self.produced = 0
        #: Records that have at least one answer.
        self.answered = 0
        self.updated = 0
        #: Kafka's timestamp of the latest outcome in each partition, Unix milliseconds.
        self.latest_ms = [0] * stream.partitions
        self._answers = [_Answers() for _ in range(stream.partitions)]
        self._updates: dict[str, array[int]] = {}
        self._foreign = 0

    def delivered(self, number: int, partition: int, offset: int) -> None:
        """Record `number` of the stream is in the log."""
        answers = self._answers[partition]
        answers.reach(offset)
        answers.numbers[offset] = number

    def answered_at(self, partition: int, timestamp_ms: int) -> None:
        """Kafka's timestamp of an outcome, of whomever it is."""
        self.latest_ms[partition] = max(self.latest_ms[partition], timestamp_ms)

    def outcome(self, partition: int, value: bytes, timestamp_ms: int) -> None:
        """A committed record of the outcomes."""
        said = _decode(value)
        self.answered_at(partition, timestamp_ms)
        if said.source.topic != "transaction-requests":
            self._foreign += 1
        elif said.kind == "update":
            self._count_update(said)
        else:
            answers, offset = self._answers[said.source.partition], said.source.offset
            answers.reach(offset)
            self.answered += answers.counts[offset] == 0
            answers.counts[offset] = min(255, answers.counts[offset] + 1)
            answers.codes[offset] = _NUMBER_OF[said.code]
            answers.fresh[offset] = not said.replayed
            answers.transactions[offset] = crc32((said.transaction_id or "").encode())

    def _count_update(self, said: _Outcome) -> None:
        number = int((said.idempotency_key or "k-1")[1:])
        counts = self._updates.setdefault(said.code, array("B"))
        if number >= len(counts):
            counts.extend(bytes(number + 1 - len(counts)))
        self.updated += counts[number] == 0
        counts[number] = min(255, counts[number] + 1)

    def updates_due(self) -> int:
        """How many updates the records produced so far lead to."""
        stream = self.stream
        return sum(
            stream.kind(number) in _MAY_BE_SAGA and stream.expected(number).update is not None
            for number in range(stream.prelude, self.produced)
        )

    def judge(self) -> Verdict:
        """Every record has exactly one answer and it is the right one; of all records of one intent exactly one was
        decided, the others repeat its answer; every saga ended once."""
        verdict = Verdict(self.produced, updates=self.updated)
        decided = bytearray(self.produced)
        transactions = array("I", bytes(4 * self.produced))
        seen = bytearray(self.produced)
        repeats: list[tuple[int, int]] = []
        for partition, answers in enumerate(self._answers):
            for offset, number in enumerate(answers.numbers):
                where = f"transaction-requests/{partition} at {offset}, record {number}"
                if number == _NOBODY:
                    # Stories have records of their own between those of the stream.
                    if answers.counts[offset]:
                        verdict.count("wrong", f"{where}: an answer to a record that nobody produced")
                    continue
                seen[number] = 1
                self._judge_answer(verdict, where, number, answers, offset)
                kind = self.stream.kind(number)
                if kind in INTENTS or kind is Kind.DUPLICATE:
                    intent = self.stream.intent(number)
                    if answers.fresh[offset]:
                        decided[intent] = min(255, decided[intent] + 1)
                        transactions[intent] = answers.transactions[offset]
                    else:
                        repeats.append((intent, answers.transactions[offset]))
        for number in range(self.produced):
            if not seen[number]:
                verdict.count("lost", f"record {number} was never acknowledged by the broker")
            self._judge_intent(verdict, number, decided[number])
        for intent, transaction in repeats:
            if transactions[intent] != transaction:
                verdict.count("wrong", f"a repeat of intent {intent} names another transaction than the first answer")
        if self._foreign:
            verdict.count("wrong", f"{self._foreign} answers to records of other topics, where nothing was produced")
        return verdict

    def _judge_answer(self, verdict: Verdict, where: str, number: int, answers: _Answers, offset: int) -> None:
        count = answers.counts[offset]
        if count == 0:
            verdict.count("lost", f"{where}: no answer")
            return
        verdict.answers += count
        if count > 1:
            verdict.count("doubled", f"{where}: {count} answers")
        code, expected = _CODES[answers.codes[offset]], self.stream.expected(number).code
        verdict.by_code[code] = verdict.by_code.get(code, 0) + 1
        if code != expected:
            kind = self.stream.kind(number).name
            verdict.count("wrong", f"{where}, {kind}: answered {code}, must be {expected}")

    def _judge_intent(self, verdict: Verdict, number: int, decided: int) -> None:
        if self.stream.kind(number) not in INTENTS:
            return
        verdict.intents += 1
        if decided != 1:
            verdict.count("doubled" if decided else "lost", f"intent {number} was decided {decided} times")
        expected = self.stream.expected(number).update
        for code, counts in self._updates.items():
            found = counts[number] if number < len(counts) else 0
            if found > 1:
                verdict.count("doubled", f"intent {number} was told {found} times that it ended with {code}")
            elif found and code != expected:
                verdict.count("wrong", f"intent {number} ended with {code}, must be {expected}")
        if expected is not None:
            counts = self._updates.get(expected, array("B"))
            if number >= len(counts) or not counts[number]:
                verdict.count("lost", f"intent {number} was never told that it ended with {expected}")


_MAY_BE_SAGA: Final = frozenset({Kind.TRANSFER, Kind.TO_NOBODY})
