"""Records for people and for scripts."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ops.records import as_json, as_line, as_value, parsed, text
from schemas.topics import DEAD_LETTERS, LEDGER_EVENTS, TRANSACTION_OUTCOMES
from tests.ops.verify.story import story


class Given(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    offset: int = 5
    partition: int = 3
    timestamp: int = 1_795_409_400_123
    timestamp_type: int = 1
    topic: str = "wallet.x.v1"


def test_every_event_and_outcome_has_a_line() -> None:
    for name in (LEDGER_EVENTS, TRANSACTION_OUTCOMES):
        for record in story().topics[name][0]:
            line = as_line(Given(record.key, record.value), name)
            assert line.startswith("3/5        2026-11-23T04:50:00.123Z ")
            assert "\n" not in line
            assert len(line) < 250


def test_a_line_says_what_matters() -> None:
    event = b'{"sequence":9,"type":"request.rejected","operation":"debit","amount_minor":7,"code":"wallet_locked"}'
    line = as_line(Given(b"w1", event), LEDGER_EVENTS)
    for word in ("w1", "#9", "request.rejected", "debit", "7", "wallet_locked"):
        assert word in line
    seal = b'{"sequence":9,"type":"batch.sealed","inputs":{"a":{"from":1,"to":4},"b":{"from":2,"to":2}},"hash":"abc"}'
    assert as_line(Given(b"", seal), LEDGER_EVENTS).endswith("#9        batch.sealed  abc…  a:1-4")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "null"), (b"not json", "not json"), (b"\x1b[2J\xff", "\\x1b[2J\ufffd"), (b"a" * 300, "a" * 200 + "…")],
)
def test_anything_can_be_shown_on_a_terminal(value: bytes | None, shown: str) -> None:
    assert as_line(Given(None, value), DEAD_LETTERS).endswith(f" -                    {shown}")


def test_what_requests_say_of_themselves_does_not_steer_a_terminal() -> None:
    outcome = b'{"kind":"answer","operation":"x\\u001b[31m\\n","code":"malformed"}'
    assert "answer  x\\x1b[31m\\n  malformed" in as_line(Given(b"w1", outcome), TRANSACTION_OUTCOMES)
    event = b'{"sequence":9,"type":"request.dead_lettered","operation":"x\\u001b]0;t\\u0007","code":"malformed"}'
    assert "x\\x1b]0;t\\x07  malformed" in as_line(Given(b"w1", event), LEDGER_EVENTS)


def test_bytes_that_are_no_text_survive_as_json() -> None:
    value = as_json(Given(b"\xff", b"\x00\xfe", (("a", b"1"), ("a", b"\xff"))), DEAD_LETTERS)
    assert value == {
        "topic": DEAD_LETTERS,
        "partition": 3,
        "offset": 5,
        "timestamp": "2026-11-23T04:50:00.123Z",
        "key": {"base64": "/w=="},
        "headers": [["a", "1"], ["a", {"base64": "/w=="}]],
        "value": {"base64": "AP4="},
    }
    assert parsed(b'{"a":1}') == {"a": 1}
    assert (parsed(None), as_value(None), text(None)) == (None, None, None)


def test_integers_of_any_size_stay_integers_and_hostile_depth_is_text() -> None:
    value = b'{"numerator":10000000000000000000001}'
    assert parsed(value) == {"numerator": 10_000_000_000_000_000_000_001}
    assert parsed(b"[" * 100_000) == "[" * 100_000
