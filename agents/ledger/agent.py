"""The ledger as a role: which topics it takes from, in which order, and the machine that decides.

Internal commands come first: they finish what is under way. Every other input has a share that nothing takes away.
"""

from __future__ import annotations

from typing import Final

from agents.ledger.machine import LedgerMachine
from schemas import topics
from schemas.catalogue import topic_named
from streams.role import Role
from streams.settings import Settings


def _machine(settings: Settings) -> LedgerMachine:
    return LedgerMachine(
        retained_ms=settings.idempotency_retention_s * 1000,
        transactions_retained_ms=settings.transaction_retention_s * 1000,
    )


LEDGER: Final = Role(
    name="ledger",
    inputs={
        topics.INTERNAL_COMMANDS: 0.4,
        topics.SETTLEMENT_UPDATES: 0.1,
        topics.OPERATOR_COMMANDS: 0.1,
        topics.FRAUD_COMMANDS: 0.1,
        topics.TRANSACTION_REQUESTS: 0.3,
    },
    owner_input=topics.TRANSACTION_REQUESTS,
    event_log=topics.LEDGER_EVENTS,
    topics=tuple(
        topic_named(name)
        for name in (
            *topics.INPUTS,
            topics.LEDGER_EVENTS,
            topics.TRANSACTION_OUTCOMES,
            topics.WALLET_BALANCES,
            topics.DEAD_LETTERS,
            *topics.LEDGER_REFERENCE,
        )
    ),
    reference=topics.LEDGER_REFERENCE,
    machine=_machine,
)
