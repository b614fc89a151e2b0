"""Topics by name, which of them a role reads, and what the catalogue (`schemas.catalogue`) says of each.

A topic has a short name (`transaction-requests`), under which code, events and docs speak of it, and a full one on
the broker: namespace, short name, version (`wallet.transaction-requests.v1`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

VERSION: Final = "v1"
DAY_MS: Final = 86_400_000
INPUT_MAX_BYTES: Final = 1 << 20
#: What holds a whole input record as JSON text: twice its bytes for escapes, and room for the envelope.
ENVELOPE_MAX_BYTES: Final = 2 * INPUT_MAX_BYTES + (64 << 10)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One entry of the catalogue."""

    name: str
    description: str
    #: The only one who may write it, by access control: authority is the topic.
    owner: str
    readers: tuple[str, ...]
    key: str
    #: Contract of the value in words; its JSON Schema is `schemas/generated/<name>.v1.json` where `has_schema`.
    value: str
    has_schema: bool = True
    #: An input contract: readers refuse unknown fields. Else they ignore them.
    strict: bool = False
    cleanup: Literal["delete", "compact"] = "delete"
    #: None: kept for ever.
    retention_ms: int | None
    #: As many partitions as all other co-partitioned topics, the wallet deciding which; else a single one.
    co_partitioned: bool = True
    max_message_bytes: int = INPUT_MAX_BYTES
    #: The broker stamps the records (`LogAppendTime`), not who writes them.
    append_time: bool = False
    #: A golden example, below `schemas/examples/`.
    example: str | None

    def partition_count(self, partitions: int) -> int:
        """Partitions of this topic where co-partitioned topics have `partitions`."""
        return partitions if self.co_partitioned else 1


TRANSACTION_REQUESTS: Final = "transaction-requests"
OPERATOR_COMMANDS: Final = "operator-commands"
FRAUD_COMMANDS: Final = "fraud-commands"
SETTLEMENT_UPDATES: Final = "settlement-updates"
INTERNAL_COMMANDS: Final = "internal-commands"
LEDGER_EVENTS: Final = "ledger-events"
TRANSACTION_OUTCOMES: Final = "transaction-outcomes"
WALLET_BALANCES: Final = "wallet-balances"
DEAD_LETTERS: Final = "dead-letters"
ASSETS: Final = "assets"
RAILS: Final = "rails"
TIERS: Final = "tiers"
FEE_SCHEDULES: Final = "fee-schedules"
FX_RATES: Final = "fx-rates"
LISTS: Final = "lists"
FRAUD_RULES: Final = "fraud-rules"
FRAUD_INTERNAL: Final = "fraud-internal"
FRAUD_EVENTS: Final = "fraud-events"
FRAUD_ALERTS: Final = "fraud-alerts"
FRAUD_FEEDBACK: Final = "fraud-feedback"
MATCHING_RULES: Final = "matching-rules"
RECONCILIATION_INTERNAL: Final = "reconciliation-internal"
RECONCILIATION_EVENTS: Final = "reconciliation-events"
RECONCILIATION_RESULTS: Final = "reconciliation-results"
RECONCILIATION_EXCEPTIONS: Final = "reconciliation-exceptions"
RECONCILIATION_DECISIONS: Final = "reconciliation-decisions"
SETTLEMENT_INTERNAL: Final = "settlement-internal"
SETTLEMENT_COMMANDS: Final = "settlement-commands"
SETTLEMENT_EVENTS: Final = "settlement-events"
SETTLEMENT_BATCHES: Final = "settlement-batches"
EXTERNAL_STATEMENTS: Final = "external-statements"
RECONCILIATION_PROOFS: Final = "reconciliation-proofs"

#: Reference data of the ledger: what its decisions ask beside the state, the latest record of each key.
LEDGER_REFERENCE: Final = (ASSETS, RAILS, TIERS, FEE_SCHEDULES, FX_RATES)
#: All topics of reference data that operators' tools write record by record; rules are published.
REFERENCE_DATA: Final = (*LEDGER_REFERENCE, LISTS)
#: Reference data of the fraud role.
FRAUD_REFERENCE: Final = (ASSETS, FX_RATES, LISTS, FRAUD_RULES)

#: The ledger's input topics, in the order in which it takes from them.
INPUTS: Final = (INTERNAL_COMMANDS, SETTLEMENT_UPDATES, OPERATOR_COMMANDS, FRAUD_COMMANDS, TRANSACTION_REQUESTS)
#: The fraud role's.
FRAUD_INPUTS: Final = (FRAUD_INTERNAL, FRAUD_FEEDBACK, LEDGER_EVENTS)
#: The reconciliation role's, and its reference data.
RECONCILIATION_INPUTS: Final = (RECONCILIATION_INTERNAL, RECONCILIATION_DECISIONS, EXTERNAL_STATEMENTS, LEDGER_EVENTS)
RECONCILIATION_REFERENCE: Final = (ASSETS, RAILS, MATCHING_RULES)
#: The settlement role's.
SETTLEMENT_INPUTS: Final = (SETTLEMENT_INTERNAL, SETTLEMENT_COMMANDS, LEDGER_EVENTS)
#: Reference data of the settlement role.
SETTLEMENT_REFERENCE: Final = (ASSETS, RAILS)


def full_name(namespace: str, name: str) -> str:
    """Name of a topic on the broker: `wallet.` and `rails` give `wallet.rails.v1`."""
    return f"{namespace}{name}.{VERSION}"
