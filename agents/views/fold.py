"""The fold of the views: a ledger event in, changes of rows out. Pure: it reads no database, no clock, no topic.

What one event says is enough for its rows, but for what a transaction keeps from before: rows of wallets and
transactions say only what changes, and whoever writes them keeps the rest (`agents.views.statements`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from schemas import events as ev
from schemas.clock import unix_ms
from schemas.events import LedgerEvent, WalletFacts
from schemas.money import INT64_MAX, INT64_MIN

#: Column -> value. Amounts are integers of minor units, times are Unix milliseconds.
Row = dict[str, Any]

#: Holder of the system's accounts, a reserved wallet id.
SYSTEM: Final = "system"
#: These events have what a transaction's have, but move none.
_NO_TRANSACTION: Final = "request."
#: A transaction of its own, whose entries of the held account change what remains of its parent, the authorization.
_CAPTURE: Final = "capture"
#: A transaction is opened once: what was said first of these stands, later events may speak of a part of it.
FIRST_SAID: Final = (
    "parent_transaction_id",
    "operation",
    "wallet_id",
    "sub_wallet",
    "amount_minor",
    "asset",
    "counterparty_wallet_id",
    "counterparty_sub_wallet",
    "rail",
    "opened_at_ms",
)
#: What is said last stands; what is not said stays.
LAST_SAID: Final = ("state", "code", "batch_id", "rail_reference", "changed_at_ms", "partition", "ledger_offset")
#: A move of the state, and the end of what remained, say these anew, also by not saying them; else as `LAST_SAID`.
#: Captures change what remains.
SAID_BY_MOVES: Final = ("due_at_ms", "remaining_minor")
#: Facts of a wallet: what is said last stands.
WALLET_FACTS: Final = ("owner_ref", "kind", "state", "quarantined", "assets", "opened_at_ms")


@dataclass
class Changes:
    """Rows to write, each table's by its key. Rows of wallets and transactions hold only what is said, else None."""

    entries: list[Row] = field(default_factory=list)
    balances: dict[tuple[str, str], Row] = field(default_factory=dict)
    wallets: dict[str, Row] = field(default_factory=dict)
    sub_wallets: dict[tuple[str, str], Row] = field(default_factory=dict)
    transactions: dict[tuple[str, str], Row] = field(default_factory=dict)

    def tables(self) -> dict[str, list[Row]]:
        """Table name -> its rows, of those that have any."""
        rows = {
            "entries": self.entries,
            "balances": [*self.balances.values()],
            "wallets": [*self.wallets.values()],
            "sub_wallets": [*self.sub_wallets.values()],
            "transactions": [*self.transactions.values()],
        }
        return {name: found for name, found in rows.items() if found}


def storable(text: str | None) -> str | None:
    """Text that others wrote as the views hold it: PostgreSQL takes no NUL, so it becomes U+FFFD in any database."""
    return None if text is None else text.replace("\0", "\ufffd")


def fold_event(changes: Changes, partition: int, offset: int, event: LedgerEvent) -> None:
    """Add what one event changes.

    Raises:
        ValueError: a time is none, or the event has entries of an account without its balance.
    """
    at_ms = unix_ms(event.recorded_at)
    reflects = {"partition": partition, "ledger_offset": offset}
    if event.entries:
        _fold_journal(changes, event, reflects, at_ms)
    if event.wallet_id is not None and event.type.startswith("wallet."):
        _fold_wallet(changes, event, reflects, at_ms)
    if event.transaction_id is not None and not event.type.startswith(_NO_TRANSACTION):
        _fold_transaction(changes, event, reflects, at_ms)


# ---- money --------------------------------------------------------------------------------------------


def _fold_journal(changes: Changes, event: LedgerEvent, reflects: Row, at_ms: int) -> None:
    """Entries with the balance after each, and the balances after all of them."""
    after = {(one.account, one.asset): one.balance_minor for one in event.balances}
    for (account, asset), balance_minor in after.items():
        changes.balances[account, asset] = {
            **_parts(account),
            "account": account,
            "asset": asset,
            "balance_minor": balance_minor,
            "recorded_at_ms": at_ms,
            **reflects,
        }
    rows = []
    # An event says the balance after all its entries: from the last entry back.
    for number in range(len(event.entries) - 1, -1, -1):
        entry = event.entries[number]
        key = entry.account, entry.asset
        if key not in after:
            raise ValueError(f"an entry of {entry.account} in {entry.asset} without the balance after it")
        rows.append(
            {
                "account": entry.account,
                "asset": entry.asset,
                "recorded_at_ms": at_ms,
                "sequence": event.sequence,
                "entry": number,
                "debit_minor": entry.debit_minor,
                "credit_minor": entry.credit_minor,
                # Between two entries of an event it may be beyond what a database holds: the ledger looks only at what
                # the last one leaves.
                "balance_after_minor": min(INT64_MAX, max(INT64_MIN, after[key])),
                "transaction_id": event.transaction_id,
                "operation": event.operation,
                **reflects,
            }
        )
        after[key] -= entry.credit_minor - entry.debit_minor
    changes.entries += reversed(rows)


def _parts(account: str) -> Row:
    """Holder, sub-wallet and bucket of an account; of `system/fees` the bucket is `fees` and no sub-wallet."""
    wallet_id, _, rest = account.partition("/")
    if wallet_id == SYSTEM:
        return {"wallet_id": SYSTEM, "sub_wallet": None, "bucket": rest}
    sub_wallet, _, bucket = rest.partition("/")
    return {"wallet_id": wallet_id, "sub_wallet": sub_wallet, "bucket": bucket}


