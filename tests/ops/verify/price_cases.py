"""Frauds with fees and exchanges, in a ledger told in `priced`."""

from __future__ import annotations

from typing import Any

from tests.ops.verify.frauds import edit_event
from tests.ops.verify.operation_cases import turned
from tests.ops.verify.operations import BERT, BOB, CAROL, DORA, FRED
from tests.ops.verify.tamper import Tamper

Fields = dict[str, Any]
Entries = list[Fields]
FEES, FX = "system/fees", "system/fx"


def _has(value: Any) -> bool:
    return value is not None


SETTLED: Fields = {"type": "transaction.settled", "from_state": None}
SENT: Fields = {"type": "transaction.processed", "from_state": None}
CONVERTED: Fields = {**SETTLED, "operation": "convert", "wallet_id": CAROL, "fee": _has}
DEBITED: Fields = {**SETTLED, "operation": "debit", "wallet_id": DORA}
CREDITED: Fields = {**SETTLED, "operation": "credit", "wallet_id": DORA, "fee": _has}
MOVED: Fields = {**SETTLED, "operation": "transfer", "exchange": _has}
SENT_AWAY: Fields = {
    **SENT,
    "operation": "transfer",
    "exchange": _has,
    "counterparty": lambda to: to["wallet_id"] == BOB,
}
RECEIVED: Fields = {"type": "transfer.received", "operation": "transfer", "exchange": _has}
GOT_BACK: Fields = {"type": "transfer.received", "operation": "refund", "exchange": _has, "fee_returned_minor": _has}
REFUNDED: Fields = {**SETTLED, "operation": "refund", "wallet_id": DORA, "fee_returned_minor": _has}
#: The refunds that complete their originals, which take what is left.
LAST_OVER_RAIL: Fields = {**REFUNDED, "amount_minor": 133}
LAST_EXCHANGED: Fields = {**SETTLED, "operation": "refund", "wallet_id": BERT, "exchange": _has, "amount_minor": 228}
LAST_AWAY: Fields = {**SENT, "operation": "refund", "wallet_id": BOB, "exchange": _has, "amount_minor": 228}
REVERSED: Fields = {**SETTLED, "operation": "reverse", "wallet_id": CAROL, "exchange": _has}
ENDED: Fields = {"type": "transaction.settled", "operation": "transfer", "from_state": "processed"}
FAILED: Fields = {"type": "transaction.failed", "operation": "transfer", "from_state": "processed"}
TAKEN: Fields = {"type": "transaction.settled", "operation": "fee", "wallet_id": CAROL}
CONTESTED: Fields = {"type": "transaction.disputed", "operation": "dispute", "wallet_id": DORA}
HELD: Fields = {**SENT, "operation": "authorize", "wallet_id": FRED}


def said(**changes: Any) -> Any:
    """Fields of a fee or an exchange, each by how much it is more, or what it is instead."""

    def change(facts: Fields) -> Fields:
        changed = dict(facts)
        for name, by in changes.items():
            changed[name] = facts[name] + by if isinstance(by, int) else by
        return changed

    return change


def _pair(entries: Entries) -> list[int]:
    """The first entry of the fees, and the one beside it that is of the same amount."""
    amounts = [entry.get("debit_minor", 0) + entry.get("credit_minor", 0) for entry in entries]
    at = next(index for index, entry in enumerate(entries) if entry["account"] == FEES)
    (beside,) = [index for index in (at - 1, at + 1) if 0 <= index < len(entries) and amounts[index] == amounts[at]]
    return [at, beside]


def without_fee(entries: Entries) -> Entries:
    """The same journal without its fee."""
    return [entry for index, entry in enumerate(entries) if index not in _pair(entries)]


def twice(entries: Entries) -> Entries:
    """The same journal with its fee a second time."""
    return [*entries, *[entries[index] for index in _pair(entries)]]


def more_of(asset: str, by: int = 1) -> Any:
    """The same journal with so much more in each entry of an asset."""

    def change(entries: Entries) -> Entries:
        changed = []
        for entry in entries:
            sides = [side for side in ("debit_minor", "credit_minor") if side in entry and entry["asset"] == asset]
            raised: Fields = {side: entry[side] + by for side in sides}
            changed.append({**entry, **raised})
        return changed

    return change


def edited(wanted: Fields, **changes: Any) -> Tamper:
    return edit_event(wanted, **changes)


