"""The settlement role: which topics it takes from, in which order, and the machine that decides.

What rails answer and what other partitions send comes first. The log of the ledger is the input that says who owns a
partition. The courier, which speaks to rails, runs beside the processors.
"""

from __future__ import annotations

from typing import Final

from agents.settlement.machine import SettlementMachine
from agents.settlement.observing import SettlementMetrics
from agents.settlement.rails.courier.companion import CourierCompanion
from agents.settlement.turn import Limits
from schemas import topics
from schemas.catalogue import topic_named
from streams.role import Role
from streams.settings import Settings
from streams.worker import run_worker


def _machine(settings: Settings) -> SettlementMachine:
    return SettlementMachine(limits_of(settings))


def limits_of(settings: Settings) -> Limits:
    """The machine's bounds as the settings have them."""
    return Limits(
        answers_wait_ms=settings.settlement_answers_wait_s * 1000,
        retention_ms=settings.settlement_retention_s * 1000,
    )


SETTLEMENT: Final = Role(
    name="settlement",
    inputs={topics.SETTLEMENT_INTERNAL: 0.5, topics.SETTLEMENT_COMMANDS: 0.1, topics.LEDGER_EVENTS: 0.4},
    owner_input=topics.LEDGER_EVENTS,
    event_log=topics.SETTLEMENT_EVENTS,
    topics=tuple(
        topic_named(name)
        for name in (
            *topics.SETTLEMENT_INPUTS,
            topics.SETTLEMENT_EVENTS,
            topics.SETTLEMENT_BATCHES,
            topics.SETTLEMENT_UPDATES,
            topics.DEAD_LETTERS,
            *topics.SETTLEMENT_REFERENCE,
        )
    ),
    reference=topics.SETTLEMENT_REFERENCE,
    logs=frozenset({topics.LEDGER_EVENTS}),
    folder="settlement",
    machine=_machine,
)


def run_settlement(settings: Settings) -> int:
    """Run a worker of the role until SIGTERM or SIGINT; returns the exit code of the process, see `run_worker`."""
    return run_worker(SETTLEMENT, settings, [SettlementMetrics()], [CourierCompanion(settings)])
