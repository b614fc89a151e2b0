"""What the gate says of each sort of change, on the real contracts and on every sort of topic."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ops.contracts.rollout import judge
from schemas.catalogue import topic_named
from schemas.topics import Topic
from tests.contracts.codecs import SCHEMAS

pytestmark = pytest.mark.slow

Change = Callable[[dict[str, Any]], object]
Case = tuple[str, Change]


def changed(topic: str, definition: str, change: Change) -> dict[str, Any]:
    schema = copy.deepcopy(SCHEMAS[topic])
    change(schema["$defs"][definition])
    return schema


def add_optional(schema: dict[str, Any]) -> None:
    schema["properties"]["tomorrow"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}


def add_required(schema: dict[str, Any]) -> None:
    add_optional(schema)
    schema["required"].append("tomorrow")


def remove(name: str) -> Change:
    def change(schema: dict[str, Any]) -> None:
        del schema["properties"][name]
        schema["required"] = [one for one in schema["required"] if one != name]

    return change


def retype(name: str, kind: Any) -> Change:
    return lambda schema: schema["properties"].update({name: kind})


def describe(schema: dict[str, Any]) -> None:
    schema["description"] = "Other words."


INPUT: list[tuple[str, Change, str, str]] = [
    ("other words", describe, "unchanged", "any order"),
    ("optional field added", add_optional, "compatible", "consumers first"),
    ("enum widened", retype("kind", {"enum": ["customer", "merchant", "partner", "bank"]}), "compatible", "consumers"),
    ("length widened", retype("owner_ref", {"type": "string", "maxLength": 300}), "compatible", "consumers first"),
    ("the same said otherwise", retype("kind", {"enum": ["partner", "customer", "merchant"]}), "compatible", "any"),
    ("required field added", add_required, "incompatible", "transaction-requests.v2"),
    ("field removed", remove("partner_id"), "incompatible", "transaction-requests.v2"),
    ("required field removed", remove("owner_ref"), "incompatible", "transaction-requests.v2"),
    ("type changed", retype("owner_ref", {"type": "integer"}), "incompatible", "transaction-requests.v2"),
    ("enum narrowed", retype("kind", {"enum": ["customer"]}), "incompatible", "transaction-requests.v2"),
]


@pytest.mark.parametrize(("change", "status", "order"), [pytest.param(*case[1:], id=case[0]) for case in INPUT])
def test_a_strict_input(change: Change, status: str, order: str) -> None:
    topic = "transaction-requests"
    verdict = judge(topic_named(topic), SCHEMAS[topic], changed(topic, "OpenWallet", change))
    assert (verdict.status, order in verdict.order) == (status, True), verdict


def test_a_field_that_only_another_variant_keeps_is_lost() -> None:
    """Seals have a sequence too; that does not help who looks for an event's."""
    topic = "ledger-events"
    verdict = judge(topic_named(topic), SCHEMAS[topic], changed(topic, "LedgerEvent", remove("sequence")))
    assert verdict.order == "consumers first, so that none looks for the field; then producers"


OUTPUT: list[tuple[str, Change, str, str]] = [
    ("optional field added", add_optional, "compatible", "producers first"),
    ("required field added", add_required, "compatible", "producers first; consumers only when the old"),
    ("optional field removed", remove("message"), "compatible", "consumers first, so that none looks for the field"),
    ("required field removed", remove("status"), "compatible", "consumers first; producers only when"),
    ("type widened", retype("replayed", {}), "compatible", "consumers first; producers only when"),
    ("type narrowed", retype("status", {"enum": ["accepted"]}), "compatible", "after 7 days"),
    ("type changed", retype("status", {"type": "integer"}), "incompatible", "transaction-outcomes.v2"),
]


@pytest.mark.parametrize(("change", "status", "order"), [pytest.param(*case[1:], id=case[0]) for case in OUTPUT])
def test_a_tolerant_output(change: Change, status: str, order: str) -> None:
    topic = "transaction-outcomes"
    verdict = judge(topic_named(topic), SCHEMAS[topic], changed(topic, "Outcome", change))
    assert (verdict.status, order in verdict.order) == (status, True), verdict


@pytest.mark.parametrize(
    ("change", "allowed"), [(add_optional, True), (remove("accounts"), True), (add_required, False)]
)
def test_what_is_kept_for_ever_must_stay_readable(change: Change, allowed: bool) -> None:
    topic = "wallet-balances"
    verdict = judge(topic_named(topic), SCHEMAS[topic], changed(topic, "WalletBalances", change))
    assert verdict.allowed is allowed


EVENT: list[tuple[str, str, Change, str]] = [
    ("LedgerEvent", "optional field added", add_optional, "two releases where the ledger decides by what is new"),
    ("LedgerEvent", "required field added", add_required, "ledger-events.v2"),
    ("LedgerEvent", "required field removed", remove("recorded_at"), "two releases"),
    ("Seal", "field retyped", retype("partition", {"type": "string"}), "ledger-events.v2"),
    ("Seal", "field added", add_optional, "two releases where the ledger decides by what is new"),
    ("Entry", "field retyped", retype("debit_minor", {"type": "number"}), "two releases"),
]


@pytest.mark.parametrize(
    ("definition", "change", "order"), [pytest.param(d, c, o, id=f"{d}: {name}") for d, name, c, o in EVENT]
)
def test_the_ledgers_own_log(definition: str, change: Change, order: str) -> None:
    topic = "ledger-events"
    verdict = judge(topic_named(topic), SCHEMAS[topic], changed(topic, definition, change))
    assert order in verdict.order
    assert verdict.allowed is not order.endswith("v2")


def test_a_new_internal_command_takes_two_releases() -> None:
    topic = "internal-commands"
    base = copy.deepcopy(SCHEMAS[topic])
    base["anyOf"] = [one for one in base["anyOf"] if not one["$ref"].endswith("Tick")]
    verdict = judge(topic_named(topic), base, SCHEMAS[topic])
    assert verdict.order == "two releases: one of the ledger that reads it, then one that writes it"
    assert not judge(topic_named(topic), SCHEMAS[topic], base).allowed


def test_a_new_operation_rolls_out_to_the_ledger_first() -> None:
    topic = "transaction-requests"
    base = copy.deepcopy(SCHEMAS[topic])
    base["oneOf"] = [one for one in base["oneOf"] if not one["$ref"].endswith("Transfer")]
    verdict = judge(topic_named(topic), base, SCHEMAS[topic])
    assert (verdict.status, verdict.order.split(";")[0]) == ("compatible", "consumers first")
    assert verdict.reasons
    assert all(reason.startswith("old readers of new records") for reason in verdict.reasons)
    assert judge(topic_named(topic), SCHEMAS[topic], base).status == "incompatible"


def test_a_new_topic_is_allowed() -> None:
    verdict = judge(topic_named("rails"), None, SCHEMAS["rails"])
    assert (verdict.status, verdict.allowed) == ("new", True)


def test_the_verdict_says_how_it_was_reached() -> None:
    topic: Topic = replace(topic_named("transaction-outcomes"))
    by_library = judge(topic, SCHEMAS[topic.name], changed(topic.name, "Outcome", add_optional))
    assert by_library.ways == ("jsonsubschema",)
    names = {"propertyNames": {"maxLength": 3}, "type": "object"}
    by_structure = judge(topic, SCHEMAS[topic.name], changed(topic.name, "Outcome", retype("status", names)))
    assert by_structure.ways == ("structure",)