#: Name, and how it is done.
PRICE_CASES: list[tuple[str, Tamper]] = [
    # what is exchanged
    (
        "a cent more than the rate gives, in event and journal",
        edited(CONVERTED, exchange=said(to_minor=1), entries=more_of("USD")),
    ),
    ("a cent more in the event alone", edited(CONVERTED, exchange=said(to_minor=1))),
    ("a cent more in the journal alone", edited(CONVERTED, entries=more_of("USD"))),
    ("a cent less than the rate gives", edited(CONVERTED, exchange=said(to_minor=-1))),
    ("another rate", edited(CONVERTED, exchange=said(numerator=6))),
    (
        "a fraction that is not in lowest terms",
        edited(CONVERTED, exchange=said(numerator=11, denominator=10)),
    ),
    ("a fraction of nothing", edited(CONVERTED, exchange=said(denominator=-10))),
    ("more is exchanged than is given", edited(CONVERTED, exchange=said(from_minor=10))),
    ("another asset is given", edited(CONVERTED, exchange=said(from_asset="JPY"))),
    ("another asset is got", edited(CONVERTED, exchange=said(to_asset="JPY"))),
    ("at another rate than was asked for", edited(CONVERTED, exchange=said(rate_id="r2"))),
    ("nothing is exchanged", edited(CONVERTED, exchange=None)),
    (
        "a transfer of a cent too much",
        edited(MOVED, exchange=said(to_minor=1), entries=more_of("USD")),
    ),
    (
        "a transfer that exchanges twice",
        edited(MOVED, entries=lambda entries: [*entries, *entries[1:3], *turned(entries[1:3])]),
    ),
    (
        "a move that says an exchange",
        edited(
            ENDED,
            exchange={
                "rate_id": "r1",
                "source": "desk",
                "from_asset": "EUR",
                "from_minor": 10,
                "to_asset": "USD",
                "to_minor": 11,
                "numerator": 11,
                "denominator": 10,
            },
        ),
    ),
    # what a refund gives back of it
    (
        "an exchange that gives back a cent more",
        edited(LAST_EXCHANGED, exchange=said(to_minor=1), entries=more_of("EUR")),
    ),
    ("the last refund keeps a cent of the exchange", edited(LAST_EXCHANGED, exchange=said(to_minor=-1))),
    ("a refund at the rate of today", edited(LAST_EXCHANGED, exchange=said(rate_id="r9"))),
    ("a reversal that gives back a cent more", edited(REVERSED, exchange=said(to_minor=1))),
    ("a reversal that exchanges nothing back", edited(REVERSED, exchange=None)),
    # fees
    ("a fee that is not posted", edited(DEBITED, entries=without_fee)),
    ("a fee that is posted twice", edited(DEBITED, entries=twice)),
    ("a fee of a cent more in the event", edited(CREDITED, fee=said(amount_minor=1))),
    ("a fee that nothing names", edited(CREDITED, fee=None)),
    ("a fee below nothing", edited(CREDITED, fee=said(amount_minor=-10_000))),
    ("a fee in another asset", edited(CREDITED, fee=said(asset="USD"))),
    (
        "a fee of a fee",
        edited(TAKEN, fee={"schedule": "s", "version": 1, "asset": "EUR", "amount_minor": 5}),
    ),
    (
        "a fee of a move",
        edited(FAILED, fee={"schedule": "s", "version": 1, "asset": "EUR", "amount_minor": 5}),
    ),
    ("a fee of a dispute that is not posted", edited({**CONTESTED, "fee": _has}, entries=without_fee)),
    (
        "a fee of who contests a payment of their own",
        edited(
            {**CONTESTED, "fee": None},
            fee={"schedule": "s", "version": 1, "asset": "EUR", "amount_minor": 5},
            entries=lambda entries: [
                *entries,
                {"account": f"{DORA}/main/available", "asset": "EUR", "debit_minor": 5},
                {"account": "system/fees", "asset": "EUR", "credit_minor": 5},
            ],
        ),
    ),
    ("a fee that is not given back when it fails", edited(FAILED, entries=without_fee)),
    (
        "a fee as an operation to the rail",
        edited(
            TAKEN,
            entries=lambda entries: [
                entries[0],
                {**entries[1], "account": "system/rail:instant"},
            ],
        ),
    ),
    # what a refund gives back of them
    (
        "a fee that a refund does not give back",
        edited(LAST_OVER_RAIL, fee_returned_minor=None, entries=without_fee),
    ),
    (
        "the last refund keeps a cent of the fee",
        edited(LAST_OVER_RAIL, fee_returned_minor=lambda minor: minor - 1),
    ),
    ("a fee that is given back twice", edited(LAST_OVER_RAIL, entries=twice)),
    (
        "a reversal that gives back more of the fee",
        edited(REVERSED, fee_returned_minor=lambda minor: minor + 1),
    ),
    # between partitions
    (
        "the payee gets a cent more than was sent",
        edited(
            RECEIVED,
            amount_minor=lambda minor: minor + 1,
            exchange=said(to_minor=1),
            entries=more_of("USD"),
        ),
    ),
    (
        "the payer's partition gives back another amount",
        edited(GOT_BACK, exchange=said(to_minor=1)),
    ),
    ("and of the fee", edited(GOT_BACK, fee_returned_minor=lambda minor: minor + 1)),
    ("the payer's leg posts a cent more in its asset", edited(GOT_BACK, entries=more_of("EUR"))),
    (
        "a transfer that sends a cent too much",
        edited(
            SENT_AWAY,
            exchange=said(to_minor=1),
            entries=more_of("USD"),
        ),
    ),
    ("the last refund away keeps a cent", edited(LAST_AWAY, exchange=said(to_minor=-1))),
    (
        "and of the fee that is given back elsewhere",
        edited(
            LAST_AWAY,
            fee_returned_minor=lambda minor: minor - 1,
        ),
    ),
]
