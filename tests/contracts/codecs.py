"""How each topic's records are decoded and encoded by the product."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import orjson
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from ops.contracts.sources import schemas
from schemas.catalogue import TOPICS
from schemas.commands import CONTRACTS
from schemas.dead_letters import DeadLetterHeaders, read_dead_letter_headers
from schemas.events import decode_event
from schemas.external_statements import decode_external, encode_external
from schemas.fraud_alerts import decode_alert, encode_alert
from schemas.fraud_events import decode_fraud_event, encode_fraud_event
from schemas.fraud_feedback import Feedback
from schemas.fraud_internal import decode_fraud_internal, encode_fraud_internal
from schemas.fraud_rules import Rule
from schemas.internal import decode_internal, encode_internal
from schemas.outcomes import decode_balances, decode_outcome, encode_balances, encode_outcome
from schemas.reconciliation_books import Book
from schemas.reconciliation_decisions import DECISIONS
from schemas.reconciliation_events import decode_reconciliation_event, encode_reconciliation_event
from schemas.reconciliation_exceptions import decode_exception, encode_exception
from schemas.reconciliation_internal import decode_reconciliation_internal, encode_reconciliation_internal
from schemas.reconciliation_proofs import decode_proof, encode_proof
from schemas.reconciliation_results import decode_result, encode_result
from schemas.reference import REFERENCE_CONTRACTS
from schemas.settlement_batches import decode_settlement_record, encode_settlement_record
from schemas.settlement_commands import AnySettlementCommand
from schemas.settlement_events import decode_settlement_event, encode_settlement_event
from schemas.settlement_internal import decode_settlement_internal, encode_settlement_internal
from streams.seal import decode_seal, is_seal

EXAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "examples"


class Codec(NamedTuple):
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]


def _adapted(adapter: TypeAdapter[Any]) -> Codec:
    return Codec(adapter.validate_json, lambda model: adapter.dump_json(model, exclude_unset=True))


def _decode_log(value: bytes) -> Any:
    return decode_seal(value) if is_seal(value) else decode_event(value)


def _decode_headers(value: bytes) -> DeadLetterHeaders:
    return read_dead_letter_headers([(name, text.encode()) for name, text in orjson.loads(value).items()])


def _encode_headers(headers: DeadLetterHeaders) -> bytes:
    return orjson.dumps({name: value.decode() for name, value in headers.encode()})


CODECS: dict[str, Codec] = {
    **{topic: _adapted(adapter) for topic, adapter in CONTRACTS.items()},
    "internal-commands": Codec(decode_internal, encode_internal),
    "ledger-events": Codec(_decode_log, lambda event: msgspec.json.encode(event)),
    "transaction-outcomes": Codec(decode_outcome, encode_outcome),
    "wallet-balances": Codec(decode_balances, encode_balances),
    "dead-letters": Codec(_decode_headers, _encode_headers),
    **{topic: _adapted(TypeAdapter(contract)) for topic, contract in REFERENCE_CONTRACTS.items()},
    "fraud-rules": Codec(
        TypeAdapter(Rule).validate_json, lambda rule: rule.model_dump_json(exclude_unset=True, by_alias=True).encode()
    ),
    "fraud-internal": Codec(decode_fraud_internal, encode_fraud_internal),
    "fraud-events": Codec(
        lambda value: decode_seal(value) if is_seal(value) else decode_fraud_event(value),
        lambda event: encode_fraud_event(event),
    ),
    "fraud-alerts": Codec(decode_alert, encode_alert),
    "fraud-feedback": _adapted(TypeAdapter(Feedback)),
    "matching-rules": Codec(Book.model_validate_json, lambda book: book.model_dump_json(exclude_unset=True).encode()),
    "reconciliation-internal": Codec(decode_reconciliation_internal, encode_reconciliation_internal),
    "reconciliation-events": Codec(
        lambda value: decode_seal(value) if is_seal(value) else decode_reconciliation_event(value),
        lambda event: encode_reconciliation_event(event),
    ),
    "reconciliation-results": Codec(decode_result, encode_result),
    "reconciliation-exceptions": Codec(decode_exception, encode_exception),
    "reconciliation-decisions": _adapted(DECISIONS),
    "settlement-internal": Codec(decode_settlement_internal, lambda told: encode_settlement_internal(told)),
    "settlement-commands": _adapted(TypeAdapter(AnySettlementCommand)),
    "settlement-events": Codec(
        lambda value: decode_seal(value) if is_seal(value) else decode_settlement_event(value),
        lambda event: encode_settlement_event(event),
    ),
    "settlement-batches": Codec(decode_settlement_record, lambda record: encode_settlement_record(record)),
    "external-statements": Codec(decode_external, encode_external),
    "reconciliation-proofs": Codec(decode_proof, encode_proof),
}

#: Topic -> its generated schema, made once: that takes a good part of a second. Not to be changed.
SCHEMAS = schemas()

#: Topic -> what checks a value against it.
VALIDATORS = {topic: Draft202012Validator(schema) for topic, schema in SCHEMAS.items()}

#: (topic, name of the example, its bytes without white space), for every golden example there is.
GOLDEN = [
    (topic.name, path.stem, orjson.dumps(orjson.loads(path.read_bytes())))
    for topic in TOPICS
    for path in sorted((EXAMPLES / f"{topic.name}.v1").glob("*.json"))
]


def examples_of(topic: str) -> dict[str, dict[str, Any]]:
    """Name -> example, parsed."""
    return {name: orjson.loads(value) for found, name, value in GOLDEN if found == topic}
