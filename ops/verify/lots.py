"""Rewards that expire, kept a second time: soonest spent first, and last of all that comes back of a spending.

Events say nothing of lots but what expires in the end. That is computed here from all postings before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ops.verify.accounts import AVAILABLE, available
from ops.verify.expiry import Expiries
from ops.verify.known import Known
from schemas.clock import rfc3339, unix_ms
from schemas.events import Entry, LedgerEvent

_DAY_MS: Final = 86_400_000
#: What comes back can be spent for so long at least.
_GRACE_MS: Final = 7 * _DAY_MS
#: The ledger forgets all transactions of so many days at once.
_FORGOTTEN_MS: Final = 60 * _DAY_MS
_SPENT_FROM: Final = f"/{AVAILABLE}"


class Lot(NamedTuple):
    """What is left of a reward, or was spent of it; sorted as they are spent."""

    expires_at_ms: int
    transaction_id: str
    minor: int


class Spending:
    """What a transaction has spent of rewards, and how much of its whole amount has come back, in minor units."""

    __slots__ = ("back_minor", "lots", "spent_minor")

    def __init__(self, lots: tuple[Lot, ...], spent_minor: int, back_minor: int = 0):
        self.lots = lots
        self.spent_minor = spent_minor
        self.back_minor = back_minor

    def give_back(self, minor: int) -> Iterator[Lot]:
        """So much more comes back: what was spent beside rewards first, then of these the latest first.

        Laid end to end in that order they are a line, of which the stretch that comes back now follows that of before.
        """
        at = self.spent_minor - sum(lot.minor for lot in self.lots)
        begin, end = self.back_minor, self.back_minor + minor
        self.back_minor = end
        for lot in reversed(self.lots):
            start, at = at, at + lot.minor
            part_minor = min(at, end) - max(start, begin)
            if part_minor > 0:
                yield lot._replace(minor=part_minor)


class _Reward:
    """A reward that expires: the account that it was given to, and when something is due of it."""

    __slots__ = ("due_at_ms", "is_reversed", "key", "opened_at_ms", "wallet_id")

    def __init__(self, wallet_id: str, key: str, opened_at_ms: int, due_at_ms: int):
        self.wallet_id = wallet_id
        self.key = key
        self.opened_at_ms = opened_at_ms
        #: 0 where nothing is due of it any more.
        self.due_at_ms = due_at_ms
        self.is_reversed = False


class Lots:
    """The rewards of one partition that expire.

    Args:
        expiries: told when they are due.
        retained_ms: how long the ledger knows a transaction.
    """

    def __init__(self, expiries: Expiries, retained_ms: int):
        self._expiries = expiries
        self._retained_ms = retained_ms
        #: `<account> <asset>` -> its lots, soonest first.
        self.left: dict[str, list[Lot]] = {}
        self._rewards: dict[str, _Reward] = {}
        #: So many rewards are kept before those are looked for that can be forgotten.
        self._next_look = 1_000

    def give(self, event: LedgerEvent) -> None:
        """A reward that expires."""
        transaction_id, due_at = event.transaction_id or "", event.due_at or ""
        key = f"{available(event.wallet_id, event.sub_wallet)} {event.asset}"
        now_ms, due_at_ms = unix_ms(event.recorded_at), unix_ms(due_at)
        self._forget(now_ms)
        self._rewards[transaction_id] = _Reward(event.wallet_id or "", key, now_ms, due_at_ms)
        self._put(key, Lot(due_at_ms, transaction_id, event.amount_minor or 0))
        self._expiries.watch(event.wallet_id or "", transaction_id, due_at)

    def spend(self, entries: Sequence[Entry]) -> tuple[Lot, ...]:
        """Take from the rewards of each account what the entries take from it in all; returns what was taken."""
        net: dict[str, int] = {}
        for entry in entries:
            if entry.account.endswith(_SPENT_FROM):
                key = f"{entry.account} {entry.asset}"
                if key in self.left:
                    net[key] = net.get(key, 0) + entry.debit_minor - entry.credit_minor
        taken: list[Lot] = []
        for key, minor in net.items():
            taken += self._take(key, minor)
        return tuple(taken)

    def _take(self, key: str, minor: int) -> Iterator[Lot]:
        lots = self.left[key]
        while minor > 0 and lots:
            first = lots[0]
            part_minor = min(minor, first.minor)
            minor -= part_minor
            yield first._replace(minor=part_minor)
            if part_minor == first.minor:
                del lots[0]
            else:
                lots[0] = first._replace(minor=first.minor - part_minor)
        if not lots:
            del self.left[key]

    def left_minor(self, transaction_id: str) -> int:
        """What is left of a reward."""
        reward = self._rewards.get(transaction_id)
        lots = () if reward is None else self.left.get(reward.key, ())
        return sum(lot.minor for lot in lots if lot.transaction_id == transaction_id)

    def expiring_minor(self, known: Known, balances: Mapping[str, int], entries: Sequence[Entry]) -> int:
        """What must expire of a reward: what is left of it, as far as it was there before these entries were posted."""
        account = available(known.wallet_id, known.sub_wallet)
        taken_minor = sum(entry.debit_minor - entry.credit_minor for entry in entries if entry.account == account)
        there_minor = balances.get(f"{account} {known.asset}", 0) + taken_minor
        return max(0, min(self.left_minor(known.transaction_id), there_minor))

    def due_at(self, transaction_id: str) -> str | None:
        """When a reward expires; None where nothing is due of it."""
        reward = self._rewards.get(transaction_id)
        return None if reward is None or not reward.due_at_ms else rfc3339(reward.due_at_ms)

    def end(self, transaction_id: str, *, is_reversed: bool = False) -> None:
        """A reward has expired, or was taken back: what is left of it counts as one no more."""
        reward = self._rewards.get(transaction_id)
        if reward is None:
            return
        lots = [lot for lot in self.left.get(reward.key, ()) if lot.transaction_id != transaction_id]
        self._set(reward.key, lots)
        reward.due_at_ms, reward.is_reversed = 0, is_reversed
        self._expiries.forget(reward.wallet_id, transaction_id)

    def give_back(self, spending: Spending, minor: int, recorded_at: str) -> None:
        """So much of a spending comes back: rewards with their old times, and at least the grace."""
        now_ms = unix_ms(recorded_at)
        for lot in spending.give_back(minor):
            reward = self._rewards.get(lot.transaction_id)
            if reward is not None and not reward.is_reversed and self._is_known(reward, now_ms):
                self._revive(reward, lot._replace(expires_at_ms=max(lot.expires_at_ms, now_ms + _GRACE_MS)), now_ms)

    def _revive(self, reward: _Reward, lot: Lot, now_ms: int) -> None:
        lots = self.left.get(reward.key, [])
        of_it = [one for one in lots if one.transaction_id == lot.transaction_id]
        expires_at_ms = max(lot.expires_at_ms, *(one.expires_at_ms for one in of_it), 0)
        left_minor = lot.minor + sum(one.minor for one in of_it)
        self._set(reward.key, [one for one in lots if one not in of_it])
        self._put(reward.key, Lot(expires_at_ms, lot.transaction_id, left_minor))
        if expires_at_ms != reward.due_at_ms:
            was_due = 0 < reward.due_at_ms <= now_ms
            reward.due_at_ms = expires_at_ms
            self._expiries.watch(reward.wallet_id, lot.transaction_id, rfc3339(expires_at_ms), was_due=was_due)

    def _put(self, key: str, lot: Lot) -> None:
        self.left[key] = sorted((*self.left.get(key, ()), lot))

    def _set(self, key: str, lots: list[Lot]) -> None:
        if lots:
            self.left[key] = lots
        else:
            self.left.pop(key, None)

    def _is_known(self, reward: _Reward, now_ms: int) -> bool:
        """True where the ledger still knows the reward."""
        return reward.opened_at_ms // _FORGOTTEN_MS >= (now_ms - self._retained_ms) // _FORGOTTEN_MS

    def _forget(self, now_ms: int) -> None:
        if len(self._rewards) < self._next_look:
            return
        self._rewards = {
            key: reward for key, reward in self._rewards.items() if reward.due_at_ms or self._is_known(reward, now_ms)
        }
        self._next_look = 2 * len(self._rewards) + 1_000
