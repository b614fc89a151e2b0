"""From the contracts in code to JSON Schema (draft 2020-12), one document for each topic of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from pydantic import TypeAdapter

from schemas.catalogue import TOPICS
from schemas.commands import CONTRACTS
from schemas.dead_letters import DeadLetterHeaders
from schemas.events import LedgerEvent
from schemas.external_statements import ExternalRecord
from schemas.fraud_alerts import Alert
from schemas.fraud_events import FraudEvent
from schemas.fraud_feedback import Feedback
from schemas.fraud_internal import FraudInternal
from schemas.fraud_rules import Rule
from schemas.internal import InternalCommand
from schemas.outcomes import Outcome, WalletBalances
from schemas.reconciliation_books import Book
from schemas.reconciliation_decisions import DECISIONS
from schemas.reconciliation_events import ReconciliationEvent
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_internal import ReconciliationInternal
from schemas.reconciliation_proofs import Proof
from schemas.reconciliation_results import ReconciliationResult
from schemas.reference import REFERENCE_CONTRACTS
from schemas.settlement_batches import SettlementRecord
from schemas.settlement_commands import AnySettlementCommand
from schemas.settlement_events import SettlementEvent
from schemas.settlement_internal import SettlementInternal
from schemas.topics import Topic
from streams.seal import SEAL_TYPE, Seal

JsonSchema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/{name}"


def _of_pydantic(adapter: TypeAdapter[Any]) -> Callable[[], JsonSchema]:
    return lambda: adapter.json_schema(ref_template="#/$defs/{model}")


def _raw_is_an_object(kind: type) -> JsonSchema:
    if kind is msgspec.Raw:
        return {"type": "object"}
    raise NotImplementedError(f"no JSON Schema for {kind}: teach ops/contracts/sources.py")


def _of_structs(*kinds: Any) -> JsonSchema:
    roots, definitions = msgspec.json.schema_components(kinds, schema_hook=_raw_is_an_object, ref_template=_REF)
    root = roots[0] if len(roots) == 1 else {"anyOf": list(roots)}
    return {**root, "$defs": dict(sorted(definitions.items()))}


def _event_log(event: type[msgspec.Struct]) -> JsonSchema:
    """Events and seals share a topic; `type` tells them apart, which the structs alone cannot say."""
    schema = _of_structs(Seal, event)
    schema["$defs"]["Seal"]["properties"]["type"] = {"enum": [SEAL_TYPE]}
    schema["$defs"][event.__name__]["properties"]["type"] = {"type": "string", "not": {"enum": [SEAL_TYPE]}}
    return schema


def _dead_letters() -> JsonSchema:
    """Header values are text; a number is written in decimal digits."""
    schema = _of_structs(DeadLetterHeaders)
    for name, value in schema["$defs"]["DeadLetterHeaders"]["properties"].items():
        if value["type"] == "integer":
            schema["$defs"]["DeadLetterHeaders"]["properties"][name] = {"type": "string", "pattern": "^-?[0-9]+$"}
    return schema


#: Topic -> how its schema is made.
SOURCES: Final[dict[str, Callable[[], JsonSchema]]] = {
    **{name: _of_pydantic(adapter) for name, adapter in CONTRACTS.items()},
    "internal-commands": lambda: _of_structs(InternalCommand),
    "ledger-events": lambda: _event_log(LedgerEvent),
    "transaction-outcomes": lambda: _of_structs(Outcome),
    "wallet-balances": lambda: _of_structs(WalletBalances),
    "dead-letters": _dead_letters,
    **{name: _of_pydantic(TypeAdapter(contract)) for name, contract in REFERENCE_CONTRACTS.items()},
    "fraud-rules": _of_pydantic(TypeAdapter(Rule)),
    "fraud-internal": lambda: _of_structs(FraudInternal),
    "fraud-events": lambda: _event_log(FraudEvent),
    "fraud-alerts": lambda: _of_structs(Alert),
    "fraud-feedback": _of_pydantic(TypeAdapter(Feedback)),
    "matching-rules": _of_pydantic(TypeAdapter(Book)),
    "reconciliation-internal": lambda: _of_structs(ReconciliationInternal),
    "reconciliation-events": lambda: _event_log(ReconciliationEvent),
    "reconciliation-results": lambda: _of_structs(ReconciliationResult),
    "reconciliation-exceptions": lambda: _of_structs(ReconciliationException),
    "reconciliation-decisions": _of_pydantic(DECISIONS),
    "settlement-internal": lambda: _of_structs(SettlementInternal),
    "settlement-commands": _of_pydantic(TypeAdapter(AnySettlementCommand)),
    "settlement-events": lambda: _event_log(SettlementEvent),
    "settlement-batches": lambda: _of_structs(SettlementRecord),
    "external-statements": lambda: _of_structs(ExternalRecord),
    "reconciliation-proofs": lambda: _of_structs(Proof),
}


def schema_of(topic: Topic) -> JsonSchema:
    """The JSON Schema of a topic's records; the same contract always gives the same document."""
    schema = SOURCES[topic.name]()
    title = f"wallet.{topic.name}.v1"
    head = {"$schema": DIALECT, "$id": title, "title": title, "description": topic.description}
    return {**head, **{name: value for name, value in schema.items() if name not in head}}


def schemas() -> dict[str, JsonSchema]:
    """Topic -> its JSON Schema, for every topic of the catalogue that has a contract."""
    return {topic.name: schema_of(topic) for topic in TOPICS if topic.has_schema}
