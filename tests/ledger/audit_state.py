"""An auditor of the tables of one partition: what they say twice, they say alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from agents.ledger.accounts import available
from agents.ledger.apply_open import add_under_way, count_under_way
from agents.ledger.keys import CREDIT_LEG, due_key, due_of_wallet_key, leg_key
from agents.ledger.state import DUE, DUE_OF_WALLET, SCHEDULED, UNDER_WAY, UNFINISHED, WALLETS
from agents.ledger.transaction import Transaction
from streams.tables import Table, V
from tests.ledger.folding import empty_state
from tests.ledger.store import DictStore


def audit_state(store: DictStore) -> None:
    """What is open, due or scheduled is what the transactions that are kept as unfinished say."""
    unfinished = _rows(store, UNFINISHED)
    due = {key: one for key, one in unfinished.items() if one.due_at_ms}
    assert _rows(store, DUE) == {due_key(one.due_at_ms, key): one.wallet_id for key, one in due.items()}
    by_wallet = {due_of_wallet_key(one.wallet_id, one.due_at_ms, key): key for key, one in due.items()}
    assert _rows(store, DUE_OF_WALLET) == by_wallet
    waiting = {key for key, one in unfinished.items() if one.state == "initiated"}
    assert _rows(store, SCHEDULED).keys() == waiting
    is_open = Counter(one.wallet_id for one in unfinished.values() if one.is_open)
    for wallet_id, wallet in _rows(store, WALLETS).items():
        first_ms = min((one.due_at_ms for one in due.values() if one.wallet_id == wallet_id), default=0)
        assert (wallet.open_transactions, wallet.due_at_ms) == (is_open[wallet_id], first_ms), wallet_id
    under_way = {key: minor for key, minor in _rows(store, UNDER_WAY).items() if minor}
    assert under_way == _under_way(unfinished)
    for name in store.rows:
        if name.startswith("transactions"):
            _audit_counters(store.rows[name].values())
            _audit_ends(store.rows[name].values())
    _audit_counters(store.rows.get(UNFINISHED.name, {}).values())
    acting = [one.parent_transaction_id for one in unfinished.values() if one.is_open and one.parent_transaction_id]
    # Of a transfer from another partition the payee's side is what is acted on.
    children = Counter(key if key in unfinished else leg_key(key, CREDIT_LEG) for key in acting)
    assert children == {key: one.open_children for key, one in unfinished.items() if one.open_children}


def _audit_counters(rows: Iterable[bytes]) -> None:
    """Nothing is given back of an exchange or of a fee that there was not."""
    for one in map(UNFINISHED.decode, rows):
        exchanged_minor = 0 if one.exchange is None else one.exchange.from_minor
        counter = one.counted
        assert 0 <= counter.exchange_returned_minor <= exchanged_minor, one
        assert 0 <= counter.fee_returned_minor <= one.fee_minor, one
        assert one.operation != "reward" or not one.lots, one


def _audit_ends(rows: Iterable[bytes]) -> None:
    """Of what is finished there is nothing to invert, to capture or to wait for."""
    for one in map(UNFINISHED.decode, rows):
        assert (one.journal, one.hold, one.screening, one.due_at_ms) == ((), None, None, 0), one


def _under_way(unfinished: Mapping[str, Transaction]) -> dict[str, int]:
    """What may come back to accounts by what is open, as apply counts what begins."""
    state = empty_state()
    for one in unfinished.values():
        account = available(one.wallet_id, one.sub_wallet)
        if one.hold is not None:
            add_under_way(state, account, one.asset, one.hold.remaining_minor)
        elif one.screening is not None:
            add_under_way(state, account, one.asset, one.awaiting_minor)
        elif one.is_open:
            count_under_way(state, one.wallet_id, one.sub_wallet, one.journal, 1)
    return {key: minor for key, minor in state.under_way.changes.items() if minor}


def _rows(store: DictStore, table: Table[V]) -> dict[str, V]:
    return {key: table.decode(row) for key, row in store.rows.get(table.name, {}).items()}
