"""Rewards that expire: what is left of each. What expires soonest is spent first, and comes back last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ops.verify.accounts import AVAILABLE, available
from ops.verify.known import Known
from schemas.clock import rfc3339, unix_ms
from schemas.events import REWARD_EXPIRED, LedgerEvent

#: What comes back of a reward can be spent for so long at least: seven days.
_GRACE_MS: Final = 7 * 86_400_000


class Lot(NamedTuple):
    """Part of a reward; lots are in the order of their times."""

    due_at: str
    reward_id: str
    minor: int


class _Spending:
    """What a transaction has taken of rewards, and how much of it has come back."""

    __slots__ = ("amount_minor", "back_minor", "lots")

    def __init__(self, amount_minor: int):
        self.amount_minor = amount_minor
        self.back_minor = 0
        self.lots: list[Lot] = []


class Lots:
    """Rewards of one partition; `put_off` is told when one is due anew: wallet, transaction, time."""

    def __init__(self, put_off: Callable[[str, str, str], None]):
        self._put_off = put_off
        #: `<account> <asset>` -> what is left of its rewards.
        self._left: dict[str, list[Lot]] = {}
        #: Reward -> wallet, and key in `_left`.
        self._rewards: dict[str, tuple[str, str]] = {}
        self._spendings: dict[str, _Spending] = {}

    def opened(self, known: Known) -> None:
        """A reward that expires."""
        key = f"{available(known.wallet_id, known.sub_wallet)} {known.asset}"
        self._rewards[known.transaction_id] = (known.wallet_id, key)
        self._add(key, Lot(known.due_at, known.transaction_id, known.amount_minor))

    def left_minor(self, reward_id: str) -> int:
        """What is left of a reward."""
        _, key = self._rewards.get(reward_id, ("", ""))
        return sum(lot.minor for lot in self._left.get(key, ()) if lot.reward_id == reward_id)

    def drop(self, reward_id: str) -> None:
        """It has expired, or was reversed."""
        _, key = self._rewards.get(reward_id, ("", ""))
        if key in self._left:
            self._left[key] = [lot for lot in self._left[key] if lot.reward_id != reward_id]

    def spend(self, event: LedgerEvent) -> list[Lot]:
        """Take what an event's entries take from accounts that have rewards."""
        net: dict[str, int] = {}
        for entry in event.entries:
            if entry.account.endswith(f"/{AVAILABLE}"):
                key = f"{entry.account} {entry.asset}"
                net[key] = net.get(key, 0) + entry.debit_minor - entry.credit_minor
        return [lot for key, minor in net.items() if minor > 0 for lot in self._take(key, minor)]

    def keep(self, event: LedgerEvent, spent: list[Lot]) -> None:
        """An event's transaction is what has spent them."""
        if spent and event.transaction_id is not None and event.type != REWARD_EXPIRED:
            of = self._spendings.setdefault(event.transaction_id, _Spending(event.amount_minor or 0))
            of.lots = spent

    def give_back(self, transaction_id: str, minor: int, recorded_at: str) -> None:
        """So much of a spending comes back: everything else of it first, then its latest rewards."""
        of = self._spendings.get(transaction_id)
        if of is None:
            return
        others_minor = of.amount_minor - sum(lot.minor for lot in of.lots)
        done_minor = max(0, of.back_minor - others_minor)
        due_minor = max(0, of.back_minor + minor - others_minor) - done_minor
        of.back_minor += minor
        earliest = rfc3339(unix_ms(recorded_at) + _GRACE_MS)
        for lot in reversed(of.lots):
            passed_minor = min(done_minor, lot.minor)
            part_minor = min(due_minor, lot.minor - passed_minor)
            done_minor, due_minor = done_minor - passed_minor, due_minor - part_minor
            if part_minor:
                self._revive(Lot(max(lot.due_at, earliest), lot.reward_id, part_minor))

    def _revive(self, lot: Lot) -> None:
        wallet_id, key = self._rewards[lot.reward_id]
        kept = next((one for one in self._left.get(key, ()) if one.reward_id == lot.reward_id), None)
        if kept is not None:
            self._left[key].remove(kept)
            lot = Lot(max(kept.due_at, lot.due_at), lot.reward_id, kept.minor + lot.minor)
        self._add(key, lot)
        self._put_off(wallet_id, lot.reward_id, lot.due_at)

    def _add(self, key: str, lot: Lot) -> None:
        self._left[key] = sorted([*self._left.get(key, ()), lot])

    def _take(self, key: str, minor: int) -> list[Lot]:
        taken, left = [], []
        for lot in self._left.get(key, ()):
            part_minor = min(minor, lot.minor)
            minor -= part_minor
            if part_minor:
                taken.append(lot._replace(minor=part_minor))
            if lot.minor > part_minor:
                left.append(lot._replace(minor=lot.minor - part_minor))
        if taken:
            self._left[key] = left
        return taken
