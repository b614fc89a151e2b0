"""The fold of the views, event by event, without a database."""

from __future__ import annotations

from typing import Any

import pytest

from agents.views.fold import Changes, Row, fold_event
from schemas import events as ev
from schemas.clock import rfc3339
from schemas.events import AccountBalance, Counterparty, Entry, LedgerEvent, RailFacts, WalletFacts
from tests.ledger.world import START_MS

AT = rfc3339(START_MS)
LATER = rfc3339(START_MS + 5_000)


def folded(*events: LedgerEvent) -> Changes:
    """What events at offsets 100, 101 ... of partition 3 change."""
    changes = Changes()
    for number, event in enumerate(events):
        fold_event(changes, 3, 100 + number, event)
    return changes


def transaction(*events: LedgerEvent, transaction_id: str = "t", leg: str = "") -> Row:
    return folded(*events).transactions[transaction_id, leg]


def event(type_: str = ev.TRANSACTION_SETTLED, **fields: object) -> LedgerEvent:
    given: dict[str, object] = {"wallet_id": "w", "transaction_id": "t", "code": "ok", "recorded_at": AT, **fields}
    if given.get("to_state"):
        given.setdefault("path", (given.get("from_state") or "initiated", given["to_state"]))
    return LedgerEvent(type=type_, **given)  # type: ignore[arg-type]


# ---- money --------------------------------------------------------------------------------------------


def test_an_entry_has_the_balance_after_it_although_events_say_it_after_all() -> None:
    entries = (
        Entry("w/main/available", "EUR", debit_minor=30),
        Entry("system/rail:instant", "EUR", credit_minor=30),
        Entry("w/main/available", "EUR", debit_minor=2),
        Entry("system/fees", "EUR", credit_minor=2),
    )
    after = (
        AccountBalance("w/main/available", "EUR", 68),
        AccountBalance("system/rail:instant", "EUR", -70),
        AccountBalance("system/fees", "EUR", 2),
    )
    changes = folded(event(sequence=9, operation="debit", entries=entries, balances=after))
    assert [(row["entry"], row["account"], row["balance_after_minor"]) for row in changes.entries] == [
        (0, "w/main/available", 70),
        (1, "system/rail:instant", -70),
        (2, "w/main/available", 68),
        (3, "system/fees", 2),
    ]
    assert changes.entries[2] == {
        "account": "w/main/available",
        "asset": "EUR",
        "recorded_at_ms": START_MS,
        "sequence": 9,
        "entry": 2,
        "debit_minor": 2,
        "credit_minor": 0,
        "balance_after_minor": 68,
        "transaction_id": "t",
        "operation": "debit",
        "partition": 3,
        "ledger_offset": 100,
    }
    assert changes.balances["w/main/available", "EUR"] == {
        "wallet_id": "w",
        "sub_wallet": "main",
        "bucket": "available",
        "account": "w/main/available",
        "asset": "EUR",
        "balance_minor": 68,
        "recorded_at_ms": START_MS,
        "partition": 3,
        "ledger_offset": 100,
    }


def test_a_system_account_has_a_bucket_and_no_sub_wallet() -> None:
    entries = Entry("system/rail-pending:sepa", "EUR", 1), Entry("w/shop/incoming", "EUR", 0, 1)
    after = AccountBalance("system/rail-pending:sepa", "EUR", -1), AccountBalance("w/shop/incoming", "EUR", 1)
    found = folded(event(entries=entries, balances=after)).balances
    names = ("wallet_id", "sub_wallet", "bucket")
    assert [tuple(row[name] for name in names) for row in found.values()] == [
        ("system", None, "rail-pending:sepa"),
        ("w", "shop", "incoming"),
    ]


def test_an_entry_without_a_balance_is_no_event_of_ours() -> None:
    with pytest.raises(ValueError, match="an entry of b in EUR without the balance after it"):
        folded(event(entries=(Entry("a", "EUR", 1), Entry("b", "EUR", 0, 1))))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_balance_between_two_entries_of_an_event_is_kept_within_the_database(sign: int) -> None:
    """The ledger looks at what an event leaves: a credit that fits only less its fee is there."""
    most_minor = 2**63 - 1 if sign > 0 else -(2**63)

    def moved(account: str, minor: int) -> Entry:
        return Entry(account, "EUR", credit_minor=minor) if minor > 0 else Entry(account, "EUR", debit_minor=-minor)

    accounts = (("w/main/available", 20), ("system/rail:instant", -20), ("w/main/available", -15), ("system/fees", 15))
    left = (("w/main/available", most_minor - sign * 5), ("system/rail:instant", 0), ("system/fees", 0))
    changes = folded(
        event(
            entries=tuple(moved(account, sign * minor) for account, minor in accounts),
            balances=tuple(AccountBalance(account, "EUR", minor) for account, minor in left),
        )
    )
    after = [row["balance_after_minor"] for row in changes.entries if row["account"] == "w/main/available"]
    assert after == [most_minor, most_minor - sign * 5]


