"""What a record asks for: the quick way and the contract's way read the same, or only the contract's word counts."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ops.verify.asked import Asked, read_by_contract, read_quickly
from ops.verify.findings import Check
from schemas.commands import CONTRACTS
from schemas.topics import FRAUD_COMMANDS, OPERATOR_COMMANDS
from schemas.topics import SETTLEMENT_UPDATES as UPDATES
from schemas.topics import TRANSACTION_REQUESTS as REQUESTS
from tests.ops.verify.honest import Ledger
from tests.ops.verify.story import HERE, PARTITIONS, THERE, audit
from tests.ops.verify.tamper import edit, find

WALLET = {"idempotency_key": "k", "wallet_id": "w1"}
MONEY = {**WALLET, "amount_minor": 5, "asset": "EUR"}
ON = {**WALLET, "transaction_id": "0" * 32}
OPERATORS = {"requested_by": "ines", "approved_by": "omar", "reason_code": "r"}


def _fields() -> set[str]:
    names = set()
    for contract in CONTRACTS.values():
        for definition in contract.json_schema()["$defs"].values():
            if "operation" in definition["properties"]:
                names |= set(definition["properties"])
    return names


def test_it_knows_every_field_of_every_command_in_canonical_order() -> None:
    assert set(Asked.__struct_fields__) == _fields()
    assert list(Asked.__struct_fields__) == sorted(Asked.__struct_fields__)


@pytest.mark.parametrize(
    ("topic", "fields"),
    [
        (
            REQUESTS,
            {"operation": "open_wallet", "owner_ref": "ö \\\n\t/", "assets": ["JPY", "EUR"], **WALLET},
        ),
        (REQUESTS, {"operation": "open_sub_wallet", "sub_wallet": "s", "kind": "escrow", **WALLET}),
        (REQUESTS, {"operation": "enable_asset", "asset": "EUR", **WALLET}),
        (
            REQUESTS,
            {"operation": "credit", "request_id": "r", "occurred_at": "2026-01-01T00:00:00Z", **MONEY},
        ),
        (
            REQUESTS,
            {"operation": "debit", "metadata": {"b": "1", "a": "é"}, "device": {"ip": "::1"}, **MONEY},
        ),
        (
            REQUESTS,
            {"operation": "transfer", "to_wallet_id": "w2", "references": {"user": "u", "order": "o"}, **MONEY},
        ),
        (OPERATOR_COMMANDS, {"operation": "set_wallet_state", "state": "locked", **OPERATORS, **WALLET}),
        (OPERATOR_COMMANDS, {"operation": "release_quarantine", "evidence_ref": "c", **OPERATORS, **WALLET}),
        (REQUESTS, {"operation": "authorize", "expires_in_s": 9, **MONEY}),
        (REQUESTS, {"operation": "capture", "amount_minor": 5, "to_wallet_id": "w2", **ON}),
        (REQUESTS, {"operation": "capture", "final": True, "rail": "sepa", "sub_wallet": "main", **ON}),
        (REQUESTS, {"operation": "release", **ON}),
        (REQUESTS, {"operation": "refund", "amount_minor": 5, "sub_wallet": "s", **ON}),
        (REQUESTS, {"operation": "dispute", "reason": "r", **ON}),
        (OPERATOR_COMMANDS, {"operation": "reverse", "rail_reference": "r", **OPERATORS, **ON}),
        (OPERATOR_COMMANDS, {"operation": "resolve_dispute", "won": False, **OPERATORS, **ON}),
        (
            OPERATOR_COMMANDS,
            {
                "operation": "adjust",
                "from_account": "system/fees",
                "to_account": "w/main/available",
                **OPERATORS,
                **MONEY,
            },
        ),
        (FRAUD_COMMANDS, {"operation": "lock", "rule_ids": ["b", "a"], "alert_id": "é", **WALLET}),
        (FRAUD_COMMANDS, {"operation": "require_step_up", "rule_ids": ["a"], "reason": "r", **WALLET}),
        (FRAUD_COMMANDS, {"operation": "screening_verdict", "verdict": "deny", "rule_ids": [], **ON}),
        (UPDATES, {"operation": "submit", "batch_id": "b", **ON}),
        (
            UPDATES,
            {"operation": "settle", "rail_reference": "r", "rail_fee_minor": 0, "value_date": "2026-01-02", **ON},
        ),
        (UPDATES, {"operation": "fail", "code": "c", **ON}),
        (UPDATES, {"operation": "return", "amount_minor": 5, "rail_reference": "r", "code": "c", **ON}),
    ],
)
def test_both_ways_read_the_same(topic: str, fields: dict[str, Any]) -> None:
    value = orjson.dumps(fields)
    assert read_quickly(topic, value) == read_by_contract(topic, value) != None  # noqa: E711


def test_a_command_of_another_topic_is_none() -> None:
    value = orjson.dumps({"operation": "set_wallet_state", "state": "locked", **OPERATORS, **WALLET})
    assert read_quickly(REQUESTS, value) is None
    assert read_by_contract(REQUESTS, value) is None
    assert read_by_contract(FRAUD_COMMANDS, value) is None


ODD = [
    b'{"operation":"credit","idempotency_key":"k%d","wallet_id":"%s","amount_minor":5,"asset":"EUR","partner_id":null}',
    b'{"operation":"credit","idempotency_key":"k%d","wallet_id":"%s","amount_minor":"x","amount_minor":5,"asset":"EUR"}',
    b'{"operation":"credit","idempotency_key":"k%d","wallet_id":"%s","amount_minor":5,"asset":"EUR","metadata":{"\xc3\xa9":'
    b'"1","z":"2","\xf0\x9f\x92\xb6":"3","\xef\xbf\xbd":"4"}}',
    b'{"operation":"credit","idempotency_key":"k%d","wallet_id":"%s","amount_minor":123456789012345678901234567890,'
    b'"asset":"EUR"}',
    b'{"operation":"credit","idempotency_key":"k%d","wallet_id":"%s","amount_minor":18446744073709551615,"asset":"EUR"}',
    b'{"operation":"credit","idempotency_key":"k%d","wallet_id":"%s","amount_minor":-5,"asset":"EUR"}',
    b'{"operation":"credit","idempotency_key":"k%d","wallet_id":"%s","amount_minor":5,"asset":"EUR","references":'
    b'{"user":"u","order":null,"merchant":"\\u007f\\u2028\\/"}}',
    b'{"operation":"credit","idempotency_key":"k%d","wallet_id":"%s","amount_minor":5,"asset":"EUR","request_id":null,'
    b'"device":{"latitude":1.5}}',
]


def _odd_ledger() -> Ledger:
    """Records that only the contract reads rightly, each sent twice, and once to the wrong partition."""
    ledger = Ledger(PARTITIONS)
    for wallet in (HERE[0], THERE[0]):
        ledger.send(operation="open_wallet", wallet_id=wallet, owner_ref="o", assets=["EUR", "EUR"])
    ledger.run()
    key = HERE[0].encode()
    for number, record in enumerate(ODD):
        value = record.replace(b"%d", b"%d" % number).replace(b"%s", key)
        for partition in (0, 0, 1):
            ledger.append(REQUESTS, partition, key, value)
    ledger.run()
    return ledger


def test_odd_records_are_no_finding() -> None:
    report = audit(_odd_ledger())
    assert report.counts == {}, report.findings
    assert report.inputs > 3 * len(ODD)


@pytest.mark.parametrize("number", range(len(ODD)))
def test_an_odd_record_that_asks_for_something_else_is_found(number: int) -> None:
    ledger = _odd_ledger()
    records = ledger.topics[REQUESTS][0]
    index = find(records, idempotency_key=f"k{number}")
    edit(ledger, REQUESTS, (0, index), asset="USD")
    assert dict(audit(ledger).counts) == {Check.NOT_AS_ASKED: 1}
