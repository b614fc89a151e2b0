"""Files and rules that cannot be used: refused with what to do, and nothing written."""

from __future__ import annotations

import errno
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from ops.errors import OperationError
from ops.reconcile import files_spill, files_table
from tests.ops.reconcile.running import BY_AMOUNT, BY_REF, RULES, SIDE, Ran, as_csv, run_files

GOOD = [("t1", "5.00", "EUR", "2026-11-02", "A"), ("t2", "6.00", "EUR", "2026-11-02", "B")]


def check_refused(ran: Ran, *said: str) -> None:
    """Exit code 2, all that is said, and no trace in the folder of the results or beside it."""
    assert ran.exit_code == 2, ran.output
    assert "Traceback" not in ran.output
    for each in said:
        assert each in ran.output
    assert not ran.out.exists()
    assert sorted(path.name for path in ran.out.parent.iterdir()) == ["l.csv", "r.csv", "rules.json"]


def with_value(value: str) -> bytes:
    return as_csv([GOOD[0], ("t2", value, "EUR", "2026-11-02", "B")])


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "nan",
            "NaN",
            "inf",
            "-",
            "+",
            "--5",
            "+-5",
            "5,00",
            "1 000.00",
            "0x10",
            "5.001",
            "1e400",
            "١٢",
            "5€",
            "1_000",
        ),
        *("92233720368547758.08", "9" * 5_000, "1e18", "." * 3, "5.00.00", "=1+1", "ⅷ"),
    ],
)
def test_no_amounts(tmp_path: Path, value: str) -> None:
    quoted = f'"{value}"'
    check_refused(run_files(tmp_path, GOOD, with_value(quoted)), "r.csv", "row 2 (line 3)", "value: ")


@pytest.mark.parametrize(
    "value", ["92233720368547758.07", "-92233720368547758.07", "+5", ".5", "5.", "5.000", "1e2", "007"]
)
def test_amounts(tmp_path: Path, value: str) -> None:
    ran = run_files(tmp_path, with_value(value), with_value(value))
    assert (ran.exit_code, len(ran.matches)) == (0, 2), ran.output


@pytest.mark.parametrize("value", ["5.5", "5.00.", "1e-2"])
def test_minor_units_are_whole(tmp_path: Path, value: str) -> None:
    rules = {**RULES, "right": {**SIDE, "amount_unit": "minor"}}
    right = as_csv([("t2", value, "EUR", "2026-11-02", "B")])
    check_refused(run_files(tmp_path, GOOD, right, rules), "row 1", "value: ")


def test_an_amount_in_major_units_is_told_how_the_rules_say_so(tmp_path: Path) -> None:
    right = as_csv([("t2", "5.50", "EUR", "2026-11-02", "B")])
    ran = run_files(tmp_path, GOOD, right, {**RULES, "right": {**SIDE, "amount_unit": "minor"}})
    assert 'of an amount in major units say "amount_unit": "major"' in " ".join(ran.output.split())
    assert "column" not in ran.output


@pytest.mark.parametrize("day", ["", "2026-02-30", "02.11.2026", "2026-11-02T00:00:00", "0000-01-01", "x" * 10_000])
def test_no_dates(tmp_path: Path, day: str) -> None:
    right = as_csv([("t2", "5.00", "EUR", day, "B")])
    check_refused(run_files(tmp_path, GOOD, right), "row 1 (line 2)", "at: ", "%Y-%m-%d")


@pytest.mark.parametrize("asset", ["", "€", "=cmd()", "E" * 17, "EU R"])
def test_no_assets(tmp_path: Path, asset: str) -> None:
    right = as_csv([("t2", "5.00", asset, "2026-11-02", "B")])
    check_refused(run_files(tmp_path, GOOD, right), "row 1 (line 2)", "asset: ")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('"1,234.56",EUR', "write digits, a point before decimals, and nothing between thousands"),
        ('"1.234,56",EUR', "nothing between thousands"),
        ("5.00-,EUR", "nothing between thousands"),
        ("5.00,eur", "write 'EUR'"),
        ("100.5,JPY", "'100.5' has more than 0 decimals"),
        ("1.2345,KWD", "'1.2345' has more than 3 decimals"),
    ],
)
def test_it_is_said_what_to_write_instead(tmp_path: Path, row: str, said: str) -> None:
    right = f"id,ref,at,value,currency\nb1,A,2026-11-02,{row}\n".encode()
    check_refused(run_files(tmp_path, GOOD, right), "row 1 (line 2)", said)


