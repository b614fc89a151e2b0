"""Backtests beside a few lines that compute each window anew, with no code in common."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from agents.fraud.history import History
from ops.fraud import backtest, watching
from tests.ops.fraud.trying import OWN_MEAN, Trial, of, rule

HEADER = "at,customer,shop,cents,cur,device"
MAPPING = {
    "time": "at",
    "wallet_id": "customer",
    "to_wallet_id": "shop",
    "amount_minor": "cents",
    "asset": "cur",
    "device": "device",
}
START = datetime(2026, 3, 1, tzinfo=UTC)
#: Seconds since the start, wallet, payee, minor units, asset, device; "" where a cell is empty.
Row = tuple[int, str, str, Any, str, str]


def drawn(seed: int, rows: int = 300) -> list[Row]:
    """Rows with equal times, rows out of order, two assets, empty cells."""
    chance = random.Random(seed)
    found, now = [], 0
    for _ in range(rows):
        now += chance.choice([0, 0, 1, 7, 30, 60, 600])
        found.append(
            (
                max(0, now - chance.choice([0] * 8 + [1, 30, 59, 60, 61, 3_600])),
                f"w{chance.randrange(6)}",
                chance.choice(["s1", "s2", "s3", "s4", ""]),
                chance.choice([1, 5, 100, 100, 100, 250, 301, 10_000, 2**60, ""]),
                chance.choice(["EUR", "EUR", "USD"]),
                chance.choice(["d1", "d2", ""]),
            )
        )
    return found


def fired(rows: list[Row], key: int, window_s: int, says: Callable[[Row, list[Row]], bool], include: bool) -> list[int]:
    """Numbers of the rows of which `says` is true, given the rows of their key in their window."""
    found = []
    for number, row in enumerate(rows):
        if row[key] == "":
            continue
        place = row[0], number
        window = [
            other
            for _, _, other in sorted(
                (other[0], at, other)
                for at, other in enumerate(rows)
                if other[key] == row[key]
                and row[0] - window_s < other[0] <= row[0]
                and ((other[0], at) < place or (include and at == number))
            )
        ]
        if says(row, window):
            found.append(number + 1)
    return found


def amounts(row: Row, window: list[Row]) -> list[int]:
    return [other[3] for other in window if other[3] != "" and other[4] == row[4]]


def above_mean(row: Row, window: list[Row]) -> bool:
    found = amounts(row, window)
    return row[3] != "" and len(found) >= 5 and row[3] > 3 * Fraction(sum(found), len(found))


def variance(found: list[int]) -> Fraction:
    mean = Fraction(sum(found), len(found))
    return sum(((value - mean) ** 2 for value in found), Fraction(0)) / len(found)


def far_off(row: Row, window: list[Row]) -> bool:
    """More than twice the standard deviation: both squared."""
    found = amounts(row, window)
    return row[3] != "" and len(found) >= 3 and row[3] ** 2 > 4 * variance(found)


def aggregate(function: str, window_s: int, *, include: bool = True, **given: Any) -> dict[str, Any]:
    return {"function": function, "window_s": window_s, "include_current": include, **given}


CASES: dict[str, tuple[dict[str, Any], int, int, Callable[[Row, list[Row]], bool], bool]] = {
    "own-mean-3x": (OWN_MEAN, 1, 2_592_000, above_mean, False),
    "count": (
        rule("count", aggregate=aggregate("count", 600), condition={"op": "ge", "value": 3}),
        1,
        600,
        lambda _row, window: len(window) >= 3,
        True,
    ),
    "sum": (
        rule(
            "sum",
            key=["device"],
            aggregate=aggregate("sum", 3_600, field="amount_minor"),
            condition={"op": "gt", "value": 10_000},
        ),
        5,
        3_600,
        lambda row, window: sum(amounts(row, window)) > 10_000,
        True,
    ),
    "payees": (
        rule(
            "payees",
            aggregate=aggregate("count_distinct", 1_800, field="to_wallet_id", include=False),
            condition={"op": "ge", "value": 3},
        ),
        1,
        1_800,
        lambda _row, window: len({other[2] for other in window} - {""}) >= 3,
        False,
    ),
    "least": (
        rule(
            "least",
            key=["to_wallet_id"],
            aggregate=aggregate("min", 900, field="amount_minor", include=False, min_events=2),
            condition={"left": "amount_minor", "op": "lt", "factor": 1},
        ),
        2,
        900,
        lambda row, window: row[3] != "" and len(found := amounts(row, window)) >= 2 and row[3] < min(found),
        False,
    ),
    "greatest": (
        rule("greatest", aggregate=aggregate("max", 300, field="amount_minor"), condition={"op": "eq", "value": 301}),
        1,
        300,
        lambda row, window: max(amounts(row, window), default=0) == 301,
        True,
    ),
    "far-off": (
        rule(
            "far-off",
            aggregate=aggregate("stddev", 7_200, field="amount_minor", include=False, min_events=3),
            condition={"left": "amount_minor", "op": "gt", "factor": 2},
        ),
        1,
        7_200,
        far_off,
        False,
    ),
    "soon": (
        rule(
            "soon",
            aggregate=aggregate("time_since_last", 86_400, include=False),
            condition={"op": "lt", "value": 2},
        ),
        1,
        86_400,
        lambda row, window: bool(window) and row[0] - window[-1][0] < 2,
        False,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("at_a_time", [1, 17, 100_000])
@pytest.mark.parametrize("seed", range(4))
def test_each_rule_fires_where_a_naive_reading_of_it_does(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, seed: int, at_a_time: int
) -> None:
    monkeypatch.setattr(backtest, "_ROWS_AT_A_TIME", at_a_time)
    monkeypatch.setattr(watching, "_FEW", at_a_time)
    rows = drawn(seed)
    trial.rows(HEADER, [((START + timedelta(seconds=row[0])).isoformat(), *row[1:]) for row in rows])
    trial.mapping = MAPPING
    trial.rules = [case[0] for case in CASES.values()]
    report = trial.report()
    assert report["events"] == 300
    for rule_id, (_, key, window_s, says, include) in CASES.items():
        expected = fired(rows, key, window_s, says, include)
        assert expected, rule_id
        assert of(report, rule_id)["alert_rows"] == expected, rule_id


@pytest.mark.parametrize("order", ["reversed", "shuffled"])
def test_rows_out_of_order_are_shown_in_order(trial: Trial, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    """Nothing is looked at twice: with full windows that would take as long as there are rows, for each row."""
    monkeypatch.setattr(backtest, "_ROWS_AT_A_TIME", 17)
    monkeypatch.setattr(History, "look_again", None)
    rows = drawn(7)
    rows = rows[::-1] if order == "reversed" else random.Random(1).sample(rows, len(rows))
    trial.rows(HEADER, [((START + timedelta(seconds=row[0])).isoformat(), *row[1:]) for row in rows])
    trial.mapping = MAPPING
    trial.rules = [case[0] for case in CASES.values()]
    report = trial.report()
    for rule_id, (_, key, window_s, says, include) in CASES.items():
        assert of(report, rule_id)["alert_rows"] == fired(rows, key, window_s, says, include), rule_id


@pytest.mark.slow
def test_processes_find_what_one_finds(trial: Trial) -> None:
    """Two by two keys, with a label, against older rules, with the alerts themselves."""
    trial.rows(
        HEADER + ",bad",
        [((START + timedelta(seconds=row[0])).isoformat(), *row[1:], int(row[3] == 301)) for row in drawn(5)],
    )
    trial.mapping = MAPPING
    trial.rules = [case[0] for case in CASES.values()]
    old = trial.write("old.json", [{**CASES["count"][0], "condition": {"op": "ge", "value": 2}}])
    found = []
    for processes in ("1", "2", "3"):
        csv_file, json_file = trial.folder / "a.csv", trial.folder / "a.json"
        arguments: list[str | Path] = [
            "--labels",
            "bad",
            "--against",
            old,
            "--alerts-csv",
            csv_file,
            "--alerts-json",
            json_file,
        ]
        done = trial.invoke("--json", "--processes", processes, *arguments)
        assert done.exit_code == 0
        found.append((done.stdout, csv_file.read_text(), json_file.read_text()))
    assert found[0] == found[1] == found[2]
    assert len(found[0][1].splitlines()) > 50
