"""Life cycles: every transaction moves on from the state that it was in, posts what it must, and keeps what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ops.verify import originals
from ops.verify.accounts import available
from ops.verify.asked import Asked, read_kept
from ops.verify.credit import Agreements
from ops.verify.expiry import BY_TIME, Expiries
from ops.verify.findings import Check, Here
from ops.verify.journals import Case
from ops.verify.known import ACTS_ON_ANOTHER, TAKEN_BACK, Hold, Known, opened
from ops.verify.lots import Lot, Lots, Spending
from ops.verify.moves import FollowUp, check_move, move, remaining_after, why_not_due
from ops.verify.postings import PLAIN, Posting, Rule, Sums, moves, why_wrong_posting
from ops.verify.remembered import Remembered
from ops.verify.schedules import why_not_as_scheduled
from ops.verify.verdicts import Kind, Verdict, verb_of, verdict_of
from schemas.clock import rfc3339, unix_ms
from schemas.events import REWARD_EXPIRED, TRANSACTION_CONFIRMED, TRANSACTION_SETTLED, LedgerEvent
from schemas.lifecycle import SETTLED_AT_ONCE, State

_SETTLED: Final = State.SETTLED.value
#: Operations of which a part comes back of what their original has spent.
GIVES_BACK: Final = frozenset({"refund", "reverse"})
_SETTLES: Final = frozenset({"settle", "return"})


class Transactions:
    """Transactions of one partition: all that are open, and those of which something may be taken back.

    Args:
        here: where findings are reported.
        retained_ms: how long the ledger knows a transaction.
        agreements: what is agreed with the partition's wallets.
        balances: the books; an event is posted before its transaction is looked at.
    """

    def __init__(self, here: Here, retained_ms: int, agreements: Agreements, balances: Mapping[str, int]):
        self._here = here
        self._agreements = agreements
        self._balances = balances
        self.open: dict[str, Known] = {}
        self.past = Remembered(retained_ms)
        self.expiries = Expiries(here)
        self._lots = Lots(self.expiries, retained_ms)
        #: Whether anything that is left of any reward can be spent.
        self.rewards_left = self._lots.left
        self._is_item = False
        #: What the next event must be.
        self._due: FollowUp | None = None
        self._is_whole = True
        self._verdicts: dict[tuple[str | tuple[str, ...] | None, ...], Verdict] = {}

    def begin_anywhere(self) -> None:
        """The log's beginning was deleted: transactions may be unknown."""
        self._is_whole = False

    def event(self, event: LedgerEvent, is_own: bool, is_item: bool = False) -> None:
        """The next event; `is_own` where the ledger does something of its own, `is_item` where a batch does."""
        self._is_item = is_item
        due = self._due
        if due is not None or is_own:
            self._follow(event, due, is_own)
        if (
            event.from_state is None
            and event.type == TRANSACTION_SETTLED
            and event.path == SETTLED_AT_ONCE
            and event.to_state == _SETTLED
            and event.leg is None
            and event.command is None
        ):
            rule = PLAIN.get(event.operation)
            if rule is not None:
                self._plain(event, rule)
                return
        self._judge(event)

    def spend_rewards(self, event: LedgerEvent) -> tuple[Lot, ...]:
        """Ahead of an event that has entries: take what it takes of rewards that expire. See `keep_spent`."""
        return () if event.type == REWARD_EXPIRED else self._lots.spend(event.entries)

    def keep_spent(self, event: LedgerEvent, spent: tuple[Lot, ...]) -> None:
        """Behind the event: what was spent of rewards its transaction may give back."""
        transaction_id = event.transaction_id or ""
        known = self.open.get(transaction_id) or self.past.find(transaction_id)
        if known is None:
            return
        back_minor = 0 if known.spending is None else known.spending.back_minor
        known.spending = Spending(spent, known.amount_minor, back_minor)
        if not known.is_open:
            self.past.keep(known, event.recorded_at)

    def _judge(self, event: LedgerEvent) -> None:
        key = (event.type, event.operation, event.leg, event.command, event.path, event.from_state, event.to_state)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdicts[key] = verdict_of(event)
        kind, why_illegal = verdict.kind, verdict.why_illegal
        if kind is Kind.NONE:
            if event.entries or event.to_state or event.from_state:
                self._here.report(Check.ILLEGAL_POSTING, f"{event.type} posts entries or moves a state")
            return
        if why_illegal:
            self._here.report(Check.ILLEGAL_PATH, why_illegal)
        if event.transaction_id is None:
            self._here.report(Check.BROKEN_TRANSITION, f"{event.type} names no transaction")
        elif kind is Kind.SETTLES:
            self._plain(event, verdict.rule)
        elif kind is Kind.OPENS:
            self._begin(event, verdict)
        elif kind is not Kind.ACCEPTED or not self._end_transfer(event):
            self._continue(event, verdict)

    def seal(self) -> None:
        """The batch ends: nothing may be due any more."""
        if self._due is not None:
            self._here.report(Check.MOVE_MISSING, self._due.sentence)
            self._due = None
        self.expiries.seal()

    # ---- what opens a transaction -----------------------------------------------------------------

    def _plain(self, event: LedgerEvent, rule: Rule | None) -> None:
        """A transaction that is settled when it is opened, as most are."""
        self._check_posting(rule, event, None)
        if event.remaining_minor is not None or event.parent_transaction_id is not None:
            self._check_remaining(event, None)
            self._check_alone(event)
        transaction_id = event.transaction_id
        if transaction_id is None:
            self._here.report(Check.BROKEN_TRANSITION, f"{event.type} names no transaction")
        elif event.parent_transaction_id is not None:
            self._begin_item(event, transaction_id)
        elif not self.past.keep_plain(event) or (event.leg is None and transaction_id in self.open):
            self._begins_again(transaction_id)

    def _begin_item(self, event: LedgerEvent, transaction_id: str) -> None:
        """An item of a batch, which keeps whose it is."""
        if transaction_id in self.open or self.past.find(transaction_id, event.leg) is not None:
            self._begins_again(transaction_id)
        self._keep(event, opened(event, None))

    def _begin(self, event: LedgerEvent, verdict: Verdict) -> None:
        transaction_id = event.transaction_id or ""
        if event.leg is None and (transaction_id in self.open or transaction_id in self.past):
            self._begins_again(transaction_id)
        original = None
        if event.operation in ACTS_ON_ANOTHER and event.leg is None:
            original = self._find(event.parent_transaction_id or "")
            if original is None:
                if self._is_whole:
                    self._here.report(
                        Check.ORIGINAL_WRONG, f"{event.operation} of {event.parent_transaction_id}, which is not known"
                    )
                return
            over_capture_bps = self._agreements.over_capture_bps(original.wallet_id)
            self._report_all(originals.wrongs_of_acting(Case(event, None, original, 0, over_capture_bps)))
        self._check_posting(verdict.rule, event, Case(event, None, original))
        known = opened(event, original)
        self._check_remaining(event, known.amount_minor if event.operation in ("authorize", "dispute") else None)
        self._check_alone(event)
        if event.to_state == "failed":
            return
        if original is not None:
            self._act(event, original, known)
        if event.operation == "authorize":
            known.hold = Hold(event.due_at or "", known.amount_minor)
            self.expiries.watch(known.wallet_id, known.transaction_id, known.hold.due_at)
        elif known.state == State.INITIATED:
            known.scheduled = read_kept(event)
            self.expiries.watch(known.wallet_id, known.transaction_id, event.due_at or "", is_schedule=True)
        elif event.operation == "reward" and event.due_at is not None:
            self._lots.give(event)
        self._keep(event, known)

    def _begins_again(self, transaction_id: str) -> None:
        self._here.report(Check.BROKEN_TRANSITION, f"transaction {transaction_id} begins again")

    def _act(self, event: LedgerEvent, original: Known, known: Known) -> None:
        """Its original counts it, and follows."""
        asked = Case(event, None, original).asked
        hold, amount_minor = original.hold, event.amount_minor or 0
        known.held_minor = 0 if hold is None else min(amount_minor, hold.remaining_minor)
        originals.count(event, original, amount_minor, known.held_minor)
        if hold is not None:
            if event.recorded_at >= hold.due_at:
                self._here.report(Check.EXPIRY_WRONG, f"captured at {event.recorded_at}, due at {hold.due_at}")
            if asked.final is True or not hold.remaining_minor:
                self._due = FollowUp(original, "capture", "settled")
            return
        if original.spending is not None and event.operation in GIVES_BACK and event.to_state == _SETTLED:
            back_minor = amount_minor if event.exchange is None else event.exchange.to_minor
            self._lots.give_back(original.spending, back_minor, event.recorded_at)
        self.past.keep(original, event.recorded_at)
        # What is reversed in another partition is reversed once that has taken the money.
        is_under_way = event.operation == "reverse" and event.to_state != "settled"
        if event.operation != "refund" and not is_under_way:
            self._expect_state(original, event.operation or "")

    def _expect_state(self, original: Known, verb: str) -> None:
        state = originals.due_state(original)
        if state != original.state:
            self._due = FollowUp(original, verb, state)

    def _end_transfer(self, event: LedgerEvent) -> bool:
        """The payee's partition has taken the money, as nearly always; False where there is more to look at."""
        known = self.open.get(event.transaction_id or "")
        if (
            known is None
            or known.original is not None
            or known.other is None
            or event.entries
            or event.remaining_minor is not None
            or event.parent_transaction_id is not None
            or known.state != event.from_state
            or known.amount_minor != event.amount_minor
            or known.asset != event.asset
            or known.wallet_id != event.wallet_id
            or known.sub_wallet != event.sub_wallet
            or known.operation != event.operation
        ):
            return False
        del self.open[known.transaction_id]
        return True

    # ---- what moves one on, or is about one -------------------------------------------------------

    def _continue(self, event: LedgerEvent, verdict: Verdict) -> None:
        transaction_id = event.transaction_id or ""
        known = self.open.get(transaction_id) if event.leg is None else None
        if known is None:
            known = self.past.find(transaction_id, event.leg)
        if known is None:
            if self._is_whole:
                sentence = (
                    f"transaction {transaction_id} moves on from {event.from_state}, but none of this id is known"
                )
                self._here.report(Check.BROKEN_TRANSITION, sentence)
            return
        verb = verb_of(event)
        case = Case(event, known, known.original)
        if event.type == REWARD_EXPIRED:
            case = case._replace(expiring_minor=self._lots.expiring_minor(known, self._balances, event.entries))
        self._report_all(check_move(case))
        self._check_posting(verdict.rule, event, case)
        self._refer(event, known, verb)
        if verdict.kind is Kind.NOTES:
            self._check_remaining(event, None)
            return
        scheduled = known.scheduled
        if scheduled is not None:
            self._end_schedule(event, known, scheduled, verb)
            return
        if verb == "expire":
            due_at = self._lots.due_at(transaction_id) if known.hold is None else known.hold.due_at
            self.expiries.done(event, due_at)
        was_open, had_hold, original = known.is_open, known.hold is not None, known.original
        move(case)
        if was_open and known.spending is not None and not known.is_open:
            self._give_back(event, known, known.spending, had_hold=had_hold)
        if known.operation == "reward" and verb in ("expire", "reverse"):
            if verb == "expire":
                self._lots.spend(event.entries)
            self._lots.end(transaction_id, is_reversed=verb == "reverse")
        if verb == "return" and (why := why_not_due(known)):
            self._here.report(Check.BROKEN_TRANSITION, why)
        self._check_remaining(event, remaining_after(case, had_hold=had_hold))
        self.open.pop(transaction_id, None)
        if had_hold:
            self.expiries.forget(known.wallet_id, transaction_id)
        if original is not None and original.hold is None and original.operation != "authorize":
            if was_open and known.state == _SETTLED and known.operation == "refund" and original.spending is not None:
                self._lots.give_back(original.spending, known.counted_minor, event.recorded_at)
            self.past.keep(original, event.recorded_at)
            if known.operation == "dispute":
                self._expect_state(original, "resolve_dispute")
            elif known.operation == "reverse" and verb == "accept":
                self._expect_state(original, "reverse")
        self._keep(event, known)

    def _end_schedule(self, event: LedgerEvent, known: Known, scheduled: Asked, verb: str) -> None:
        """It is executed as it was asked for, or will not be any more."""
        if verb == "execute":
            self.expiries.done(event, rfc3339(unix_ms(scheduled.execute_at or "")))
            if why := why_not_as_scheduled(event, scheduled):
                self._here.report(Check.NOT_AS_ASKED, why)
        self._check_remaining(event, 0 if verb == "cancel" else None)
        self.expiries.forget(known.wallet_id, known.transaction_id)
        del self.open[known.transaction_id]
        self._keep(event, opened(event, None))

    # ---- rewards that expire ----------------------------------------------------------------------

    def _give_back(self, event: LedgerEvent, known: Known, spending: Spending, *, had_hold: bool) -> None:
        """What was set aside and is available again brings the rewards back that were spent for it."""
        if not had_hold and event.to_state not in ("failed", "canceled"):
            return
        own = available(known.wallet_id, known.sub_wallet)
        back_minor = sum(entry.credit_minor - entry.debit_minor for entry in event.entries if entry.account == own)
        self._lots.give_back(spending, min(max(0, back_minor), known.amount_minor), event.recorded_at)

    def _refer(self, event: LedgerEvent, known: Known, verb: str) -> None:
        """What a rail has done under one reference is booked once; what it only says again was booked before."""
        if verb not in _SETTLES:
            return
        reference = Case(event, known, None).asked.rail_reference
        was_new = self.past.refer(known.transaction_id, f"{verb}:{reference}")
        if was_new is (event.type == TRANSACTION_CONFIRMED) and (self._is_whole or not was_new):
            said = "was never booked" if was_new else "is booked a second time"
            self._here.report(Check.REFERENCE_TWICE, f"{verb} {reference!r} of {known.transaction_id} {said}")

    # ---- what all have in common ------------------------------------------------------------------

    def _follow(self, event: LedgerEvent, due: FollowUp | None, is_own: bool) -> None:
        self._due = None
        is_due = due is not None and is_own and due.is_by(event)
        if due is not None and not is_due:
            self._here.report(Check.MOVE_MISSING, due.sentence)
        if is_own and not is_due and event.command not in BY_TIME:
            self._here.report(
                Check.MOVE_UNFOUNDED, f"{event.command} moves {event.transaction_id}, but nothing before calls for it"
            )

    def _find(self, transaction_id: str) -> Known | None:
        """What another transaction acts on: its own, or the payee's side of it."""
        found = self.open.get(transaction_id) or self.past.find(transaction_id)
        return self.past.find(transaction_id, "credit") if found is None else found

    def _keep(self, event: LedgerEvent, known: Known) -> None:
        if known.is_open:
            self.open[known.transaction_id] = known
            return
        if known.operation != "refund":
            known.original = None
        if _may_be_named(known):
            self.past.keep(known, event.recorded_at)

    def _check_posting(self, rule: Rule | None, event: LedgerEvent, case: Case | None) -> None:
        if (
            type(rule) is Posting
            and event.fee is None
            and event.exchange is None
            and moves(event.entries, rule.debit(event), rule.credit(event), event.asset, event.amount_minor)
        ):
            return
        why_wrong = why_wrong_posting(rule, case or Case(event, None, None))
        if why_wrong:
            self._here.report(rule.check if type(rule) is Sums else Check.WRONG_POSTING, why_wrong)

    def _check_remaining(self, event: LedgerEvent, remaining_minor: int | None) -> None:
        if event.remaining_minor != remaining_minor:
            sentence = f"remaining_minor is {event.remaining_minor}, it must be {remaining_minor}"
            self._here.report(Check.REMAINING_WRONG, sentence)

    def _check_alone(self, event: LedgerEvent) -> None:
        """What opens a transaction names another one only where it acts on that, or is an item of it."""
        if event.parent_transaction_id and event.operation not in ACTS_ON_ANOTHER and not self._is_item:
            self._here.report(Check.ORIGINAL_WRONG, f"{event.operation} acts on no other transaction")

    def _report_all(self, wrongs: list[originals.Wrong]) -> None:
        for check, sentence in wrongs:
            self._here.report(check, sentence)


def _may_be_named(known: Known) -> bool:
    """True where a command may yet name a transaction that is not open: to take it back, or because its rail does."""
    if known.rail is not None:
        return True
    is_with_payee = known.leg is not None or known.other is None or known.state != "settled"
    return known.operation in TAKEN_BACK and (is_with_payee or known.operation in ("transfer", "capture"))