def test_passes_that_are_wrong_are_not_told_to_be_none(tmp_path: Path) -> None:
    ran = run_files(tmp_path, GOOD, GOOD, {**RULES, "passes": [{**BY_REF, "amount_tolerance_bp": "1"}]})
    check_refused(ran, "passes.0.amount_tolerance_bp")
    assert "at least 1 item" not in ran.output


def test_sums_of_more_than_64_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On disk too."""
    monkeypatch.setattr(files_spill, "MOST_KEPT", 0)
    monkeypatch.setattr(files_spill, "_BLOCK", 1)
    most = 2**63 - 1
    rules = {side: {**SIDE, "amount_unit": "minor"} for side in ("left", "right")}
    sums = {**BY_REF, "cardinality": "n:1", "amount_tolerance_bp": 10_000}
    left = [("a", most, "EUR", "2026-11-02", "A"), ("b", most, "EUR", "2026-11-02", "A")]
    right = [("c", -1, "EUR", "2026-11-02", "A")] + [("d", most, "EUR", "2026-11-02", "")] * 3
    ran = run_files(tmp_path, left, right, {**rules, "passes": [sums]})
    assert ran.exit_code == 0, ran.output
    assert ran.summary["right"]["amount_minor"]["EUR"]["lines"] == 3 * most - 1


def test_all_bad_rows_are_told_as_far_as_there_is_room(tmp_path: Path) -> None:
    right = as_csv([("t", "x", "EUR", "2026-11-02", "B")] * 30)
    check_refused(run_files(tmp_path, GOOD, right), "30 rows that cannot be read", "row 20 (line 21)", "and 10 more")


def test_a_file_of_nothing_but_bad_rows_is_not_read_to_its_end(tmp_path: Path) -> None:
    right = as_csv([("t", "x", "EUR", "2026-11-02", "B")] * 30_000)
    check_refused(run_files(tmp_path, GOOD, right), "10,000 rows that cannot be read", "more so far")


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"id,value,currency,at\n", "no column 'ref'"),
        (b"id,value,value,currency,at,ref\n", "2 columns named 'value'"),
        (b"id,value,currency,at,ref\nt1,5.00\n", "2 cells, the header has 5"),
        (b'id,value,currency,at,ref\n"t1,5.00\n', "row 1"),
        (b'id,value,currency,at,ref\nt1,"5.00"x,EUR,2026-11-02,A\n', "is a quote not closed"),
        (b"id,value,currency,at,ref\nt1,5.00,EUR,2026-11-02,\xe9t\xe9\n", "not text in UTF-8"),
        (as_csv(GOOD).decode().encode("utf-16"), "not text in UTF-8"),
        (b"id,value,currency,at,ref\nt1,5.00,EUR,2026-11-02,A\0\n", "line 2: a NUL"),
        (b"[", "no JSON"),
        (b"[1]", "it is no object"),
        (b'[{"id": "a"} {"id": "b"}]', "a comma or ]"),
        (b'[{"id": "a"}] x', "something behind the array"),
        (b'{"id": "a"} {"id": "b"}', "one object in each line"),
        (b'{"id": "a", "id": "b"}', "twice"),
        (b'[{"id": "a", "value": NaN}]', "NaN is no number"),
        (b'[{"id": "a", "value": {}}]', "value: neither text nor a number"),
        (b'[{"id": "a", "ref": "\\ud83d"}]', "ref: half of a character"),
        (b'[{"id": "a", "value": true}]', "value: neither text nor a number"),
        (b'[{"id": "a", "value": "1", "currency": "EUR", "at": "2026-11-02"}]', "no row has 'ref'"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_no_tables(tmp_path: Path, right: bytes, said: str) -> None:
    check_refused(run_files(tmp_path, GOOD, right), "r.csv", said)


def test_the_left_is_looked_at_alike(tmp_path: Path) -> None:
    check_refused(run_files(tmp_path, b"id\n", GOOD), "l.csv", "no column 'value'")


def test_a_line_without_end_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte in one line, of a file that has holes: it is read as far as a line may be long."""
    run_files(tmp_path, GOOD, GOOD)
    for kind, start in (("csv", as_csv(GOOD)), ("json", b'{"id": "')):
        with (tmp_path / f"big.{kind}").open("wb") as file:
            file.write(start)
            file.truncate(1 << 30)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(OperationError, match="more than 4,194,304 characters"):
            list(files_table.Table(tmp_path / f"big.{kind}", {"id": "id"}).rows(lambda _: None))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_a_cell_that_is_not_closed_is_not_read_to_the_end_of_the_file(tmp_path: Path) -> None:
    right = b'id,value,currency,at,ref\n"' + b"t1,5.00,EUR,2026-11-02,A\n" * 100_000
    check_refused(run_files(tmp_path, GOOD, right), "a cell of more than 65,536 characters")


