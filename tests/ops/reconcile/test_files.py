"""`walletstream reconcile files`: what it reads, matches and writes."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.reconciliation.matching.match import match
from ops.reconcile import files_run, files_spill
from ops.reconcile.files_lines import SideReader
from ops.reconcile.files_rules import FileRules, read_file_rules
from ops.reconcile.files_table import Table
from schemas.reconciliation_reasons import SIDES, Side
from tests.ops.reconcile.running import BY_AMOUNT, BY_REF, RULES, SIDE, Ran, as_csv, run_files

LEFT = [
    ("t1", "12.34", "EUR", "2026-11-02", "A"),
    ("t2", "100", "JPY", "2026-11-02", "B"),
    ("t3", "0.05", "EUR", "2026-11-03", "C"),
    ("t4", "7.00", "EUR", "2026-11-03", "D"),
    ("t5", "9.99", "EUR", "2026-11-03", ""),
]
RIGHT = [
    ("b9", "9.99", "EUR", "2026-11-04", "unknown"),
    ("b1", "12.34", "EUR", "2026-11-03", "A"),
    ("b2", "100", "JPY", "2026-11-02", "B"),
    ("b2", "100", "JPY", "2026-11-02", "B"),
    ("b4", "6.50", "EUR", "2026-11-03", "D"),
]


def test_the_three_files(tmp_path: Path) -> None:
    ran = run_files(tmp_path, LEFT, RIGHT)
    assert ran.exit_code == 0, ran.output
    lines = (ran.out / "matches.csv").read_text().splitlines()
    assert lines[0] == "match_id,pass,side,row,amount_minor,asset,confidence"
    assert [line.split(",")[1:] for line in lines[1:]] == [
        ["by reference", "left", "1", "1234", "EUR", "99"],
        ["by reference", "right", "2", "1234", "EUR", "99"],
        ["by reference", "left", "2", "100", "JPY", "100"],
        ["by reference", "right", "3", "100", "JPY", "100"],
        ["by amount", "left", "5", "999", "EUR", "74"],
        ["by amount", "right", "1", "999", "EUR", "74"],
    ]
    assert (ran.out / "exceptions.csv").read_text().splitlines() == [
        "side,row,reason,candidates",
        "left,3,missing_right,",
        "left,4,amount_under,5",
        "right,4,duplicate,2",
        "right,5,amount_under,4",
    ]
    summary = ran.summary
    assert summary["left"]["lines"] == 5
    assert summary["left"]["amount_minor"]["EUR"] == {"lines": 2938, "matched": 2233, "exceptions": 705, "expected": 0}
    assert summary["passes"] == {"by reference": 2, "by amount": 1}
    assert summary["reasons"]["amount_under"] == {"left": 1, "right": 1}


def test_json_tells_the_same(tmp_path: Path) -> None:
    expected = run_files(tmp_path, LEFT, RIGHT)
    texts = [(expected.out / name).read_bytes() for name in ("matches.csv", "exceptions.csv", "summary.json")]
    names = ("id", "value", "currency", "at", "ref")
    objects = [[dict(zip(names, row, strict=True)) for row in side] for side in (LEFT, RIGHT)]
    array = json.dumps(objects[0], indent=1).encode()
    lines = b"\xef\xbb\xbf" + "\r\n".join(json.dumps(each | {"more": [1, {}]}) for each in objects[1]).encode()
    ran = run_files(tmp_path, array, lines)
    assert ran.exit_code == 0, ran.output
    assert [(ran.out / name).read_bytes() for name in ("matches.csv", "exceptions.csv", "summary.json")] == texts


def test_numbers_in_json_are_read_as_they_stand_there(tmp_path: Path) -> None:
    left = b'[{"id": 1, "value": 90071992547409.93, "currency": "EUR", "at": "2026-11-02", "ref": null}]'
    right = b'[{"id": 2, "value": "90071992547409.93", "currency": "EUR", "at": "2026-11-02"}, {"id": 3, "ref": "x", \
"value": 1e2, "currency": "EUR", "at": "2026-11-02"}]'
    ran = run_files(tmp_path, left, right, {**RULES, "left": {**SIDE, "references": {}}, "passes": [BY_AMOUNT]})
    assert ran.exit_code == 0, ran.output
    assert [row[4] for row in ran.rows("matches.csv")] == ["9007199254740993"] * 2
    assert ran.summary["right"]["amount_minor"]["EUR"]["exceptions"] == 10_000


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: text.replace(b"\n", b"\n\n"),
        lambda text: text.rstrip(b"\n"),
        lambda text: b"\n".join(
            b",".join(b'"%s"' % cell for cell in line.split(b",")) for line in text.split(b"\n")[:-1]
        ),
        lambda text: text.replace(b",", b" , "),
    ],
    ids=["bom", "crlf", "cr", "blank lines", "no end", "quotes", "blanks"],
)
def test_how_csv_is_written_changes_nothing(tmp_path: Path, change: Any) -> None:
    ran = run_files(tmp_path, change(as_csv(LEFT)), as_csv(RIGHT))
    assert ran.exit_code == 0, ran.output
    assert len(ran.matches) == 3


def test_another_delimiter(tmp_path: Path) -> None:
    tabs = [as_csv(side).replace(b",", b"\t") for side in (LEFT, RIGHT)]
    assert len(run_files(tmp_path, tabs[0], tabs[1], RULES, "--delimiter", "tab").matches) == 3
    ran = run_files(tmp_path, tabs[0], tabs[1])
    assert (ran.exit_code, "say --delimiter" in ran.output) == (2, True)


ONE = [("t1", "5.00", "EUR", "2026-11-02", "A")]


@pytest.mark.parametrize(
    ("sign", "rows"),
    [
        (-1, [("b1", "-5.00", "EUR", "2026-11-02", "A")]),
        ("-1", [("b1", "-5.00", "EUR", "2026-11-02", "A")]),
        ("currency", None),
        ("dir", [("b1", "5.00", "EUR", "2026-11-02", "A", "CRDT"), ("b2", "5.00", "EUR", "2026-11-02", "B", "dbit")]),
        (
            {"column": "dir", "positive": ["ein"], "negative": ["aus"]},
            [("b1", "5.00", "EUR", "2026-11-02", "A", "ein"), ("b2", "5.00", "EUR", "2026-11-02", "B", "aus")],
        ),
    ],
)
def test_signs(tmp_path: Path, sign: Any, rows: Any) -> None:
    rules = {**RULES, "right": {**SIDE, "sign": sign}}
    header = ("id", "value", "currency", "at", "ref", "dir")
    right = as_csv(rows or RIGHT, header if rows and len(rows[0]) == 6 else header[:5])
    ran = run_files(tmp_path, as_csv(ONE), right, rules)
    if rows is None:
        assert (ran.exit_code, "says no direction" in ran.output) == (2, True)
        return
    assert ran.matches == [("by reference", "1", "1")]
    if len(rows) > 1:
        assert ran.summary["right"]["amount_minor"]["EUR"]["exceptions"] == -500


def test_minor_units_and_a_constant_asset(tmp_path: Path) -> None:
    right = as_csv([("b1", "500", "02.11.26", "A")], ("id", "cents", "day", "ref"))
    mapping = {**SIDE, "amount": "cents", "amount_unit": "minor", "asset": {"const": "EUR"}, "date": "day"}
    ran = run_files(tmp_path, ONE, right, {**RULES, "right": {**mapping, "date_format": "%d.%m.%y"}})
    assert (ran.exit_code, ran.matches) == (0, [("by reference", "1", "1")]), ran.output


@pytest.mark.parametrize("at", ["2026-11-02T23:59:59+02:00", "2026-11-02T00:00:00-1100", "2026-11-02T12:00:00Z"])
def test_a_time_with_its_zone_is_of_the_day_that_is_written(tmp_path: Path, at: str) -> None:
    right = as_csv([("b1", "5.00", "EUR", at, "A")])
    rules = {**RULES, "right": {**SIDE, "date_format": "%Y-%m-%dT%H:%M:%S%z"}}
    same_day = [{**BY_REF, "date_window_days": [0, 0]}]
    ran = run_files(tmp_path, ONE, right, {**rules, "passes": same_day})
    assert (ran.exit_code, ran.matches) == (0, [("by reference", "1", "1")]), ran.output


def test_candidates_stand_in_the_order_of_their_rows(tmp_path: Path) -> None:
    right = [(f"b{number}", f"{cents}.00", "EUR", "2026-11-02", "A") for number, cents in enumerate((2, 3, 4, 1))]
    ran = run_files(tmp_path, ONE, right, {**RULES, "passes": [{**BY_REF, "cardinality": "1:n"}]})
    assert ran.rows("exceptions.csv")[0] == ["left", "1", "ambiguous", "1;2;3;4"]


def test_decimals_of_an_asset_of_ones_own(tmp_path: Path) -> None:
    rows = [("t1", "5.0", "MILES", "2026-11-02", "A")]
    ran = run_files(tmp_path, rows, rows)
    assert (ran.exit_code, '"decimals": {"MILES": 2}' in ran.output) == (2, True)
    ran = run_files(tmp_path, rows, rows, {**RULES, "decimals": {"MILES": 1}})
    assert [row[4] for row in ran.rows("matches.csv")] == ["50", "50"]


def test_what_more_the_rules_may_say(tmp_path: Path) -> None:
    header = ("id", "value", "currency", "at", "ref", "fee", "type", "stmt", "open", "close")
    left = as_csv([("t1", "5.00", "EUR", "2026-11-02", "A", "0.20", "pay", "S", "0", "5.00")], header)
    right = as_csv(
        [
            ("b1", "4.80", "EUR", "2026-11-02", "A", "", "pay", "S", "1.00", "5.80"),
            ("b2", "-3.00", "EUR", "2026-11-02", "X", "", "CB", "T", "9.00", "6.00"),
            ("b3", "2.00", "EUR", "2026-11-02", "Y", "", "pay", "U", "9.00", "12.00"),
        ],
        header,
    )
    extra = {
        "fee": "fee",
        "kind": {"column": "type", "reversal": ["RV"], "chargeback": ["CB"]},
        "statement": {"id": "stmt", "opening": "open", "closing": "close"},
    }
    ran = run_files(tmp_path, left, right, {**RULES, "left": {**SIDE, "fee": "fee"}, "right": {**SIDE, **extra}})
    assert ran.exit_code == 0, ran.output
    assert ran.matches == [("by reference", "1", "1")]
    assert ran.reasons == {"right 2": "unlinked_chargeback", "right 3": "statement_unbalanced"}
    assert ran.summary["fee_minor"] == {"EUR": 20}


def test_what_may_still_come(tmp_path: Path) -> None:
    rules = {**RULES, "expected_lag_business_days": 1}
    # A Friday.
    left = [("t1", "5.00", "EUR", "2026-11-27", "A")]
    assert run_files(tmp_path, left, [], rules).reasons == {"left 1": "missing_right"}
    assert run_files(tmp_path, left, [], rules, "--as-of", "2026-11-30").reasons == {"left 1": "expected"}
    assert run_files(tmp_path, left, [], rules, "--as-of", "2026-12-01").reasons == {"left 1": "missing_right"}
    monday_off = ("--as-of", "2026-12-01", "--holiday", "2026-11-30")
    assert run_files(tmp_path, left, [], rules, *monday_off).reasons == {"left 1": "expected"}


def test_older_results_are_replaced_and_other_files_stay(tmp_path: Path) -> None:
    run_files(tmp_path, LEFT, RIGHT)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    ran = run_files(tmp_path, ONE, ONE)
    assert sorted(path.name for path in ran.out.iterdir()) == [
        *("exceptions.csv", "matches.csv", "notes.txt", "summary.json")
    ]
    assert ran.summary["left"]["lines"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l.csv", "out", "r.csv", "rules.json"]


def test_the_summary_for_scripts(tmp_path: Path) -> None:
    ran = run_files(tmp_path, LEFT, RIGHT, RULES, "--json")
    assert json.loads(ran.output) == ran.summary


def _drawn(chance: random.Random, lines: int) -> list[tuple[str, ...]]:
    return [
        (
            f"i{chance.randrange(lines * 3)}",
            f"{chance.randrange(-300, 900) / 100:.2f}",
            chance.choice(["EUR", "EUR", "EUR", "USD"]),
            str(date(2026, 11, 2) + timedelta(chance.randrange(3))),
            f"R{chance.randrange(lines)}" if chance.random() < 0.9 else "",
        )
        for _ in range(lines)
    ]


def _said(ran: Ran, left: list[tuple[str, ...]], right: list[tuple[str, ...]]) -> tuple[Any, Any]:
    """Results with what rows say in place of their numbers."""

    def content(side: str, row: str) -> tuple[str, ...]:
        return (left if side == "left" else right)[int(row) - 1]

    matches = sorted((i, p, s, content(s, row), a, x, c) for i, p, s, row, a, x, c in ran.rows("matches.csv"))
    exceptions = sorted(
        (
            side,
            content(side, row),
            reason,
            sorted(content("right" if side == "left" else "left", each) for each in some),
        )
        for side, row, reason, joined in ran.rows("exceptions.csv")
        for some in [joined.split(";") if joined else []]
    )
    return matches, exceptions


MANY_PASSES = [
    BY_REF,
    {**BY_REF, "name": "parts", "cardinality": "1:n"},
    {**BY_REF, "name": "payouts", "cardinality": "n:1"},
    {**BY_AMOUNT, "name": "near", "amount_tolerance_minor": 2, "amount_tolerance_bp": 10},
    {**BY_AMOUNT, "name": "sums", "cardinality": "1:n"},
]


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_rows_says_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    left, right = _drawn(chance, 150), _drawn(chance, 150)
    rules = {**RULES, "passes": MANY_PASSES}
    expected = _said(run_files(tmp_path, left, right, rules), left, right)
    chance.shuffle(left)
    chance.shuffle(right)
    assert _said(run_files(tmp_path, left, right, rules), left, right) == expected


_FIRST_PASSES: list[dict[str, Any]] = [
    BY_REF,
    {**BY_AMOUNT, "name": "same amount"},
    {**BY_REF, "name": "first sums", "cardinality": "1:n"},
    {**BY_AMOUNT, "name": "alike", "fuzzy": {"reference": "ref", "minimum": 60}},
    {**BY_AMOUNT, "name": "first near", "amount_tolerance_minor": 3},
]
_KINDS_AND_STATEMENTS: dict[str, Any] = {
    "kind": {"column": "type", "reversal": ["RV"], "chargeback": ["CB"]},
    "statement": {"id": "stmt", "opening": "open", "closing": "close"},
}


@pytest.mark.parametrize("first", _FIRST_PASSES, ids=lambda each: each["name"])
@pytest.mark.parametrize("seed", range(3))
def test_shares_on_disk_say_what_the_matcher_says_of_all_lines(
    tmp_path: Path, seed: int, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    left, right = _drawn(chance, 300), _drawn(chance, 300)
    header = ("id", "value", "currency", "at", "ref")
    tables = [as_csv(left), as_csv(right)]
    rules: dict[str, Any] = {**RULES, "passes": [first, {**BY_REF, "name": "again"}, *MANY_PASSES[1:]]}
    rules["expected_lag_business_days"] = 1
    if seed:
        # Few enough that some lines are not tried.
        rules["bounds"] = {"subset_steps": 1_000 * seed}
        rules |= {side: {**SIDE, **_KINDS_AND_STATEMENTS} for side in ("left", "right")}
        rows = [
            [(*row, chance.choice(["", "", "RV", "CB"]), f"s{n % 3}", 0, n % 3) for n, row in enumerate(side)]
            for side in (left, right)
        ]
        # One of three adds up, by a last row.
        tables = [
            as_csv([*side, _making_up(side, "s1", 1)], (*header, "type", "stmt", "open", "close")) for side in rows
        ]
    monkeypatch.setattr(files_run, "SHARE_BYTES", 1_000)
    monkeypatch.setattr(files_spill, "MOST_KEPT", 0)
    monkeypatch.setattr(files_spill, "_BLOCK", 2)
    ran = run_files(tmp_path, tables[0], tables[1], rules, "--as-of", "2026-11-04")
    assert ran.exit_code == 0, ran.output
    by = read_file_rules(tmp_path / "rules.json")
    readers = {side: _reader(tmp_path, side, by) for side in SIDES}
    lefts, rights = (list(reader.lines()) for reader in readers.values())
    statements = [each for reader in readers.values() for each in reader.statements.values()]
    expected = match(by.rules(), lefts, rights, date(2026, 11, 4).toordinal(), statements=statements)
    assert expected.not_tried == ran.summary["not_tried"]
    assert sorted({row[0] for row in ran.rows("matches.csv")}) == [each.match_id for each in expected.matches]
    assert sorted((row[0], row[2], row[3]) for row in ran.rows("matches.csv")) == sorted(
        (each.match_id, side, row)
        for each in expected.matches
        for side, rows_of in (("left", each.left_ids), ("right", each.right_ids))
        for row in rows_of
    )
    assert ran.rows("exceptions.csv") == [
        [each.side, each.line_id, each.reason, ";".join(sorted(each.candidates, key=int))]
        for each in sorted((*expected.exceptions, *expected.expected), key=lambda each: (each.side, int(each.line_id)))
    ]


def _making_up(rows: Sequence[tuple[Any, ...]], statement: str, closing: int) -> tuple[Any, ...]:
    """A row with which a statement adds up."""
    total = sum(int(row[1].replace(".", "")) for row in rows if row[6] == statement)
    return ("last", Decimal(closing * 100 - total) / 100, "EUR", "2026-11-02", "", "", statement, 0, closing)


def _reader(folder: Path, side: Side, rules: FileRules) -> SideReader:
    table = Table(folder / f"{side[0]}.csv", rules.side(side).columns())
    return SideReader(side, table, rules)


def test_what_is_packed_is_said_to_be(tmp_path: Path) -> None:
    ran = run_files(tmp_path, gzip.compress(as_csv(LEFT)), RIGHT)
    assert ran.exit_code == 2
    assert "UTF-8" in ran.output


def test_results_can_be_read_back(tmp_path: Path) -> None:
    rules = {**RULES, "passes": [{**BY_REF, "name": 'a, "b"'}]}
    ran = run_files(tmp_path, ONE, ONE, rules)
    with (ran.out / "matches.csv").open(newline="") as file:
        assert {row["pass"] for row in csv.DictReader(file)} == {'a, "b"'}
