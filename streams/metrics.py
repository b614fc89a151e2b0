"""Every Prometheus metric of a worker. Names and help are also the reference in the docs."""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

# The time of creation of each counter doubles the page and tells nothing.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RECORDS: Final = (1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 5_000)

BATCHES: Final = Counter(
    "walletstream_batches_total", "Committed batches, one Kafka transaction each.", ["partition"], registry=REGISTRY
)
RECORDS: Final = Counter(
    "walletstream_records_total", "Input records decided in committed batches.", ["partition"], registry=REGISTRY
)
EVENTS: Final = Counter(
    "walletstream_events_total",
    "Events committed to the event log, seals not counted, by type, and by code where the machine gives one.",
    ["partition", "type", "code"],
    registry=REGISTRY,
)
DEAD_LETTERS: Final = Counter(
    "walletstream_dead_letters_total",
    "Dead letters committed with batches, by `dlq.reason` and `dlq.stage`.",
    ["reason", "stage"],
    registry=REGISTRY,
)
MESSAGES: Final = Counter(
    "walletstream_messages_total",
    "Messages committed with batches: events, seals, answers, commands, dead letters.",
    ["partition"],
    registry=REGISTRY,
)
BATCH_RECORDS: Final = Histogram(
    "walletstream_batch_records", "Input records of one batch.", buckets=_RECORDS, registry=REGISTRY
)
STEP_SECONDS: Final = Histogram(
    "walletstream_step_seconds",
    "Time of one step of the commit protocol; `write` is steps 3 and 4, from the first produce to the commit.",
    ["step"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
TIME_LAG_SECONDS: Final = Gauge(
    "walletstream_partition_time_lag_seconds",
    "Age of the oldest fetched record that waits to be decided, by its append time; 0 where none waits.",
    ["partition"],
    registry=REGISTRY,
)
SEQUENCE: Final = Gauge(
    "walletstream_sequence", "Sequence of the last committed seal.", ["partition"], registry=REGISTRY
)
WAITING_RECORDS: Final = Gauge(
    "walletstream_waiting_records", "Fetched records that wait to be decided.", ["partition"], registry=REGISTRY
)
ASSIGNED_PARTITIONS: Final = Gauge(
    "walletstream_assigned_partitions", "Partitions that this worker owns.", registry=REGISTRY
)
REBALANCES: Final = Counter("walletstream_rebalances_total", "Assignments by the consumer group.", registry=REGISTRY)
INCARNATION: Final = Gauge(
    "walletstream_incarnation",
    "Number of the partition's last restore; all restores of a process are numbered through.",
    ["partition"],
    registry=REGISTRY,
)
FAILURES: Final = Counter(
    "walletstream_failures_total",
    "Failed cycles, restores and acknowledgements, by class of the error.",
    ["partition", "error"],
    registry=REGISTRY,
)
FENCED: Final = Counter(
    "walletstream_fenced_total",
    "Cycles ended because another producer took the partition over.",
    ["partition"],
    registry=REGISTRY,
)
RESTORES: Final = Counter("walletstream_restores_total", "Restores begun.", ["partition"], registry=REGISTRY)
RESTORE_SECONDS: Final = Histogram(
    "walletstream_restore_seconds",
    "Time from the begin of a restore until records are taken again.",
    buckets=(*_SECONDS, 30.0, 60.0, 300.0, 1_800.0),
    registry=REGISTRY,
)
RESTORE_REMAINING: Final = Gauge(
    "walletstream_restore_remaining_events",
    "Offsets of the event log that a restore has yet to read.",
    ["partition"],
    registry=REGISTRY,
)
REBUILT: Final = Counter(
    "walletstream_rebuilt_total",
    "Local states thrown away because they contradicted the event log or another version wrote them.",
    ["partition"],
    registry=REGISTRY,
)
HOLES: Final = Counter(
    "walletstream_holes_total",
    "Fetched batches that did not start where the last one ended; dropped and fetched again.",
    ["partition", "topic"],
    registry=REGISTRY,
)
BUGS: Final = Counter(
    "walletstream_bugs_total",
    "Records on which the machine raised, by class of the error.",
    ["partition", "error"],
    registry=REGISTRY,
)
REFERENCE_RECORDS: Final = Counter(
    "walletstream_reference_records_total",
    "Records of reference data read, by topic; `result` is `applied`, or `skipped` where the record is bad and what "
    "was known before stays.",
    ["topic", "result"],
    registry=REGISTRY,
)
REFERENCE_AGE_SECONDS: Final = Gauge(
    "walletstream_reference_age_seconds",
    "Time since a broker last answered for all topics of reference data, news or not; what is decided by is that old.",
    registry=REGISTRY,
)

VIEW_RECORDS: Final = Counter(
    "walletstream_view_records_total",
    "Records of the event log that the views have applied.",
    ["partition"],
    registry=REGISTRY,
)
VIEW_ROWS: Final = Counter(
    "walletstream_view_rows_total", "Rows that the views have written, by table.", ["table"], registry=REGISTRY
)
VIEW_WRITE_SECONDS: Final = Histogram(
    "walletstream_view_write_seconds",
    "Time to fold one chunk of records and to write it, in one SQL transaction.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
VIEW_RACES: Final = Counter(
    "walletstream_view_races_total",
    "Chunks that another writer of the views had applied first, or a rebuild had thrown away.",
    ["partition"],
    registry=REGISTRY,
)
VIEW_LAG_RECORDS: Final = Gauge(
    "walletstream_view_lag_records",
    "Committed offsets of the event log that the views do not reflect yet.",
    ["partition"],
    registry=REGISTRY,
)
VIEW_AGE_SECONDS: Final = Gauge(
    "walletstream_view_age_seconds",
    "Time since the newest event that the views reflect was recorded; it grows while the ledger has nothing to do.",
    ["partition"],
    registry=REGISTRY,
)

FRAUD_FACTS: Final = Counter(
    "walletstream_fraud_facts_total",
    "Facts of the fraud role: `evaluated` where their keys live, `late` beyond the allowed lateness, `failed`.",
    ["partition", "result"],
    registry=REGISTRY,
)
FRAUD_EVALUATIONS: Final = Counter(
    "walletstream_fraud_evaluations_total",
    "Facts that were shown to the rules of one key; with those of batches that were decided again.",
    registry=REGISTRY,
)
FRAUD_ALERTS: Final = Counter(
    "walletstream_fraud_alerts_total",
    "Alerts told by rule, severity and state; an alert that is told again counts again.",
    ["rule", "severity", "state"],
    registry=REGISTRY,
)
FRAUD_COMMANDS: Final = Counter(
    "walletstream_fraud_commands_total",
    "Commands on `fraud-commands`, by rule and operation.",
    ["rule", "operation"],
    registry=REGISTRY,
)
FRAUD_OVER_BUDGET: Final = Counter(
    "walletstream_fraud_over_budget_total",
    "Alerts told whose action was not taken because the rule's budget of the hour was used up: somebody has to look.",
    ["rule"],
    registry=REGISTRY,
)
FRAUD_PAUSED: Final = Counter(
    "walletstream_fraud_rules_paused_total",
    "Rules that the circuit breaker paused, counted in each partition.",
    ["rule"],
    registry=REGISTRY,
)
FRAUD_FEEDBACK: Final = Counter(
    "walletstream_fraud_feedback_total",
    "What analysts said: `confirmed`, `false_positive`, `duplicate`, `snooze`, `refused`.",
    ["what"],
    registry=REGISTRY,
)
FRAUD_LAG_SECONDS: Final = Histogram(
    "walletstream_fraud_lag_seconds",
    "From the ledger's record of a transaction until what rules say of it is committed, by partition of the key; one "
    "measurement for each batch, of its oldest fact.",
    buckets=(*_SECONDS, 30.0, 60.0, 600.0, 3_600.0),
    registry=REGISTRY,
)

#: Gauges that tell of a partition only while this worker owns it.
OF_OWNED_PARTITIONS: Final = (TIME_LAG_SECONDS, SEQUENCE, WAITING_RECORDS, INCARNATION, RESTORE_REMAINING)
VIEWS_OF_OWNED_PARTITIONS: Final = (VIEW_LAG_RECORDS, VIEW_AGE_SECONDS)