def test_a_long_reference_is_refused(tmp_path: Path) -> None:
    right = as_csv([("t1", "5.00", "EUR", "2026-11-02", "A" * 1_001)])
    check_refused(run_files(tmp_path, GOOD, right), "ref: 1,001 characters")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"passes": []}, "passes"),
        ({"passes": [{**BY_REF, "date_window_days": [3, -1]}]}, "3 to -1 holds no day"),
        ({"passes": [{**BY_AMOUNT, "date_window_days": None}]}, "a pass without keys needs one"),
        ({"passes": [{**BY_REF, "amount_tolerance_minor": -1}]}, "passes.0.amount_tolerance_minor"),
        ({"passes": [{**BY_REF, "amount_tolerance_minor": 0.5}]}, "passes.0.amount_tolerance_minor"),
        ({"passes": [{**BY_REF, "amount_tolerance_bp": 10_001}]}, "passes.0.amount_tolerance_bp"),
        ({"passes": [{**BY_REF, "cardinality": "n:n"}]}, "passes.0.cardinality"),
        ({"passes": [{**BY_REF, "keys": ["e2e"]}]}, "left does not map the reference 'e2e' (it maps: ref)"),
        ({"passes": [{**BY_REF, "key": ["ref"]}]}, "passes.0.key: there is no such name here"),
        ({"passes": [BY_REF, BY_REF]}, "two of them are named by reference"),
        ({"passes": [{**BY_REF, "keys": ["ref", "ref"]}]}, "a reference stands there twice"),
        ({"passes": [{**BY_REF, "name": "=1"}]}, "passes.0.name"),
        ({"middle": SIDE}, "middle: there is no such name here"),
        ({"right": {**SIDE, "amount_unit": "cents"}}, "right.amount_unit"),
        ({"right": {**SIDE, "date_format": "%H"}}, "does not say year, month and day"),
        ({"right": {**SIDE, "date_format": "%Y-%m-%d %"}}, "right.date_format"),
        ({"right": {**SIDE, "asset": 5}}, 'right.asset: must be a column\'s name, or {"const": "EUR"}'),
        ({"right": {**SIDE, "asset": {"const": "€"}}}, "right.asset: '€' is no code"),
        ({"right": {**SIDE, "sign": 2}}, "right.sign: must be 1, -1"),
        ({"right": {**SIDE, "sign": {"column": "ref", "positive": ["A"], "negative": ["A"]}}}, "right.sign"),
        ({"right": {**SIDE, "sign": "direction"}}, "no column 'direction', which the rules name for sign"),
        ({"right": {key: value for key, value in SIDE.items() if key != "date"}}, "right.date"),
        ({"right": {**SIDE, "references": {"#id": "ref"}}}, "right.references"),
    ],
)
def test_no_rules(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    check_refused(run_files(tmp_path, GOOD, GOOD, {**RULES, **change}), said)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (b"", "no JSON"),
        (b"[]", "rules.json"),
        (b"{", "no JSON"),
        (b"\xff", "not text in UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (
            json.dumps(RULES).replace('"passes"', '"passes": [], "passes"').encode(),
            "'passes' stands in one object twice",
        ),
    ],
)
def test_no_file_of_rules(tmp_path: Path, rules: bytes, said: str) -> None:
    check_refused(run_files(tmp_path, GOOD, GOOD, rules), said)


