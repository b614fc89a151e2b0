"""Frauds with exchanges, fees, rewards, batches, schedules and agreements, in a ledger that is told in `services`."""

from __future__ import annotations

from typing import Any

from ops.verify.findings import Check
from tests.ops.verify.frauds import edit_event, without
from tests.ops.verify.operations import ALICE, BERT, DORA, FRED
from tests.ops.verify.tamper import EVENTS, Tamper

Fields = dict[str, Any]

SETTLED = "transaction.settled"
CONVERTED = {"type": SETTLED, "operation": "convert", "command": None, "wallet_id": ALICE}
EXCHANGED = {"operation": "transfer", "exchange": lambda exchange: exchange is not None, "wallet_id": ALICE}
EXCHANGED_BACK = {"operation": "refund", "type": SETTLED, "exchange": lambda exchange: exchange is not None}
CHARGED = {"type": SETTLED, "operation": "debit", "wallet_id": DORA, "fee": lambda fee: fee is not None}
FEE_BACK = {"type": SETTLED, "operation": "refund", "wallet_id": DORA, "fee_returned_minor": lambda minor: minor}
TAKEN_FEE = {"type": SETTLED, "operation": "fee", "wallet_id": ALICE}
EXPIRED = {"type": "reward.expired", "entries": lambda entries: entries}
ITEM = {"type": SETTLED, "operation": "fee", "parent_transaction_id": lambda batch_id: batch_id}
BATCH = {"type": SETTLED, "operation": "batch"}
WAITING = {"type": "transaction.initiated", "operation": "debit"}
EXECUTED = {"command": "execute", "operation": "debit", "type": SETTLED}
AGREED = {"type": "wallet.limits_set", "wallet_id": BERT}


def within(**changes: Any) -> Any:
    """Other fields of an object; a function gets the old value."""
    return lambda old: {**old, **{k: v(old.get(k)) if callable(v) else v for k, v in changes.items()}}


def moved_more(by_minor: int, *accounts: str, asset: str) -> Any:
    """Entries of these accounts, the last parts of their names, of so much more in an asset."""

    def change(entries: list[Fields]) -> list[Fields]:
        return [
            {**entry, **{side: entry[side] + by_minor for side in ("debit_minor", "credit_minor") if side in entry}}
            if entry["asset"] == asset and entry["account"].endswith(accounts)
            else entry
            for entry in entries
        ]

    return change


def credit_limited(minor: int) -> Any:
    return lambda facts: {**facts, "limits": {"EUR": {"credit_limit_minor": minor}}}