# ---- wallets ------------------------------------------------------------------------------------------


def test_a_wallet_opens_with_its_sub_wallet_and_changes_afterwards() -> None:
    changes = folded(
        event(ev.WALLET_OPENED, wallet=WalletFacts("o\0", "customer", ("EUR",), "active")),
        event(ev.ASSET_ENABLED, wallet=WalletFacts(assets=("EUR", "USD"))),
        event(
            ev.SUB_WALLET_OPENED,
            wallet=WalletFacts(sub_wallet="e", sub_wallet_kind="escrow", payee_wallet_id="p"),
        ),
        event(ev.WALLET_STATE_CHANGED, wallet=WalletFacts(state="locked")),
        event(ev.WALLET_QUARANTINED, recorded_at=LATER),
    )
    assert changes.wallets["w"] == {
        "wallet_id": "w",
        "owner_ref": "o\ufffd",
        "kind": "customer",
        "state": "locked",
        "quarantined": True,
        "assets": "EUR USD",
        "opened_at_ms": START_MS,
        "changed_at_ms": START_MS + 5_000,
        "partition": 3,
        "ledger_offset": 104,
    }
    assert {key: (row["kind"], row["payee_wallet_id"]) for key, row in changes.sub_wallets.items()} == {
        ("w", "main"): ("main", None),
        ("w", "e"): ("escrow", "p"),
    }
    assert changes.transactions == {}


def test_a_release_ends_the_quarantine_and_a_portion_does_not() -> None:
    portion = event(ev.WALLET_RELEASING, wallet=WalletFacts(parked=7))
    assert folded(event(ev.WALLET_QUARANTINED), portion).wallets["w"]["quarantined"] is True
    assert folded(event(ev.WALLET_QUARANTINED), event(ev.WALLET_RELEASED)).wallets["w"]["quarantined"] is False
    assert folded(portion).wallets["w"]["quarantined"] is None


# ---- transactions -------------------------------------------------------------------------------------


def test_a_hold_and_what_remains_of_it() -> None:
    opened = event(
        "transaction.processed",
        operation="authorize",
        sub_wallet="main",
        to_state="processed",
        amount_minor=500,
        asset="EUR",
        due_at=LATER,
        remaining_minor=500,
    )
    row = transaction(opened)
    assert (row["state"], row["due_at_ms"], row["remaining_minor"]) == ("processed", START_MS + 5_000, 500)
    partly = event("transaction.processed", from_state="processed", to_state="processed", remaining_minor=200)
    row = transaction(opened, partly)
    assert (row["due_at_ms"], row["remaining_minor"], row["amount_minor"]) == (START_MS + 5_000, 200, 500)
    released = event("transaction.canceled", operation="release", from_state="processed", to_state="canceled")
    row = transaction(opened, partly, released)
    assert (row["state"], row["due_at_ms"], row["remaining_minor"]) == ("canceled", None, None)
    assert (row["operation"], row["opened_at_ms"], row["ledger_offset"]) == ("authorize", START_MS, 102)


def capture(transaction_id: str, held_minor: int, **fields: object) -> LedgerEvent:
    """A capture of authorization `t` that takes from what is held, or with a negative amount gives back to it."""
    taken, given = max(0, held_minor), max(0, -held_minor)
    entries = (
        Entry("w/main/held", "EUR", debit_minor=taken, credit_minor=given),
        Entry("w/main/available", "EUR", debit_minor=7),
        Entry("system/rail:instant", "EUR", debit_minor=given, credit_minor=taken + 7),
    )
    after = tuple(AccountBalance(entry.account, "EUR", 0) for entry in entries)
    given_fields: dict[str, Any] = {
        "operation": "capture",
        "to_state": "settled",
        "entries": entries,
        "balances": after,
        **fields,
    }
    return event(transaction_id=transaction_id, parent_transaction_id="t", sub_wallet="main", **given_fields)


def test_captures_change_what_remains_of_their_authorization() -> None:
    opened = event(operation="authorize", to_state="processed", amount_minor=500, due_at=LATER, remaining_minor=500)
    changes = folded(opened, capture("c", 300), capture("d", 50, to_state="processed"))
    held, captured = changes.transactions["t", ""], changes.transactions["c", ""]
    assert (held["state"], held["remaining_minor"], held["due_at_ms"]) == ("processed", 150, START_MS + 5_000)
    assert (held["ledger_offset"], held["remaining_change_minor"]) == (102, 0)
    assert (captured["state"], captured["remaining_minor"], captured["parent_transaction_id"]) == ("settled", None, "t")
    failed = capture("d", -50, from_state="processed", to_state="failed")
    assert folded(opened, capture("d", 50), failed).transactions["t", ""]["remaining_minor"] == 500


