"""Rewards that expire: what is left of each. What expires soonest is spent first, and comes back last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ops.verify.accounts import AVAILABLE, available, holder_of
from ops.verify.known import Known
from schemas.clock import rfc3339, unix_ms
from schemas.events import REWARD_EXPIRED, LedgerEvent

#: What comes back of a reward can be spent for so long at least: seven days.
_GRACE_MS: Final = 7 * 86_400_000
#: The ledger forgets all transactions of so many days at once.
_FORGOTTEN_MS: Final = 60 * 86_400_000


class Lot(NamedTuple):
    """Part of a reward; lots are in the order of their times."""

    due_at: str
    reward_id: str
    minor: int


class _Spending:
    """What a transaction has taken of rewards, and how much of it has come back."""

    __slots__ = ("amount_minor", "back_minor", "key", "lots", "since_ms")

    def __init__(self, amount_minor: int, since_ms: int, key: str):
        self.since_ms = since_ms
        #: Of the account that it has taken them from.
        self.key = key
        self.amount_minor = amount_minor
        self.back_minor = 0
        self.lots: list[Lot] = []


class _Reward:
    """Whose it is, the keys of its lots, when it was changed last, and whether it still expires."""

    __slots__ = ("is_due", "key", "keys", "since_ms", "wallet_id")

    def __init__(self, wallet_id: str, key: str, since_ms: int):
        self.wallet_id = wallet_id
        self.key = key
        #: Of all accounts in which there may be something of it: its wallet may have moved it.
        self.keys = {key}
        self.since_ms = since_ms
        self.is_due = True


#: A reward that is not known.
_NONE: Final = _Reward("", "", 0)


class Lots:
    """Rewards of one partition.

    Args:
        put_off: told when one is due anew: wallet, transaction, time.
        unfinished: gives the ids of transactions that are open, or that something open acts on.
        retained_ms: how long the ledger knows a transaction; what it has forgotten does not come back.
    """

    def __init__(self, put_off: Callable[[str, str, str], None], unfinished: Callable[[], set[str]], retained_ms: int):
        self._put_off = put_off
        self._unfinished = unfinished
        self._retained_ms = retained_ms
        #: So many spendings and rewards are kept before those are looked for that can be forgotten.
        self._next_look = 1_000
        #: `<account> <asset>` -> what is left of its rewards.
        self._left: dict[str, list[Lot]] = {}
        self._rewards: dict[str, _Reward] = {}
        self._spendings: dict[str, _Spending] = {}
        #: Rewards that were taken back as a whole: what was spent of them does not expire any more.
        self._reversed: set[str] = set()

    def opened(self, known: Known, recorded_at: str) -> None:
        """A reward that expires."""
        now_ms = unix_ms(recorded_at)
        self._forget(now_ms)
        key = f"{available(known.wallet_id, known.sub_wallet)} {known.asset}"
        self._rewards[known.transaction_id] = _Reward(known.wallet_id, key, now_ms)
        self._add(key, Lot(known.due_at, known.transaction_id, known.amount_minor))

    def left_minor(self, reward_id: str) -> dict[str, int]:
        """What is left of a reward: `<account> <asset>` -> minor units."""
        keys = self._rewards.get(reward_id, _NONE).keys
        return {key: sum(lot.minor for lot in self._of(key, reward_id)) for key in keys}

    def drop(self, reward_id: str, recorded_at: str) -> None:
        """It has expired."""
        reward = self._rewards.get(reward_id)
        if reward is None:
            return
        reward.is_due = False
        reward.since_ms = unix_ms(recorded_at)
        for key in reward.keys & self._left.keys():
            self._left[key] = [lot for lot in self._left[key] if lot.reward_id != reward_id]
        reward.keys = {reward.key}

    def reverse(self, reward_id: str, recorded_at: str) -> None:
        """It was taken back."""
        self.drop(reward_id, recorded_at)
        if reward_id in self._rewards:
            self._reversed.add(reward_id)

    def changed(self, transaction_id: str, recorded_at: str) -> None:
        """Something acts on a reward, or on what has spent one: the ledger remembers it from here."""
        for kept in (self._rewards.get(transaction_id), self._spendings.get(transaction_id)):
            if kept is not None:
                kept.since_ms = unix_ms(recorded_at)

    def spend(self, event: LedgerEvent) -> list[Lot]:
        """Take what an event's entries take from accounts that have rewards; returns what is spent.

        What a wallet moves to another of its accounts goes along, and is not spent.
        """
        net: dict[str, int] = {}
        for entry in event.entries:
            if entry.account.endswith(f"/{AVAILABLE}"):
                key = f"{entry.account} {entry.asset}"
                net[key] = net.get(key, 0) + entry.debit_minor - entry.credit_minor
        # A reward that operators take back is taken of itself.
        first = event.parent_transaction_id if event.operation == "reverse" else None
        spent: list[Lot] = []
        for key, minor in net.items():
            if minor > 0 and (taken := self._take(key, minor, first)):
                gained = {to: -net[to] for to in net if net[to] < 0 and _is_within(to, key)}
                spent += [] if self._move(taken, gained) else taken
        return spent

    def _move(self, taken: list[Lot], gained: dict[str, int]) -> bool:
        """What is taken goes to accounts of the same wallet that gain by it; False where none does."""
        waiting = iter(taken)
        lot = next(waiting, None)
        for key, room_minor in gained.items():
            while lot is not None and room_minor:
                part_minor = min(lot.minor, room_minor)
                self._join(key, lot._replace(minor=part_minor))
                room_minor -= part_minor
                lot = lot._replace(minor=lot.minor - part_minor) if lot.minor > part_minor else next(waiting, None)
        return bool(gained)

    def _join(self, key: str, lot: Lot) -> None:
        """Part of a reward is in an account; of one reward there is one lot in each, with the later time."""
        for kept in self._of(key, lot.reward_id):
            self._left[key].remove(kept)
            lot = Lot(max(kept.due_at, lot.due_at), lot.reward_id, kept.minor + lot.minor)
        self._add(key, lot)
        self._rewards[lot.reward_id].keys.add(key)

    def _of(self, key: str, reward_id: str) -> list[Lot]:
        return [lot for lot in self._left.get(key, ()) if lot.reward_id == reward_id]

    def keep(self, event: LedgerEvent, spent: list[Lot]) -> None:
        """An event's transaction is what has spent them."""
        if spent and event.transaction_id is not None and event.type != REWARD_EXPIRED:
            of = self._spendings.setdefault(event.transaction_id, self._spending(event))
            of.lots = spent

    def _spending(self, event: LedgerEvent) -> _Spending:
        key = f"{available(event.wallet_id, event.sub_wallet)} {event.asset}"
        return _Spending(event.amount_minor or 0, unix_ms(event.recorded_at), key)

    def forget_spending(self, transaction_id: str) -> None:
        """All that it has taken is back, and it has to take anew."""
        self._spendings.pop(transaction_id, None)

    def all_of(self, transaction_id: str) -> int:
        """All that a transaction has taken of rewards."""
        of = self._spendings.get(transaction_id)
        return 0 if of is None else sum(lot.minor for lot in of.lots)

    def give_back(self, transaction_id: str, minor: int, recorded_at: str) -> None:
        """So much of a spending comes back: everything else of it first, then its latest rewards."""
        of = self._spendings.get(transaction_id)
        if of is None:
            return
        # A fee was taken of them too where they are more than the amount.
        others_minor = max(0, of.amount_minor - sum(lot.minor for lot in of.lots))
        done_minor = max(0, of.back_minor - others_minor)
        due_minor = max(0, of.back_minor + minor - others_minor) - done_minor
        of.back_minor += minor
        now_ms = unix_ms(recorded_at)
        earliest = rfc3339(now_ms + _GRACE_MS)
        for lot in reversed(of.lots):
            passed_minor = min(done_minor, lot.minor)
            part_minor = min(due_minor, lot.minor - passed_minor)
            done_minor, due_minor = done_minor - passed_minor, due_minor - part_minor
            reward = self._rewards.get(lot.reward_id)
            is_gone = lot.reward_id in self._reversed or reward is None or self._is_forgotten(reward, now_ms)
            if part_minor and reward is not None and not is_gone:
                key = of.key if _is_within(of.key, reward.key) else reward.key
                self._revive(reward, key, Lot(max(lot.due_at, earliest), lot.reward_id, part_minor))
                reward.since_ms = now_ms

    def give_back_of(self, known: Known, minor: int, recorded_at: str) -> None:
        """The same; of a capture, what its authorization has spent comes first, and what was taken beyond that last."""
        held = self._spendings.get(known.parent_transaction_id or "") if known.operation == "capture" else None
        now_ms = unix_ms(recorded_at)
        is_open = held is not None and known.parent_transaction_id in self._unfinished()
        if held is not None and (is_open or not self._is_past(held.since_ms, now_ms)):
            own = self._spendings.setdefault(known.transaction_id, _Spending(known.amount_minor, now_ms, held.key))
            most_minor = max(0, own.amount_minor - sum(lot.minor for lot in own.lots))
            first_minor = min(most_minor, own.back_minor + minor) - min(most_minor, own.back_minor)
            self.give_back(known.parent_transaction_id or "", first_minor, recorded_at)
            held.since_ms = now_ms
        self.give_back(known.transaction_id, minor, recorded_at)

    def _revive(self, reward: _Reward, key: str, lot: Lot) -> None:
        """Part of a reward is back where it was spent; all of it expires at one time, the latest."""
        self._join(key, lot)
        left = [(where, one) for where in reward.keys for one in self._of(where, lot.reward_id)]
        due_at = max(one.due_at for _, one in left)
        for where, one in left:
            if one.due_at != due_at:
                self._join(where, Lot(due_at, lot.reward_id, 0))
        reward.is_due = True
        self._put_off(reward.wallet_id, lot.reward_id, due_at)

    def _is_forgotten(self, reward: _Reward, now_ms: int) -> bool:
        return not reward.is_due and self._is_past(reward.since_ms, now_ms)

    def _is_past(self, since_ms: int, now_ms: int) -> bool:
        return since_ms // _FORGOTTEN_MS < (now_ms - self._retained_ms) // _FORGOTTEN_MS

    def _forget(self, now_ms: int) -> None:
        """Now and then: let go of what the ledger knows no more, and of which nothing is left."""
        if len(self._rewards) + len(self._spendings) < self._next_look:
            return
        self._rewards = {key: one for key, one in self._rewards.items() if not self._is_forgotten(one, now_ms)}
        self._reversed &= self._rewards.keys()
        unfinished = self._unfinished()
        self._spendings = {
            key: of
            for key, of in self._spendings.items()
            if key in unfinished or not self._is_past(of.since_ms, now_ms)
        }
        self._left = {key: lots for key, lots in self._left.items() if lots}
        self._next_look = 2 * (len(self._rewards) + len(self._spendings)) + 1_000

    def _add(self, key: str, lot: Lot) -> None:
        self._left[key] = sorted([*self._left.get(key, ()), lot])

    def _take(self, key: str, minor: int, first: str | None) -> list[Lot]:
        taken, left = [], []
        for lot in sorted(self._left.get(key, ()), key=lambda lot: lot.reward_id != first):
            part_minor = min(minor, lot.minor)
            minor -= part_minor
            if part_minor:
                taken.append(lot._replace(minor=part_minor))
            if lot.minor > part_minor:
                left.append(lot._replace(minor=lot.minor - part_minor))
        if taken:
            self._left[key] = sorted(left)
        return taken


def _is_within(key: str, other: str) -> bool:
    """True where two keys are of accounts of one wallet, in one asset."""
    return (holder_of(key), key.rpartition(" ")[2]) == (holder_of(other), other.rpartition(" ")[2])
