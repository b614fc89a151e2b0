"""Bad records of the commands on transactions, of operators and of rails: each field of each of them, made wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from schemas.commands import OPERATIONS
from tests.ledger.bad_input import OTHER, OUT_OF_RANGE, WALLET, Bad, encode
from tests.ledger.commands import Json
from tests.ledger.world import OPERATORS, TOPIC_OF

UNKNOWN_ID = "0123456789abcdef" * 2
_SIGNED: Json = {"requested_by": "olga", "approved_by": "piet", "reason_code": "test"}
_OF: Json = {"transaction_id": UNKNOWN_ID}
_MONEY: Json = {"amount_minor": 10, "asset": "EUR"}
_EXCHANGE: Json = {"to_asset": "USD", "rate_id": "r-1", "min_to_amount_minor": 1}
LATER = "2026-01-02T00:00:00.000Z"
#: Operation -> the fields of a good command beside those that all have.
GOOD_FIELDS: dict[str, Json] = {
    "credit": {**_MONEY, "rail": "instant", "instrument_ref": "card", "execute_at": LATER},
    "debit": {**_MONEY, "rail": "instant", "instrument_ref": "card", "execute_at": LATER},
    "transfer": {**_MONEY, "to_wallet_id": OTHER, "to_sub_wallet": "main", **_EXCHANGE, "execute_at": LATER},
    "convert": {**_MONEY, **_EXCHANGE, "execute_at": LATER},
    "fee": {**_MONEY, "code": "monthly", "execute_at": LATER},
    "reward": {**_MONEY, "code": "welcome", "expires_in_s": 60},
    "batch": {"items": [{"operation": "credit", **_MONEY}]},
    "set_limits": {"limits": {"EUR": {"single_max_minor": 5}}, "over_capture_bps": 100, "refunds_below_zero": True},
    "set_tier": {"tier": "basic"},
    "authorize": {**_MONEY, "expires_in_s": 60},
    "capture": {**_OF, "amount_minor": 10, "final": True, "to_wallet_id": OTHER, "to_sub_wallet": "main"},
    "release": _OF,
    "cancel": _OF,
    "refund": {**_OF, "amount_minor": 10},
    "dispute": {**_OF, "amount_minor": 10, "reason": "fraud"},
    "reverse": {**_OF, "rail_reference": "r-1"},
    "resolve_dispute": {**_OF, "won": True},
    "adjust": {
        **_MONEY,
        "from_account": "system/suspense",
        "to_account": f"{WALLET}/main/available",
        "exception_id": "e-1",
    },
    "submit": {**_OF, "batch_id": "b-1"},
    "settle": {
        **_OF,
        "rail_reference": "r-1",
        "settled_minor": 10,
        "rail_fee_minor": 1,
        "value_date": "2026-01-02",
    },
    "fail": {**_OF, "code": "AC04"},
    "return": {**_OF, "amount_minor": 10, "rail_reference": "r-1", "code": "AC04"},
    "screening_verdict": {**_OF, "verdict": "deny", "rule_ids": ["velocity-out"], "alert_id": "a-1"},
}

_TEXTS: list[Any] = [5, True, "", "x" * 201, [], {}, ["x"], 1.5]
_INTEGERS: list[Any] = ["10", 10.5, 1e300, True, [1], {"a": 1}, ""]
_TIMES: list[Any] = ["", "tomorrow", 1_767_312_000, "2026-02-30T00:00:00Z", "2026-01-02T00:00:00+01:00", "2026-01-02"]
_ITEM: Json = {"operation": "credit", **_MONEY}
_WRONG: dict[str, list[Any]] = {
    "transaction_id": [
        *(
            5,
            True,
            "",
            [],
            {},
            None,
            UNKNOWN_ID[:-1],
            f"{UNKNOWN_ID}0",
            UNKNOWN_ID.upper(),
            "g" * 32,
            f"{UNKNOWN_ID}\n",
        ),
        *(f" {UNKNOWN_ID[1:]}", f"{UNKNOWN_ID}/credit", "é" * 32, "0" * 100_000, f"{UNKNOWN_ID[:-1]}\0"),
    ],
    "amount_minor": _INTEGERS,
    "settled_minor": _INTEGERS,
    "rail_fee_minor": _INTEGERS,
    "expires_in_s": [*_INTEGERS, None, 0, -1, 2**63, 10**100, 365 * 86_400 + 1],
    "final": [1, 0, "true", "yes", None, [], {}],
    "won": [1, 0, "true", None, [], {}],
    "to_wallet_id": [5, "", "w" * 65, "al/ice", "system/transit", []],
    "to_sub_wallet": [5, "", "Main", "s" * 33, []],
    "asset": [5, "", "E" * 17, None, []],
    "to_asset": [5, "", "E" * 17, []],
    "rate_id": [5, "", "r" * 65, "r 1", "r/1", []],
    "min_to_amount_minor": [*_INTEGERS, 0, -1, -(2**63)],
    "execute_at": _TIMES,
    "rail": [5, "", "r" * 201, []],
    "items": [[], [_ITEM] * 101, {}, "credit", 5, None],
    "limits": [[], "EUR", 5, {f"A{number}": {} for number in range(65)}],
    "over_capture_bps": [*_INTEGERS, -1, 10_001, 2**63],
    "refunds_below_zero": [1, 0, "true", None, [], {}],
    "tier": [5, "", "Basic", "t" * 65, "a b", []],
    "verdict": [5, True, "", "allowed", "ALLOW", None, [], {}],
    "rule_ids": ["r", None, ["r"] * 21, {}],
    "value_date": [20260102, "", "2026-1-2", "2026-13-01", "2026-01-32", "2026-01-02T00:00:00Z", "tomorrow"],
    "from_account": [5, None, "", "alice", "system", "system/", "alice/main", "alice/main/available/x", "SYSTEM/fees"],
    "to_account": [5, None, "alice/main/", "/main/available", "alice/Main/available", "system/rail:", "system/rail:A"],
    **dict.fromkeys(
        ("batch_id", "rail_reference", "code", "reason", "exception_id", "instrument_ref", "alert_id"), _TEXTS
    ),
}


def command_of(operation: str) -> Json:
    """A good command of an operation, which names an unknown transaction if any."""
    signed = _SIGNED if operation in OPERATORS else {}
    named = {"operation": operation, "idempotency_key": "bad-1", "wallet_id": WALLET, "request_id": "r-1"}
    return {**named, **signed, **GOOD_FIELDS[operation]}


def bad(name: str, fields: Json, code: str = "malformed", field: Any = ...) -> Bad:
    """A command that is answered so."""
    return Bad(name, encode(fields), code, field, topic=TOPIC_OF[fields["operation"]])


def _fields_of(operation: str) -> dict[str, FieldInfo]:
    return dict(OPERATIONS[operation][1].model_fields)


def bad_fields_of_commands() -> Iterator[Bad]:
    """Each field of its own missing, null where it must not be, of a wrong type, too long or unknown."""
    for operation, own in GOOD_FIELDS.items():
        good = command_of(operation)
        for name in own:
            if _fields_of(operation)[name].is_required():
                lacking = {key: value for key, value in good.items() if key != name}
                yield bad(f"{operation} lacks {name}", lacking, field=name)
                yield bad(f"{operation} with {name} null", {**good, name: None}, field=name)
            for wrong in _WRONG[name]:
                if wrong is not None:
                    shown = repr(wrong) if len(str(wrong)) < 40 else f"of {len(str(wrong))} characters {str(wrong)[:9]}"
                    yield bad(f"{operation} with {name} {shown}", {**good, name: wrong}, field=name)
        for name in ("settled", "amount", "parent_transaction_id", "to_asset", "execute_at", "forced"):
            yield bad(f"{operation} with unknown {name}", {**good, name: 1}, field=name)
        other = "transaction-requests" if TOPIC_OF[operation] != "transaction-requests" else "settlement-updates"
        yield Bad(f"good {operation} on {other}", encode(good), field="operation", topic=other)


def bad_amounts_of_commands() -> Iterator[Bad]:
    """Integers that no amount can be."""
    for operation, own in GOOD_FIELDS.items():
        if "amount_minor" in own:
            for number in (0, -1, -(2**63), 2**63, 2**64, -(2**64), 10**100, int("9" * 4_000)):
                text = str(number)
                fields = {**command_of(operation), "amount_minor": number}
                yield bad(f"{operation} of {len(text)} digits {text[:20]}", fields, *OUT_OF_RANGE)
            raw = json.dumps({**command_of(operation), "amount_minor": "@@"}).replace('"@@"', "9" * 5_000)
            yield Bad(f"{operation} of 5,000 digits", raw.encode(), topic=TOPIC_OF[operation])


def bad_meanings_of_commands() -> Iterator[Bad]:
    """What can be read, and cannot be meant: known by the record alone, or not there."""
    capture, adjust = command_of("capture"), command_of("adjust")
    over_rail = {**capture, "rail": "instant"}
    yield bad("capture over a rail and to a payee", over_rail, field="rail")
    without_payee = {name: value for name, value in capture.items() if name != "to_wallet_id"}
    yield bad("capture to a sub-wallet of nobody", without_payee, field="to_sub_wallet")
    yield bad("capture to the system", {**capture, "to_wallet_id": "system"}, field="to_wallet_id")
    yield bad("adjust of one account", {**adjust, "to_account": adjust["from_account"]}, field="to_account")
    for operation, own in GOOD_FIELDS.items():
        if "transaction_id" in own:
            # It is remembered under its key.
            good, key, topic = command_of(operation), OTHER.encode(), TOPIC_OF[operation]
            good["idempotency_key"] = f"{operation} of nothing"
            yield bad(f"{operation} of nothing", good, "transaction_not_found", "transaction_id")
            yield Bad(f"{operation} under another key", encode(good), "key_mismatch", "wallet_id", key, topic=topic)


TRANSACTION_CASES = [*bad_fields_of_commands(), *bad_amounts_of_commands(), *bad_meanings_of_commands()]
