"""Golden examples: what is on the wire today stays readable, and says what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import orjson
import pytest
from jsonschema import Draft202012Validator

from ops.story.examples import BY_HAND
from schemas.canonical import canonical_json, fingerprint
from schemas.catalogue import TOPICS
from schemas.clock import rfc3339, unix_ms
from schemas.codes import Code
from schemas.commands import CONTRACTS
from schemas.events import EVENT_TYPES
from schemas.external_statements import REFERENCES, ExternalRecord
from schemas.fraud_events import FRAUD_EVENT_TYPES
from schemas.fraud_internal import FraudInternal
from schemas.internal import InternalCommand
from schemas.lifecycle import is_legal_path
from schemas.partitioning import partition_of
from schemas.reconciliation_events import RECONCILIATION_EVENT_TYPES
from schemas.reconciliation_exceptions import ExceptionState
from schemas.reconciliation_internal import ReconciliationInternal
from schemas.reconciliation_proofs import Proof
from schemas.reconciliation_results import ReconciliationResult
from schemas.settlement_batches import BatchState
from schemas.settlement_events import SETTLEMENT_EVENT_TYPES
from schemas.settlement_internal import SettlementInternal
from streams.seal import GENESIS, chain_hash, is_seal, unhashed_bytes
from tests.contracts.codecs import CODECS, EXAMPLES, GOLDEN, SCHEMAS, VALIDATORS, examples_of

EVENTS = examples_of("ledger-events")
LOGS = sorted((EXAMPLES / "story" / "log").glob("*.jsonl"))
PARTITIONS = 8

golden = pytest.mark.parametrize(("topic", "value"), [pytest.param(t, v, id=f"{t}/{n}") for t, n, v in GOLDEN])


@pytest.mark.parametrize("schema", [pytest.param(schema, id=topic) for topic, schema in SCHEMAS.items()])
def test_the_generated_schema_is_one(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@golden
def test_it_is_valid_by_the_generated_schema(topic: str, value: bytes) -> None:
    VALIDATORS[topic].validate(orjson.loads(value))


@golden
def test_it_decodes_and_encodes_to_the_same(topic: str, value: bytes) -> None:
    codec = CODECS[topic]
    assert orjson.loads(codec.encode(codec.decode(value))) == orjson.loads(value)


def test_every_file_belongs_to_a_topic_with_a_contract() -> None:
    folders = {path.parent.name for path in EXAMPLES.rglob("*.json")}
    assert folders == {f"{topic.name}.v1" for topic in TOPICS if topic.has_schema}


@pytest.mark.parametrize("topic", CONTRACTS)
def test_every_operation_has_an_example(topic: str) -> None:
    operations = {variant["properties"]["operation"]["const"] for variant in _variants(topic)}
    assert {example["operation"] for example in examples_of(topic).values()} == operations


def _variants(topic: str) -> list[dict[str, Any]]:
    definitions = SCHEMAS[topic]["$defs"].values()
    return [one for one in definitions if "operation" in one["properties"]]


def test_every_internal_command_has_an_example() -> None:
    tags = {kind.__struct_config__.tag for kind in get_args(InternalCommand)}
    assert {example["operation"] for example in examples_of("internal-commands").values()} == tags


def test_every_event_type_has_an_example() -> None:
    assert {example["type"] for example in EVENTS.values()} == set(EVENT_TYPES)


def test_every_event_and_internal_record_of_the_fraud_role_has_an_example() -> None:
    assert {example["type"] for example in examples_of("fraud-events").values()} == set(FRAUD_EVENT_TYPES)
    tags = {kind.__struct_config__.tag for kind in get_args(FraudInternal)}
    assert {example["kind"] for example in examples_of("fraud-internal").values()} == tags
    kinds = {variant["properties"]["kind"]["const"] for variant in SCHEMAS["fraud-feedback"]["$defs"].values()}
    assert {example["kind"] for example in examples_of("fraud-feedback").values()} == kinds


def test_every_event_and_record_of_the_settlement_role_has_an_example() -> None:
    assert {example["type"] for example in examples_of("settlement-events").values()} == set(SETTLEMENT_EVENT_TYPES)
    tags = {kind.__struct_config__.tag for kind in get_args(SettlementInternal)}
    assert {example["kind"] for example in examples_of("settlement-internal").values()} == tags
    kinds = {variant["properties"]["kind"]["const"] for variant in SCHEMAS["settlement-commands"]["$defs"].values()}
    assert {example["kind"] for example in examples_of("settlement-commands").values()} == kinds
    batches = examples_of("settlement-batches").values()
    assert {example["kind"] for example in batches} == {"batch", "position", "alert"}
    assert {example["state"] for example in batches if example["kind"] == "batch"} == set(get_args(BatchState))


def test_every_event_and_record_of_the_reconciliation_role_has_an_example() -> None:
    events = examples_of("reconciliation-events").values()
    assert {example["type"] for example in events} == set(RECONCILIATION_EVENT_TYPES)
    for topic, union in (
        ("reconciliation-internal", ReconciliationInternal),
        ("reconciliation-results", ReconciliationResult),
        ("reconciliation-proofs", Proof),
    ):
        tags = {kind.__struct_config__.tag for kind in get_args(union)}
        assert {example["kind"] for example in examples_of(topic).values()} == tags
    states = {example["state"] for example in examples_of("reconciliation-exceptions").values()}
    assert states == set(get_args(ExceptionState))
    decisions = examples_of("reconciliation-decisions").values()
    assert {example["kind"] for example in decisions} == {
        *("assign", "comment", "hold", "propose", "approve", "reject", "unmatch")
    }


def test_every_kind_of_external_record_has_an_example() -> None:
    found = examples_of("external-statements").values()
    assert {example["kind"] for example in found} == {kind.__struct_config__.tag for kind in get_args(ExternalRecord)}
    assert {name for example in found for name in example.get("references", {})} <= set(REFERENCES)


@pytest.mark.parametrize(
    ("field", "values"), [("kind", {"answer", "update"}), ("status", {"accepted", "rejected"}), ("replayed", {True})]
)
def test_every_sort_of_outcome_has_an_example(field: str, values: set[object]) -> None:
    found = {example.get(field) for example in examples_of("transaction-outcomes").values()}
    assert found - {None} == values


@pytest.mark.parametrize("name", EVENTS)
def test_the_journal_of_an_event_balances_and_its_balances_name_its_accounts(name: str) -> None:
    entries = EVENTS[name].get("entries", [])
    for asset in {entry["asset"] for entry in entries}:
        of_asset = [entry for entry in entries if entry["asset"] == asset]
        assert sum(entry.get("debit_minor", 0) - entry.get("credit_minor", 0) for entry in of_asset) == 0
    posted = {(entry["account"], entry["asset"]) for entry in entries}
    assert {(b["account"], b["asset"]) for b in EVENTS[name].get("balances", [])} == posted


@pytest.mark.parametrize("name", [name for name, event in EVENTS.items() if "path" in event])
def test_the_path_of_an_event_is_legal(name: str) -> None:
    event = EVENTS[name]
    assert is_legal_path(event["operation"], tuple(event["path"]))
    assert event["path"][-1] == event["to_state"]
    assert event.get("from_state", "initiated") == event["path"][0]


@pytest.mark.parametrize("name", [name for name, event in EVENTS.items() if "request" in event])
def test_the_fingerprint_of_an_event_is_the_hash_of_its_request(name: str) -> None:
    event = EVENTS[name]
    contradicts = event["code"] == Code.IDEMPOTENCY_MISMATCH
    expected = None if contradicts else fingerprint(canonical_json(event["request"]))
    assert event["cause"].get("fingerprint") == expected


@pytest.mark.parametrize("name", [name for name, event in EVENTS.items() if "wallet_id" in event])
def test_an_event_is_in_the_partition_of_its_wallet(name: str) -> None:
    event = EVENTS[name]
    assert event.get("forwarded_to", event["cause"]["partition"]) == partition_of(event["wallet_id"], PARTITIONS)


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_the_log_of_a_partition_is_numbered_without_gaps_and_sealed_in_a_chain(log: Path) -> None:
    lines = log.read_bytes().splitlines()
    assert [orjson.loads(line)["sequence"] for line in lines] == list(range(len(lines)))
    last_hash, first = GENESIS, 0
    for number, line in enumerate(lines):
        if is_seal(line):
            seal = orjson.loads(line)
            assert (seal["partition"], seal["first_sequence"]) == (int(log.stem), first)
            assert seal["previous_hash"] == last_hash
            last_hash, first = chain_hash(last_hash, lines[first:number], unhashed_bytes(line)), number + 1
            assert seal["hash"] == last_hash
    assert first == len(lines), "what is not sealed is not committed"


def test_every_example_of_an_event_stands_in_the_log_of_its_partition() -> None:
    logged = {line for log in LOGS for line in log.read_bytes().splitlines()}
    by_hand = {path.removeprefix("ledger-events.v1/").removesuffix(".json") for path in BY_HAND}
    strangers = {
        name
        for topic, name, value in GOLDEN
        if topic == "ledger-events" and value not in logged and name not in by_hand
    }
    assert strangers == set()
    assert len(EVENTS) > 50


def test_codes_are_of_the_enum() -> None:
    found = {
        example["code"]
        for topic in ("ledger-events", "transaction-outcomes", "internal-commands")
        for example in examples_of(topic).values()
        if "code" in example
    }
    assert found <= set(Code)
    assert {"ok", "malformed", "insufficient_funds", "payee_refused"} <= found


def test_times_are_written_one_way() -> None:
    for event in EVENTS.values():
        assert rfc3339(unix_ms(event["recorded_at"])) == event["recorded_at"]