def test_older_results_stay_where_a_table_is_refused(tmp_path: Path) -> None:
    ran = run_files(tmp_path, GOOD, GOOD)
    before = {path.name: path.read_bytes() for path in ran.out.iterdir()}
    assert run_files(tmp_path, GOOD, with_value("x")).exit_code == 2
    assert {path.name: path.read_bytes() for path in ran.out.iterdir()} == before


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    run_files(tmp_path, GOOD, GOOD)
    (tmp_path / "l.csv").unlink()
    with pytest.raises(OperationError, match="is not there"):
        files_table.Table(tmp_path / "l.csv", {})
    with pytest.raises(OperationError, match="is no file"):
        files_table.Table(tmp_path, {})


def test_a_table_that_the_results_would_replace(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "matches.csv").write_bytes(as_csv(GOOD))
    (tmp_path / "l.csv").symlink_to(out / "matches.csv")
    ran = run_files(tmp_path, GOOD, GOOD)
    assert (ran.exit_code, "name another --out" in ran.output) == (2, True)
    assert (out / "matches.csv").read_bytes() == as_csv(GOOD)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    ran = run_files(tmp_path, GOOD, GOOD)
    assert (ran.exit_code, "is no folder" in ran.output) == (2, True)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    ran = run_files(tmp_path, GOOD, GOOD)
    assert (ran.exit_code, "cannot be written" in ran.output) == (2, True)


def test_a_folder_where_a_disk_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a volume of a container is: nothing can be moved into it from beside it."""
    out = tmp_path / "out"
    out.mkdir()
    replace = Path.replace

    def within_a_disk(self: Path, target: Path) -> Path:
        if target.is_relative_to(out) and not self.is_relative_to(out):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", within_a_disk)
    ran = run_files(tmp_path, GOOD, GOOD)
    assert ran.exit_code == 0, ran.output
    assert sorted(path.name for path in out.iterdir()) == ["exceptions.csv", "matches.csv", "summary.json"]


def test_folders_above_the_results_are_not_left_behind(tmp_path: Path) -> None:
    assert run_files(tmp_path, GOOD, with_value("x"), RULES, "--out", str(tmp_path / "new" / "out")).exit_code == 2
    assert not (tmp_path / "new").exists()
    assert run_files(tmp_path, GOOD, GOOD, RULES, "--out", str(tmp_path / "new" / "out")).exit_code == 0
    assert (tmp_path / "new" / "out" / "summary.json").exists()


def test_one_reference_for_all_lines_ends(tmp_path: Path) -> None:
    """Nothing here is quadratic, or without end."""
    left = [(f"t{n}", f"{n % 977}.00", "EUR", f"2026-11-{n % 20 + 1:02d}", "N/A") for n in range(6_000)]
    right = [(f"b{n}", f"{n % 983}.00", "EUR", f"2026-11-{n % 19 + 1:02d}", "N/A") for n in range(6_000)]
    passes = [
        {**BY_REF, "amount_tolerance_minor": 500},
        {**BY_REF, "name": "parts", "cardinality": "1:n"},
        {**BY_AMOUNT, "name": "payouts", "cardinality": "n:1"},
        {**BY_AMOUNT, "name": "alike", "fuzzy": {"reference": "ref"}},
    ]
    ran = run_files(tmp_path, left, right, {**RULES, "passes": passes})
    assert ran.exit_code == 0, ran.output
    counts = [ran.summary[side] for side in ("left", "right")]
    assert all(each["matched"] + each["exceptions"] == 6_000 for each in counts)
