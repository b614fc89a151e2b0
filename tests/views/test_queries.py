"""Questions to the views, on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from agents.views.database import snapshot
from agents.views.queries.owners import owner_balance
from agents.views.queries.pending import Ready, pending_of, ready_to_settle
from agents.views.queries.reflected import reflected
from agents.views.queries.statements import balances_at, statement_of
from agents.views.queries.wallets import balances_of, wallet_of
from agents.views.rates import Rate, Rates
from agents.views.store import ViewStore
from schemas import events as ev
from schemas.clock import unix_ms
from schemas.events import Entry, WalletFacts
from tests.ledger.profiles import runs
from tests.ledger.world import START_MS
from tests.views.logs import LogBuilder, applied, life, log_of, random_world

LAST_MS = 2**62


@contextmanager
def asking(store: ViewStore) -> Iterator[Connection]:
    with snapshot(store.engine) as connection:
        yield connection


@pytest.fixture(scope="module")
def random_store(tmp_path_factory: pytest.TempPathFactory) -> ViewStore:
    world = random_world(2)
    return applied(tmp_path_factory.mktemp("views"), log_of(world, 0), log_of(world, 1))


# ---- wallets ------------------------------------------------------------------------------------------


def test_a_wallet_with_its_balances_by_bucket(tmp_path: Path) -> None:
    log = LogBuilder()
    log.event(ev.WALLET_OPENED, wallet_id="w", wallet=WalletFacts("o", "merchant", ("EUR",), "active"))
    log.event(
        ev.SUB_WALLET_OPENED,
        wallet_id="w",
        wallet=WalletFacts(sub_wallet="e", sub_wallet_kind="escrow", payee_wallet_id="p"),
    )
    log.move("transaction.settled", "system/rail:instant", "w/main/available", 500)
    log.move("transaction.processed", "w/main/available", "w/main/held", 200)
    with asking(applied(tmp_path, log.log)) as connection:
        wallet = wallet_of(connection, "w")
        assert wallet is not None
        assert (wallet.owner_ref, wallet.kind, wallet.state, wallet.quarantined) == ("o", "merchant", "active", False)
        assert wallet.assets == ("EUR",)
        assert [(s.sub_wallet, s.kind, s.payee_wallet_id) for s in wallet.sub_wallets] == [
            ("main", "main", None),
            ("e", "escrow", "p"),
        ]
        assert wallet.ledger_offset == 2
        assert wallet_of(connection, "v") is None
        found = [(b.sub_wallet, b.bucket, b.balance_minor, b.ledger_offset) for b in balances_of(connection, "w")]
        assert found == [("main", "available", 300, 6), ("main", "held", 200, 6)]
        (rail,) = balances_of(connection, "system")
        assert (rail.sub_wallet, rail.bucket, rail.account, rail.balance_minor) == (
            None,
            "rail:instant",
            "system/rail:instant",
            -500,
        )
        (position,) = reflected(connection).values()
        assert (position.next_offset, position.sequence, position.recorded_at_ms) == (8, 7, log.now_ms)
        assert reflected(connection, [1]) == {}


# ---- pending ------------------------------------------------------------------------------------------


def test_what_is_pending_of_a_wallet_and_what_is_over(tmp_path: Path) -> None:
    with asking(applied(tmp_path, life().log)) as connection:
        found = pending_of(connection, "w")
        assert pending_of(connection, "v") == []
    assert [(one.kind, one.transaction_id, one.remaining_minor) for one in found] == [
        ("scheduled", "later", None),
        ("hold", "hold", 40),
        ("lot", "lot", 60),
        ("screening", "screened", 101),
        ("dispute", "quarrel", 70),
        ("screening", "overdue", 102),
        ("deferred", "way", None),
        ("deferred", "batch", None),
        ("transfer", "saga", None),
        ("open", "odd", None),
    ]
    assert found[0].due_at_ms == START_MS + 1_000_000
    by_id = {one.transaction_id: one for one in found}
    assert by_id["batch"].batch_id == "b-1"
    assert by_id["saga"].counterparty_wallet_id == "v"
    assert by_id["screened"].due_at_ms == START_MS + 9_000_000
    assert by_id["overdue"].due_at_ms is None


def test_open_transactions_are_found_by_their_index(tmp_path: Path) -> None:
    with asking(applied(tmp_path, life().log)) as connection:
        plan = connection.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT * FROM transactions WHERE wallet_id = 'w' AND "
                "(state IN ('initiated', 'processed', 'disputed') OR due_at_ms IS NOT NULL)"
            )
        ).all()
    assert "transactions_open" in str(plan)


def test_what_can_be_handed_to_rails(tmp_path: Path) -> None:
    log = life()
    for number in range(3):
        log.event(
            "transaction.processed",
            wallet_id="v",
            transaction_id=f"big-{number}",
            operation="debit",
            to_state="processed",
            rail="swift",
            amount_minor=2**63 - 1,
            asset="USD",
        )
    with asking(applied(tmp_path, log.log)) as connection:
        sepa, swift = ready_to_settle(connection)
    assert sepa._replace(oldest_opened_at_ms=0) == Ready("sepa", "credit", "EUR", 1, 100, 0)
    assert swift._replace(oldest_opened_at_ms=0) == Ready("swift", "debit", "USD", 3, 3 * (2**63 - 1), 0)
    assert START_MS < sepa.oldest_opened_at_ms < swift.oldest_opened_at_ms


# ---- statements ---------------------------------------------------------------------------------------


def names() -> list[str]:
    world = random_world(2)
    return [world.name_in(partition, name) for name in ("anna", "bert", "cleo") for partition in (0, 1)]


def entries_of(wallet_id: str) -> Iterator[tuple[int, Entry]]:
    """When each entry of a wallet was recorded, and it, from the events themselves."""
    world = random_world(2)
    for event in world.events:
        for entry in event.get("entries", ()):
            if entry["account"].startswith(f"{wallet_id}/"):
                yield unix_ms(event["recorded_at"]), Entry(**entry)


_TIMES = st.sampled_from([0, 1, 1_000, 86_400_000]).flatmap(
    lambda unit: st.integers(-1, 400).map(lambda number: START_MS + number * unit)
)


@given(wallet_id=st.sampled_from(names()), from_ms=_TIMES, length_ms=st.integers(0, 60 * 86_400_000))
@runs(60, 3_000)
def test_opening_and_entries_make_closing(
    random_store: ViewStore, wallet_id: str, from_ms: int, length_ms: int
) -> None:
    to_ms = from_ms + length_ms
    with asking(random_store) as connection:
        statements = statement_of(connection, wallet_id, from_ms, to_ms)
        next_ones = {(s.account, s.asset): s for s in statement_of(connection, wallet_id, to_ms, LAST_MS)}
        past = {(b.account, b.asset): b.balance_minor for b in balances_at(connection, wallet_id, to_ms - 1)}
    expected: dict[tuple[str, str], list[int]] = {}
    for at_ms, entry in entries_of(wallet_id):
        sums = expected.setdefault((entry.account, entry.asset), [0, 0, 0])
        if at_ms < to_ms:
            sums[0 if at_ms < from_ms else 1] += entry.credit_minor - entry.debit_minor
            sums[2] += 1
    for statement in statements:
        key = statement.account, statement.asset
        opening, moved, _ = expected[key]
        assert statement.opening_minor == opening
        running = opening
        for line in statement.lines:
            assert from_ms <= line.recorded_at_ms < to_ms
            running += line.credit_minor - line.debit_minor
            assert line.balance_after_minor == running
        assert statement.closing_minor == running == opening + moved
        assert next_ones[key].opening_minor == statement.closing_minor if key in next_ones else True
        assert past[key] == statement.closing_minor
    assert {(s.account, s.asset) for s in statements} == {key for key, sums in expected.items() if sums[2]}


def test_a_moment_belongs_to_the_balance_at_it_and_to_the_period_that_begins_with_it(tmp_path: Path) -> None:
    log = LogBuilder()
    log.move("t", "system/rail:instant", "w/main/available", 500, transaction_id="x", operation="credit")
    log.move("t", "w/main/available", "system/fees", 3, wait_ms=0)
    at_ms = log.now_ms
    log.move("t", "w/main/available", "system/rail:instant", 7, wait_ms=1)
    with asking(applied(tmp_path, log.log)) as connection:
        (balance,) = balances_at(connection, "w", at_ms)
        assert (balance.balance_minor, balance.recorded_at_ms, balance.ledger_offset) == (497, at_ms, 2)
        assert balances_at(connection, "w", at_ms - 1) == []
        assert statement_of(connection, "w", 0, at_ms) == []
        (statement,) = statement_of(connection, "w", at_ms, at_ms + 1)
    assert (statement.opening_minor, statement.closing_minor) == (0, 497)
    assert [(line.transaction_id, line.operation, line.debit_minor, line.credit_minor) for line in statement.lines] == [
        ("x", "credit", 0, 500),
        (None, None, 3, 0),
    ]


def test_the_last_statement_closes_with_the_balances_of_now(random_store: ViewStore) -> None:
    checked = 0
    with asking(random_store) as connection:
        for wallet_id in names():
            closing = {(s.account, s.asset): s.closing_minor for s in statement_of(connection, wallet_id, 0, LAST_MS)}
            assert closing == {(b.account, b.asset): b.balance_minor for b in balances_of(connection, wallet_id)}
            checked += len(closing)
    assert checked > 6


# ---- owners -------------------------------------------------------------------------------------------


def owned(tmp_path: Path) -> ViewStore:
    """An owner with wallets in two partitions: cash, points, a voucher, a debt."""
    logs = []
    for partition, wallet_id in enumerate(("w1", "w2")):
        log = LogBuilder(partition)
        log.event(ev.WALLET_OPENED, wallet_id=wallet_id, wallet=WalletFacts("o", "customer", ("EUR",), "active"))
        log.event(ev.WALLET_OPENED, wallet_id=f"not-{wallet_id}", wallet=WalletFacts("p", assets=("EUR",)))
        log.move("t", "system/rail:instant", f"{wallet_id}/main/available", 1_000)
        log.move("t", "system/rail:instant", f"not-{wallet_id}/main/available", 1_000)
        log.move("t", "system/rewards", f"{wallet_id}/loyalty/available", 199, "POINTS")
        logs.append(log)
    logs[0].move("t", "w1/main/available", "w1/main/held", 250)
    logs[1].move("t", "system/bank:x", "w2/main/available", 1, "VOUCHER")
    logs[1].move("t", "w2/main/available", "system/rail:instant", 5, "USD")
    return applied(tmp_path, *(log.log for log in logs))


def test_one_balance_of_everything_that_an_owner_has(tmp_path: Path) -> None:
    rates = Rates([Rate("POINTS", "EUR", 1, 100, "p-7"), Rate("USD", "EUR", 9, 10, "fx-3")])
    with asking(owned(tmp_path)) as connection:
        found = owner_balance(connection, "o", "EUR", rates)
        assert owner_balance(connection, "nobody", "EUR", rates) is None
        bare = owner_balance(connection, "o", "EUR", Rates())
    assert found is not None
    assert found.wallet_ids == ("w1", "w2")
    rows = [
        (h.balance.account, h.balance.balance_minor, h.balance.asset, h.converted_minor, h.rate_id)
        for h in found.holdings
    ]
    assert rows == [
        ("w1/loyalty/available", 199, "POINTS", 1, "p-7"),
        ("w1/main/available", 750, "EUR", 750, None),
        ("w1/main/held", 250, "EUR", 250, None),
        ("w2/loyalty/available", 199, "POINTS", 1, "p-7"),
        ("w2/main/available", 1_000, "EUR", 1_000, None),
        ("w2/main/available", -5, "USD", -5, "fx-3"),
        ("w2/main/available", 1, "VOUCHER", None, None),
    ]
    assert found.total_minor == 1 + 750 + 250 + 1 + 1_000 - 5
    assert found.available_minor == found.total_minor - 250
    assert found.not_converted == ("VOUCHER",)
    assert [(one.partition, one.next_offset) for one in found.reflects] == [(0, 12), (1, 14)]
    assert found.holdings[1].balance.ledger_offset == 10
    assert bare is not None
    assert (bare.total_minor, bare.not_converted) == (2_000, ("POINTS", "USD", "VOUCHER"))


def test_an_owner_is_found_by_what_was_written_of_him(tmp_path: Path) -> None:
    log = LogBuilder()
    log.event(ev.WALLET_OPENED, wallet_id="w", wallet=WalletFacts("o\0x", assets=("EUR",)))
    with asking(applied(tmp_path, log.log)) as connection:
        found = owner_balance(connection, "o\0x", "EUR", Rates())
    assert found is not None
    assert (found.wallet_ids, found.holdings, found.total_minor) == (("w",), (), 0)