SERVICE_CASES: list[tuple[str, Check, Tamper]] = [
    # exchanges
    ("another rate", Check.EXCHANGE_WRONG, edit_event(CONVERTED, exchange=within(numerator=lambda old: old * 3))),
    (
        "more than the rate gives",
        Check.EXCHANGE_WRONG,
        edit_event(
            CONVERTED,
            exchange=within(to_minor=lambda old: old + 1),
            entries=moved_more(1, "/available", "system/fx", asset="USD"),
        ),
    ),
    (
        "more than was recorded is exchanged back",
        Check.EXCHANGE_WRONG,
        edit_event(
            EXCHANGED_BACK,
            exchange=within(to_minor=lambda old: old + 1),
            entries=moved_more(1, "/available", "system/fx", asset="EUR"),
        ),
    ),
    ("exchanged back at today's rate", Check.EXCHANGE_WRONG, edit_event(EXCHANGED_BACK, exchange=within(rate_id="r2"))),
    ("an exchange of more than is given", Check.EXCHANGE_WRONG, edit_event(EXCHANGED, exchange=within(from_minor=998))),
    (
        "an exchange that nobody has asked for",
        Check.EXCHANGE_WRONG,
        edit_event(
            {"type": SETTLED, "operation": "transfer", "from_state": None, "wallet_id": DORA, "exchange": None},
            exchange={
                "rate_id": "r1",
                "source": "desk",
                "from_asset": "EUR",
                "from_minor": 45,
                "to_asset": "USD",
                "to_minor": 48,
                "numerator": 10837,
                "denominator": 10000,
            },
        ),
    ),
    ("nothing is exchanged", Check.EXCHANGE_WRONG, edit_event(CONVERTED, exchange=None)),
    (
        "what is got is not posted against the exchange",
        Check.WRONG_POSTING,
        edit_event(
            CONVERTED,
            entries=lambda entries: [
                {**entry, "account": "system/adjustments" if entry["account"] == "system/fx" else entry["account"]}
                for entry in entries
            ],
        ),
    ),
    (
        "another sum arrives than was exchanged",
        Check.EXCHANGE_WRONG,
        edit_event(
            {"type": "transfer.received", "exchange": lambda exchange: exchange is not None, "operation": "transfer"},
            amount_minor=lambda minor: minor + 1,
        ),
    ),
    (
        "the partitions mean another rate",
        Check.SAGA_DIFFERS,
        edit_event(
            {"type": "transfer.received", "exchange": lambda exchange: exchange is not None},
            exchange=within(rate_id="r2"),
        ),
    ),
    # fees
    ("a fee is not posted", Check.WRONG_POSTING, edit_event(CHARGED, entries=lambda entries: entries[:2])),
    (
        "a fee to adjustments",
        Check.WRONG_POSTING,
        edit_event(CHARGED, entries=lambda entries: [*entries[:3], {**entries[3], "account": "system/adjustments"}]),
    ),
    ("another fee is posted than said", Check.WRONG_POSTING, edit_event(CHARGED, fee=within(amount_minor=6))),
    ("a fee of another asset", Check.FEE_WRONG, edit_event(CHARGED, fee=within(asset="USD"))),
    (
        "a fee that no refund gives back is given back",
        Check.FEE_WRONG,
        edit_event(CHARGED, fee=within(refundable=False)),
    ),
    (
        "a fee is given back twice",
        Check.FEE_WRONG,
        edit_event(
            FEE_BACK,
            fee_returned_minor=lambda minor: minor + 7,
            entries=lambda entries: [
                *entries,
                {"account": "system/fees", "asset": "EUR", "debit_minor": 7},
                {"account": f"{DORA}/main/available", "asset": "EUR", "credit_minor": 7},
            ],
        ),
    ),
    (
        "a fee is given back with what costs nothing back",
        Check.FEE_WRONG,
        edit_event(TAKEN_FEE, fee_returned_minor=1),
    ),
    (
        "a fee of its own is charged once more",
        Check.WRONG_POSTING,
        edit_event(TAKEN_FEE, fee={"schedule": "s", "version": 1, "asset": "EUR", "amount_minor": 1}),
    ),
    # rewards
    (
        "more of a reward expires than is left",
        Check.WRONG_POSTING,
        edit_event(EXPIRED, entries=moved_more(1, "/available", "system/rewards", asset="POINTS")),
    ),
    ("nothing of a reward expires", Check.WRONG_POSTING, edit_event(EXPIRED, entries=None)),
    (
        "what is due is done ahead of another record than what was due before",
        Check.MOVE_UNFOUNDED,
        edit_event(
            {"type": SETTLED, "operation": "convert", "command": "execute"},
            cause=lambda cause: {**cause, "offset": cause["offset"] + 1},
        ),
    ),
    ("a reward outlives its time", Check.EXPIRY_WRONG, without(EVENTS, type="reward.expired")),
    (
        "a reward that the fees pay",
        Check.WRONG_POSTING,
        edit_event(
            {"operation": "reward", "type": SETTLED},
            entries=lambda entries: [{**entries[0], "account": "system/fees"}, entries[1]],
        ),
    ),
    # batches
    ("an item is left out", Check.MOVE_MISSING, without(EVENTS, **ITEM)),
    ("an item of another sum", Check.MOVE_MISSING, edit_event(ITEM, amount_minor=2)),
    ("an item of no batch", Check.MOVE_UNFOUNDED, without(EVENTS, **BATCH)),
    ("an item names another record", Check.MOVE_UNFOUNDED, edit_event(ITEM, cause=within(offset=0))),
    # schedules
    ("executed before its time", Check.EXPIRY_WRONG, edit_event(WAITING, due_at="2099-01-01T00:00:00.000Z")),
    ("never executed", Check.EXPIRY_WRONG, without(EVENTS, **EXECUTED)),
    ("executed with another sum", Check.NOT_AS_ASKED, edit_event(EXECUTED, amount_minor=49)),
    ("executed over another rail", Check.NOT_AS_ASKED, edit_event(EXECUTED, rail="sepa")),
    (
        "what waits sets money aside",
        Check.WRONG_POSTING,
        edit_event(
            WAITING,
            entries=[
                {"account": "system/fees", "asset": "EUR", "debit_minor": 1},
                {"account": "system/suspense", "asset": "EUR", "credit_minor": 1},
            ],
        ),
    ),
    # agreements
    ("more credit than was agreed", Check.NEGATIVE_BALANCE, edit_event(AGREED, wallet=credit_limited(299))),
    (
        "more is captured than was agreed",
        Check.EXCEEDS_ORIGINAL,
        edit_event(AGREED, wallet=within(over_capture_bps=999)),
    ),
    (
        "a refund below zero that was not agreed",
        Check.NEGATIVE_BALANCE,
        edit_event(AGREED, wallet=within(refunds_below_zero=False)),
    ),
    # quarantine
    (
        "a quarantine that no tick calls for",
        Check.MOVE_UNFOUNDED,
        edit_event(
            {"type": "wallet.quarantined", "wallet_id": FRED},
            command="expire",
            cause=lambda cause: {name: cause[name] for name in ("topic", "partition", "offset")},
        ),
    ),
]

#: Events and what is changed of them that was asked for otherwise.
SERVICES_NOT_AS_ASKED: list[tuple[str, Fields, Fields]] = [
    ("another rate than asked for", CONVERTED, {"exchange": within(rate_id="r2")}),
    ("less than the least", CONVERTED, {"exchange": within(to_minor=1_082)}),
    ("another asset", CONVERTED, {"exchange": within(to_asset="POINTS")}),
    ("another time", WAITING, {"due_at": "2026-12-31T00:00:00.000Z"}),
    ("a reward for longer", {"operation": "reward"}, {"due_at": "2099-01-01T00:00:00.000Z"}),
    ("another credit", AGREED, {"wallet": credit_limited(501)}),
    ("another over-capture", AGREED, {"wallet": within(over_capture_bps=999)}),
    ("a wallet stays open", {"operation": "close_wallet"}, {"wallet": {"state": "active"}}),
]
