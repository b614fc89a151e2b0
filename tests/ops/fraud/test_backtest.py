"""Backtests that can be followed by hand."""

from __future__ import annotations

import json

import pytest

from tests.ops.fraud.trying import HEADER, MAPPING, Trial, at, counting, of, rule


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


def test_precision_and_recall_by_labels(trial: Trial) -> None:
    labels = ["1", "0", "TRUE", "Legit", "", "y", "False", "Fraud"]
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


def test_a_row_within_one_wallet_is_seen_once_and_goes_neither_in_nor_out(trial: Trial) -> None:
    trial.rows(HEADER, [(at(0), "a", "a", 100), (at(1), "a", "b", 100)])
    trial.rules = [
        counting("each", 1, 60, key=["party_id"]),
        rule("out", filter={"field": "direction", "op": "eq", "value": "out"}),
        rule("in", key=["party_id"], filter={"field": "direction", "op": "eq", "value": "in"}),
    ]
    report = trial.report()
    assert [each["alert_rows"] for each in report["rules"]] == [[1, 2, 2], [2], [2]]


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


def test_what_is_exchanged_to_less_than_a_minor_unit_counts_as_nothing_as_on_the_stream(trial: Trial) -> None:
    """One yen is two thirds of a cent, which is 0; a yen that comes back is floored to a cent."""
    trial.mapping = {**MAPPING, "asset": "cur"}
    trial.rows(
        HEADER + ",cur", [(at(0), "a", "s", 1, "JPY"), (at(1), "a", "s", 100, "EUR"), (at(2), "b", "s", -1, "JPY")]
    )
    mean = {"function": "avg", "field": "amount_minor", "window_s": 60, "include_current": True, "in_asset": "EUR"}
    trial.rules = [
        rule("half", aggregate={**mean, "min_events": 2}, condition={"op": "eq", "value": 50}),
        rule("floored", aggregate=mean, condition={"op": "eq", "value": -1}),
    ]
    rate = {"rate_id": "r", "base": "EUR", "quote": "JPY", "bid": "150", "ask": "150", "source": "ecb"}
    rate |= {"valid_from": "2025-01-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z"}
    report = trial.report("--rates", trial.write("r", [rate]))
    assert [each["alert_rows"] for each in report["rules"]] == [[2], [3]]


def test_rates_of_assets_of_unknown_decimals_are_told(trial: Trial) -> None:
    trial.rows(HEADER, [(at(0), "a", "s", 100)])
    total = {"function": "sum", "field": "amount_minor", "window_s": 60, "include_current": True, "in_asset": "EUR"}
    trial.rules = [rule("sum", aggregate=total, condition={"op": "ge", "value": 100})]
    rate = {"rate_id": "r", "base": "MILES", "quote": "EUR", "bid": "0.01", "ask": "0.02", "source": "own"}
    rate |= {"valid_from": "2025-01-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z"}
    done = trial.invoke("--rates", trial.write("r", [rate]))
    assert done.exit_code == 0
    assert "rates of MILES are passed over: ISO 4217 does not say how many decimals it has" in done.stderr
    trial.rules = [counting("each", 1, 60)]
    assert trial.invoke("--rates", trial.write("r", [rate])).stderr == ""
