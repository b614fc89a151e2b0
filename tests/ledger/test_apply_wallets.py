"""What events change of wallets and transactions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agents.ledger.answers import answer_of
from agents.ledger.journals import leaves_room
from agents.ledger.keys import leg_key, parked_key, scope
from agents.ledger.state import WALLETS, LedgerState, SubWallet, Terms, Wallet
from agents.ledger.transaction import Transaction
from schemas.events import AccountBalance, Cause, Counterparty, ParkedRecord, Source, WalletFacts
from schemas.money import INT64_MAX, INT64_MIN
from tests.ledger.folding import AT_MS, cr, dr, empty_state, event, fold


@pytest.fixture
def state() -> LedgerState:
    """Tables with nothing in them."""
    return empty_state()


@pytest.fixture
def opened(state: LedgerState) -> LedgerState:
    """A state with a wallet `w`."""
    facts = WalletFacts(owner_ref="o", kind="merchant", assets=("EUR",), state="active")
    fold(state, event("wallet.opened", wallet=facts))
    return state


def wallet_of(state: LedgerState) -> dict[str, Any]:
    """All that is known of wallet `w`."""
    wallet = state.wallets.get("w")
    assert wallet is not None
    return {name: getattr(wallet, name) for name in wallet.__struct_fields__}


FRESH: dict[str, Any] = {"owner_ref": "o", "kind": "merchant", "state": "active", "assets": ("EUR",)}
FRESH |= {"quarantined": False, "parked": 0, "open_transactions": 0, "first_parked": 0, "releasing": False}
FRESH |= {"due_at_ms": 0, "terms": None, "has_lots": False}


def test_wallet_events_change_what_they_say_and_nothing_else(opened: LedgerState) -> None:
    first = wallet_of(opened)
    assert {sub: kind.kind for sub, kind in first.pop("sub_wallets").items()} == {"main": "main"}
    assert first == FRESH
    fold(opened, event("wallet.asset_enabled", wallet=WalletFacts(assets=("EUR", "JPY"))))
    fold(opened, event("wallet.state_changed", wallet=WalletFacts(state="locked")))
    facts = WalletFacts(sub_wallet="deal", sub_wallet_kind="escrow", payee_wallet_id="p")
    fold(opened, event("wallet.sub_wallet_opened", wallet=facts))
    now = wallet_of(opened)
    subs = {name: (sub.kind, sub.payee_wallet_id) for name, sub in now.pop("sub_wallets").items()}
    assert subs == {"main": ("main", None), "deal": ("escrow", "p")}
    assert now == {**FRESH, "assets": ("EUR", "JPY"), "state": "locked"}


def test_a_wallet_that_was_read_is_the_one_that_was_written_and_shares_what_most_have_alike() -> None:
    main, deal = {"main": SubWallet("main")}, {"main": SubWallet("main"), "deal": SubWallet("escrow", "p")}
    written = [Wallet("o", "customer", "active", ("EUR", "JPY"), sub_wallets) for sub_wallets in (main, main, deal)]
    read = [WALLETS.decode(WALLETS.encode(wallet)) for wallet in written]
    assert read == written
    assert read[0].sub_wallets is read[1].sub_wallets
    assert read[0].assets is read[1].assets is read[2].assets


def test_what_an_event_does_not_say_has_a_default(state: LedgerState) -> None:
    """Absent and default are written alike, so that a reader has to supply the same everywhere."""
    fold(state, event("wallet.opened", wallet=WalletFacts()))
    fold(state, event("wallet.sub_wallet_opened", wallet=WalletFacts(sub_wallet="s")))
    expected = {**FRESH, "owner_ref": "", "kind": "customer", "assets": ()}
    now = wallet_of(state)
    assert {name: sub.kind for name, sub in now.pop("sub_wallets").items()} == {"main": "main", "s": "main"}
    assert now == expected
    fold(state, event("wallet.limits_set", wallet=WalletFacts()))
    assert wallet_of(state)["terms"] == Terms(None, {}, 0, False)
    fold(state, event("transfer.refused", leg="credit", code=None, wallet_id=None))
    bare = Transaction("", "", "ok", "", "main", "", 0, AT_MS, "t", 0, 7)
    assert transaction_of(state, leg_key("x", "credit")) == bare
    cause = Cause("t", 0, 7, fingerprint="f" * 64)
    bare_rejection = event("request.rejected", wallet_id=None, code=None, cause=cause)
    assert state.first_events.get(scope("t", "", ""), AT_MS) is None
    written = fold(state, bare_rejection)
    assert state.first_events.get(scope("t", "", ""), AT_MS) == written
    answer = msgspec.json.decode(answer_of(bare_rejection, cause))
    assert (answer["code"], answer["status"]) == ("ok", "accepted")


def test_parking_and_release(opened: LedgerState) -> None:
    first, second = (ParkedRecord(Source("t", 0, n), f"v{n}") for n in (1, 2))
    fold(opened, event("wallet.quarantined", code="internal_error"))
    assert (wallet_of(opened)["quarantined"], wallet_of(opened)["parked"]) == (True, 0)
    fold(opened, event("wallet.quarantined", code="internal_error", parked=first))
    fold(opened, event("request.parked", parked=second))
    assert waiting(opened) == (2, [first, second, None, None])
    fold(opened, event("wallet.released"))
    assert {**wallet_of(opened), "sub_wallets": 0} == {**FRESH, "sub_wallets": 0}
    assert waiting(opened) == (0, [None] * 4)


def waiting(state: LedgerState) -> tuple[int, list[ParkedRecord | None]]:
    """How many records wait for wallet `w`, and what the first four keys hold."""
    return wallet_of(state)["parked"], [state.parked.get(parked_key("w", n)) for n in range(4)]


def test_release_in_portions(opened: LedgerState) -> None:
    records = [ParkedRecord(Source("t", 0, n), f"v{n}") for n in range(4)]
    fold(opened, event("wallet.quarantined", code="internal_error"))
    for record in records[:3]:
        fold(opened, event("request.parked", parked=record))
    fold(opened, event("wallet.releasing", wallet=WalletFacts(parked=1)))
    assert waiting(opened) == (1, [None, None, records[2], None])
    fold(opened, event("request.parked", parked=records[3]))
    assert waiting(opened) == (2, [None, None, *records[2:]]), "what comes later waits behind"
    assert (wallet_of(opened)["quarantined"], wallet_of(opened)["releasing"]) == (True, True)
    fold(opened, event("wallet.quarantined", code="internal_error"))
    assert wallet_of(opened)["releasing"] is False, "a bug stops the release"
    fold(opened, event("wallet.released"))
    assert {**wallet_of(opened), "sub_wallets": 0} == {**FRESH, "sub_wallets": 0}
    assert waiting(opened) == (0, [None] * 4)


def test_the_last_portion_ends_the_release_and_takes_only_what_is_left(opened: LedgerState) -> None:
    fold(opened, event("wallet.quarantined", code="internal_error"))
    for number in range(3):
        fold(opened, event("request.parked", parked=ParkedRecord(Source("t", 0, number), "v")))
    fold(opened, event("wallet.releasing", wallet=WalletFacts(parked=1)))
    opened.parked.settle()
    fold(opened, event("wallet.released"))
    assert dict(opened.parked.changes) == {parked_key("w", 2): None}
    assert {**wallet_of(opened), "sub_wallets": 0} == {**FRESH, "sub_wallets": 0}


def open_transaction(state: LedgerState) -> None:
    """A transfer that is under way."""
    entries = (dr("w/savings/available", 5), cr("system/transit", 5))
    cause = Cause("t", 1, 7, "r", "k", None)
    money = {"operation": "transfer", "asset": "EUR", "amount_minor": 5, "sub_wallet": "savings"}
    payee = Counterparty("p", "shop")
    opening = event("transaction.processed", to_state="processed", entries=entries, cause=cause, counterparty=payee)
    fold(state, msgspec.structs.replace(opening, **money))


def transaction_of(state: LedgerState, key: str = "x") -> Transaction:
    found = state.transaction(key, AT_MS)
    assert found is not None
    return found


def test_a_transaction_keeps_its_journal_until_it_is_over(opened: LedgerState) -> None:
    open_transaction(opened)
    entries = (dr("w/savings/available", 5), cr("system/transit", 5))
    identity = ("transfer", "processed", "ok", "w", "savings", "EUR", 5, AT_MS, "t", 1, 7, "r", "k")
    to = (None, None, "p", "shop")
    assert transaction_of(opened) == Transaction(*identity, entries, *to)
    assert transaction_of(opened).source == Source("t", 1, 7)
    assert wallet_of(opened)["open_transactions"] == 1
    assert under_way(opened) == (5, -5)
    later = {"from_state": "processed", "to_state": "failed", "code": "payee_refused"}
    after = "2026-02-01T00:00:00.000Z"
    fold(opened, event("transaction.failed", recorded_at=after, cause=Cause("internal", 0, 1), **later))
    over = transaction_of(opened)
    assert over == Transaction("transfer", "failed", "payee_refused", *identity[3:], (), *to)
    assert wallet_of(opened)["open_transactions"] == 0
    assert under_way(opened) == (0, 0)


def under_way(state: LedgerState) -> tuple[int, int]:
    """What the inverse of the open transfer adds to the payer's account and to transit."""
    return state.under_way_minor("w/savings/available", "EUR"), state.under_way_minor("system/transit", "EUR")


