"""What is wrong with rules, mapping, labels or table is told, with what to do; never a traceback."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ops.fraud.rules_file import MAX_RULES
from tests.ops.fraud.trying import MAPPING, OWN_MEAN, Trial, counting, of, rule

HEADER = "at,customer,shop,cents"
ROW = "2026-03-01T00:00:00Z,a,s,100"


@pytest.fixture
def good(trial: Trial) -> Trial:
    trial.table = f"{HEADER}\n{ROW}\n"
    return trial


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b"", "is empty: its first line must name the columns"),
        (b"\n\n", "is empty: its first line must name the columns"),
        (b"\x7fELF\x02\x01\x01\x00\xff\xfe\x00" * 50, "no CSV in UTF-8"),
        (
            f"{HEADER}\n{ROW}\n".encode() + f"{ROW}\n".encode() * 900 + b"\xff\xfe\n",
            "the file must be whole, and text in UTF-8",
        ),
        (b"\x1f\x8b\x08\x00garbage", "no CSV in UTF-8"),
        (gzip.compress((HEADER + "\n" + ROW * 9_000).encode(), mtime=0)[:-20], "the file must be whole"),
        (b"at,at,customer,shop,cents\n", "has two columns at: rename one"),
        (b"at,customer,shop\n", "amount_minor: the table has no column 'cents'; it has 'at', 'customer', 'shop'"),
        (HEADER.encode() + b"\nyesterday,a,s,1\n", "no row can be read; line 2: time: 'yesterday' is no time"),
        (HEADER.encode() + b"\n2026-03-01,a,s,1.5\n", "is no whole number of minor units; of an amount in major units"),
    ],
)
def test_tables_that_cannot_be_read(good: Trial, table: bytes, said: str) -> None:
    good.table = table
    assert said in good.refused()


def test_a_table_of_a_header_alone_has_no_events(good: Trial) -> None:
    good.table = HEADER
    report = good.report()
    assert (report["events"], report["days"], report["from"]) == (0, 0, None)
    assert of(report, "own-mean-3x")["alerts_per_day"] is None
    assert good.invoke().exit_code == 0


def test_files_that_are_not_there(good: Trial) -> None:
    for name in ("--rules", "--transactions", "--mapping", "--against", "--lists", "--rates"):
        assert "no-such" in good.refused(name, good.folder / "no-such")
    assert "is no file that can be read twice" in good.refused("--transactions", good.folder)


def test_a_packed_table(good: Trial) -> None:
    good.table = gzip.compress(f"\ufeff{HEADER}\n{ROW}\n".encode())
    assert good.report()["events"] == 1


def test_bad_rows_are_told_with_their_lines(good: Trial) -> None:
    bad = {
        3: ",a,s,1",
        4: "2026-02-30,a,s,1",
        5: "2026-03-01,a,s,one",
        6: "2026-03-01,a,s",
        7: "2026-03-01,a,s,1,2",
        8: f"2026-03-01,{'x' * 1_000_000},s,1",
        9: "2026-03-01,a,s,1_000",
        10: "2026-03-01,a,s,9223372036854775808",
        11: "2026-03-01,a,s,NaN",
        12: '2026-03-01,"a"b,s,1',
        13: "2026-03-01,a,s," + "9" * 5_000,
        14: "1e99,a,s,1",
        15: "9" * 5_000 + ",a,s,1",
        16: "2026-03-01,a,s,1e-30",
        17: "0000-01-01T00:00:00Z,a,s,1",
        18: "2026-03-01,a,s,١٢",
    }
    good.table = "\n".join([HEADER, ROW, *bad.values(), '2026-03-01,"a\nb",s,1', "", ROW, '2026-03-01,"open,s,1'])
    good.rules = [counting("each", 1, 60)]
    done = good.invoke("--json")
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert (report["events"], report["bad_rows"], report["rows"]) == (3, 17, 20)
    lines = [each["line"] for each in report["first_bad_rows"]]
    assert lines[:16] == list(bad)
    assert lines[16] >= 22
    assert "bad rows that were passed over: 17" in done.stderr
    for said in (
        "line 3: time: the cell is empty",
        "line 4: time: '2026-02-30' is no time",
        "line 6: 3 cells, the header has 4",
        "line 8: wallet_id: 1,000,000 characters, at most 1,000 are taken",
        "line 12: no CSV",
    ):
        assert said in done.stderr
    assert max(map(len, done.stderr.splitlines())) < 300
    # Rows keep their numbers: what is bad has one too. The cell of two lines is a name like others.
    assert of(report, "each")["alert_rows"] == [1, 18, 19]


@pytest.mark.parametrize("seconds", ["nan", "inf"])
def test_a_lateness_that_is_no_time(good: Trial, seconds: str) -> None:
    assert "--allowed-lateness-s" in good.refused("--allowed-lateness-s", seconds)


def test_more_bad_rows_than_are_told(good: Trial) -> None:
    good.table = "\n".join([HEADER, ROW, *["x,a,s,1"] * 5_000])
    done = good.invoke("--json")
    assert len(json.loads(done.stdout)["first_bad_rows"]) == 20
    assert "and 4,980 more" in done.stderr


def test_a_quote_that_is_never_closed(good: Trial) -> None:
    good.table = f'{HEADER}\n{ROW}\n2026-03-01,"a,s,1\n' + "x" * 17 * 1024 * 1024
    assert "a quote before it was not closed" in good.refused()


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({}, 'the mapping names no "time"'),
        ({"wallet_id": "customer"}, 'the mapping names no "time"'),
        ({"time": {"const": "2026"}}, "every row the same time"),
        ({**MAPPING, "party_id": "customer"}, "leave it out"),
        ({**MAPPING, "wallet_id": "who"}, "wallet_id: the table has no column 'who'"),
        ({**MAPPING, "wallet_id": 7}, "is no mapping: wallet_id"),
        ({**MAPPING, "wallet_id": ""}, "wallet_id: the table has no column ''; it has 'at', 'customer'"),
        ({**MAPPING, "Wallet": "customer"}, "is no mapping"),
        ({**MAPPING, "amount_minor": {"column": "cents", "decimals": -1}}, "amount_minor.decimals"),
        ({**MAPPING, "amount_minor": {"column": "cents", "decimls": 2}}, "amount_minor.decimls: Extra inputs"),
        ({**MAPPING, "amount_minor": {}}, "amount_minor.column: Field required"),
        ({**MAPPING, "asset": {"const": ""}}, "asset.const: String should have at least 1 character"),
        ({**MAPPING, "amount_minor": {"column": "cents", "kind": "text"}}, "an amount is a number"),
        ({**MAPPING, "amount_minor": {"const": "1"}}, "a constant amount is an integer"),
        ({**MAPPING, "wallet_id": {"column": "customer", "unit": "s"}}, "only time has a unit"),
        ({**MAPPING, "wallet_id": {"column": "customer", "kind": "text", "decimals": 2}}, "text has no decimals"),
        ({**MAPPING, "x": {"column": "cents", "decimals": "asset"}}, "is for amount_minor"),
        ({"time": "at", "amount_minor": {"column": "cents", "decimals": "asset"}}, 'needs "asset"'),
        ({**MAPPING, "time": {"column": "at", "decimals": 2}}, 'it has a "unit" and nothing else'),
        ({**MAPPING, "time": {"column": "at", "unit": "week"}}, "time.unit: Input should be 'ms', 's', 'minute'"),
        ([], "is no mapping"),
        ("", "is no mapping"),
        ("{", "is no mapping"),
        (b"\xff\xfe", "is no mapping"),
        ("[" * 100_000, "is no mapping"),
        ('{"time": "at", "amount_minor": "cents", "amount_minor": "at"}', "'amount_minor' stands there twice"),
    ],
)
def test_mappings_that_are_none(good: Trial, mapping: Any, said: str) -> None:
    good.mapping = mapping
    assert said in good.refused()


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([], "has no rules"),
        ({"rules": []}, "has no rules"),
        ("", "is no JSON"),
        ("nonsense", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ([7], "rule 1: "),
        ({**OWN_MEAN, "colour": "red"}, "(own-mean-3x): colour: there is no such field; leave it out, or"),
        (rule("x", filter={"all": [{"field": "hour", "op": "gt", "value": "5"}]}), "filter.all.0: value: gt needs a"),
        (rule("x", filter={"not": {"field": "hour", "op": ">", "value": 5}}), "filter.not.op: Input should be 'gt'"),
        (rule("x", sequence={"steps": [{"all": []}] * 2, "within_s": 0}), "sequence.within_s: the window ends"),
        ({"rule_id": "x", "version": 1}, "rule 1 (x): key: it has none; say whose history it looks at"),
        ({**OWN_MEAN, "key": []}, "rule 1 (own-mean-3x): key: "),
        ({**OWN_MEAN, "key": ["a", "a"]}, "key: a field stands there twice"),
        ({**OWN_MEAN, "condition": None}, "condition: an aggregate needs one"),
        ([OWN_MEAN, {**OWN_MEAN, "version": 2}], "rule own-mean-3x is there twice"),
        ([rule(f"r{n}") for n in range(MAX_RULES + 1)], "at most 1,000 are taken: split it"),
        (
            rule("c", combination={"rules": ["x"], "within_s": 1, "threshold": 1}),
            "combines x, which is not in the file",
        ),
        (rule("x", filter={"field": "ip", "op": "present"}), "rule x: ip\nMap them to columns"),
        (rule("x", key=["device"]), "rule x: device"),
        (rule("x", filter={"field": "wallet_id", "op": "eq", "value": 5}), "rule x, filter: wallet_id holds text"),
        (rule("x", filter={"field": "amount_minor", "op": "eq", "value": "5"}), "amount_minor holds a number"),
        ('{"rule_id": "\\ud800"}', "rule 1"),
        ({**OWN_MEAN, "version": 10**30}, "version"),
        (json.dumps(OWN_MEAN).replace('"factor": 3', '"factor": 1e999'), "factor"),
        (json.dumps(OWN_MEAN).replace('"factor": 3', '"factor": NaN'), "factor"),
        (json.dumps(OWN_MEAN).replace('"factor": 3', '"factor": ' + "9" * 5_000), "is no JSON"),
        (json.dumps(OWN_MEAN).replace('"factor": 3', '"factor": 30, "factor": 3'), "'factor' stands there twice"),
        (f'{json.dumps(rule("a"))}\n{{"rule_id": "b", "rule_id": "c"}}', "'rule_id' stands there twice"),
    ],
)
def test_rules_that_are_none(good: Trial, rules: Any, said: str) -> None:
    good.rules = rules
    assert said in good.refused()


def test_rules_in_a_circle_or_of_another_key(good: Trial) -> None:
    def combined(rule_id: str, other: str, **given: Any) -> dict[str, Any]:
        return rule(rule_id, combination={"rules": [other], "within_s": 60, "threshold": 1}, **given)

    good.rules = [combined("a", "b"), combined("b", "c"), combined("c", "a")]
    assert good.refused().count("break the circle") == 3
    good.rules = [combined("a", "a")]
    assert "break the circle" in good.refused()
    good.rules = [combined("a", "b"), rule("b", key=["to_wallet_id"])]
    assert "whose key is to_wallet_id and not wallet_id" in good.refused()


def test_a_filter_nested_too_deeply(good: Trial) -> None:
    nested: Any = {"field": "wallet_id", "op": "present"}
    for _ in range(300):
        nested = {"not": nested}
    good.rules = [rule("deep", filter=nested)]
    assert "rule 1 (deep)" in good.refused()


def test_all_mistakes_are_told_at_once(good: Trial) -> None:
    good.rules = [{**OWN_MEAN, "rule_id": f"r{n}", "score": 101} for n in range(30)]
    told = good.refused().splitlines()
    assert len(told) == 22
    assert told[-1].strip() == "and 10 more"


def test_rules_whose_fields_are_not_mapped_may_be_left_out(good: Trial) -> None:
    good.rules = [
        counting("mine", 1, 60),
        counting("device", 1, 60, key=["device"]),
        rule("more", combination={"rules": ["mine", "devices"], "within_s": 60, "threshold": 1}),
        rule("devices", filter={"field": "device", "op": "present"}),
    ]
    done = good.invoke("--json", "--skip-unmapped")
    report = json.loads(done.stdout)
    assert [each["rule_id"] for each in report["rules"]] == ["mine"]
    assert report["skipped_rules"] == [
        {"rule_id": "device", "unmapped": ["device"]},
        {"rule_id": "devices", "unmapped": ["device"]},
        {"rule_id": "more", "unmapped": ["device"]},
    ]
    assert "left out: rule device, for it looks at device" in done.stderr
    good.rules = [counting("device", 1, 60, key=["device"])]
    assert "nothing is left to try" in good.refused("--skip-unmapped")


@pytest.mark.parametrize("label", ["maybe", "2", "-1", "suspicious"])
def test_labels_that_say_neither_yes_nor_no(good: Trial, label: str) -> None:
    good.table = f"{HEADER},bad\n{ROW},0\n{ROW},{label}\n"
    assert f"line 3: label {label!r} of bad says neither yes" in good.refused("--labels", "bad")


def test_labels_of_a_column_that_is_not_there(good: Trial) -> None:
    assert "--labels: the table has no column 'bad'; it has at, customer" in good.refused("--labels", "bad")


def test_markup_and_control_characters_in_names_stay_text(good: Trial) -> None:
    good.table = f'{HEADER}\n2026-03-01,"[red]x[/]\x1b[31m\n",s,1\n'
    good.rules = [counting("each", 1, 60)]
    shown = good.invoke().stdout
    assert "[red]x[/]\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER} (1)" in shown


def test_a_mistake_in_lists_or_rates(good: Trial, tmp_path: Path) -> None:
    assert "list 1 (x): version: Field required" in good.refused("--lists", good.write("l", [{"name": "x"}]))
    assert "rate 1" in good.refused("--rates", good.write("r", [{"rate_id": "x"}]))


def test_rules_that_the_stream_would_not_take_are_tried_and_told(good: Trial) -> None:
    never = {
        "all": [{"field": "amount_minor", "op": "gt", "value": 5}, {"field": "amount_minor", "op": "lt", "value": 3}]
    }
    good.rules = [rule("never", filter=never), counting("each", 1, 60)]
    done = good.invoke("--json")
    assert [each["alerts"] for each in json.loads(done.stdout)["rules"]] == [0, 1]
    assert done.stderr.startswith("the stream would not take rule never: filter: no fact passes it")
