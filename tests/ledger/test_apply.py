"""`apply` and the journals that it takes: what balances, what does not, and what an event changes in the tables."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest

from agents.ledger.accounts import available, holder_of
from agents.ledger.agent import LEDGER
from agents.ledger.answers import answer_of
from agents.ledger.apply import UnbalancedJournal
from agents.ledger.journals import Journal, inverse, post
from agents.ledger.keys import due_key, due_of_wallet_key, leg_key, parked_key, scope, transaction_id_of
from agents.ledger.state import DAY_MS, LedgerState, first_events_table
from schemas.codes import NOT_FROZEN, Code
from schemas.events import AccountBalance, Cause, Entry, Source, decode_event
from schemas.money import INT64_MAX, INT64_MIN
from streams.settings import Settings
from tests.ledger.folding import AT_MS, RETAINED_MS, cr, dr, empty_state, event, fold


@pytest.fixture
def state() -> LedgerState:
    """Tables with nothing in them."""
    return empty_state()


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
    fold(state, event("request.rejected", entries=entries))
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
        fold(state, event(entries=entries))
    assert state.balances.changes == {}


def test_accounts_are_listed_with_their_holder_in_order_of_their_first_posting(state: LedgerState) -> None:
    for asset, amount in (("JPY", 5), ("EUR", 2), ("JPY", 1)):
        entries = (dr("system/rail:x", amount, asset), cr("w/main/available", amount, asset))
        fold(state, event("request.rejected", entries=entries))
    assert state.accounts.get("w") == ("w/main/available JPY", "w/main/available EUR")
    assert state.accounts.get("system/rail:x") == ("system/rail:x JPY", "system/rail:x EUR")
    assert state.balance_minor("w/main/available", "JPY") == 6
    assert state.balance_minor("w/main/available", "USD") == 0


def test_keys_live_in_buckets_of_a_fifth_of_their_retention() -> None:
    assert [first_events_table(ms).bucket_ms for ms in (1, 9, 10, 50_000)] == [1, 1, 2, 10_000]
    assert first_events_table(9).retained_ms == 9


def test_transactions_are_kept_as_long_as_the_setting_says_in_buckets_that_do_not_depend_on_it() -> None:
    machine = LEDGER.machine(Settings(idempotency_retention_s=7_200, transaction_retention_s=9_000))
    found = {table.name: (table.bucket_ms, table.retained_ms) for table in machine.tables if table.bucket_ms}
    assert found == {"first-events-1440000ms": (1_440_000, 7_200_000), "transactions-3": (60 * DAY_MS, 9_000_000)}


def test_names() -> None:
    assert available("w", "main") == "w/main/available"
    assert holder_of("w/main/available") == "w"
    assert holder_of("system/rail:instant") == "system/rail:instant"
    assert scope("t", "w", "k") == "t\0w\0k"
    assert leg_key("x", "credit") == "x/credit"
    assert parked_key("w", 7) < parked_key("w", 10) == "w\x000000000010"
    assert due_key(6, "f") < due_key(7) < due_key(7, "0")
    assert due_of_wallet_key("w", 6, "f") < due_of_wallet_key("w", 7) < due_of_wallet_key("w", 7, "0")
    assert transaction_id_of("s", 5) == sha256(b"s\x005\x000").hexdigest()[:32] != transaction_id_of("s", 5, 1)


# ---- what an event freezes ---------------------------------------------------------------------------------


def test_an_answer_is_frozen_in_the_topic_where_its_command_first_arrived(state: LedgerState) -> None:
    origin = Source("first", 3, 9)
    cause = Cause("t", 0, 7, "r", "k", "f" * 64, origin)
    request = msgspec.Raw(b'{"a":1}')
    written = fold(state, event("request.rejected", cause=cause, request=request, code="insufficient_funds"))
    assert state.first_events.get(scope("first", "w", "k"), AT_MS) == written
    answer = msgspec.json.decode(answer_of(decode_event(written), cause))
    assert answer["source"] == {"topic": "first", "partition": 3, "offset": 9}
    assert state.first_events.get(scope("t", "w", "k"), AT_MS) is None
    assert state.first_events.get(scope("first", "w", "k"), AT_MS + 2 * RETAINED_MS) is None


@pytest.mark.parametrize(
    ("others", "own"),
    [
        ((), ()),
        (("system/fees",), ()),
        (("p/main/available", "w/main/available"), ("w/main/available",)),
        (("w/main/available", "wx/a/b", "w/a/b"), ("w/main/available", "w/a/b")),
    ],
)
def test_an_answer_shows_the_balances_of_the_requesters_accounts_alone(
    others: tuple[str, ...], own: tuple[str, ...]
) -> None:
    balances = tuple(AccountBalance(account, "EUR", 7) for account in ("w/save/available", *others))
    answer = msgspec.json.decode(answer_of(event(balances=balances), Cause("t", 0, 7)))
    assert [balance["account"] for balance in answer["balances"]] == ["w/save/available", *own]


@pytest.mark.parametrize("code", list(Code))
def test_which_codes_are_frozen(state: LedgerState, code: Code) -> None:
    cause = Cause("t", 0, 7, None, "k", "f" * 64)
    written = fold(state, event("request.rejected", cause=cause, code=code.value))
    kept = state.first_events.get(scope("t", "w", "k"), AT_MS)
    assert kept == (None if code in NOT_FROZEN else written)


def test_without_a_fingerprint_or_a_cause_nothing_is_frozen(state: LedgerState) -> None:
    fold(state, event("request.rejected", cause=Cause("t", 0, 7, None, "k", None)))
    fold(state, event("clock.ticked", cause=None))
    assert dict(state.first_events.changes) == {}


# ---- journals ------------------------------------------------------------------------------------------------


def test_post_stops_at_the_ends_of_int64(state: LedgerState) -> None:
    journal = post(state, "a", "b", "EUR", INT64_MAX)
    assert journal == Journal(
        (dr("a", INT64_MAX), cr("b", INT64_MAX)),
        (AccountBalance("a", "EUR", -INT64_MAX), AccountBalance("b", "EUR", INT64_MAX)),
    )
    fold(state, event("request.rejected", entries=(dr("a", INT64_MAX), cr("c", INT64_MAX))))
    assert post(state, "a", "d", "EUR", 1) is not None
    assert post(state, "a", "d", "EUR", 2) is None
    assert post(state, "d", "c", "EUR", 1) is None
    assert post(state, "d", "a", "EUR", INT64_MAX) is not None
    assert state.balance_minor("a", "EUR") - 1 == INT64_MIN


def test_the_inverse_of_a_journal_undoes_it_whatever_happened_since(state: LedgerState) -> None:
    entries = (dr("a", 5), cr("b", 3), cr("a", 2), dr("a", 7, "JPY"), cr("b", 7, "JPY"))
    fold(state, event("request.rejected", entries=entries))
    fold(state, event("request.rejected", entries=(dr("b", 100), cr("a", 100))))
    undone = inverse(state, entries)
    assert undone.entries == (cr("a", 5), dr("b", 3), dr("a", 2), cr("a", 7, "JPY"), dr("b", 7, "JPY"))
    after = {("a", "EUR"): 100, ("b", "EUR"): -100, ("a", "JPY"): 0, ("b", "JPY"): 0}
    assert {(one.account, one.asset): one.balance_minor for one in undone.balances} == after
    fold(state, event("request.rejected", entries=undone.entries))
    assert {(name, asset): state.balance_minor(name, asset) for name, asset in after} == after