# ---- wallets ------------------------------------------------------------------------------------------


def _fold_wallet(changes: Changes, event: LedgerEvent, reflects: Row, at_ms: int) -> None:
    wallet_id, facts = event.wallet_id, event.wallet or WalletFacts()
    assert wallet_id is not None
    said: Row = {
        "owner_ref": storable(facts.owner_ref),
        "kind": facts.kind,
        "state": facts.state,
        "assets": " ".join(facts.assets) or None,
    }
    if event.type == ev.WALLET_OPENED:
        said |= {"opened_at_ms": at_ms, "quarantined": False}
        _open_sub_wallet(changes, wallet_id, WalletFacts(sub_wallet="main"), reflects, at_ms)
    elif event.type in (ev.WALLET_QUARANTINED, ev.WALLET_RELEASED):
        said["quarantined"] = event.type == ev.WALLET_QUARANTINED
    if facts.sub_wallet is not None:
        _open_sub_wallet(changes, wallet_id, facts, reflects, at_ms)
    row = changes.wallets.setdefault(wallet_id, {"wallet_id": wallet_id, **dict.fromkeys(WALLET_FACTS)})
    _say_last(row, False, **said, **reflects, changed_at_ms=at_ms)


def _open_sub_wallet(changes: Changes, wallet_id: str, facts: WalletFacts, reflects: Row, at_ms: int) -> None:
    assert facts.sub_wallet is not None
    changes.sub_wallets[wallet_id, facts.sub_wallet] = {
        "wallet_id": wallet_id,
        "sub_wallet": facts.sub_wallet,
        "kind": facts.sub_wallet_kind or "main",
        "payee_wallet_id": facts.payee_wallet_id,
        "opened_at_ms": at_ms,
        **reflects,
    }


# ---- transactions -------------------------------------------------------------------------------------


def _fold_transaction(changes: Changes, event: LedgerEvent, reflects: Row, at_ms: int) -> None:
    if event.to_state is None:
        return
    assert event.transaction_id is not None
    # An event that passes no state is a note: a rail has contradicted what is, or said it again.
    is_note = not event.path
    facts = None if is_note else event.rail_facts
    row = _transaction_row(changes, event.transaction_id, event.leg or "")
    other = event.counterparty
    _say_first(
        row,
        parent_transaction_id=event.parent_transaction_id,
        operation=event.operation,
        wallet_id=event.wallet_id,
        sub_wallet=event.sub_wallet,
        amount_minor=event.amount_minor,
        asset=event.asset,
        counterparty_wallet_id=None if other is None else other.wallet_id,
        counterparty_sub_wallet=None if other is None else other.sub_wallet,
        rail=event.rail,
        opened_at_ms=at_ms,
    )
    is_said_anew = event.remaining_minor == 0 or event.type == ev.TRANSACTION_OVERDUE
    anew = is_said_anew or (not is_note and event.to_state != event.from_state)
    due_at_ms = None if event.due_at is None else unix_ms(event.due_at)
    _say_last(row, anew, due_at_ms=due_at_ms, remaining_minor=event.remaining_minor)
    _say_last(
        row,
        False,
        state=event.to_state,
        code=None if is_note else event.code,
        batch_id=None if facts is None else storable(facts.batch_id),
        rail_reference=None if facts is None else storable(facts.rail_reference),
        changed_at_ms=at_ms,
        **reflects,
    )
    row["anew"] = row["anew"] or anew
    if anew or event.remaining_minor is not None:
        row["remaining_change_minor"] = 0
    if event.operation == _CAPTURE and event.parent_transaction_id is not None:
        _fold_capture(changes, event, reflects, at_ms)


def _fold_capture(changes: Changes, event: LedgerEvent, reflects: Row, at_ms: int) -> None:
    """What a capture takes of what its authorization holds, or gives back to it."""
    held = f"{event.wallet_id}/{event.sub_wallet}/held"
    change_minor = sum(entry.credit_minor - entry.debit_minor for entry in event.entries if entry.account == held)
    if not change_minor:
        return
    assert event.parent_transaction_id is not None
    row = _transaction_row(changes, event.parent_transaction_id, "")
    if row["remaining_minor"] is None:
        row["remaining_change_minor"] += change_minor
    else:
        row["remaining_minor"] += change_minor
    _say_last(row, False, changed_at_ms=at_ms, **reflects)


def _transaction_row(changes: Changes, transaction_id: str, leg: str) -> Row:
    """The row of a transaction, new ones saying nothing yet."""
    row = changes.transactions.get((transaction_id, leg))
    if row is None:
        row = dict.fromkeys((*FIRST_SAID, *LAST_SAID, *SAID_BY_MOVES))
        row |= {"transaction_id": transaction_id, "leg": leg, "anew": False, "remaining_change_minor": 0}
        changes.transactions[transaction_id, leg] = row
    return row


def _say_first(row: Row, **said: Any) -> None:
    for name, value in said.items():
        if row[name] is None:
            row[name] = value


def _say_last(row: Row, anew: bool, **said: Any) -> None:
    """What is said, and with `anew` also what is not."""
    for name, value in said.items():
        if anew or value is not None:
            row[name] = value
