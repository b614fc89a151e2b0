"""The fraud role: which topics it takes from, in which order, and the machine that decides.

What other partitions send comes first: facts that have been on their way the longest. Every other input has a share
that
nothing takes away. The log of the ledger is the input that says who owns a partition.
"""

from __future__ import annotations

from typing import Final

from agents.fraud.machine import FraudMachine, Tally
from agents.fraud.observing import FraudMetrics
from agents.fraud.shared_facts import SharedFacts
from agents.fraud.turn import Limits
from schemas import topics
from schemas.catalogue import topic_named
from streams.role import Role
from streams.settings import Settings
from streams.worker import run_worker


def fraud_role(tally: Tally) -> Role:
    """The role; its machines count in `tally`."""

    facts = SharedFacts()

    def machine(settings: Settings) -> FraudMachine:
        return FraudMachine(limits_of(settings), tally, facts)

    return Role(
        name="fraud",
        inputs={topics.FRAUD_INTERNAL: 0.5, topics.FRAUD_FEEDBACK: 0.1, topics.LEDGER_EVENTS: 0.4},
        owner_input=topics.LEDGER_EVENTS,
        event_log=topics.FRAUD_EVENTS,
        topics=tuple(
            topic_named(name)
            for name in (
                *topics.FRAUD_INPUTS,
                topics.FRAUD_EVENTS,
                topics.FRAUD_ALERTS,
                topics.FRAUD_COMMANDS,
                topics.DEAD_LETTERS,
                *topics.FRAUD_REFERENCE,
            )
        ),
        reference=topics.FRAUD_REFERENCE,
        logs=frozenset({topics.LEDGER_EVENTS}),
        keeps_much=True,
        folder="fraud",
        machine=machine,
    )


def limits_of(settings: Settings) -> Limits:
    """The machine's bounds as the settings have them."""
    return Limits(
        lateness_ms=settings.fraud_lateness_s * 1000,
        partition_lag_ms=settings.fraud_partition_lag_s * 1000,
        retention_ms=settings.fraud_retention_s * 1000,
        cached_entries=settings.fraud_cached_entries,
        actions_per_hour=settings.fraud_actions_per_hour,
    )


FRAUD: Final = fraud_role(Tally())


def run_fraud(settings: Settings) -> int:
    """Run a worker of the role until SIGTERM or SIGINT; returns the exit code of the process, see `run_worker`."""
    tally = Tally()
    return run_worker(fraud_role(tally), settings, [FraudMetrics(tally)])
