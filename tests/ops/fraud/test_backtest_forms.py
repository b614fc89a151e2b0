"""Backtests of tables, mappings and rules in their many forms, and how they are shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.ops.fraud.trying import HEADER, MAPPING, OWN_MEAN, Trial, at, counting, of, rule


@pytest.mark.parametrize("form", ["one", "list", "object", "lines"])
def test_each_form_of_a_file_of_rules(trial: Trial, form: str) -> None:
    trial.rows(HEADER, [(at(n), "a", "s", value) for n, value in enumerate([1] * 5 + [4])])
    forms: dict[str, Any] = {
        "one": OWN_MEAN,
        "list": [OWN_MEAN],
        "object": {"rules": [OWN_MEAN]},
        "lines": json.dumps(OWN_MEAN) + "\n\n" + json.dumps(counting("n", 6, 60)) + "\n",
    }
    trial.rules = forms[form]
    report = trial.report()
    assert of(report, "own-mean-3x")["alert_rows"] == [6]
    assert len(report["rules"]) == (2 if form == "lines" else 1)


def test_files_with_a_byte_order_mark(trial: Trial) -> None:
    trial.rows(HEADER, [(at(0), "a", "s", 1)])
    trial.table, trial.rules, trial.mapping = (
        text.encode("utf-8-sig")
        for text in (str(trial.table), json.dumps([counting("one", 1, 60)]), json.dumps(MAPPING))
    )
    assert of(trial.report(), "one")["alert_rows"] == [1]


def test_times_before_1970(trial: Trial) -> None:
    trial.rows(HEADER, [(f"1965-01-{1 + n // 24:02}T{n % 24:02}:00:00Z", "a", "s", 1) for n in range(48)])
    trial.rules = [counting("two", 2, 3_601)]
    report = trial.report()
    assert (report["events"], report["from"], report["days"]) == (48, "1965-01-01T00:00:00.000Z", 2)
    assert of(report, "two")["alerts"] == 47


def test_amounts_in_major_units_are_exact(trial: Trial) -> None:
    trial.mapping = {**MAPPING, "amount_minor": {"column": "cents", "decimals": "asset"}, "asset": "cur"}
    rows = [(at(0), "a", "s", "1.10", "EUR"), (at(1), "b", "s", "110", "JPY"), (at(2), "c", "s", "0.110", "KWD")]
    trial.rows(HEADER + ",cur", [*rows, (at(3), "d", "s", "1.101", "EUR"), (at(4), "e", "s", "1", "XYZ")])
    trial.rules = [rule("exactly", condition={"left": "amount_minor", "op": "eq", "value": 110})]
    done = trial.invoke("--json")
    report = json.loads(done.stdout)
    assert of(report, "exactly")["alert_rows"] == [1, 2, 3]
    assert [each["line"] for each in report["first_bad_rows"]] == [5, 6]
    assert "line 5: amount_minor: '1.101' has more than 2 decimals" in done.stderr
    assert "asset 'XYZ' is not in ISO 4217" in done.stderr


def test_any_mapped_name_is_a_key_or_a_field(trial: Trial) -> None:
    """What a rule compares with a number is one, without a word in the mapping."""
    trial.mapping = {"time": "when", "branch": "branch", "risk": "risk", "wallet_id": "who"}
    trial.rows("when,who,branch,risk", [(60, "a", "x", 0.5), (120, "b", "x", 0.25), (180, "c", "y", 0.5)])
    trial.rules = [
        counting("branch", 2, 100, key=["branch"]),
        rule("risky", condition={"left": "risk", "op": "gt", "value": 0.3}),
        rule("early", condition={"left": "time", "op": "lt", "value": 100_000}),
        rule("night", filter={"field": "hour", "op": "lt", "value": 6}),
    ]
    report = trial.report()
    assert [each["alert_rows"] for each in report["rules"]] == [[2], [1, 3], [1], [1, 2, 3]]


@pytest.mark.parametrize(
    ("unit", "cells"),
    [
        (None, ("2026-03-01T00:00:00Z", "2026-03-01 01:00:59.999+01:00")),
        (None, ("1772323200", "1772323259.999")),
        (None, ("1772323200000", "1772323259999")),
        (None, ("1772323200000.5", "1772323259999.9")),
        ("s", ("1772323200", "1772323259.9995")),
        ("ms", ("1772323200000", "1772323259999")),
        ("day", ("20513", "20513.0006944")),
        ("hour", ("492312", "492312.01666")),
    ],
)
def test_times_in_many_forms(trial: Trial, unit: str | None, cells: tuple[str, str]) -> None:
    trial.mapping = {**MAPPING, "time": "at" if unit is None else {"column": "at", "unit": unit}}
    trial.rows(HEADER, [(cell, "a", "s", 1) for cell in cells])
    trial.rules = [counting("minute", 2, 60)]
    report = trial.report()
    assert report["from"] == "2026-03-01T00:00:00.000Z"
    assert of(report, "minute")["alerts"] == 1


def test_numbers_that_are_hardly_seconds_are_asked_about(trial: Trial) -> None:
    trial.rows(HEADER, [(1, "a", "s", 1), (2, "a", "s", 1)])
    done = trial.invoke("--json")
    assert "numbers were taken for seconds since 1970" in done.stderr
    trial.mapping = {**MAPPING, "time": {"column": "at", "unit": "s"}}
    assert trial.invoke("--json").stderr == ""


def test_people_read_tables(trial: Trial) -> None:
    trial.rows(HEADER + ",bad", [(at(n), "a", "s", value, n // 5) for n, value in enumerate([1] * 5 + [4])])
    done = trial.invoke("--labels", "bad")
    assert done.exit_code == 0
    assert "6 events from 2026-03-01T00:00:00.000Z to 2026-03-01T00:00:05.000Z, 1 labelled" in done.stdout
    row = next(line.split() for line in done.stdout.splitlines() if "own-mean-3x" in line)
    assert row == ["own-mean-3x", "1", "1", "1", "1", "1.00", "100.0%", "100.0%"]
    assert "a (1)" in done.stdout


def test_a_semicolon_between_cells(trial: Trial) -> None:
    trial.table = "at;customer;shop;cents\n1772323200;a;s;1\n"
    assert "say --delimiter" in trial.refused()
    assert trial.report("--delimiter", ";")["events"] == 1
    assert "not one character" in trial.refused("--delimiter", "ab")
    trial.table = trial.table.replace(";", "\t")
    assert trial.report("--delimiter", "tab")["events"] == 1


def test_the_pairs_with_most_in_common_are_shown(trial: Trial) -> None:
    trial.rows(HEADER, [(at(n), "a", "s", n) for n in range(9)])
    trial.rules = [rule(f"from-{n}", condition={"left": "amount_minor", "op": "ge", "value": n}) for n in range(8)]
    shown = trial.invoke().stdout.splitlines()
    start = next(number for number, line in enumerate(shown) if line.startswith("Overlap, 20 of 28 pairs"))
    assert shown[start + 4].split() == ["from-0", "from-1", "8", "88.9%"]
    assert len([line for line in shown[start:] if "from-" in line]) == 20


def test_the_direction_is_that_of_the_operation(trial: Trial) -> None:
    """A credit and a refund over a rail come in, a transfer goes out, `settle` is neither; one without goes out."""
    trial.mapping = {**MAPPING, "to_wallet_id": "to", "operation": "operation"}
    operations = ["credit", "refund", "transfer", "settle", ""]
    trial.rows(HEADER + ",to,operation", [(at(n), "a", "s", 1, "", each) for n, each in enumerate(operations)])
    trial.rules = [rule(each, filter={"field": "direction", "op": "eq", "value": each}) for each in ("in", "out")]
    assert [each["alert_rows"] for each in trial.report()["rules"]] == [[1, 2], [3, 5]]
    trial.mapping = {**MAPPING, "direction": "operation"}
    assert [each["alerts"] for each in trial.report()["rules"]] == [0, 0]


def test_what_is_derived_may_be_mapped(trial: Trial) -> None:
    """The hour of the customer's own clock instead of that in UTC; the weekday is still derived: a Sunday."""
    trial.mapping = {**MAPPING, "hour": "local"}
    trial.rows(HEADER + ",local", [(at(0), "a", "s", 1, 23), (at(1), "a", "s", 1, 0)])
    late = {"all": [{"field": "hour", "op": "ge", "value": 22}, {"field": "weekday", "op": "eq", "value": 6}]}
    trial.rules = [rule("late", filter=late)]
    assert of(trial.report(), "late")["alert_rows"] == [1]


def test_an_empty_cell_of_what_is_mapped_is_not_derived(trial: Trial) -> None:
    trial.mapping = {**MAPPING, "hour": "local"}
    trial.rows(HEADER + ",local", [(at(0), "a", "s", 1, ""), (at(1), "a", "s", 1, 0)])
    trial.rules = [rule(each, filter={"field": each, "op": "present"}) for each in ("hour", "weekday")]
    assert [each["alert_rows"] for each in trial.report()["rules"]] == [[2], [1, 2]]
