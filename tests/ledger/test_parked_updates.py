"""What rails say of a wallet under quarantine waits as it arrived, and is decided as it would have been."""

from __future__ import annotations

import json

import pytest

from schemas.dead_letters import read_dead_letter_headers
from schemas.events import Headers, ParkedRecord, Source
from schemas.topics import SETTLEMENT_UPDATES
from tests.ledger.bank import Bank
from tests.ledger.commands import command, credit, release
from tests.ledger.ward import quarantined


@pytest.mark.parametrize("partition", [0, 1])
def test_what_is_malformed_on_release_is_kept_as_it_first_arrived(partition: int) -> None:
    bank = Bank()
    world = bank.world
    waiting = bank.ask(credit(bank.anna, 100, rail="sepa"))
    quarantined(world, bank.anna)
    said = command("settle", bank.anna, transaction_id=waiting, rail_reference="R1", sub_wallet="savings")
    headers = (("ce_id", b"said-1"), ("origin", b"\xff"))
    at = world.put(said, partition=partition, headers=headers)
    arrived = world.now_ms
    world.settle()
    assert world.answers(at) == []
    world.wait(5_000)
    letters = len(world.dead_letters)
    assert world.submit(release(bank.anna))["code"] == "ok"
    answer = world.answer(at)
    assert (answer["code"], answer["field"], answer["request_id"]) == ("malformed", "sub_wallet", "said-1")
    assert answer["_key"] == bank.anna.encode()
    (letter,) = world.dead_letters[letters:]
    assert (letter.key, letter.value) == (bank.anna.encode(), json.dumps(said).encode())
    assert letter.headers[:2] == headers
    why = read_dead_letter_headers(letter.headers)
    assert (why.original_topic, why.original_partition, why.original_offset) == (SETTLEMENT_UPDATES, partition, 0)
    assert why.original_timestamp == arrived
    world.verify()


def test_the_id_in_a_header_is_still_the_request_s_once_it_is_decided() -> None:
    bank = Bank()
    world = bank.world
    waiting = bank.ask(credit(bank.anna, 100, rail="sepa"))
    quarantined(world, bank.anna)
    said = command("settle", bank.anna, transaction_id=waiting, rail_reference="R1")
    at = world.put(said, headers=(("ce_id", b"said-1"),))
    world.settle()
    assert world.submit(release(bank.anna))["code"] == "ok"
    assert (world.answer(at)["state"], world.answer(at)["request_id"]) == ("settled", "said-1")
    again = world.submit(said, headers=(("ce_id", b"said-2"),))
    assert (again["replayed"], again["request_id"]) == (True, "said-2")
    world.verify()


def test_what_was_parked_without_its_time_is_kept_with_that_of_its_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an earlier version has parked it."""

    def parked(source: Source, value: str, _headers: Headers, _timestamp_ms: int) -> ParkedRecord:
        return ParkedRecord(source, value)

    bank = Bank()
    world = bank.world
    waiting = bank.ask(credit(bank.anna, 100, rail="sepa"))
    quarantined(world, bank.anna)
    monkeypatch.setattr("agents.ledger.requests.ParkedRecord", parked)
    at = world.put(command("settle", bank.anna, transaction_id=waiting, rail_reference="R1", sub_wallet="savings"))
    world.settle()
    world.wait(5_000)
    letters = len(world.dead_letters)
    assert world.submit(release(bank.anna))["code"] == "ok"
    assert world.answer(at)["code"] == "malformed"
    (letter,) = world.dead_letters[letters:]
    why = read_dead_letter_headers(letter.headers)
    assert (why.original_topic, why.original_offset) == (SETTLEMENT_UPDATES, at.offset)
    assert why.original_timestamp == world.now_ms
    world.verify()


def test_what_rails_have_said_is_released_in_portions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.ledger.operations.release_quarantine.PORTION", 2)
    bank = Bank()
    world = bank.world
    waiting = [bank.ask(credit(bank.anna, amount, rail="sepa")) for amount in (1, 2, 4)]
    quarantined(world, bank.anna)
    at = [world.put(command("settle", bank.anna, transaction_id=one, rail_reference="R1")) for one in waiting]
    world.settle()
    world.put(release(bank.anna))
    world.decide(0)
    assert [len(world.answers(one)) for one in at] == [1, 1, 0]
    world.settle()
    assert [world.answer(one)["state"] for one in at] == ["settled"] * 3
    assert bank.has() == 10_007
    world.verify()
