"""Rules in a backtest: what is kept of rows that were shown, and which keys are whose."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.fraud import watching
from ops.fraud.watching import RowBits, Watched, share_of
from schemas.fraud_rules import Rule
from tests.ops.fraud.trying import counting, rule


def rules(*given: dict[str, Any]) -> list[Rule]:
    return [Rule.model_validate_json(json.dumps(each)) for each in given]


def silent(_share: float) -> None:
    pass


def held(watched: Watched) -> int:
    engine = watched._engine
    return sum(len(engine.entries(kind, key)) for kind in engine.kinds for key in engine.keys(kind))


def test_memory_is_bounded_by_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows a second apart, windows of a minute: of 3,000 rows some hundred are held, whether keys come again or not."""
    monkeypatch.setattr(watching, "_FEW", 50)
    watched = Watched(rules(counting("same", 61, 60), counting("each", 2, 60, key=["to_wallet_id"])), 5_000)
    most = 0
    for row in range(1, 3_001):
        watched.take((row * 1_000, 0, row), {"wallet_id": "a", "to_wallet_id": f"s{row}"}, row)
        if row % 20 == 0:
            watched.show(silent)
            watched.forget()
            most = max(most, held(watched))
    assert 120 < most < 500
    found = watched.found()
    # The window (t - 60, t] never holds more than 60 of them.
    assert found["same"].alerts == found["each"].alerts == []


def test_what_is_not_forgotten_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is as late as can be finds all that its window holds, and is found by those after it."""
    monkeypatch.setattr(watching, "_FEW", 0)
    watched = Watched(rules(counting("three", 3, 60)), 30_000)
    for number, second in enumerate([100, 159, 189, 159], start=1):
        watched.take((second * 1_000, 0, number), {"wallet_id": "a"}, number)
        watched.show(silent)
        watched.forget()
    # At row 4 the window is (99, 159]: rows 1, 2 and 4. At row 3 it is (129, 189]: 2, 4 and 3.
    assert [alert.order[2] for alert in watched.found()["three"].alerts] == [4, 3]


def test_each_key_is_of_one_share() -> None:
    keys = [(("wallet_id",), (f"w{number}",)) for number in range(1_000)]
    shares = [share_of(kind, key, 4) for kind, key in keys]
    assert set(shares) == {0, 1, 2, 3}
    assert min(map(shares.count, range(4))) > 150
    # The same in every process and version: a fire is found once.
    assert share_of(("wallet_id",), ("alice",), 1_000) == 94
    found = []
    for share in range(4):
        watched = Watched(rules(rule("all")), 0, share, 4)
        for number in range(1_000):
            watched.take((number, 0, number), {"wallet_id": f"w{number}"}, number)
        watched.show(silent)
        found += [alert.key for alert in watched.found()["all"].alerts]
    assert sorted(found) == sorted(key for _, key in keys)


def test_rows_as_bits() -> None:
    bits = RowBits()
    rows = {1, 7, 8, 9, 1_000, 123_456}
    for row in [*rows, 8]:
        bits.add(row)
    assert bits.as_int() == sum(1 << row for row in rows)
    assert RowBits().as_int() == 0
