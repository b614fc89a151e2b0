"""The fold of the views, event by event, without a database."""

from __future__ import annotations

import pytest

from agents.views.chunk import Chunk, LogGap, Position, Unreadable, fold_chunk
from agents.views.fold import Changes, Row, fold_event
from schemas import events as ev
from schemas.clock import rfc3339
from schemas.events import AccountBalance, Counterparty, Entry, LedgerEvent, RailFacts, WalletFacts, encode_event
from streams.seal import decode_seal, is_seal
from tests.ledger.world import START_MS
from tests.views.logs import LogBuilder, log_of, random_world, whole

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


def test_a_capture_says_what_remains_of_its_authorization() -> None:
    opened = event(operation="authorize", to_state="processed", amount_minor=500, due_at=LATER, remaining_minor=500)
    capture = event(
        operation="capture",
        transaction_id="c",
        parent_transaction_id="t",
        to_state="settled",
        amount_minor=300,
        remaining_minor=200,
    )
    changes = folded(opened, capture)
    held, captured = changes.transactions["t", ""], changes.transactions["c", ""]
    assert (held["state"], held["remaining_minor"], held["due_at_ms"]) == ("processed", 200, START_MS + 5_000)
    assert (captured["state"], captured["remaining_minor"]) == ("settled", None)
    assert captured["parent_transaction_id"] == "t"
    dispute = event(
        operation="dispute", transaction_id="d", parent_transaction_id="t", to_state="disputed", remaining_minor=80
    )
    assert transaction(dispute, transaction_id="d")["remaining_minor"] == 80


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
    alone = transaction(event(to_state=None, code=None, rail_facts=RailFacts("b-2")))
    assert (alone["state"], alone["batch_id"]) == (None, "b-2")


def test_a_schedule_is_over_once_the_transaction_begins() -> None:
    waits = event(operation="credit", to_state="initiated", due_at=LATER, rail="sepa")
    begins = event(from_state="initiated", to_state="processed")
    assert transaction(waits)["due_at_ms"] == START_MS + 5_000
    assert transaction(waits, begins)["due_at_ms"] is None
    lot = event(operation="reward", to_state="settled", due_at=LATER)
    assert transaction(lot)["due_at_ms"] == START_MS + 5_000


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


# ---- chunks -------------------------------------------------------------------------------------------


def test_a_chunk_moves_the_position_to_its_end_and_repeats_nothing() -> None:
    log = log_of(random_world(1))
    chunk = whole(log)
    done = fold_chunk(chunk._replace(end=chunk.end + 2), Position())
    last = decode_seal(log[-1][1])
    assert done.position == Position(chunk.end + 2, len(log) - 1, last.hash, done.position.recorded_at_ms)
    assert done.records == len(log)
    again = fold_chunk(chunk, done.position)
    assert again.records == 0
    assert again.position == done.position
    assert again.changes.tables() == {}


def test_records_that_do_not_follow_are_refused() -> None:
    log = log_of(random_world(1))
    with pytest.raises(LogGap, match="stand at 0, not 5"):
        fold_chunk(Chunk(0, 5, 9, log[5:9]), Position())
    with pytest.raises(LogGap, match="offset 4 has sequence 4 where 3 follows"):
        fold_chunk(Chunk(0, 0, 9, [*log[:3], *log[4:9]]), Position())


def test_a_seal_that_follows_another_log_is_refused() -> None:
    log = log_of(random_world(1))
    first = next(number for number, (_, value) in enumerate(log) if is_seal(value))
    with pytest.raises(LogGap, match="is a seal behind 0000"):
        fold_chunk(whole(log[: first + 1]), Position(0, -1, "ab" * 32))


def test_what_is_no_event_is_named_by_its_place() -> None:
    builder = LogBuilder()
    builder.event(ev.WALLET_OPENED, wallet_id="w", wallet=WalletFacts("o"))
    for nonsense in (b"not json", b'{"type":1}', b'{"type":"batch.sealed"}'):
        with pytest.raises(Unreadable, match="partition 0 offset 0 is no ledger event"):
            fold_chunk(Chunk(0, 0, 1, [(0, nonsense)]), Position())
    untimely = encode_event(LedgerEvent(sequence=0, type="clock.ticked", recorded_at="yesterday"))
    with pytest.raises(Unreadable, match="run `walletstream verify`"):
        fold_chunk(Chunk(0, 0, 1, [(0, untimely)]), Position())
