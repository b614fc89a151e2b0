"""What the demo sends besides good transfers, and how it must be answered."""

from __future__ import annotations

from collections import Counter

import pytest

from agents.ledger.decode import Malformed, decode
from ops.amlsim import generate, phases
from ops.demo.mix import DUPLICATES, MALFORMED, OVERDRAFTS, Mixed, mix
from ops.requests import Request


class Record:
    """A request as the ledger reads it."""

    offset, timestamp, timestamp_type, headers = 0, 0, 1, ()

    def __init__(self, request: Request):
        self.key = request.key
        self.value = request.value


@pytest.fixture(scope="module")
def transfers() -> list[Request]:
    return list(phases(generate(6_000), "sum-of-outgoing", "amlsim", "USD")[1].requests)


@pytest.fixture(scope="module")
def mixed(transfers: list[Request]) -> Mixed:
    return mix(transfers)


def test_every_transfer_is_sent_in_its_order(transfers: list[Request], mixed: Mixed) -> None:
    wanted = set(transfers)
    assert [request for request in dict.fromkeys(mixed.requests) if request in wanted] == transfers


def test_shares_and_kinds(transfers: list[Request], mixed: Mixed) -> None:
    kinds = mixed.kinds
    assert kinds["transfers"] == len(transfers)
    assert len(mixed.requests) == sum(kinds.values()) == sum(mixed.due.values())
    for kind, share in (("duplicates", DUPLICATES), ("malformed", MALFORMED), ("overdrafts", OVERDRAFTS)):
        assert kinds[kind] == pytest.approx(share * len(transfers), rel=0.5)


def test_a_repeat_is_a_transfer_of_before_byte_by_byte(mixed: Mixed) -> None:
    counts = Counter(mixed.requests)
    repeated = [request for request, count in counts.items() if count > 1]
    assert sum(counts[request] - 1 for request in repeated) == mixed.kinds["duplicates"]
    assert all(b'"operation":"transfer"' in request.value for request in repeated)


def test_the_ledger_reads_as_malformed_exactly_what_is_due(mixed: Mixed) -> None:
    read = [decode(Record(request), "transaction-requests") for request in mixed.requests]
    assert sum(isinstance(one, Malformed) for one in read) == mixed.due["malformed"]


def test_a_transfer_to_oneself_is_due_as_malformed_and_its_repeat_no_replay() -> None:
    value = (
        b'{"operation":"transfer","idempotency_key":"k","wallet_id":"w-1","to_wallet_id":"w-1",'
        b'"amount_minor":1,"asset":"USD"}'
    )
    oneself = mix([Request(b"w-1", value)] * 200)
    assert oneself.due["malformed"] == 200 + oneself.kinds["duplicates"] + oneself.kinds["malformed"]
    assert oneself.kinds["duplicates"] > 0
    assert oneself.replays_due == 0


def test_the_same_arguments_give_the_same_requests(transfers: list[Request]) -> None:
    assert mix(transfers).requests == mix(transfers).requests
    assert mix(transfers).requests != mix(transfers, seed=2).requests