def test_what_captures_change_of_an_authorization_that_was_opened_before_is_a_difference() -> None:
    held = folded(capture("c", 300), capture("d", 50)).transactions["t", ""]
    assert (held["remaining_minor"], held["remaining_change_minor"], held["anew"]) == (None, -350, False)
    ends = event(operation="authorize", from_state="processed", to_state="settled", remaining_minor=0)
    held = folded(capture("c", 300), ends).transactions["t", ""]
    assert (held["remaining_minor"], held["remaining_change_minor"], held["anew"]) == (0, 0, True)
    nothing_held = event(operation="capture", transaction_id="c", parent_transaction_id="t", to_state="failed")
    assert set(folded(nothing_held).transactions) == {("c", "")}


def test_a_dispute_and_what_is_disputed() -> None:
    disputed = event(
        "transaction.disputed", operation="dispute", transaction_id="d", parent_transaction_id="t", to_state="disputed"
    )
    disputed.remaining_minor = 80
    original = event("transaction.disputed", operation="credit", from_state="settled", to_state="disputed")
    original.remaining_minor = 20
    changes = folded(disputed, original)
    assert changes.transactions["d", ""]["remaining_minor"] == 80
    assert changes.transactions["t", ""]["remaining_minor"] == 20


def test_a_note_changes_neither_state_nor_what_was_said() -> None:
    failed = event("transaction.failed", operation="debit", to_state="failed", code="rail_failed", rail="sepa")
    note = event(
        "transaction.contradicted", operation="debit", to_state="failed", path=(), amount_minor=9, entries=(),
        rail_facts=RailFacts(rail_reference="r"),
    )  # fmt: skip
    row = transaction(failed, note)
    assert (row["state"], row["code"], row["rail_reference"], row["ledger_offset"]) == (
        "failed",
        "rail_failed",
        None,
        101,
    )


def test_a_deferred_transaction_is_submitted_and_settled() -> None:
    opened = event(operation="credit", to_state="processed", amount_minor=9, asset="EUR", rail="sepa")
    submitted = event(operation="submit", from_state="processed", to_state="processed", rail_facts=RailFacts("b-1"))
    settled = event(
        operation="settle",
        from_state="processed",
        to_state="settled",
        amount_minor=8,
        rail_facts=RailFacts(rail_reference="r\0"),
    )
    row = transaction(opened, submitted, settled)
    assert (row["operation"], row["rail"], row["amount_minor"]) == ("credit", "sepa", 9)
    assert (row["state"], row["batch_id"], row["rail_reference"]) == ("settled", "b-1", "r\ufffd")


def test_a_schedule_is_over_once_the_transaction_begins() -> None:
    waits = event(operation="credit", to_state="initiated", due_at=LATER, rail="sepa")
    begins = event(from_state="initiated", to_state="processed")
    assert transaction(waits)["due_at_ms"] == START_MS + 5_000
    assert transaction(waits, begins)["due_at_ms"] is None


def test_a_reward_is_due_until_it_has_expired() -> None:
    lot = event(operation="reward", to_state="settled", due_at=LATER)
    assert transaction(lot)["due_at_ms"] == START_MS + 5_000
    expired = event("reward.expired", operation="reward", from_state="settled", to_state="settled", remaining_minor=0)
    row = transaction(lot, expired)
    assert (row["state"], row["due_at_ms"], row["remaining_minor"]) == ("settled", None, 0)


def test_the_legs_of_a_transfer_are_rows_of_their_own() -> None:
    sent = event(
        "transaction.processed", operation="transfer", to_state="processed", counterparty=Counterparty("v", "main")
    )
    received = event(
        ev.TRANSFER_RECEIVED, wallet_id="v", leg="credit", to_state="settled", counterparty=Counterparty("w", "main")
    )
    changes = folded(sent, received)
    assert {key: (row["wallet_id"], row["state"]) for key, row in changes.transactions.items()} == {
        ("t", ""): ("w", "processed"),
        ("t", "credit"): ("v", "settled"),
    }
    assert changes.transactions["t", ""]["counterparty_wallet_id"] == "v"


def test_requests_that_moved_nothing_are_no_transactions() -> None:
    for type_ in (ev.REQUEST_REJECTED, ev.REQUEST_REPLAYED, ev.REQUEST_FORWARDED, ev.REQUEST_DEAD_LETTERED):
        assert folded(event(type_, to_state="settled")).transactions == {}
    assert folded(event(ev.CLOCK_TICKED, transaction_id=None)).tables() == {}
