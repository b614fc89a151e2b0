"""What the fraud role reads and writes beside the ledger's events."""

from __future__ import annotations

from typing import Final

from schemas.topics import (
    DAY_MS,
    ENVELOPE_MAX_BYTES,
    FRAUD_ALERTS,
    FRAUD_EVENTS,
    FRAUD_FEEDBACK,
    FRAUD_INTERNAL,
    Topic,
)

FRAUD_TOPICS: Final = (
    Topic(
        name=FRAUD_INTERNAL,
        description="What one partition of the fraud role tells another: facts whose keys live there, rules that are "
        "paused.",
        owner="fraud",
        readers=("fraud",),
        key="of feedback its subject; none for what is said to a partition",
        value="FraudInternal",
        retention_ms=7 * DAY_MS,
        append_time=True,
        example="fraud-internal.v1/facts.json",
    ),
    Topic(
        name=FRAUD_EVENTS,
        description="The fraud role's state log: each fact with the keys it was counted under and what rules said of "
        "it, labels, snoozes, rules that were paused; sealed as the ledger's.",
        owner="fraud",
        readers=("fraud", "operators' tools"),
        key="wallet id of the fact, or subject; empty for seals",
        value="FraudEvent or Seal",
        retention_ms=None,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        example="fraud-events.v1/fact_evaluated.json",
    ),
    Topic(
        name=FRAUD_ALERTS,
        description="Alerts; the last record of an alert's id is what counts, and repeats what was said before.",
        owner="fraud",
        readers=("analysts", "operators' tools"),
        key="subject of the alert",
        value="Alert",
        retention_ms=400 * DAY_MS,
        example="fraud-alerts.v1/open.json",
    ),
    Topic(
        name=FRAUD_FEEDBACK,
        description="What analysts say of alerts: labels, and rules that leave a subject alone for some time.",
        owner="analysts' tools",
        readers=("fraud",),
        key="subject of the alert",
        value="Feedback",
        strict=True,
        retention_ms=30 * DAY_MS,
        append_time=True,
        example="fraud-feedback.v1/label.json",
    ),
)
