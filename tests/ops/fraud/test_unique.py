"""Rows that name a transaction again: passed over where `--unique` names the column, as the ledger replays them."""

from __future__ import annotations

import pytest

from tests.ops.fraud.trying import Trial, counting, of

HEADER = "id,at,customer,shop,cents,bad"


def at(second: int) -> str:
    return f"2026-03-02T10:00:{second:02}Z"


@pytest.fixture
def doubled(trial: Trial) -> Trial:
    """Four transactions in seven rows; `t2` comes again before another that is earlier, one names none twice."""
    trial.rows(
        HEADER,
        [
            ("t1", at(1), "a", "s", 5, 0),
            ("t2", at(5), "a", "s", 5, 1),
            ("t2", at(5), "a", "s", 5, 1),
            ("t3", at(3), "a", "s", 5, 0),
            ("t1", at(9), "b", "s", 5, 1),
            ("", at(6), "a", "s", 5, 0),
            ("", at(7), "a", "s", 5, 0),
        ],
    )
    trial.rules = [counting("third", 3, 60)]
    return trial


@pytest.mark.parametrize("processes", ["1", "2"])
def test_what_comes_again_is_passed_over_and_counted(doubled: Trial, processes: str) -> None:
    report = doubled.report("--unique", "id", "--labels", "bad", "--processes", processes)
    assert (report["rows"], report["events"], report["repeated"], report["out_of_order"]) == (7, 5, 2, 1)
    # In order: t1, t3, t2, and two that name none.
    assert of(report, "third")["alert_rows"] == [2, 6, 7]
    assert (report["labelled"], of(report, "third")["recall"]) == (1, 1.0)


def test_without_it_each_row_is_a_fact(doubled: Trial) -> None:
    report = doubled.report("--labels", "bad")
    assert (report["events"], report["repeated"], report["labelled"]) == (7, 0, 3)
    assert of(report, "third")["alert_rows"] == [2, 3, 6, 7]


def test_it_is_told_on_standard_error(doubled: Trial) -> None:
    assert "2 rows name a transaction again and were passed over" in doubled.invoke("--unique", "id").stderr


def test_a_row_that_cannot_be_read_names_nothing(doubled: Trial) -> None:
    doubled.rows(HEADER, [("t1", at(1), "a", "s", "x", 0), ("t1", at(1), "a", "s", 5, 0)])
    report = doubled.report("--unique", "id")
    assert (report["bad_rows"], report["events"], report["repeated"]) == (1, 1, 0)


def test_a_column_that_is_not_there_is_told(doubled: Trial) -> None:
    assert "--unique: the table has no column 'tid'; it has id, at, customer" in doubled.refused("--unique", "tid")
