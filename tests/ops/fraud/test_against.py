"""What changes between older rules, or an older report, and the rules of now."""

from __future__ import annotations

import json

import pytest

from ops.fraud import report as reporting
from tests.ops.fraud.trying import Trial, counting, of

HEADER = "at,customer,shop,cents"


@pytest.fixture
def tried(trial: Trial) -> Trial:
    """Rows 1 to 6 of a, a second apart, then 7 of b; rules fire from the second and from the fourth on."""
    trial.rows(HEADER, [*((f"2026-03-01T00:00:{n:02}Z", "a", "s", 1) for n in range(6)), ("2026-03-02", "b", "s", 1)])
    trial.rules = [counting("few", 2, 4), counting("gone", 6, 60)]
    return trial


def test_older_rules(tried: Trial) -> None:
    old = tried.write("old.json", tried.rules)
    tried.rules = [counting("few", 4, 60, version=2), counting("new", 1, 60)]
    report = tried.report("--against", old)
    few, new, gone = report["against"]
    # Before: rows 2 to 6; now rows 4 to 6.
    assert few == {
        "rule_id": "few",
        "version_before": 1,
        "version": 2,
        "alerts_before": 5,
        "alerts": 3,
        "added": 0,
        "removed": 2,
        "first_added": [],
        "first_removed": [
            {"row": 2, "subject": "a", "at": "2026-03-01T00:00:01.000Z"},
            {"row": 3, "subject": "a", "at": "2026-03-01T00:00:02.000Z"},
        ],
    }
    assert (new["version_before"], new["added"], new["removed"]) == (None, 7, 0)
    assert (gone["version"], gone["alerts"], gone["added"], gone["removed"]) == (None, 0, 0, 1)
    shown = tried.invoke("--against", old).stdout
    assert "What changes" in shown
    assert "1 -> 2" in shown
    assert "none -> 1" in shown


def test_an_older_report_says_the_same(tried: Trial) -> None:
    rules = tried.write("old-rules.json", tried.rules)
    report = tried.write("old-report.json", tried.invoke("--json").stdout)
    tried.rules = [counting("few", 3, 60)]
    by_rules = tried.report("--against", rules)["against"]
    by_report = tried.report("--against", report)["against"]
    assert [(each["added"], each["removed"]) for each in by_rules] == [(0, 1), (0, 1)]
    # The older report names no subject of an alert that is gone; the row is there.
    assert [[named["row"] for named in each["first_removed"]] for each in by_rules] == [[2], [6]]
    for each in (*by_rules, *by_report):
        each["first_removed"] = [named["row"] for named in each["first_removed"]]
    assert by_rules == by_report


def test_what_an_older_report_does_not_say_is_not_known(tried: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "MOST_ROWS", 1)
    found = tried.report()
    assert of(found, "few")["alert_rows"] is None
    report = tried.write("old.json", found)
    tried.rules = [counting("few", 3, 60)]
    few, gone = tried.report("--against", report)["against"]
    assert (few["alerts_before"], few["alerts"], few["added"], few["removed"]) == (5, 4, None, None)
    assert (gone["added"], gone["removed"]) == (0, 1)
    assert "?" in tried.invoke("--against", report).stdout


def test_a_report_of_another_table_is_refused(tried: Trial) -> None:
    report = tried.write("old.json", tried.invoke("--json").stdout)
    tried.rows(HEADER, [("2026-03-01", "a", "s", 1)])
    assert "is of another table: events was 7, now it is 1" in tried.refused("--against", report)


@pytest.mark.parametrize("old", [{"events": 1}, {"events": "x", "rules": []}, {"rules": []}, [], 7, "", "{"])
def test_what_is_neither_rules_nor_a_report_is_refused(tried: Trial, old: object) -> None:
    path = tried.write("old.json", old if isinstance(old, str) else json.dumps(old))
    assert str(path) in tried.refused("--against", path)
