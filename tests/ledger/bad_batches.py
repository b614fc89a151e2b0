"""Bad batches, exchanges, times and terms: what is wrong within a field, or with two of them together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.ledger.bad_input import OTHER, WALLET, Bad
from tests.ledger.bad_transactions import LATER, bad, command_of
from tests.ledger.commands import Json

_MONEY: Json = {"amount_minor": 10, "asset": "EUR"}
_OWN: Json = {"to_wallet_id": WALLET, "to_sub_wallet": "savings"}
_GOOD: dict[str, Json] = {
    "credit": {**_MONEY, "rail": "instant"},
    "debit": {**_MONEY, "rail": "instant"},
    "transfer": {**_MONEY, **_OWN, "to_asset": "USD"},
    "convert": {**_MONEY, "to_asset": "USD"},
    "fee": {**_MONEY, "code": "monthly"},
}
#: No operation of an item, though each is one of a command.
_NO_ITEMS: tuple[Any, ...] = (
    "batch",
    "authorize",
    "reward",
    "capture",
    "refund",
    "open_wallet",
    "set_tier",
    "fly",
    "",
    5,
    None,
)

_NO_OBJECTS: tuple[Any, ...] = (5, None, "credit", [], [[]])


def _with_item(what: str, item: Any, code: str, field: str) -> Bad:
    """A batch whose second item is bad; under a key of its own, for some answers are remembered."""
    good: Json = {"operation": "credit", **_MONEY}
    fields = {**command_of("batch"), "items": [good, item], "idempotency_key": f"batch {what}"[:255]}
    return bad(f"batch with {what}", fields, code, f"items.1{field}")


def bad_items() -> Iterator[Bad]:
    """Items of each operation with each field missing, wrong or unknown, or out of range."""
    for operation, own in _GOOD.items():
        good: Json = {"operation": operation, **own}
        for name in {**own, "operation": operation}:
            if name not in ("rail", "to_sub_wallet") and (operation, name) != ("transfer", "to_asset"):
                lacking = {key: value for key, value in good.items() if key != name}
                yield _with_item(f"{operation} without {name}", lacking, "malformed", f".{name}")
        for value in ("10", 10.5, 1e300, True, None, [1]):
            what = f"{operation} of {value!r}"
            yield _with_item(what, {**good, "amount_minor": value}, "malformed", ".amount_minor")
        for number in (0, -1, 2**63, -(2**63), 10**100):
            what = f"{operation} of {str(number)[:20]} in {len(str(number))}"
            yield _with_item(what, {**good, "amount_minor": number}, "amount_out_of_range", ".amount_minor")
        for name in ("idempotency_key", "wallet_id", "execute_at", "items", "colour", "request_id"):
            yield _with_item(f"{operation} and {name}", {**good, name: "x"}, "malformed", f".{name}")
    for unknown in _NO_ITEMS:
        yield _with_item(f"an item {unknown!r}", {"operation": unknown, **_MONEY}, "malformed", ".operation")
    for item in _NO_OBJECTS:
        yield _with_item(f"{item!r} for an item", item, "malformed", "")
    nested = {"operation": "batch", "items": [{"operation": "credit", **_MONEY}]}
    yield _with_item("a batch in it", nested, "malformed", ".operation")


def bad_meanings_of_items() -> Iterator[Bad]:
    """Items that can be read, and not be meant, or not be done."""
    transfer, convert = ({"operation": name, **_GOOD[name]} for name in ("transfer", "convert"))
    to_itself = {**transfer, "to_sub_wallet": "main"}
    del to_itself["to_asset"]
    yield _with_item("a transfer to itself", to_itself, "malformed", ".to_sub_wallet")
    yield _with_item("an exchange of one asset", {**convert, "to_asset": "EUR"}, "malformed", ".to_asset")
    exchanged = {"operation": "transfer", **_MONEY, **_OWN, "rate_id": "r-1"}
    yield _with_item("a rate for no exchange", exchanged, "malformed", ".to_asset")
    yield _with_item("a transfer to the system", {**to_itself, "to_wallet_id": "system"}, "malformed", ".to_wallet_id")
    away = {**transfer, "to_wallet_id": OTHER}
    yield _with_item("a transfer to another", away, "illegal_in_batch", ".to_wallet_id")
    for operation in ("credit", "debit"):
        later = {"operation": operation, **_MONEY, "rail": "sepa"}
        yield _with_item(f"a {operation} that waits", later, "illegal_in_batch", ".rail")
    yield _with_item("no such rate", {**convert, "rate_id": "gone"}, "rate_unavailable", ".rate_id")
    moved = {**convert, "min_to_amount_minor": 1_000}
    yield _with_item("a rate that moved", moved, "rate_moved", ".min_to_amount_minor")
    yield _with_item("too little to exchange", _dear("convert", 10), "amount_out_of_range", ".amount_minor")
    part = {**command_of("batch"), "sub_wallet": "savings"}
    yield bad("batch of a sub-wallet", part, field="sub_wallet")


def _dear(operation: str, amount_minor: int) -> Json:
    """An exchange that gives less than one minor unit: of yen, one for a hundred euros."""
    return {"operation": operation, "amount_minor": amount_minor, "asset": "EUR", "to_asset": "JPY"}


def bad_exchanges() -> Iterator[Bad]:
    """Conversions and transfers to another asset that cannot be."""
    for operation in ("convert", "transfer"):
        now = {name: value for name, value in command_of(operation).items() if name != "execute_at"}

        def case(what: str, code: str, field: str, good: Json = now, said: str = operation, **fields: Any) -> Bad:
            own_key = {**good, "idempotency_key": f"{said} {what}", **fields}
            return bad(f"{said} {what}", own_key, code, field)

        yield case("at no such rate", "rate_unavailable", "rate_id", rate_id="gone")
        unknown: Json = {"to_asset": "DUCATS"}
        yield case("into an unknown asset", "asset_unknown", "to_asset", **unknown)
        yield case("of none that is held into an unknown one", "asset_unknown", "to_asset", asset="CHF", **unknown)
        yield case("at a rate of others", "rate_unavailable", "rate_id", rate_id="dear")
        yield case("at a rate that moved", "rate_moved", "min_to_amount_minor", min_to_amount_minor=12)
        least = "min_to_amount_minor"
        yield case("for at least a fortune", "rate_moved", least, min_to_amount_minor=2**63 - 1)
        yield case("for more than there can be", "amount_out_of_range", least, min_to_amount_minor=2**200)
        dear: Json = {"to_asset": "JPY", "rate_id": "dear"}
        yield case("of too little", "amount_out_of_range", "amount_minor", **dear)
    same = {**command_of("convert"), "to_asset": "EUR"}
    yield bad("convert of one asset", same, field="to_asset")
    yield bad("convert of one unknown asset", {**same, "asset": "DUCATS", "to_asset": "DUCATS"}, field="to_asset")
    plain = {name: value for name, value in command_of("transfer").items() if name != "to_asset"}
    for name in ("rate_id", "min_to_amount_minor"):
        without = {key: value for key, value in plain.items() if key not in {"rate_id", "min_to_amount_minor"} - {name}}
        yield bad(f"transfer with {name} and no exchange", without, field="to_asset")
        yield bad(f"transfer with {name} to the same asset", {**without, "to_asset": "EUR"}, field="to_asset")


def bad_times() -> Iterator[Bad]:
    """Times that are too far ahead; what is past is done at once."""
    for operation in ("credit", "debit", "transfer", "convert", "fee"):
        for when in ("2027-01-01T00:00:00.001Z", "2100-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"):
            key = f"{operation} {when}"
            fields = {**command_of(operation), "execute_at": when, "idempotency_key": key}
            yield bad(f"{operation} at {when}", fields, "limit_exceeded", "execute_at")
        unknown = {**command_of(operation), "asset": "DUCATS", "idempotency_key": f"{operation} later"}
        yield bad(f"{operation} of an unknown asset later", unknown, "asset_unknown", "asset")
    for operation in ("authorize", "capture", "refund", "reward", "adjust", "batch", "settle"):
        yield bad(f"{operation} later", {**command_of(operation), "execute_at": LATER}, field="execute_at")


def bad_terms() -> Iterator[Bad]:
    """Limits within limits, tiers that are not, and one person alone."""
    good = command_of("set_limits")
    for name in ("single_max_minor", "balance_cap_minor", "credit_limit_minor"):
        for value in ("10", 10.5, True, [1], -1, 2**63):
            given: Json = {"EUR": {name: value}}
            yield bad(f"set_limits with {name} {value!r}", {**good, "limits": given}, field=f"limits.EUR.{name}")
    for window in ("hour", "day", "month"):
        for name in ("count", "sum_minor"):
            for value in ("10", 10.5, True, -1, 2**63):
                limits: Json = {"EUR": {window: {name: value}}}
                field = f"limits.EUR.{window}.{name}"
                yield bad(f"set_limits with {window} {name} {value!r}", {**good, "limits": limits}, field=field)
        for other in _NO_OBJECTS:
            window_limits: Json = {"EUR": {window: other}}
            field = f"limits.EUR.{window}"
            if other is not None:
                yield bad(f"set_limits with {window} {other!r}", {**good, "limits": window_limits}, field=field)
        yield bad(f"set_limits with more of a {window}", {**good, "limits": {"EUR": {window: {"x": 1}}}}, field=...)
    for terms in _NO_OBJECTS:
        yield bad(f"set_limits of {terms!r}", {**good, "limits": {"EUR": terms}}, field="limits.EUR")
    yield bad("set_limits of a week", {**good, "limits": {"EUR": {"week": {}}}}, field="limits.EUR.week")
    for number, code in enumerate(("", "E" * 17, "eur ", "E R")):
        yield bad(f"set_limits of an asset that cannot be {number}", {**good, "limits": {code: {}}}, field=...)
    unknown = {**good, "limits": {"DUCATS": {}}, "idempotency_key": "limits of ducats"}
    yield bad("set_limits of an unknown asset", unknown, "asset_unknown", "limits")
    yield bad("set_tier of no such tier", _keyed("set_tier", "no tier"), "illegal_transition", "tier")
    alone = {**_keyed("set_limits", "alone"), "approved_by": "olga"}
    yield bad("set_limits by one alone", alone, "four_eyes", "approved_by")
    for operation in ("set_limits", "set_tier"):
        part = {**command_of(operation), "sub_wallet": "savings"}
        yield bad(f"{operation} of a sub-wallet", part, field="sub_wallet")


def _keyed(operation: str, key: str) -> Json:
    return {**command_of(operation), "idempotency_key": key}


def bad_amounts_in_text() -> Iterator[Bad]:
    """What JSON can write, and no amount is."""
    for operation in ("convert", "fee", "reward", "batch"):
        for raw in ("1e3", "10.0", "-0.0", "1E400", "NaN"):
            marked = json.dumps(command_of(operation)).replace('"amount_minor": 10', f'"amount_minor": {raw}', 1)
            field = "items.0.amount_minor" if operation == "batch" else "amount_minor"
            yield Bad(f"{operation} of {raw}", marked.encode(), field=... if raw == "NaN" else field)


BATCH_CASES = [
    *bad_items(),
    *bad_meanings_of_items(),
    *bad_exchanges(),
    *bad_times(),
    *bad_terms(),
    *bad_amounts_in_text(),
]
