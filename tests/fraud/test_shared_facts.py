"""Facts that partitions share: each once, as its bytes say."""

from __future__ import annotations

import msgspec
import pytest

from agents.fraud.shared_facts import SharedFacts
from schemas.fraud_facts import encode_fact
from tests.fraud.role import RoleWorld, counted, payment


def test_a_fact_is_the_same_object_while_it_is_remembered() -> None:
    shared = SharedFacts(most=2)
    facts: list[dict[str, str | int | float]] = [
        {"wallet_id": f"w{number}", "latitude": 48.0, "amount_minor": 1 << 62} for number in range(5)
    ]
    rows = [encode_fact(fact) for fact in facts]
    for row, fact in zip(rows, facts, strict=True):
        shared.put(row, fact)
    assert shared.of(rows[4]) is facts[4]
    assert [shared.of(row) for row in rows] == facts
    assert [shared.of(row) is fact for row, fact in zip(rows, facts, strict=True)] == [False, False, True, True, True]


@pytest.mark.parametrize("row", [b"", b"[]", b"{", b'{"wallet_id":null}', b'{"wallet_id":{}}'])
def test_what_is_no_fact_is_refused(row: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        SharedFacts().of(row)


def test_what_was_never_seen_here_is_decoded() -> None:
    """As where another worker has sent it."""
    world = RoleWorld([counted("device", ["device"], 2)], partitions=2)
    for number in range(4):
        payment(world, number, f"w{number}", number % 2, device={"fingerprint": "d1"})
    assert len({id(partition.machine._facts) for partition in world.all}) == 2
    world.run()
    assert {alert.observed for alert in world.alerts().values()} == {"2", "3", "4"}