def test_there_is_room_for_what_may_come_back(opened: LedgerState) -> None:
    open_transaction(opened)
    ends = {"w/savings/available": INT64_MAX - 5, "system/transit": INT64_MIN + 5}
    for (account, end), beyond in zip(ends.items(), (1, -1), strict=True):
        assert leaves_room(opened, AccountBalance(account, "EUR", end))
        assert not leaves_room(opened, AccountBalance(account, "EUR", end + beyond))
        assert leaves_room(opened, AccountBalance(account, "JPY", end + beyond))


@pytest.mark.parametrize(
    ("type_", "state_name"), [("transaction.settled", "settled"), ("transaction.failed", "failed")]
)
def test_what_is_over_at_once_is_never_open(opened: LedgerState, type_: str, state_name: str) -> None:
    entries = (dr("w/main/available", 5), cr("system/rail:instant", 5))
    fold(opened, event(type_, to_state=state_name, entries=entries))
    found = transaction_of(opened)
    assert (found.state, found.journal, found.sub_wallet) == (state_name, (), "main")
    assert wallet_of(opened)["open_transactions"] == 0


@pytest.mark.parametrize("has_terms", [False, True])
@pytest.mark.parametrize(("rail", "kept"), [("card", "card"), ("instant", None), (None, None)])
def test_what_settles_at_once_is_kept_with_all_that_was_said(
    opened: LedgerState, has_terms: bool, rail: str | None, kept: str | None
) -> None:
    """Of a wallet without terms in the short way, which nearly all go."""
    if has_terms:
        fold(opened, event("wallet.limits_set", wallet=WalletFacts()))
    money = {"operation": "transfer", "asset": "EUR", "amount_minor": 5, "sub_wallet": "savings", "rail": rail}
    cause, payee = Cause("t", 1, 7, "r", "k", None), Counterparty("p", "shop")
    said = event(to_state="settled", parent_transaction_id="batch", cause=cause, counterparty=payee)
    fold(opened, msgspec.structs.replace(said, **money))
    identity = ("transfer", "settled", "ok", "w", "savings", "EUR", 5, AT_MS, "t", 1, 7, "r", "k", ())
    expected = Transaction(*identity, "batch", kept, "p", "shop", counted_at_ms=AT_MS if has_terms else 0)
    assert transaction_of(opened) == expected


@pytest.mark.parametrize(("type_", "code"), [("transfer.received", "ok"), ("transfer.refused", "wallet_closed")])
def test_legs_have_a_key_of_their_own(opened: LedgerState, type_: str, code: str) -> None:
    origin = Source("first", 3, 9)
    fold(opened, event(type_, leg="credit", to_state="settled", code=code, cause=Cause("t", 0, 7, origin=origin)))
    assert opened.transaction("x", AT_MS) is None
    leg = transaction_of(opened, leg_key("x", "credit"))
    assert (leg.code, leg.source, leg.counted_at_ms) == (code, origin, 0)
    assert wallet_of(opened)["open_transactions"] == 0
