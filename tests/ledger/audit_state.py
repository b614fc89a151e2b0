"""An auditor of the tables of one partition: what they say twice, they say alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from agents.ledger.keys import due_key, due_of_wallet_key
from agents.ledger.state import DUE, DUE_OF_WALLET, SCHEDULED, UNFINISHED, WALLETS
from streams.tables import Table, V
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
    for name in store.rows:
        if name.startswith("transactions"):
            _audit_counters(store.rows[name].values())
    _audit_counters(store.rows.get(UNFINISHED.name, {}).values())
    children = Counter(one.parent_transaction_id for one in unfinished.values() if one.is_open)
    for key, one in unfinished.items():
        assert one.open_children == children[key.removesuffix("/credit")], key


def _audit_counters(rows: Iterable[bytes]) -> None:
    """Nothing is given back of an exchange or of a fee that there was not."""
    for one in map(UNFINISHED.decode, rows):
        exchanged_minor = 0 if one.exchange is None else one.exchange.from_minor
        counter = one.counted
        assert 0 <= counter.exchange_returned_minor <= exchanged_minor, one
        assert 0 <= counter.fee_returned_minor <= one.fee_minor, one


def _rows(store: DictStore, table: Table[V]) -> dict[str, V]:
    return {key: table.decode(row) for key, row in store.rows.get(table.name, {}).items()}
