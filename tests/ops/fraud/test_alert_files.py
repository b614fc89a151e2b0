"""Alerts of a backtest in files: as the stream would have them, and as a table."""

from __future__ import annotations

import csv
import json
import os
from fractions import Fraction

import pytest

from agents.fraud.alerts import alert_id
from agents.fraud.told import exact_text
from schemas.fraud_alerts import decode_alert
from tests.ops.fraud.trying import OWN_MEAN, Trial, counting, rule

HEADER = "at,customer,shop,cents,bad"


@pytest.fixture
def tried(trial: Trial) -> Trial:
    rows = [(f"2026-03-01T00:00:{n:02}Z", "a", "s", value, n // 6) for n, value in enumerate([1, 1, 1, 1, 1, 4, 9])]
    trial.rows(HEADER, rows)
    trial.rules = [{**OWN_MEAN, "cooldown_s": 60, "state": "shadow"}]
    return trial


def test_alerts_as_the_stream_has_them(tried: Trial) -> None:
    path = tried.folder / "alerts.json"
    tried.report("--labels", "bad", "--alerts-json", path)
    (found,) = json.loads(path.read_text())
    assert found.pop("row") == 6
    assert found.pop("labelled") is False
    alert = decode_alert(json.dumps(found).encode())
    assert (alert.rule_id, alert.state, alert.shadow, alert.subject) == ("own-mean-3x", "open", True, "a")
    assert (alert.key, alert.severity, alert.score) == ({"wallet_id": "a"}, "high", 60)
    # It opened at the sixth row; the seventh is compared with 9 / 6.
    assert (alert.occurrences, alert.observed, alert.limit, alert.normal) == (2, "9", "4.5", "1.5")
    assert (alert.first_seen, alert.last_seen) == ("2026-03-01T00:00:05.000Z", "2026-03-01T00:00:06.000Z")
    assert alert.window_from == "2026-01-30T00:00:06.000Z"
    assert alert.evidence == ("row 7", "row 6", "row 5", "row 4", "row 3", "row 2", "row 1")
    assert (alert.wallet_id, alert.amount_minor, alert.asset) == ("a", 4, "EUR")
    assert (alert.action_result, alert.links) == (None, {})
    assert alert.sentence.startswith("Wallet a: amount 9 minor units of EUR is above 4.5")


def test_of_many_transactions_the_newest_are_named(tried: Trial) -> None:
    """What was observed last is what the sentence says: that has to be among them."""
    tried.rows(HEADER, [(f"2026-03-01T00:00:{n:02}Z", "a", "s", 1, 0) for n in range(1, 31)])
    tried.rules = [rule("each", cooldown_s=60), counting("full", 25, 60, cooldown_s=60)]
    path = tried.folder / "alerts.json"
    tried.report("--alerts-json", path)
    each, full = json.loads(path.read_text())
    assert (each["row"], each["occurrences"], full["row"], full["occurrences"]) == (1, 30, 25, 6)
    assert each["evidence"] == full["evidence"] == [f"row {n}" for n in range(30, 10, -1)]


def test_lists_that_matched_are_told_as_on_the_stream(tried: Trial) -> None:
    tried.rules = [rule("listed", filter={"field": "to_wallet_id", "op": "in_list", "value": "shops"})]
    shops = [{"name": "shops", "version": 7, "purpose": "watch", "entries": ["s"]}]
    path = tried.folder / "alerts.json"
    tried.report("--lists", tried.write("lists.json", shops), "--alerts-json", path)
    found = json.loads(path.read_text())
    assert [each["row"] for each in found] == [1, 2, 3, 4, 5, 6, 7]
    (match,) = found[0]["matches"]
    assert match == {"field": "to_wallet_id", "name": "shops", "version": 7, "entry": "s"}


def test_rows_that_say_where_they_come_from_make_the_alerts_of_the_stream(tried: Trial) -> None:
    """Two facts of one time are in the order of their places, whatever that of the rows is; and ids say so."""
    tried.rows("at,customer,partition,offset", [(1, "a", 1, 8), (1, "a", 0, 9), (1, "a", 0, 5), (1, "a", "x", 5)])
    tried.rules = [rule("each")]
    tried.mapping = {"time": "at", "wallet_id": "customer"}
    tried.mapping |= {"source_partition": "partition", "source_offset": "offset"}
    path = tried.folder / "alerts.json"
    report = tried.report("--alerts-json", path)
    assert report["bad_rows"] == 1
    assert "source_partition: 'x' is no whole number" in report["first_bad_rows"][0]["reason"]
    found = json.loads(path.read_text())
    assert [(each["row"], each["evidence"]) for each in found] == [(3, ["0:5"]), (2, ["0:9"]), (1, ["1:8"])]
    assert found[0]["alert_id"] == alert_id(("each", 1), ("wallet_id",), ("a",), (1_000, 0, 5, 0))
    del tried.mapping["source_offset"]
    assert "map both to columns, or neither" in tried.refused()


def test_alerts_as_a_table(tried: Trial) -> None:
    path = tried.folder / "alerts.csv"
    tried.mapping = {**tried.mapping, "transaction_id": "shop"}
    tried.report("--labels", "bad", "--alerts-csv", path)
    (found,) = csv.DictReader(path.read_text().splitlines())
    assert (found["row"], found["subject"], found["labelled"], found["occurrences"]) == ("6", "a", "0", "2")
    assert found["evidence"].split() == ["s"] * 6


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_a_spreadsheet_takes_no_name_for_a_formula(tried: Trial, name: str) -> None:
    tried.rows(HEADER, [("2026-03-01", name, "s", 1, 0)])
    tried.rules = [rule("all")]
    path, whole = tried.folder / "alerts.csv", tried.folder / "alerts.json"
    tried.report("--alerts-csv", path, "--alerts-json", whole)
    (found,) = csv.DictReader(path.read_text().splitlines())
    assert found["subject"] == "'" + name
    assert json.loads(whole.read_text())[0]["subject"] == name


def test_no_alerts_are_a_file_too(tried: Trial) -> None:
    tried.rules = [rule("none", filter={"field": "wallet_id", "op": "eq", "value": "x"})]
    tried.report("--alerts-json", tried.folder / "a.json", "--alerts-csv", tried.folder / "a.csv")
    assert json.loads((tried.folder / "a.json").read_text()) == []
    assert len((tried.folder / "a.csv").read_text().splitlines()) == 1


def test_what_is_no_plain_file_is_written_to_and_stays_what_it_is(tried: Trial) -> None:
    """Whoever may, as in a container, had `/dev/null` or `/dev/stdout` replaced by a file."""
    pipe, link, there = tried.folder / "pipe", tried.folder / "link", tried.folder / "there"
    os.mkfifo(pipe)
    link.symlink_to(there)
    end = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        tried.report("--alerts-json", pipe, "--alerts-csv", link)
        assert pipe.is_fifo()
        assert len(json.loads(os.read(end, 1 << 16))) == 1
    finally:
        os.close(end)
    assert link.is_symlink()
    assert len(there.read_text().splitlines()) == 2
    assert not list(tried.folder.glob("*.part"))


def test_files_that_cannot_be_written_are_told_before_anything_is_done(tried: Trial) -> None:
    table = tried.folder / "T.csv"
    tried.report()
    for name in ("--alerts-csv", "--alerts-json"):
        assert "is read: write the alerts to another file" in tried.refused(name, table)
        assert "is no folder" in tried.refused(name, tried.folder / "no" / "a")
        assert "is no file" in tried.refused(name, tried.folder)
    same = tried.folder / "a"
    for spelt in (same, same.parent / ".." / same.parent.name / same.name):
        assert "the same file" in tried.refused("--alerts-csv", same, "--alerts-json", spelt)
    assert not same.exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (7, "7"),
        (-(2**70), str(-(2**70))),
        (Fraction(1, 3), "1/3"),
        (Fraction(-9, 2), "-4.5"),
        (Fraction(1, 20), "0.05"),
        (Fraction(10, 32), "0.3125"),
    ],
)
def test_numbers_as_exact_text(value: int | Fraction | None, text: str | None) -> None:
    assert exact_text(value) == text
