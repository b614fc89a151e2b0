"""What is counted of a rule's alerts and labels."""

from __future__ import annotations

from typing import Any

from ops.fraud.live_stats import stats_of
from schemas.fraud_alerts import Alert


def alert(number: int, rule_id: str = "r", **fields: Any) -> Alert:
    defaults: dict[str, Any] = {
        "alert_id": f"{number:032x}",
        "rule_id": rule_id,
        "version": 1,
        "state": "open",
        "severity": "high",
        "score": 50,
        "action": "lock",
        "subject": f"w{number}",
        "key": {"wallet_id": f"w{number}"},
        "amount_minor": 100,
        "asset": "EUR",
        "first_seen": f"2026-11-{number + 1:02d}T00:00:00.000Z",
        "last_seen": "2026-11-23T00:00:00.000Z",
        "evidence": (f"t{number}",),
        "sentence": "s",
        "recorded_at": "2026-11-23T00:00:00.000Z",
    }
    return Alert(**{**defaults, **fields})


def test_labels_subjects_repeats_and_what_was_stopped() -> None:
    (found,) = stats_of(
        [
            alert(1, label="confirmed", action_result="sent", occurrences=3),
            alert(2, label="false_positive", action_result="sent", subject="w1"),
            alert(3, label="confirmed", action_result="budget"),
            alert(4, label="duplicate", action_result="sent"),
            alert(5, state="withdrawn"),
            alert(7, state="snoozed", shadow=True, subject="w1"),
            alert(8, action="pause"),
        ]
    )
    assert (found.alerts, found.withdrawn, found.snoozed, found.shadow, found.occurrences) == (4, 1, 1, 1, 6)
    assert (found.confirmed, found.false_positives, found.duplicates, found.precision) == (2, 1, 1, 2 / 3)
    assert (found.subjects, found.repeat_ratio, found.actions) == (2, 0.5, 2)
    assert found.stopped_minor == {"EUR": 100}
    assert found.alerts_per_day == 4 / 6


def test_each_version_and_what_it_has_in_common_with_other_rules() -> None:
    found = stats_of(
        [
            alert(1, evidence=("t1", "t2")),
            alert(2, evidence=("t3",)),
            alert(3, version=2, evidence=("t9",)),
            alert(4, "other", evidence=("t2",)),
            alert(5, "gone", evidence=("t3",), state="withdrawn"),
        ]
    )
    assert [(one.rule_id, one.version, one.overlaps) for one in found] == [
        ("gone", 1, {}),
        ("other", 1, {"r": 1.0}),
        ("r", 1, {"other": 0.5}),
        ("r", 2, {}),
    ]
    assert found[0].precision is None
    assert stats_of([]) == []


def test_of_rules_that_overlap_as_much_those_are_named_that_come_first_by_id() -> None:
    others = [f"o{number}" for number in range(9)]
    found = stats_of(
        [alert(1), *(alert(2, rule_id, evidence=("t1",)) for rule_id in reversed(others)), alert(3, evidence=("t3",))]
    )
    assert list(found[-1].overlaps.items()) == [(rule_id, 0.5) for rule_id in others[:5]]


def test_an_alert_in_place_of_one_that_has_acted_counts_as_that() -> None:
    moved = {"label": "confirmed", "action_result": "sent before"}
    (found,) = stats_of([alert(1, state="withdrawn", action_result="sent"), alert(2, **moved)])
    assert (found.actions, found.stopped_minor) == (1, {"EUR": 100})
