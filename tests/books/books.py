"""The books, kept a second time by somebody who reads the events and knows what each operation must come to.

Every journal balances, every transaction is opened once and moved on from the state that it is in, and in the end every
bucket of every wallet holds what the transactions that are open say, and every wallet what all of them make of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from math import inf
from typing import Final

import msgspec
import orjson

from tests.books.events import Event
from tests.books.money import Known, adjusted, in_transit, money, received_minor, set_aside, taken_back_minor

TRANSIT: Final = "system/transit"
#: What is said of a transaction without moving it.
_NOTES: Final = ("transaction.confirmed", "transaction.contradicted")


#: Account and asset -> minor units.
Balances = dict[tuple[str, str], int]


class Books:
    """Takes the events of every partition, each partition's in their order."""

    def __init__(self) -> None:
        #: What does not hold, in words.
        self.problems: list[str] = []
        self.transactions: dict[str, Known] = {}
        self._posted: dict[int, defaultdict[tuple[str, str], int]] = {}
        #: What transactions say: of wallets over all buckets, of buckets, of what is in transit.
        self._wallets: Counter[tuple[str, str]] = Counter()
        self._buckets: Counter[tuple[str, str]] = Counter()
        self._credit_minor: dict[tuple[str, str], int] = {}
        self._cap_minor: dict[tuple[str, str], float] = {}

    def take(self, partition: int, event: Event) -> None:
        """One event of a partition's log; seals are none."""
        if event.type == "wallet.limits_set" and event.wallet is not None:
            for asset, terms in (event.wallet.get("limits") or {}).items():
                self._credit_minor[event.wallet_id or "", asset] = terms.get("credit_limit_minor", 0)
                self._cap_minor[event.wallet_id or "", asset] = terms.get("balance_cap_minor", inf)
        if event.entries:
            self._post(partition, event)
            if event.operation == "credit" and event.from_state in (None, "initiated") and self._cap_minor:
                self._check_cap(partition, event)
        if event.transaction_id is None or event.to_state is None or event.type in _NOTES:
            return
        key = event.transaction_id if event.leg is None else f"{event.transaction_id}/{event.leg}"
        known = self.transactions.get(key)
        if event.from_state != (None if known is None else known.state):
            is_now = "not there" if known is None else known.state
            self.problems.append(
                f"{event.operation} {key} goes from {event.from_state} to {event.to_state}: is {is_now}"
            )
            return
        if known is None or known.state == "initiated":
            self._open(key, event)
        else:
            self._move(known, event)

    def posted(self) -> Balances:
        """Every account by the entries, the shards of the system accounts together."""
        total: Counter[tuple[str, str]] = Counter()
        for shard in self._posted.values():
            total.update(shard)
        return dict(total)

    def posted_in(self, partition: int) -> Balances:
        """Every account of a partition by the entries."""
        return dict(self._posted.get(partition, {}))

    def close(self, now: str) -> list[str]:
        """All that does not hold at a time when nothing is under way between partitions and nothing is due."""
        return [
            *self.problems,
            *self._check_totals(),
            *self._check_wallets(),
            *self._check_taken_back(),
            *self._check_open(now),
        ]

    # ---- entries ---------------------------------------------------------------------------------

    def _post(self, partition: int, event: Event) -> None:
        shard = self._posted.setdefault(partition, defaultdict(int))
        sides: defaultdict[str, int] = defaultdict(int)
        changes: defaultdict[tuple[str, str], int] = defaultdict(int)
        for entry in event.entries:
            minor = entry.credit_minor - entry.debit_minor
            sides[entry.asset] += minor
            changes[entry.account, entry.asset] += minor
        for key, minor in changes.items():
            shard[key] = after_minor = shard[key] + minor
            if minor < 0 and after_minor < self._lowest_minor(*key) and not event.forced:
                self.problems.append(f"{key[0]} is overdrawn unforced, {after_minor}: {_short(event)}")
        if any(sides.values()):
            self.problems.append(f"debits and credits differ: {_short(event)}")
        for after in event.balances:
            if shard[after.account, after.asset] != after.balance_minor:
                self.problems.append(f"{_short(event)} says a wrong balance: {after}")

    def _check_cap(self, partition: int, event: Event) -> None:
        """A credit that was accepted has left its wallet below its cap."""
        cap_minor = self._cap_minor.get((event.wallet_id or "", event.asset or ""))
        if cap_minor is not None and event.type not in _NOTES:
            accounts = self._posted[partition].items()
            held = [
                minor
                for (name, asset), minor in accounts
                if name.startswith(f"{event.wallet_id}/") and asset == event.asset
            ]
            if sum(held) > cap_minor:
                self.problems.append(f"{event.wallet_id} holds {sum(held)}, more than {cap_minor}: {_short(event)}")

    def _lowest_minor(self, account: str, asset: str) -> float:
        """How far an account may fall without being forced."""
        holder = account.partition("/")[0]
        return -inf if holder == "system" else -self._credit_minor.get((holder, asset), 0)

    # ---- transactions ----------------------------------------------------------------------------

    def _open(self, key: str, event: Event) -> None:
        """A transaction that begins, or is executed at its time."""
        exchange, fee, to = event.exchange, event.fee, event.counterparty
        known = Known(
            operation=event.operation or "",
            state=event.to_state or "",
            wallet_id=event.wallet_id or "",
            sub_wallet=event.sub_wallet or "main",
            asset=event.asset or "",
            amount_minor=event.amount_minor or 0,
            parent=self._parent(event),
            rail=None if event.rail == "instant" else event.rail,
            to_wallet_id=None if to is None else to.wallet_id,
            is_at_once=event.to_state == "settled" and event.leg is None,
            is_leg=event.leg is not None,
            fee=None if fee is None else (fee.asset, fee.amount_minor),
            exchange=None
            if exchange is None
            else (exchange.from_asset, exchange.from_minor, exchange.to_asset, exchange.to_minor),
            fee_returned_minor=event.fee_returned_minor or 0,
            due_at=event.due_at,
        )
        if known.is_leg:
            known.fee = None
        if known.operation == "authorize":
            known.held_minor = known.amount_minor
        elif known.operation == "adjust" and isinstance(event.request, msgspec.Raw):
            known.moved = adjusted(orjson.loads(bytes(event.request)))
        elif known.operation == "capture" and known.state != "failed" and not known.is_leg:
            authorization = known.parent
            if authorization is None or authorization.state != "processed":
                self.problems.append(f"a capture of what is not held: {_short(event)}")
            else:
                known.held_minor = min(known.amount_minor, authorization.held_minor)
                self._hold(authorization, -known.held_minor)
        self.transactions[key] = known
        self._count(known, 1)

    def _parent(self, event: Event) -> Known | None:
        parent_id = event.parent_transaction_id
        if parent_id is None:
            return None
        return self.transactions.get(parent_id) or self.transactions.get(f"{parent_id}/credit")

    def _move(self, known: Known, event: Event) -> None:
        self._count(known, -1)
        was_open, known.state = known.state == "processed", event.to_state or ""
        if event.rail_facts is not None:
            if event.rail_facts.settled_minor is not None:
                known.settled_minor = event.rail_facts.settled_minor
            known.returned_minor += event.rail_facts.returned_minor or 0
        if event.type == "reward.expired":
            known.expired_minor = sum(entry.debit_minor for entry in event.entries)
        if known.operation == "authorize" and known.state != "processed":
            known.held_minor = 0
        elif known.operation == "capture" and was_open and known.state in ("failed", "canceled"):
            authorization = known.parent
            if authorization is not None and authorization.state == "processed":
                self._hold(authorization, known.held_minor)
        self._count(known, 1)

    def _hold(self, authorization: Known, by_minor: int) -> None:
        self._count(authorization, -1)
        authorization.held_minor += by_minor
        self._count(authorization, 1)

    def _count(self, known: Known, sign: int) -> None:
        """Add what a transaction says in its present state, or take it away."""
        for wallet_id, asset, minor in money(known):
            self._wallets[wallet_id, asset] += sign * minor
        kept = set_aside(known)
        if kept is not None:
            account, asset, minor = kept
            self._buckets[account, asset] += sign * minor

    # ---- in the end ------------------------------------------------------------------------------

    def _check_totals(self) -> Iterator[str]:
        sums: Counter[str] = Counter()
        for (account, asset), minor in self.posted().items():
            sums[asset] += minor
            if account == TRANSIT and minor:
                yield f"{minor} {asset} is lost in transit"
        for asset, minor in sums.items():
            if minor:
                yield f"all accounts together are {minor} {asset}, must be 0"

    def _check_wallets(self) -> Iterator[str]:
        """Each bucket holds what its open transactions say, each wallet what all of its transactions make of it."""
        by_wallet: Counter[tuple[str, str]] = Counter()
        by_bucket: Counter[tuple[str, str]] = Counter()
        for (account, asset), minor in self.posted().items():
            wallet_id, _, bucket = account.partition("/")
            if wallet_id == "system":
                continue
            by_wallet[wallet_id, asset] += minor
            if not bucket.endswith("/available"):
                by_bucket[account, asset] += minor
        for said, found in ((self._wallets, by_wallet), (self._buckets, by_bucket)):
            for key in sorted({*said, *found}):
                if said[key] != found[key]:
                    yield f"{key[0]} holds {found[key]} {key[1]}, its transactions make {said[key]}"

    def _check_taken_back(self) -> Iterator[str]:
        """Of no transaction more was taken back than it had moved."""
        taken_minor: Counter[int] = Counter()
        for known in self.transactions.values():
            if known.parent is not None:
                taken_minor[id(known.parent)] += taken_back_minor(known)
        for key, known in self.transactions.items():
            minor = taken_minor[id(known)] + known.returned_minor
            if minor > received_minor(known):
                yield f"of {known.operation} {key} {minor} was taken back, it has moved {received_minor(known)}"

    def _check_open(self, now: str) -> Iterator[str]:
        for key, known in self.transactions.items():
            if in_transit(known) is not None:
                yield f"{known.operation} {key} is still on its way to {known.to_wallet_id}"
            # When a reward ends depends on what was spent of it and came back: that is not told again here.
            is_waiting = known.state == "initiated" or (known.operation == "authorize" and known.state == "processed")
            if known.due_at is not None and is_waiting and known.due_at <= now:
                yield f"{known.operation} {key} of {known.wallet_id} was due at {known.due_at} and is {known.state}"


def _short(event: Event) -> str:
    return f"{event.type} of {event.operation} {event.transaction_id}"
