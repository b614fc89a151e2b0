"""Backtests that can be followed by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.ops.fraud.trying import MAPPING, OWN_MEAN, Trial, counting, of, rule

HEADER = "at,customer,shop,cents"


def at(second: int) -> str:
    return f"2026-03-01T00:{second // 60:02}:{second % 60:02}Z"


def test_above_three_times_the_own_mean(trial: Trial) -> None:
    """The mean of what came before is 100: 301 is above three times that, 300 is not."""
    cents = [100, 100, 100, 100, 100, 301, 50, 80]
    # Of a's 8 rows the 7th is compared with (500 + 301) / 6, the last with 851 / 7.
    rows = [(at(10 * n), "a", "s", value) for n, value in enumerate(cents)]
    rows += [(at(100 + n), "b", "s", value) for n, value in enumerate([100] * 5 + [300])]
    rows += [(at(200 + n), "c", "s", value) for n, value in enumerate([1, 1, 1, 1, 999_999])]
    trial.rows(HEADER, rows)
    report = trial.report()
    assert report["events"] == 19
    found = of(report, "own-mean-3x")
    assert (found["alerts"], found["alert_rows"], found["version"]) == (1, [6], 1)
    assert (found["precision"], found["recall"]) == (None, None)
    assert found["top_subjects"] == [{"subject": "a", "key": {"wallet_id": "a"}, "alerts": 1}]


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


@pytest.mark.parametrize("state", ["draft", "shadow", "active", "paused"])
def test_rules_are_tried_whatever_their_state(trial: Trial, state: str) -> None:
    trial.rows(HEADER, [(at(0), "a", "s", 1), (at(1), "a", "s", 1)])
    combined = rule(
        "both", state="active", combination={"rules": ["twice"], "within_s": 60, "threshold": 10}, severity="high"
    )
    trial.rules = [counting("twice", 2, 60, state=state), combined]
    report = trial.report()
    assert [(each["rule_id"], each["state"], each["alert_rows"]) for each in report["rules"]] == [
        ("twice", state, [2]),
        ("both", "active", [2]),
    ]


def test_a_window_is_open_at_its_beginning_and_rows_of_one_time_go_by_their_place(trial: Trial) -> None:
    rows = [(at(0), "a", "s", 1), (at(59), "a", "s", 1), (at(60), "a", "s", 1), (at(60), "a", "s", 1)]
    trial.rows(HEADER, rows)
    before = {"function": "count", "window_s": 60}
    trial.rules = [
        # (t - 60, t] with the row itself: 1, 2, then 59 and 60, then 59, 60 and 60.
        counting("with", 3, 60),
        rule("without", aggregate=before, condition={"op": "eq", "value": 1}),
        rule("first", aggregate=before, condition={"op": "eq", "value": 0}),
    ]
    report = trial.report()
    assert of(report, "with")["alert_rows"] == [4]
    assert of(report, "without")["alert_rows"] == [2, 3]
    assert of(report, "first")["alert_rows"] == [1]


def test_a_burst_across_the_edge_of_a_tumbling_window_fires(trial: Trial) -> None:
    """Minutes by the clock would see two rows each."""
    trial.rows(HEADER, [(at(n), "a", "s", 1) for n in (55, 58, 61, 64)])
    trial.rules = [counting("burst", 4, 60)]
    assert of(trial.report(), "burst")["alert_rows"] == [4]


def test_rows_in_any_order_come_to_the_same(trial: Trial) -> None:
    rows = [(at(30 * n), f"w{n % 2}", f"s{n % 3}", n + 1) for n in range(12)]
    shuffled = [rows[n] for n in (3, 0, 7, 1, 2, 11, 4, 10, 6, 5, 9, 8)]
    trial.rules = [
        counting("four", 4, 200),
        rule(
            "payees",
            aggregate={
                "function": "count_distinct",
                "field": "to_wallet_id",
                "window_s": 125,
                "include_current": True,
            },
            condition={"op": "ge", "value": 3},
        ),
    ]
    found = []
    for each in (rows, shuffled):
        trial.rows(HEADER, each)
        report = trial.report()
        found.append(
            {rule_id: [each[row - 1] for row in of(report, rule_id)["alert_rows"]] for rule_id in ("four", "payees")}
        )
    # Of w0 every third of 60 s spacing; 125 s hold three rows of a wallet, each at another of three shops.
    assert sorted(found[1]["four"]) == found[0]["four"] == [rows[n] for n in range(6, 12)]
    assert sorted(found[1]["payees"]) == found[0]["payees"] == [rows[n] for n in range(4, 12)]
    assert report["out_of_order"] == 9


def test_rows_later_than_allowed_are_left_out_and_counted(trial: Trial) -> None:
    trial.rows(HEADER, [(at(0), "a", "s", 1), (at(100), "a", "s", 1), (at(40), "a", "s", 1), (at(39), "a", "s", 1)])
    trial.rules = [counting("third", 3, 1_000)]
    report = trial.report("--allowed-lateness-s", "60")
    assert (report["events"], report["rows"], report["too_late"], report["out_of_order"]) == (3, 4, 1, 2)
    assert of(report, "third")["alert_rows"] == [2]
    assert of(trial.report(), "third")["alert_rows"] == [1 + 1, 3]


def test_times_before_1970(trial: Trial) -> None:
    trial.rows(HEADER, [(f"1965-01-{1 + n // 24:02}T{n % 24:02}:00:00Z", "a", "s", 1) for n in range(48)])
    trial.rules = [counting("two", 2, 3_601)]
    report = trial.report()
    assert (report["events"], report["from"], report["days"]) == (48, "1965-01-01T00:00:00.000Z", 2)
    assert of(report, "two")["alerts"] == 47


def test_precision_and_recall_by_labels(trial: Trial) -> None:
    labels = ["1", "0", "TRUE", "no", "", "y", "False", "Yes"]
    trial.rows(HEADER + ",bad", [(at(n), "a" if n < 6 else "b", "s", n, label) for n, label in enumerate(labels)])
    trial.rules = [counting("third", 3, 60), counting("never", 100, 60)]
    report = trial.report("--labels", "bad")
    assert report["labelled"] == 4
    third = of(report, "third")
    # Rows 3 to 6 of a fire; labelled are 1, 3, 6 and 8.
    assert third["alert_rows"] == [3, 4, 5, 6]
    assert (third["precision"], third["recall"]) == (0.5, 0.5)
    never = of(report, "never")
    assert (never["alerts"], never["precision"], never["recall"]) == (0, None, 0.0)


def test_recall_of_no_label_is_not_known(trial: Trial) -> None:
    trial.rows(HEADER + ",bad", [(at(0), "a", "s", 1, "0")])
    trial.rules = [counting("first", 1, 60)]
    found = of(trial.report("--labels", "bad"), "first")
    assert (found["precision"], found["recall"]) == (0.0, None)


def test_a_cooldown_gathers_fires_on_one_alert(trial: Trial) -> None:
    trial.rows(HEADER, [(at(n), "a", "s", 1) for n in (0, 10, 29, 30, 31, 90)])
    trial.rules = [counting("each", 1, 60, cooldown_s=30)]
    found = of(trial.report(), "each")
    assert (found["alerts"], found["fires"], found["alert_rows"]) == (3, 6, [1, 4, 6])


def test_amounts_are_counted_by_asset(trial: Trial) -> None:
    trial.mapping = {**MAPPING, "asset": "cur"}
    trial.rows(
        HEADER + ",cur", [(at(0), "a", "s", 90, "EUR"), (at(1), "a", "s", 90, "JPY"), (at(2), "a", "s", 20, "EUR")]
    )
    total = {"function": "sum", "field": "amount_minor", "window_s": 60, "include_current": True}
    trial.rules = [
        rule("by-asset", aggregate=total, condition={"op": "gt", "value": 100}),
        rule("in-jpy", aggregate={**total, "in_asset": "JPY"}, condition={"op": "ge", "value": 90}),
    ]
    report = trial.report()
    assert of(report, "by-asset")["alert_rows"] == [3]
    # Without rates yen alone count, at every later row too.
    assert of(report, "in-jpy")["alert_rows"] == [2, 3]
    rate = {
        "rate_id": "r",
        "base": "EUR",
        "quote": "JPY",
        "bid": "160",
        "ask": "161",
        "source": "ecb",
        "valid_from": "2026-01-01T00:00:00Z",
        "valid_until": "2027-01-01T00:00:00Z",
    }
    report = trial.report("--rates", trial.write("rates.json", [rate]))
    # 0.90 EUR are 144 yen.
    assert of(report, "in-jpy")["alert_rows"] == [1, 2, 3]


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


def test_both_parties_of_a_row_have_their_history(trial: Trial) -> None:
    """b receives 100 and pays 95 on within the hour: it passed through."""
    trial.rows(HEADER, [(at(0), "a", "b", 100), (at(60), "b", "c", 95), (at(61), "a", "c", 95)])
    through = {
        "function": "ratio",
        "field": "amount_minor",
        "numerator": {"field": "direction", "op": "eq", "value": "out"},
        "denominator": {"field": "direction", "op": "eq", "value": "in"},
        "window_s": 3_600,
        "include_current": True,
    }
    trial.rules = [
        rule("through", key=["party_id"], aggregate=through, condition={"op": "ge", "value": 0.9}),
        counting("twice", 2, 3_600, key=["party_id"]),
    ]
    report = trial.report()
    assert of(report, "through")["top_subjects"] == [{"subject": "b", "key": {"party_id": "b"}, "alerts": 1}]
    # Row 2 is b's second, row 3 the second of a and of c: three alerts at two rows.
    twice = of(report, "twice")
    assert (twice["alerts"], twice["rows_fired"], twice["alert_rows"]) == (3, 2, [2, 3, 3])


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


def test_what_rules_have_in_common(trial: Trial) -> None:
    trial.rows(HEADER, [("2026-03-01T23:59:59Z", "a", "s", 1), ("2026-03-03T00:00:01Z", "a", "s", 5)])
    trial.rules = [
        rule("all", filter={"all": []}),
        rule("five", condition={"left": "amount_minor", "op": "eq", "value": 5}),
        rule("none", condition={"left": "amount_minor", "op": "gt", "value": 5}),
    ]
    report = trial.report()
    every = of(report, "all")
    assert every["overlap"] == [{"rule_id": "five", "rows": 1}]
    assert (report["days"], every["alerts_per_day"]) == (3, 0.6667)
    assert every["alerts_by_day"] == {"2026-03-01": 1, "2026-03-03": 1}
    assert of(report, "none")["overlap"] == []


def test_lists_that_rules_ask(trial: Trial) -> None:
    trial.mapping = {**MAPPING, "user": "name"}
    trial.rows(HEADER + ",name", [(at(0), "a", "s", 1, "Smith John"), (at(1), "b", "s", 1, "Jane Roe")])
    trial.rules = [
        rule("named", filter={"field": "user", "op": "resembles", "value": "sanctions", "at_least": 95}),
        rule("blocked", filter={"field": "wallet_id", "op": "in_list", "value": "blocked"}),
    ]
    assert "rules ask for the lists blocked, sanctions: give a file that has them with --lists" in trial.refused()
    lists = [
        {"name": "sanctions", "version": 3, "purpose": "watch", "entries": ["John Smith"]},
        {"name": "blocked", "version": 1, "purpose": "block", "entries": ["b"]},
    ]
    report = trial.report("--lists", trial.write("L.json", lists))
    assert [each["alert_rows"] for each in report["rules"]] == [[1], [2]]
    assert "list sanctions is there twice" in trial.refused("--lists", trial.write("L.json", [*lists, lists[0]]))


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


def test_a_window_that_begins_before_all_calendars(trial: Trial) -> None:
    trial.rows(HEADER, [("0001-01-02", "a", "s", 1), ("9999-12-31T23:59:59Z", "a", "s", 1)])
    trial.rules = [counting("each", 1, 86_400 * 30)]
    path = trial.folder / "alerts.json"
    report = trial.report("--alerts-json", path)
    assert (report["from"], report["days"]) == ("0001-01-02T00:00:00.000Z", 3_652_058)
    assert json.loads(path.read_text())[0]["window_from"] == "-62138102400000 ms"
    assert trial.invoke().exit_code == 0


def test_rates_of_other_times_or_assets_change_nothing(trial: Trial) -> None:
    trial.mapping = {**MAPPING, "asset": "cur"}
    rows = [
        (at(0), "a", "s", 100, "USD"),
        (at(1), "a", "s", 100, "POINTS"),
        (at(2), "a", "s", 1, ""),
        (at(3), "a", "s", 7, "EUR"),
    ]
    trial.rows(HEADER + ",cur", rows)
    total = {"function": "sum", "field": "amount_minor", "window_s": 60, "include_current": True, "in_asset": "EUR"}
    trial.rules = [rule("sum", aggregate=total, condition={"op": "ge", "value": 7})]
    rate = {"rate_id": "r", "base": "EUR", "quote": "USD", "bid": "1.1", "ask": "1.25", "source": "ecb"}
    past = {**rate, "valid_from": "2025-01-01T00:00:00Z", "valid_until": "2026-01-01T00:00:00Z"}
    assert of(trial.report("--rates", trial.write("r", [past])), "sum")["alert_rows"] == [4]
    now = {**past, "valid_until": "2027-01-01T00:00:00Z"}
    # 1.00 USD are 0.80 EUR at what euros cost.
    assert of(trial.report("--rates", trial.write("r", [now])), "sum")["alert_rows"] == [1, 2, 3, 4]
