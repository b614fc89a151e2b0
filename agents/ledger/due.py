"""What is due by partition time: a command first sees to what is due of its own wallet, a tick to what is due at all.

Holds end, verdicts come too late, and what was scheduled is executed, in the order of their times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from agents.ledger.accounts import REWARDS
from agents.ledger.apply_lots import lots_of
from agents.ledger.draft import Named, move_of
from agents.ledger.holds import end_hold
from agents.ledger.journals import post_all
from agents.ledger.keys import due_key, due_of_wallet_key
from agents.ledger.scheduled import execute
from agents.ledger.screening import end_silence
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.events import CLOCK_TICKED, REWARD_EXPIRED, WALLET_QUARANTINED, Cause, LedgerEvent
from schemas.internal import Tick, encode_internal
from schemas.lifecycle import Verb
from schemas.topics import INTERNAL_COMMANDS
from streams.errors import StoreError

#: Transactions that one tick ends, far from the commit deadline; another tick follows for the rest.
TICK_PORTION: Final = 10_000
#: Transactions of its own wallet that a command ends before it is decided; the tick that is under way ends the rest.
COMMAND_PORTION: Final = 1_000
#: Of what is due, how much is looked at for something that no quarantine holds up.
_LOOKS: Final = 100


def end_due_of_wallet(turn: Turn, wallet_id: str, cause: Cause) -> None:
    """End the wallet's transactions that are due by now, the first ones first."""
    now_ms = turn.context.recorded_at_ms
    start, end = due_of_wallet_key(wallet_id, 0), due_of_wallet_key(wallet_id, now_ms + 1)
    due = list(islice(turn.state.due_of_wallet.scan(start, end), COMMAND_PORTION))
    _end_all(turn, [transaction_id for _, transaction_id in due], cause)


def take_tick(turn: Turn, cause: Cause, key: bytes | None) -> None:
    """Time has passed: end all that is due by now, and where that is much, ask for another tick."""
    context = turn.context
    turn.due_from_then = ""
    turn.write(LedgerEvent(type=CLOCK_TICKED, cause=cause, recorded_at=context.recorded_at), key)
    due, waits = _due(turn, TICK_PORTION + 1)
    _end_all(turn, due[:TICK_PORTION], cause)
    if len(due) > TICK_PORTION:
        again = encode_internal(Tick(due_at_ms=context.recorded_at_ms))
        turn.send(INTERNAL_COMMANDS, context.partition, b"", again)
    elif not waits:
        turn.due_from_then = due_key(context.recorded_at_ms)


def fail_tick(turn: Turn, cause: Cause, key: bytes | None) -> bool:
    """The ledger failed on a tick: quarantine the wallets that it fails on, so that the next tick does the others.

    False where nothing that is due is the reason.
    """
    failures = [(wallet_id, error) for wallet_id, error in _try_all(turn, cause) if error is not None]
    if not failures:
        return False
    turn.write(LedgerEvent(type=CLOCK_TICKED, cause=cause, recorded_at=turn.context.recorded_at), key)
    for wallet_id, error in failures:
        _quarantine(turn, wallet_id, cause, error)
    return True


def _try_all(turn: Turn, cause: Cause) -> Iterator[tuple[str, Exception | None]]:
    """End what is due, each alone and to no effect; yields its wallet and what the ledger has raised, if anything."""
    for transaction_id in _due(turn, TICK_PORTION)[0]:
        transaction = turn.state.transaction(transaction_id, turn.context.recorded_at_ms)
        assert transaction is not None
        written, failure = turn.out.so_far(), None
        with turn.state.overlay.attempt():
            try:
                _end_all(turn, (transaction_id,), cause)
            except (StoreError, MemoryError):
                raise
            except Exception as error:
                failure = error
        turn.out.return_to(written)
        yield transaction.wallet_id, failure


def _quarantine(turn: Turn, wallet_id: str, cause: Cause, error: Exception) -> None:
    wallet = turn.state.wallets.get(wallet_id)
    assert wallet is not None
    if wallet.quarantined:
        return
    event = LedgerEvent(
        type=WALLET_QUARANTINED,
        wallet_id=wallet_id,
        command=Verb.EXPIRE.value,
        code=Code.INTERNAL_ERROR.value,
        message=f"the ledger failed on what is due of this wallet ({type(error).__name__})",
        cause=cause,
        recorded_at=turn.context.recorded_at,
    )
    turn.write(event, wallet_id.encode())


def first_due_ms(turn: Turn) -> int | None:
    """When the next transaction is due; of wallets under quarantine nothing is, unless they are many."""
    for number, (key, wallet_id) in enumerate(turn.state.due.scan(turn.due_from), 1):
        wallet = turn.state.wallets.get(wallet_id)
        if wallet is None or not wallet.quarantined or number == _LOOKS:
            return int(key.split(" ")[0])
    return None


def _due(turn: Turn, most: int) -> tuple[list[str], bool]:
    """So many of the transactions that are due by now, and whether others wait for the end of a quarantine."""
    wallets, waits = turn.state.wallets, False
    found: list[str] = []
    rows = turn.state.due.scan(turn.due_from, due_key(turn.context.recorded_at_ms + 1))
    while some := list(islice(rows, most - len(found))):
        turn.state.read_wallets_ahead([wallet_id for _, wallet_id in some])
        for key, wallet_id in some:
            wallet = wallets.get(wallet_id)
            if wallet is not None and wallet.quarantined:
                waits = True
            else:
                found.append(key.split(" ")[1])
    return found, waits


def _end_all(turn: Turn, transaction_ids: Sequence[str], cause: Cause) -> None:
    now_ms = turn.context.recorded_at_ms
    turn.state.read_transactions_ahead(transaction_ids, now_ms)
    for transaction_id in transaction_ids:
        transaction = turn.state.transaction(transaction_id, now_ms)
        assert transaction is not None
        named = Named(transaction_id, transaction)
        if transaction.due_at_ms > now_ms:
            continue  # what came before has put it off
        if transaction.hold is not None:
            end_hold(turn, named, cause, Verb.EXPIRE, Code.HOLD_EXPIRED.value)
        elif transaction.operation == "reward":
            _expire_reward(turn, named, cause)
        elif transaction.screening is not None:
            end_silence(turn, named, cause)
        else:
            execute(turn, named, cause)


def _expire_reward(turn: Turn, named: Named, cause: Cause) -> None:
    """Take back what is left of a reward, as far as it is still there: forced postings may have taken it."""
    state, of = turn.state, named.transaction
    moves = [
        (account, -max(0, min(lot.remaining_minor, state.balance_minor(account, of.asset))))
        for account, lot in lots_of(state, of, named.transaction_id)
    ]
    expired_minor = -sum([minor for _, minor in moves])
    journal = post_all(state, of.asset, [*moves, (REWARDS, expired_minor)]) if expired_minor else None
    event = move_of(named, of.state, journal, cause, turn.context.recorded_at, Verb.EXPIRE.value)
    event.type, event.remaining_minor = REWARD_EXPIRED, 0
    turn.write(event, of.wallet_id.encode())
    turn.tell_requester(event, of)
