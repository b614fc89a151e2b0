"""The witness itself: it must see every kind of loss, double and wrong answer, or the crash tests prove nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from schemas.events import Source
from schemas.outcomes import Outcome as Answer
from schemas.outcomes import encode_outcome
from tests.crash.stream import INTENTS, Kind, Stream
from tests.crash.truth import Truth, expected_balances, judge_truth
from tests.crash.witness import Verdict, Witness

RECORDS = 4_000
STREAM = Stream(11, 50, 4)

Said = dict[str, Any]


def outcomes() -> tuple[Witness, list[tuple[int, Said]]]:
    """A witness that has seen every record delivered, and the outcomes that a right ledger gives."""
    witness = Witness(STREAM)
    ends = [0] * STREAM.partitions
    said: list[tuple[int, Said]] = []
    for number in range(RECORDS):
        request, expected = STREAM.request(number), STREAM.expected(number)
        partition = request.partition
        witness.delivered(number, partition, ends[partition])
        source = {"topic": "transaction-requests", "partition": partition, "offset": ends[partition]}
        ends[partition] += 1
        answer: Said = {"kind": "answer", "code": expected.code, "source": source}
        if request.intent >= 0:
            answer |= {"idempotency_key": f"k{request.intent}", "transaction_id": f"t{request.intent}"}
        said.append((number, answer | {"replayed": request.kind is Kind.DUPLICATE}))
        if expected.update is not None:
            update = {**answer, "kind": "update", "code": expected.update}
            said.append((number, update))
    witness.produced = RECORDS
    return witness, said


def judged(change: Callable[[list[tuple[int, Said]]], None] = lambda _said: None) -> Verdict:
    witness, said = outcomes()
    change(said)
    for _, outcome in said:
        witness.outcome(0, orjson.dumps(outcome), 1)
    return witness.judge()


def first(said: list[tuple[int, Said]], kind: Kind, what: str = "answer") -> int:
    return next(i for i, (n, outcome) in enumerate(said) if STREAM.kind(n) is kind and outcome["kind"] == what)


def test_a_right_ledger_is_found_right() -> None:
    verdict = judged()
    assert verdict.holds, verdict.cases
    assert verdict.answers == verdict.records == RECORDS
    assert verdict.updates > 100
    assert {"ok", "malformed", "insufficient_funds", "payee_refused", "idempotency_mismatch"} <= set(verdict.by_code)


def test_the_stream_has_every_kind_and_depends_on_the_seed_alone() -> None:
    requests = [STREAM.request(number) for number in range(RECORDS)]
    assert {request.kind for request in requests} == set(Kind)
    assert requests == [Stream(11, 50, 4).request(number) for number in range(RECORDS)]
    assert requests != [Stream(12, 50, 4).request(number) for number in range(RECORDS)]
    assert any(STREAM.is_astray(number) for number in range(RECORDS))
    sagas = [n for n in range(RECORDS) if STREAM.expected(n).update]
    assert any(STREAM.kind(n) is Kind.TRANSFER and n not in sagas for n in range(RECORDS))


@pytest.mark.parametrize("kind", list(Kind))
def test_a_missing_answer_is_lost(kind: Kind) -> None:
    verdict = judged(lambda said: said.pop(first(said, kind)) and None)
    assert verdict.lost > 0


@pytest.mark.parametrize("kind", list(Kind))
def test_a_second_answer_is_a_double(kind: Kind) -> None:
    verdict = judged(lambda said: said.append(said[first(said, kind)]))
    assert verdict.doubled > 0


@pytest.mark.parametrize("kind", list(Kind))
def test_another_code_is_wrong(kind: Kind) -> None:
    def change(said: list[tuple[int, Said]]) -> None:
        said[first(said, kind)][1]["code"] = "wallet_closed"

    assert judged(change).wrong > 0


def test_a_duplicate_that_was_decided_anew_is_a_double() -> None:
    def change(said: list[tuple[int, Said]]) -> None:
        said[first(said, Kind.DUPLICATE)][1]["replayed"] = False

    assert judged(change).doubled == 1


def test_an_original_that_was_only_repeated_is_lost() -> None:
    def change(said: list[tuple[int, Said]]) -> None:
        said[first(said, Kind.CREDIT)][1]["replayed"] = True

    assert judged(change).lost == 1


def test_a_repeat_with_another_transaction_is_wrong() -> None:
    def change(said: list[tuple[int, Said]]) -> None:
        said[first(said, Kind.DUPLICATE)][1]["transaction_id"] = "another"

    assert judged(change).wrong == 1


def test_sagas_end_once_and_as_they_must() -> None:
    def twice(said: list[tuple[int, Said]]) -> None:
        said.append(said[first(said, Kind.TRANSFER, "update")])

    def never(said: list[tuple[int, Said]]) -> None:
        del said[first(said, Kind.TRANSFER, "update")]

    def refused(said: list[tuple[int, Said]]) -> None:
        said[first(said, Kind.TRANSFER, "update")][1]["code"] = "payee_refused"

    assert judged(twice).doubled == 1
    assert judged(never).lost == 1
    verdict = judged(refused)
    assert (verdict.lost, verdict.wrong) == (1, 1)


def test_answers_to_what_nobody_sent_are_wrong() -> None:
    def change(said: list[tuple[int, Said]]) -> None:
        for topic, offset in (("transaction-requests", RECORDS * 2), ("operator-commands", 0)):
            outcome = Answer(
                kind="answer", status="accepted", code="ok", source=Source(topic, 0, offset), recorded_at="2026-01-01"
            )
            said.append((0, orjson.loads(encode_outcome(outcome))))

    assert judged(change).wrong > 1


def right_truth() -> Truth:
    journals = bytearray(RECORDS)
    for number in range(RECORDS):
        if STREAM.kind(number) in INTENTS:
            expected = STREAM.expected(number)
            journals[number] = bool(expected.postings or expected.update)
    balances = expected_balances(STREAM, RECORDS)
    return Truth(events=0, journals=journals, posted=dict(balances), published=dict(balances))


def judged_truth(truth: Truth) -> Verdict:
    verdict = Verdict()
    judge_truth(verdict, STREAM, RECORDS, truth)
    return verdict


def test_the_right_truth_is_found_right_and_money_is_conserved() -> None:
    truth = right_truth()
    assert judged_truth(truth).holds
    assert sum(truth.posted.values()) == 0
    assert len(truth.posted) == STREAM.wallets + 2


def test_journals_missing_doubled_or_of_nobody() -> None:
    number = next(n for n in range(STREAM.prelude, RECORDS) if STREAM.kind(n) is Kind.DEBIT)
    overdraft = next(n for n in range(RECORDS) if STREAM.kind(n) is Kind.OVERDRAFT)
    repeat = next(n for n in range(RECORDS) if STREAM.kind(n) is Kind.DUPLICATE)
    found = []
    for which, count in ((number, 0), (number, 2), (overdraft, 1), (repeat, 1)):
        truth = right_truth()
        truth.journals[which] = count
        verdict = judged_truth(truth)
        found.append((verdict.lost, verdict.doubled, verdict.wrong))
    assert found == [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 1)]


@pytest.mark.parametrize("where", ["posted", "published"])
def test_a_cent_too_much_anywhere(where: str) -> None:
    truth = right_truth()
    getattr(truth, where)[f"{STREAM.wallet_id(7)}/main/available", "EUR"] += 1
    verdict = judged_truth(truth)
    assert verdict.wrong == 1
    assert STREAM.wallet_id(7) in verdict.cases[0]
