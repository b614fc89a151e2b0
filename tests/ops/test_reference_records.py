"""Files and topics of reference data: what is refused, and what a topic says."""

from __future__ import annotations

from typing import NamedTuple

import orjson
import pytest

from ops.errors import OperationError
from ops.reference_records import Contents, check_adapters, read_lines
from schemas.topics import REFERENCE_DATA
from tests.schemas.reference_records import MILES, OF_TOPIC, RATE, SEPA


class Given(NamedTuple):
    key: bytes | None
    value: bytes | None
    offset: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int = 0
    timestamp: int = 1_795_409_400_123
    timestamp_type: int = 1
    topic: str = "wallet.rails.v1"


def contents(topic: str, *records: Given) -> Contents:
    found = Contents()
    for record in records:
        found.take(topic, record)
    return found


@pytest.mark.parametrize("topic", REFERENCE_DATA)
def test_the_lines_of_a_file_are_keyed_by_their_own_field(topic: str) -> None:
    record = orjson.dumps(OF_TOPIC[topic])
    first, second = read_lines([record + b"\n", b"\n", b"  " + record + b"\r\n", b"   "], topic)
    key = {"assets": "MILES", "rails": "sepa", "tiers": "standard", "fee-schedules": "debit-eur", "fx-rates": "EURUSD"}
    key["lists"] = "watched"
    assert (first.number, second.number) == (1, 3)
    assert first.key == second.key == key[topic]
    assert orjson.loads(first.value) == OF_TOPIC[topic], "nothing is added"


def test_a_record_over_several_lines_is_told_to_be_written_on_one() -> None:
    lines = orjson.dumps(SEPA, option=orjson.OPT_INDENT_2).splitlines()
    with pytest.raises(OperationError, match=r"^line 1: Invalid JSON.* is one JSON object on one line; nothing"):
        read_lines(lines, "rails")


ADAPTED = SEPA | {"batches": {"max_age_s": 60}, "adapter": {"kind": "simulated", "settings": {"seed": 1}}}


def test_adapters_of_rails_are_checked_by_their_kinds() -> None:
    check_adapters(read_lines([orjson.dumps(SEPA), orjson.dumps(ADAPTED)], "rails"), "")
    for adapter, message in (
        ({"kind": "telex"}, "^line 2: rail sepa: no adapter of kind 'telex'; there are csv, iso20022, simulated"),
        ({"kind": "simulated", "settings": {"seed": "x"}}, "^line 2: rail sepa, adapter.settings: seed: .*; nothing"),
    ):
        lines = read_lines([orjson.dumps(SEPA), orjson.dumps(ADAPTED | {"adapter": adapter})], "rails")
        with pytest.raises(OperationError, match=message):
            check_adapters(lines, "")
    with pytest.raises(OperationError, match=r"WALLETSTREAM_RAIL_ADAPTERS: no adapter in module 'no\.such'"):
        check_adapters([], "no.such")


def test_times_are_written_in_milliseconds() -> None:
    (line,) = read_lines([orjson.dumps(RATE | {"valid_from": "2026-01-01T00:00:00Z"})], "fx-rates")
    assert orjson.loads(line.value)["valid_from"] == "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("topic", "line", "message"),
    [
        ("rails", orjson.dumps(SEPA | {"settlement": "later"}), "^line 2: settlement: Input should be 'instant' or"),
        ("rails", orjson.dumps(SEPA | {"x": 1}), "^line 2: x: Extra inputs are not permitted; nothing was written"),
        ("fx-rates", orjson.dumps(RATE | {"bid": "2"}), "^line 2: bid must not be above ask"),
        ("assets", b"MILES", "^line 2: Invalid JSON"),
    ],
)
def test_a_wrong_line_is_named_with_its_field(topic: str, line: bytes, message: str) -> None:
    with pytest.raises(OperationError, match=message):
        read_lines([orjson.dumps(OF_TOPIC[topic]), line], topic)


def test_a_topic_says_the_latest_of_each_key_and_what_is_passed_over() -> None:
    miles = orjson.dumps(MILES)
    found = contents(
        "assets",
        Given(b"MILES", miles),
        Given(b"GONE", orjson.dumps(MILES | {"code": "GONE"})),
        Given(b"MILES", orjson.dumps(MILES | {"name": "Air miles"}), 2),
        Given(b"GONE", None, 3),
        Given(b"EUR", orjson.dumps(MILES | {"code": "EUR"}), 4),
        Given(None, miles, 5),
    )
    assert {key: (held.record.offset, held.problem is None) for key, held in found.held.items()} == {
        "MILES": (2, True),
        "EUR": (4, False),
        "": (5, False),
    }
    shown = found.held["EUR"].as_json()
    assert (shown["key"], shown["offset"], shown["timestamp"]) == ("EUR", 4, "2026-11-23T04:50:00.123Z")
    assert shown["value"] == MILES | {"code": "EUR"}
    assert "belongs to ISO 4217" in shown["problem"]
    assert [asset.name for asset in found.reference.assets.registered] == ["Air miles"]


def test_a_tombstone_that_cannot_be_is_shown() -> None:
    found = contents("rails", Given(b"instant", None))
    assert "cannot be removed" in (found.held["instant"].problem or "")
