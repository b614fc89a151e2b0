"""The reconciliation role: which topics it takes from, in which order, and the machine that decides.

What other partitions send comes first; every other input has a share that nothing takes away. The log of the ledger is
the input that says who owns a partition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agents.reconciliation.machine import ReconciliationMachine
from agents.reconciliation.observing import ReconciliationMetrics
from agents.reconciliation.turn import Limits
from schemas import topics
from schemas.catalogue import topic_named
from streams.role import Role
from streams.settings import Settings
from streams.worker import Companion, run_worker


def limits_of(settings: Settings) -> Limits:
    """The machine's bounds as the settings have them."""
    return Limits(
        rematch_interval_ms=settings.reconciliation_rematch_interval_s * 1000,
        retention_ms=settings.reconciliation_retention_s * 1000,
        changes_at_once=settings.reconciliation_changes_at_once,
    )


RECONCILIATION: Final = Role(
    name="reconciliation",
    inputs={
        topics.RECONCILIATION_INTERNAL: 0.4,
        topics.RECONCILIATION_DECISIONS: 0.1,
        topics.EXTERNAL_STATEMENTS: 0.2,
        topics.LEDGER_EVENTS: 0.3,
    },
    owner_input=topics.LEDGER_EVENTS,
    event_log=topics.RECONCILIATION_EVENTS,
    topics=tuple(
        topic_named(name)
        for name in (
            *topics.RECONCILIATION_INPUTS,
            topics.RECONCILIATION_EVENTS,
            topics.RECONCILIATION_RESULTS,
            topics.RECONCILIATION_EXCEPTIONS,
            topics.RECONCILIATION_PROOFS,
            topics.OPERATOR_COMMANDS,
            topics.DEAD_LETTERS,
            *topics.RECONCILIATION_REFERENCE,
        )
    ),
    reference=topics.RECONCILIATION_REFERENCE,
    logs=frozenset({topics.LEDGER_EVENTS}),
    folder="reconciliation",
    machine=lambda settings: ReconciliationMachine(limits_of(settings)),
)


def run_reconciliation(settings: Settings, companions: Sequence[Companion] = ()) -> int:
    """Run a worker of the role until SIGTERM or SIGINT; returns the exit code of the process, see `run_worker`.

    `companions` run beside the processors: what publishes proofs is one.
    """
    return run_worker(RECONCILIATION, settings, [ReconciliationMetrics()], companions)
