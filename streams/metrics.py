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
HELD_UP_SECONDS: Final = Gauge(
    "walletstream_held_up_seconds",
    "For how long nothing of an input can be read, though there is more: a producer has a transaction open there. "
    "Counted from the first scrape that finds it so.",
    ["partition", "topic"],
    registry=REGISTRY,
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
    "For how long something may have been said in reference data that this worker does not know: since a broker last "
    "answered for all topics, news or not, or since somebody's open transaction hides what is behind its begin.",
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
    "Offsets of the event log that the views do not reflect yet, those behind an open transaction among them.",
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
    "Alerts told, open and without a label, whose action was not taken, and payments not denied, for the rule had its "
    "fill of the hour.",
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
FRAUD_PAYMENTS: Final = Counter(
    "walletstream_fraud_payments_total",
    "Payments over screened rails that were judged: `allow`, `deny`, or `review`, which waits for an analyst.",
    ["verdict"],
    registry=REGISTRY,
)
FRAUD_LAG_SECONDS: Final = Histogram(
    "walletstream_fraud_lag_seconds",
    "From the ledger's record of a transaction until what rules say of it is committed, by partition of the key; one "
    "measurement for each batch, of its oldest fact.",
    buckets=(*_SECONDS, 30.0, 60.0, 600.0, 3_600.0),
    registry=REGISTRY,
)

RECONCILIATION_MATCHES: Final = Counter(
    "walletstream_reconciliation_matches_total",
    "Matches made, by `rules` or by `people`.",
    ["relation", "by"],
    registry=REGISTRY,
)
RECONCILIATION_UNMATCHED: Final = Counter(
    "walletstream_reconciliation_unmatched_total",
    "Matches undone, since lines or rules came later that lead to something else, or by people.",
    ["relation"],
    registry=REGISTRY,
)
RECONCILIATION_STATEMENTS: Final = Counter(
    "walletstream_reconciliation_statements_total",
    "Statements: `taken`, `repeated`, `refused`, `noted` where they are not booked yet.",
    ["result"],
    registry=REGISTRY,
)
RECONCILIATION_EXCEPTION_STEPS: Final = Counter(
    "walletstream_reconciliation_exception_steps_total",
    "Steps of exceptions, such as `opened`, `proposed`, `approved`, `resolved`, `closed`, `reopened`.",
    ["step"],
    registry=REGISTRY,
)
RECONCILIATION_REFUSED: Final = Counter(
    "walletstream_reconciliation_refused_total",
    "Decisions refused by code, `repeated` ones, and records on which the role `failed`.",
    ["code"],
    registry=REGISTRY,
)
RECONCILIATION_LINES: Final = Gauge(
    "walletstream_reconciliation_lines",
    "Lines that are kept by what they are: `matched`, `expected`, `exception`. The match rate is the first of all "
    "three. Told when a book is matched.",
    ["book", "relation", "side", "result"],
    registry=REGISTRY,
)
RECONCILIATION_EXCEPTIONS: Final = Gauge(
    "walletstream_reconciliation_open_exceptions",
    "Open exceptions. Told when a worker has restored its state and when a book is matched, as the two below.",
    ["book", "reason", "severity"],
    registry=REGISTRY,
)
RECONCILIATION_AT_RISK: Final = Gauge(
    "walletstream_reconciliation_at_risk_minor",
    "What is at risk in open exceptions, in minor units of the asset.",
    ["book", "asset", "severity"],
    registry=REGISTRY,
)
RECONCILIATION_OLDEST: Final = Gauge(
    "walletstream_reconciliation_oldest_exception_seconds",
    "For how long the oldest open exception is open.",
    ["book"],
    registry=REGISTRY,
)
RECONCILIATION_BREAKS: Final = Gauge(
    "walletstream_reconciliation_breaks",
    "Open exceptions of all books by severity, by how long they are open, and whether they are overdue: `yes` or `no`. "
    "Told by the worker that publishes proofs, as the six below.",
    ["severity", "age", "overdue"],
    registry=REGISTRY,
)
SAFEGUARDING_SURPLUS: Final = Gauge(
    "walletstream_safeguarding_surplus_minor",
    "Surplus of the last day that is proven, in minor units of the asset; below 0 it is a shortfall.",
    ["asset"],
    registry=REGISTRY,
)
UNBALANCED_JOURNALS: Final = Gauge(
    "walletstream_unbalanced_journals",
    "Journals of the ledger whose debits are not its credits: 0, or the books are wrong, and no proof is published.",
    registry=REGISTRY,
)
PROVEN_UNTIL: Final = Gauge(
    "walletstream_proven_until_seconds",
    "End of the last day of which there are proofs, in Unix seconds.",
    ["kind"],
    registry=REGISTRY,
)
RECONCILIATION_UNEXPLAINED: Final = Gauge(
    "walletstream_reconciliation_unexplained_minor",
    "What is left between ledger and statement of the last day that has one, in minor units of the asset.",
    ["account", "statement_account", "asset"],
    registry=REGISTRY,
)
STATEMENTS_UNTIL: Final = Gauge(
    "walletstream_reconciliation_statements_until_seconds",
    "End of the last day of which an account has a booked statement, in Unix seconds.",
    ["account"],
    registry=REGISTRY,
)
PROOFS: Final = Counter(
    "walletstream_proofs_total",
    "Proofs published by `safeguarding` or `balance`, and by what they say.",
    ["kind", "verdict"],
    registry=REGISTRY,
)
SETTLEMENT_PAYOUTS: Final = Counter(
    "walletstream_settlement_payouts_total",
    "Payouts and collections by rail: `queued`, `batched`, `held`, `kept_back`, `left` a batch, `dropped` off a queue.",
    ["rail", "what"],
    registry=REGISTRY,
)
SETTLEMENT_BATCHES: Final = Counter(
    "walletstream_settlement_batches_total",
    "Batches by rail and state reached; one that is told again counts again.",
    ["rail", "state"],
    registry=REGISTRY,
)
SETTLEMENT_ATTEMPTS_FAILED: Final = Counter(
    "walletstream_settlement_failed_attempts_total",
    "Attempts to hand a batch to its rail that have failed.",
    ["rail"],
    registry=REGISTRY,
)
SETTLEMENT_ANSWERS: Final = Counter(
    "walletstream_settlement_answers_total",
    "Answers of rails: `taken`, `repeated`, `unknown` where there is no such batch.",
    ["rail", "result"],
    registry=REGISTRY,
)
SETTLEMENT_CONTRADICTIONS: Final = Counter(
    "walletstream_settlement_contradictions_total",
    "What rails have said that contradicts what they had said before: somebody has to look.",
    ["rail"],
    registry=REGISTRY,
)
SETTLEMENT_SECONDS: Final = Histogram(
    "walletstream_settlement_seconds",
    "From the first transaction in a batch until nothing more is expected of it.",
    ["rail"],
    buckets=(1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0, 3 * 86_400.0, 7 * 86_400.0),
    registry=REGISTRY,
)
SETTLEMENT_WAITING: Final = Gauge(
    "walletstream_settlement_waiting_payouts",
    "Payouts that wait for funds or limits of a rail whose partition this worker owns.",
    ["rail", "asset"],
    registry=REGISTRY,
)
SETTLEMENT_POSITION: Final = Gauge(
    "walletstream_settlement_position_minor",
    "Money with a rail in minor units, where this worker owns its partition: `funded`, `committed`, `waiting`, and "
    "`free` once something has moved.",
    ["rail", "asset", "part"],
    registry=REGISTRY,
)
SETTLEMENT_ALERTS: Final = Counter(
    "walletstream_settlement_alerts_total",
    "Alerts that were opened, by rail and code.",
    ["rail", "code"],
    registry=REGISTRY,
)
SETTLEMENT_REFUSED: Final = Counter(
    "walletstream_settlement_refused_total",
    "Operators' commands that could not be done, and records that the role failed on.",
    ["what"],
    registry=REGISTRY,
)

RAIL_CALLS: Final = Counter(
    "walletstream_rail_calls_total",
    "Calls of rails by the courier; `result` is `ok` or the class of the error.",
    ["rail", "call", "result"],
    registry=REGISTRY,
)
RAIL_CALL_SECONDS: Final = Histogram(
    "walletstream_rail_call_seconds",
    "Time of one call of a rail.",
    ["rail", "call"],
    buckets=(*_SECONDS, 30.0, 60.0),
    registry=REGISTRY,
)
RAIL_BREAKER: Final = Gauge(
    "walletstream_rail_breaker",
    "Circuit breaker of a rail: 0 closed, 1 a call tries whether it is back, 2 it is left alone.",
    ["rail"],
    registry=REGISTRY,
)
RAIL_WAITING: Final = Gauge(
    "walletstream_rail_waiting_batches",
    "Batches that the courier has an attempt to make for.",
    ["rail"],
    registry=REGISTRY,
)
RAIL_FOLLOWED: Final = Gauge(
    "walletstream_rail_followed_batches",
    "Batches that the rail has and that are not final: their status is asked.",
    ["rail"],
    registry=REGISTRY,
)
RAIL_REPORTS: Final = Counter(
    "walletstream_rail_reports_total",
    "What the courier has written of rails: the state of the answer, or `attempt_failed`.",
    ["rail", "state"],
    registry=REGISTRY,
)
RAIL_TRIPS: Final = Counter(
    "walletstream_rail_trips_total",
    "Desks of the courier that ended by an error of their own and were opened anew: a bug.",
    ["rail"],
    registry=REGISTRY,
)
RAIL_FILES: Final = Counter(
    "walletstream_rail_files_total",
    "Files of rails: `written`, `processed`, `repeated` (seen before), `refused`.",
    ["rail", "result"],
    registry=REGISTRY,
)

#: Gauges that tell of a partition only while this worker owns it.
OF_OWNED_PARTITIONS: Final = (TIME_LAG_SECONDS, SEQUENCE, WAITING_RECORDS, INCARNATION, RESTORE_REMAINING)
VIEWS_OF_OWNED_PARTITIONS: Final = (VIEW_LAG_RECORDS, VIEW_AGE_SECONDS)
