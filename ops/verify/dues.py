"""What is due of transactions some day: holds and rewards that end, and what waits for its time."""

from __future__ import annotations

from collections.abc import Callable

from ops.verify.accounts import available
from ops.verify.asked import Asked
from ops.verify.books import Books
from ops.verify.expiry import Expiries
from ops.verify.findings import Check, Here
from ops.verify.journals import Case
from ops.verify.known import Hold, Known
from ops.verify.lots import Lot, Lots
from ops.verify.originals import Wrong
from ops.verify.screening import held_minor
from ops.verify.told import told_beside, told_of_terms
from schemas.events import REWARD_EXPIRED, LedgerEvent
from schemas.lifecycle import State, Verb
from schemas.rails import INSTANT, RAIL_NAME


class Dues:
    """Of one partition; `books` has the balances after the event that is read."""

    def __init__(self, here: Here, books: Books, unfinished: Callable[[], set[str]], retained_ms: int):
        self.expiries = Expiries(here)
        self.lots = Lots(self.expiries.add, unfinished, retained_ms)
        self._books = books
        #: What the reward that the event expires had left before, by `<account> <asset>`.
        self._left_minor: dict[str, int] = {}

    def before(self, event: LedgerEvent) -> list[Lot]:
        """Take what an event's entries take of rewards; to be told to `after`."""
        lots = self.lots
        if event.type == REWARD_EXPIRED:
            self._left_minor = lots.left_minor(event.transaction_id or "")
        return lots.spend(event) if event.entries else []

    def after(self, event: LedgerEvent, spent: list[Lot]) -> None:
        """The event's transaction has spent them."""
        self.lots.keep(event, spent)

    def opened(self, event: LedgerEvent, known: Known) -> None:
        """A transaction of which something may be due."""
        known.due_at = event.due_at or ""
        if event.operation == "authorize":
            known.hold = Hold(known.due_at, known.amount_minor)
        elif event.to_state == State.INITIATED:
            known.asked = Case(event, None, None).asked
            known.rail = known.rail or _rail_of(known.asked)
        elif event.operation == "reward" and known.due_at:
            self.lots.opened(known, event.recorded_at)
        else:
            return
        self.expiries.add(known.wallet_id, known.transaction_id, known.due_at)

    def expire_reward(self, event: LedgerEvent, known: Known) -> Case:
        """What is left of a reward is taken back, as far as it is still there."""
        expired_minor = sum(entry.debit_minor for entry in event.entries)
        there = {key: self._books.balances.get(key, 0) for key in self._left_minor}
        for entry in event.entries:
            key = f"{entry.account} {entry.asset}"
            if key in there:
                there[key] += entry.debit_minor - entry.credit_minor
        self.lots.drop(known.transaction_id, event.recorded_at)
        # What has expired is not there any more for operators to take back.
        known.counted().returned_minor += expired_minor
        left = [
            (key.rpartition(" ")[0], known.asset, max(0, min(minor, there[key])))
            for key, minor in self._left_minor.items()
        ]
        return Case(event, known, None, tuple(left))

    def moved(self, event: LedgerEvent, known: Known, *, was_open: bool, had_hold: bool) -> None:
        """A transaction has moved on: nothing may be due of it any more, and rewards may come back."""
        if known.operation == "reward" and event.to_state == "reversed":
            self.lots.reverse(known.transaction_id, event.recorded_at)
            self.expiries.ended(known)
        elif was_open and not known.is_open:
            self._give_back(event, known, had_hold=had_hold)
            self.expiries.ended(known)
            self.lots.changed(known.transaction_id, event.recorded_at)
            if known.operation == "capture" and known.original is not None:
                self.lots.changed(known.original.transaction_id, event.recorded_at)
        elif event.command == Verb.RETURN and known.operation in ("debit", "capture"):
            self.lots.give_back_of(known, _added_minor(event, known), event.recorded_at)

    def screened(self, event: LedgerEvent, known: Known) -> None:
        """A payment has its verdict: nothing is due of it, and what it took of rewards is back."""
        self.lots.give_back(known.transaction_id, held_minor(known), event.recorded_at)
        self.lots.forget_spending(known.transaction_id)
        self.expiries.ended(known)

    def taken_back(self, event: LedgerEvent, original: Known) -> None:
        """Something of a transaction has come back, in its own asset, and with it rewards that it has spent."""
        self.lots.changed(original.transaction_id, event.recorded_at)
        if (
            event.operation in ("refund", "reverse")
            and event.to_state == State.SETTLED
            and original.operation not in ("credit", "reward")
        ):
            back_minor = (event.amount_minor or 0) if event.exchange is None else event.exchange.to_minor
            self.lots.give_back_of(original, back_minor, event.recorded_at)

    def settled_later(self, event: LedgerEvent, known: Known, original: Known) -> None:
        """What takes back has been settled, over a rail or elsewhere: not before has anything come back."""
        if known.operation == "refund" and event.to_state == State.SETTLED:
            settled_minor = known.amount_minor if known.counter is None else known.counter.settled_minor
            self.lots.give_back_of(original, settled_minor, event.recorded_at)
        elif known.operation == "dispute" and event.to_state == State.REVERSED and original.operation != "credit":
            self.lots.give_back_of(original, known.amount_minor, event.recorded_at)

    def _give_back(self, event: LedgerEvent, known: Known, *, had_hold: bool) -> None:
        """What a transaction took of rewards comes back with what the event that ends it gives back, if anything."""
        if not had_hold and event.to_state in ("failed", "canceled"):
            back_minor = max(known.amount_minor, self.lots.all_of(known.transaction_id))
            if known.operation == "capture" and known.original is not None and known.original.hold is not None:
                # What it took of its authorization is held again.
                self.lots.give_back(known.transaction_id, back_minor, event.recorded_at)
                return
        elif known.operation == "refund":
            return  # it took its fee of them
        else:
            back_minor = _added_minor(event, known)
        if back_minor > 0:
            self.lots.give_back_of(known, back_minor, event.recorded_at)


def _rail_of(asked: Asked) -> str | None:
    """The rail of what waits for its time: its event does not say it, and a rail may settle it all the same."""
    name = asked.rail
    return name if isinstance(name, str) and name != INSTANT.name and RAIL_NAME.fullmatch(name) else None


def _added_minor(event: LedgerEvent, known: Known) -> int:
    """What an event adds to what the wallet can spend."""
    own = available(known.wallet_id, known.sub_wallet), known.asset
    return sum(entry.credit_minor - entry.debit_minor for entry in event.entries if (entry.account, entry.asset) == own)


def wrongs_of_executing(event: LedgerEvent, known: Known) -> list[Wrong]:
    """What is executed otherwise than it was asked for."""
    asked = known.asked
    told = []
    if asked is not None and event.to_state != "failed":
        told = told_of_terms(event, asked) + told_beside(event, asked)
    return [
        (Check.NOT_AS_ASKED, f"{name} is {wanted!r}, it is executed with {said!r}")
        for name, wanted, said in told
        if said != wanted
    ]
