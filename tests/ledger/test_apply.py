"""`apply` and the journals that it takes: what balances, what does not, and what an event changes in the tables."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agents.ledger.accounts import available, holder_of
from agents.ledger.apply import UnbalancedJournal, apply
from agents.ledger.draft import Journal, inverse, post
from agents.ledger.machine import LedgerMachine
from agents.ledger.state import LedgerState, Transaction, idempotency_table, leg_key, parked_key, scope
from schemas.codes import NOT_FROZEN, Code
from schemas.events import AccountBalance, Cause, Counterparty, Entry, LedgerEvent, ParkedRecord, Source, WalletFacts
from schemas.money import INT64_MAX, INT64_MIN
from streams.overlay import Overlay
from tests.ledger.store import DictStore

AT = "2026-01-01T00:00:00.000Z"
AT_MS = 1_767_225_600_000
RETAINED_MS = 50_000


@pytest.fixture
def state() -> LedgerState:
    """Tables with nothing in them."""
    table = idempotency_table(RETAINED_MS)
    tables = (*LedgerMachine().tables[:-1], table)
    return LedgerState(Overlay(tables, DictStore()), table)


def event(type_: str = "transaction.settled", **fields: Any) -> LedgerEvent:
    """An event on wallet `w` with what most tests need."""
    given = {"wallet_id": "w", "code": "ok", "recorded_at": AT, "cause": Cause("t", 0, 7), "transaction_id": "x"}
    return LedgerEvent(type=type_, **{**given, **fields})


def dr(account: str, minor: int, asset: str = "EUR") -> Entry:
    return Entry(account, asset, debit_minor=minor)


def cr(account: str, minor: int, asset: str = "EUR") -> Entry:
    return Entry(account, asset, credit_minor=minor)


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param((), id="nothing"),
        pytest.param((dr("a/m/x", 5), cr("b/m/x", 5)), id="two"),
        pytest.param((cr("a/m/x", 5), dr("b/m/x", 5)), id="credit first"),
        pytest.param((dr("a/m/x", 5), cr("b/m/x", 3), cr("system/fees", 2)), id="three"),
        pytest.param((dr("a/m/x", 3), dr("b/m/x", 2), cr("a/m/x", 5)), id="an account on both sides"),
        pytest.param((dr("a", 5), cr("f", 5), dr("f", 4, "JPY"), cr("a", 4, "JPY")), id="two assets"),
        pytest.param((Entry("a", "EUR", 5, 5),), id="an entry that balances alone"),
    ],
)
def test_what_balances(state: LedgerState, entries: tuple[Entry, ...]) -> None:
    apply(state, event("request.rejected", entries=entries))
    expected: dict[str, int] = {}
    for entry in entries:
        key = f"{entry.account} {entry.asset}"
        expected[key] = expected.get(key, 0) + entry.credit_minor - entry.debit_minor
    assert state.balances.changes == expected


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param((dr("a", 5),), id="one side"),
        pytest.param((dr("a", 5), cr("b", 4)), id="less credited"),
        pytest.param((dr("a", 5), cr("b", 6)), id="more credited"),
        pytest.param((dr("a", 5), dr("b", 5)), id="debited twice"),
        pytest.param((cr("a", 5), cr("b", 5)), id="credited twice"),
        pytest.param((dr("a", 5), cr("b", 5, "JPY")), id="another asset"),
        pytest.param((dr("a", 5), cr("b", 5), cr("c", 1)), id="one too many"),
        pytest.param((dr("a", 5), cr("b", 4), dr("b", 5, "JPY"), cr("a", 6, "JPY")), id="equal over both assets"),
        pytest.param((Entry("a", "EUR", 5, 4), cr("b", 5)), id="both sides in one entry"),
        pytest.param((dr("a", 5), Entry("b", "EUR", 4, 5)), id="both sides in the other"),
    ],
)
def test_what_does_not_balance(state: LedgerState, entries: tuple[Entry, ...]) -> None:
    with pytest.raises(UnbalancedJournal, match="credits less debits"):
        apply(state, event(entries=entries))
    assert state.balances.changes == {}


def test_accounts_are_listed_with_their_holder_in_order_of_their_first_posting(state: LedgerState) -> None:
    for asset, amount in (("JPY", 5), ("EUR", 2), ("JPY", 1)):
        entries = (dr("system/rail:x", amount, asset), cr("w/main/available", amount, asset))
        apply(state, event("request.rejected", entries=entries))
    assert state.accounts.get("w") == ("w/main/available JPY", "w/main/available EUR")
    assert state.accounts.get("system/rail:x") == ("system/rail:x JPY", "system/rail:x EUR")
    assert state.balance_minor("w/main/available", "JPY") == 6
    assert state.balance_minor("w/main/available", "USD") == 0


def test_keys_live_in_buckets_of_a_fifth_of_their_retention() -> None:
    assert [idempotency_table(ms).bucket_ms for ms in (1, 9, 10, 50_000)] == [1, 1, 2, 10_000]
    assert idempotency_table(9).retained_ms == 9


def test_names() -> None:
    assert available("w", "main") == "w/main/available"
    assert holder_of("w/main/available") == "w"
    assert holder_of("system/rail:instant") == "system/rail:instant"
    assert scope("t", "w", "k") == "t\0w\0k"
    assert leg_key("x", "credit") == "x/credit"
    assert parked_key("w", 7) < parked_key("w", 10) == "w\x000000000010"


# ---- what an event freezes ---------------------------------------------------------------------------------


def test_an_answer_is_frozen_in_the_topic_where_its_command_first_arrived(state: LedgerState) -> None:
    origin = Source("first", 3, 9)
    cause = Cause("t", 0, 7, "r", "k", "f" * 64, origin)
    request = msgspec.Raw(b'{"a":1}')
    written = apply(state, event("request.rejected", cause=cause, request=request, code="insufficient_funds"))
    first = state.idempotency.get(scope("first", "w", "k"), AT_MS)
    assert first is not None
    assert (first.fingerprint, first.request, first.outcome) == ("f" * 64, b'{"a":1}', written)
    assert written is not None
    assert msgspec.json.decode(written)["source"] == {"topic": "first", "partition": 3, "offset": 9}
    assert state.idempotency.get(scope("t", "w", "k"), AT_MS) is None
    assert state.idempotency.get(scope("first", "w", "k"), AT_MS + 2 * RETAINED_MS) is None


@pytest.mark.parametrize("code", list(Code))
def test_which_codes_are_frozen(state: LedgerState, code: Code) -> None:
    cause = Cause("t", 0, 7, None, "k", "f" * 64)
    written = apply(state, event("request.rejected", cause=cause, code=code.value))
    kept = state.idempotency.get(scope("t", "w", "k"), AT_MS)
    assert (written is None) == (kept is None) == (code in NOT_FROZEN)


def test_without_a_fingerprint_or_a_cause_nothing_is_frozen(state: LedgerState) -> None:
    assert apply(state, event("request.rejected", cause=Cause("t", 0, 7, None, "k", None))) is None
    assert apply(state, event("clock.ticked", cause=None)) is None
    assert dict(state.idempotency.changes) == {}


# ---- wallets and transactions ------------------------------------------------------------------------------


@pytest.fixture
def opened(state: LedgerState) -> LedgerState:
    """A state with a wallet `w`."""
    facts = WalletFacts(owner_ref="o", kind="merchant", assets=("EUR",), state="active")
    apply(state, event("wallet.opened", wallet=facts))
    return state


def wallet_of(state: LedgerState) -> dict[str, Any]:
    """All that is known of wallet `w`."""
    wallet = state.wallets.get("w")
    assert wallet is not None
    return {name: getattr(wallet, name) for name in wallet.__struct_fields__}


FRESH: dict[str, Any] = {"owner_ref": "o", "kind": "merchant", "state": "active", "assets": ("EUR",)}
FRESH |= {"quarantined": False, "parked": 0, "open_transactions": 0}


def test_wallet_events_change_what_they_say_and_nothing_else(opened: LedgerState) -> None:
    first = wallet_of(opened)
    assert {sub: kind.kind for sub, kind in first.pop("sub_wallets").items()} == {"main": "main"}
    assert first == FRESH
    apply(opened, event("wallet.asset_enabled", wallet=WalletFacts(assets=("EUR", "JPY"))))
    apply(opened, event("wallet.state_changed", wallet=WalletFacts(state="locked")))
    facts = WalletFacts(sub_wallet="deal", sub_wallet_kind="escrow", payee_wallet_id="p")
    apply(opened, event("wallet.sub_wallet_opened", wallet=facts))
    now = wallet_of(opened)
    subs = {name: (sub.kind, sub.payee_wallet_id) for name, sub in now.pop("sub_wallets").items()}
    assert subs == {"main": ("main", None), "deal": ("escrow", "p")}
    assert now == {**FRESH, "assets": ("EUR", "JPY"), "state": "locked"}


def test_what_an_event_does_not_say_has_a_default(state: LedgerState) -> None:
    """Absent and default are written alike, so that a reader has to supply the same everywhere."""
    apply(state, event("wallet.opened", wallet=WalletFacts()))
    apply(state, event("wallet.sub_wallet_opened", wallet=WalletFacts(sub_wallet="s")))
    expected = {**FRESH, "owner_ref": "", "kind": "customer", "assets": ()}
    now = wallet_of(state)
    assert {name: sub.kind for name, sub in now.pop("sub_wallets").items()} == {"main": "main", "s": "main"}
    assert now == expected
    apply(state, event("transfer.refused", leg="credit", code=None, wallet_id=None))
    bare = Transaction("", "", "ok", "", "main", "", 0, AT_MS, "t", 0, 7)
    assert transaction_of(state, leg_key("x", "credit")) == bare
    apply(state, event("request.rejected", wallet_id=None, cause=Cause("t", 0, 7, fingerprint="f" * 64)))
    first = state.idempotency.get(scope("t", "", ""), AT_MS)
    assert first is not None
    assert first.request == b""


def test_parking_and_release(opened: LedgerState) -> None:
    first, second = (ParkedRecord(Source("t", 0, n), f"v{n}") for n in (1, 2))
    apply(opened, event("wallet.quarantined", code="internal_error"))
    assert (wallet_of(opened)["quarantined"], wallet_of(opened)["parked"]) == (True, 0)
    apply(opened, event("wallet.quarantined", code="internal_error", parked=first))
    apply(opened, event("request.parked", parked=second))
    assert wallet_of(opened)["parked"] == 2
    assert [opened.parked.get(parked_key("w", n)) for n in (0, 1, 2)] == [first, second, None]
    apply(opened, event("wallet.released"))
    assert {**wallet_of(opened), "sub_wallets": 0} == {**FRESH, "sub_wallets": 0}
    assert [opened.parked.get(parked_key("w", n)) for n in (0, 1)] == [None, None]


def open_transaction(state: LedgerState) -> None:
    """A transfer that is under way."""
    entries = (dr("w/main/available", 5), cr("system/transit", 5))
    cause = Cause("t", 1, 7, "r", "k", None)
    money = {"operation": "transfer", "asset": "EUR", "amount_minor": 5, "sub_wallet": "savings"}
    payee = Counterparty("p", "shop")
    opening = event("transaction.processed", to_state="processed", entries=entries, cause=cause, counterparty=payee)
    apply(state, msgspec.structs.replace(opening, **money))


def transaction_of(state: LedgerState, key: str = "x") -> Transaction:
    found = state.transactions.get(key, AT_MS)
    assert found is not None
    return found


def test_a_transaction_keeps_its_journal_until_it_is_over(opened: LedgerState) -> None:
    open_transaction(opened)
    entries = (dr("w/main/available", 5), cr("system/transit", 5))
    identity = ("transfer", "processed", "ok", "w", "savings", "EUR", 5, AT_MS, "t", 1, 7, "r", "k", "p", "shop")
    assert transaction_of(opened) == Transaction(*identity, entries)
    assert transaction_of(opened).source == Source("t", 1, 7)
    assert wallet_of(opened)["open_transactions"] == 1
    later = {"from_state": "processed", "to_state": "failed", "code": "payee_refused"}
    after = "2026-02-01T00:00:00.000Z"
    apply(opened, event("transaction.failed", recorded_at=after, cause=Cause("internal", 0, 1), **later))
    over = transaction_of(opened)
    assert over == Transaction("transfer", "failed", "payee_refused", *identity[3:], ())
    assert wallet_of(opened)["open_transactions"] == 0


@pytest.mark.parametrize(
    ("type_", "state_name"), [("transaction.settled", "settled"), ("transaction.failed", "failed")]
)
def test_what_is_over_at_once_is_never_open(opened: LedgerState, type_: str, state_name: str) -> None:
    entries = (dr("w/main/available", 5), cr("system/rail:instant", 5))
    apply(opened, event(type_, to_state=state_name, entries=entries))
    found = transaction_of(opened)
    assert (found.state, found.journal, found.sub_wallet) == (state_name, (), "main")
    assert (found.counterparty_wallet_id, found.counterparty_sub_wallet) == (None, None)
    assert wallet_of(opened)["open_transactions"] == 0


@pytest.mark.parametrize(("type_", "code"), [("transfer.received", "ok"), ("transfer.refused", "wallet_closed")])
def test_legs_have_a_key_of_their_own(opened: LedgerState, type_: str, code: str) -> None:
    origin = Source("first", 3, 9)
    apply(opened, event(type_, leg="credit", to_state="settled", code=code, cause=Cause("t", 0, 7, origin=origin)))
    assert opened.transactions.get("x", AT_MS) is None
    leg = transaction_of(opened, leg_key("x", "credit"))
    assert (leg.code, leg.source) == (code, origin)
    assert wallet_of(opened)["open_transactions"] == 0


# ---- journals ------------------------------------------------------------------------------------------------


def test_post_stops_at_the_ends_of_int64(state: LedgerState) -> None:
    journal = post(state, "a", "b", "EUR", INT64_MAX)
    assert journal == Journal(
        (dr("a", INT64_MAX), cr("b", INT64_MAX)),
        (AccountBalance("a", "EUR", -INT64_MAX), AccountBalance("b", "EUR", INT64_MAX)),
    )
    apply(state, event("request.rejected", entries=(dr("a", INT64_MAX), cr("c", INT64_MAX))))
    assert post(state, "a", "d", "EUR", 1) is not None
    assert post(state, "a", "d", "EUR", 2) is None
    assert post(state, "d", "c", "EUR", 1) is None
    assert post(state, "d", "a", "EUR", INT64_MAX) is not None
    assert state.balance_minor("a", "EUR") - 1 == INT64_MIN


def test_the_inverse_of_a_journal_undoes_it_whatever_happened_since(state: LedgerState) -> None:
    entries = (dr("a", 5), cr("b", 3), cr("a", 2), dr("a", 7, "JPY"), cr("b", 7, "JPY"))
    apply(state, event("request.rejected", entries=entries))
    apply(state, event("request.rejected", entries=(dr("b", 100), cr("a", 100))))
    undone = inverse(state, entries)
    assert undone.entries == (cr("a", 5), dr("b", 3), dr("a", 2), cr("a", 7, "JPY"), dr("b", 7, "JPY"))
    after = {("a", "EUR"): 100, ("b", "EUR"): -100, ("a", "JPY"): 0, ("b", "JPY"): 0}
    assert {(one.account, one.asset): one.balance_minor for one in undone.balances} == after
    apply(state, event("request.rejected", entries=undone.entries))
    assert {(name, asset): state.balance_minor(name, asset) for name, asset in after} == after
