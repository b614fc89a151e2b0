"""Life cycles: every transaction moves on from the state that it was in, posts what it must, and keeps what it is."""

from __future__ import annotations

from typing import Final

from ops.verify import originals
from ops.verify.agreements import Agreements
from ops.verify.batches import items_of
from ops.verify.books import Books
from ops.verify.dues import Dues, wrongs_of_executing
from ops.verify.exchanges import wrongs_of_moving, wrongs_within
from ops.verify.expiry import place_of
from ops.verify.findings import Check, Here
from ops.verify.journals import Case, unbooked_minor
from ops.verify.kept import Kept
from ops.verify.known import ACTS_ON_ANOTHER, Known, opened
from ops.verify.moves import FollowUp, check_move, is_end_of_transfer, move, remaining_after, why_not_due
from ops.verify.next_move import BY_TIME, Next
from ops.verify.postings import NOTES, PLAIN, Posting, Rule, Sums, moves, why_wrong_posting
from ops.verify.room import is_short, room_minor
from ops.verify.screening import Screened, held_minor, wrongs_of_silence, wrongs_of_waiting
from ops.verify.verdicts import Kind, Verdict, verb_of, verdict_of
from schemas.events import (
    TRANSACTION_CONFIRMED,
    TRANSACTION_OVERDUE,
    TRANSACTION_SCREENED,
    TRANSACTION_SETTLED,
    TRANSFER_RECEIVED,
    LedgerEvent,
)
from schemas.lifecycle import SETTLED_AT_ONCE, State, Verb

_SETTLED: Final = State.SETTLED.value
_SETTLES: Final = frozenset({"settle", "return"})


class Transactions:
    """Transactions of one partition: all that are open, and those of which something may be taken back.

    Args:
        here: where findings are reported.
        retained_ms: how long the ledger knows a transaction.
        agreements: what is agreed with wallets.
        books: the balances after the event that is read.
    """

    def __init__(self, here: Here, retained_ms: int, agreements: Agreements, books: Books):
        self._here = here
        self._agreements = agreements
        self._books = books
        self._kept = Kept(retained_ms)
        self.open, self._past = self._kept.open, self._kept.past
        self._dues = Dues(here, books, self._kept.unfinished, retained_ms)
        self.expiries = self._dues.expiries
        self._next = Next(here)
        #: There may be rewards that are spent by whatever takes money.
        self._has_rewards = False
        self._is_whole = True
        self._verdicts: dict[tuple[str | tuple[str, ...] | None, ...], Verdict] = {}

    def begin_anywhere(self) -> None:
        """The log's beginning was deleted: transactions may be unknown."""
        self._is_whole = False

    def event(self, event: LedgerEvent, is_own: bool) -> None:
        """The next event; `is_own` where the ledger does something of its own."""
        if self._next.due is not None or is_own:
            self._next.follow(event, is_own)
        if is_own or self._has_rewards:
            self._read_slowly(event)
            return
        if (
            event.from_state is None
            and event.type == TRANSACTION_SETTLED
            and event.path == SETTLED_AT_ONCE
            and event.to_state == _SETTLED
            and event.leg is None
            and event.command is None
            and event.fee is None
            and event.exchange is None
        ):
            rule = PLAIN.get(event.operation)
            if rule is not None:
                self._plain(event, rule)
                return
        self._judge(event)

    def _read_slowly(self, event: LedgerEvent) -> None:
        """What may be an item of a batch, or spend a reward."""
        spent = self._dues.before(event)
        self._judge(event)
        self._dues.after(event, spent)
        self._next.is_item = False

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
        elif kind is Kind.SETTLES and event.fee is None and event.exchange is None and not self._next.is_item:
            self._plain(event, verdict.rule)
        elif kind in (Kind.OPENS, Kind.SETTLES):
            self._begin(event, verdict)
        elif kind is not Kind.ACCEPTED or not self._end_transfer(event):
            self._continue(event, verdict)
        if event.type == TRANSFER_RECEIVED and event.parent_transaction_id is not None:
            self._take_back(event, event.parent_transaction_id)

    def seal(self) -> None:
        """The batch ends: nothing may be due any more."""
        self._next.seal()
        self.expiries.seal()

    # ---- what opens a transaction -----------------------------------------------------------------

    def _plain(self, event: LedgerEvent, rule: Rule | None) -> None:
        """A transaction that is settled when it is opened, as most are."""
        if type(rule) is not Posting or not moves(
            event.entries, rule.debit(event), rule.credit(event), event.asset, event.amount_minor
        ):
            self._check_posting(rule, event, None, None)
        if event.remaining_minor is not None or event.parent_transaction_id is not None:
            self._check_remaining(event, None)
        transaction_id = event.transaction_id
        if transaction_id is None:
            self._here.report(Check.BROKEN_TRANSITION, f"{event.type} names no transaction")
        elif not self._past.keep_plain(event) or (event.leg is None and transaction_id in self.open):
            self._begins_again(transaction_id)

    def _begin(self, event: LedgerEvent, verdict: Verdict) -> None:
        transaction_id = event.transaction_id or ""
        if self._kept.begins_again(event):
            self._begins_again(transaction_id)
        original = None
        if event.operation in ACTS_ON_ANOTHER and event.leg is None:
            original = self._kept.named(event.parent_transaction_id or "")
            if original is None:
                if self._is_whole:
                    self._here.report(
                        Check.ORIGINAL_WRONG, f"{event.operation} of {event.parent_transaction_id}, which is not known"
                    )
                return
            self._report_all(originals.wrongs_of_acting(Case(event, None, original), self._agreements))
        self._report_all(wrongs_within(Case(event, None, original)))
        self._check_posting(verdict.rule, event, None, original)
        known = opened(event, original)
        if event.screening is not None:
            self._report_all(wrongs_of_waiting(event))
        else:
            self._check_remaining(event, known.amount_minor if event.operation in ("authorize", "dispute") else None)
        if event.to_state == "failed":
            return
        if original is not None:
            self._act(event, original)
        self._dues.opened(event, known)
        if event.operation == "reward":
            self._has_rewards = True
            if known.due_at:
                self._kept.keep_reward(known)
        if event.operation == "batch":
            self._next.due = items_of(event, Case(event, None, None).asked)
        self._kept.keep(event, known)

    def _begins_again(self, transaction_id: str) -> None:
        self._here.report(Check.BROKEN_TRANSITION, f"transaction {transaction_id} begins again")

    def _act(self, event: LedgerEvent, original: Known) -> None:
        """Its original counts it, and follows."""
        asked = Case(event, None, original).asked
        originals.count(event, original, event.amount_minor or 0)
        originals.count_within(original, event.fee_returned_minor or 0, event.exchange, 1)
        self._dues.taken_back(event, original)
        hold = original.hold
        if hold is not None:
            if event.recorded_at >= hold.due_at:
                self._here.report(Check.EXPIRY_WRONG, f"captured at {event.recorded_at}, due at {hold.due_at}")
            if asked.final is True or not hold.remaining_minor:
                self._next.due = FollowUp(original, "capture", "settled")
            return
        self._past.keep(original, event.recorded_at)
        if event.operation == "reverse" and event.rail_facts is not None:
            self._prove(original, event.rail_facts.rail_reference)
        # What is reversed in another partition is reversed once that has taken the money.
        is_under_way = event.operation == "reverse" and event.to_state != "settled"
        if event.operation != "refund" and not is_under_way:
            self._next.expect_state_of(original, event.operation or "")

    def _prove(self, original: Known, reference: str | None) -> None:
        """Operators reverse by what a rail has returned: what is booked of it already proves nothing more."""
        original.counted().reversed_by = reference
        if self._past.was_referred(original.transaction_id, f"return:{reference}"):
            sentence = f"return {reference!r} of {original.transaction_id} is booked, and a reversal proven by it"
            self._here.report(Check.REFERENCE_TWICE, sentence)

    def _take_back(self, event: LedgerEvent, original_id: str) -> None:
        """Another partition gives back what was paid here: the original counts it, as far as it is remembered."""
        original = self._past.find(original_id)
        if original is None:
            return
        is_sure = self._past.is_sure(original_id, event.recorded_at)
        originals.count(event, original, event.amount_minor or 0)
        originals.count_within(original, event.fee_returned_minor or 0, event.exchange, 1)
        self._dues.taken_back(event, original)
        self._past.keep(original, event.recorded_at)
        if event.operation == "reverse":
            self._next.expect_state_of(original, "reverse", is_sure=is_sure)

    def _end_transfer(self, event: LedgerEvent) -> bool:
        """The payee's partition has taken the money, as nearly always; False where there is more to look at."""
        known = self.open.get(event.transaction_id or "")
        if known is None or event.exchange is not None or not is_end_of_transfer(event, known):
            return False
        self._kept.end(known.transaction_id)
        # The payee may take it back some day.
        known.state, known.journal = _SETTLED, ()
        self._past.keep(known, event.recorded_at)
        return True

    # ---- what moves one on, or is about one -------------------------------------------------------

    def _continue(self, event: LedgerEvent, verdict: Verdict) -> None:
        transaction_id = event.transaction_id or ""
        known = self._kept.of(transaction_id, event.leg)
        if known is None:
            if self._is_whole:
                sentence = (
                    f"transaction {transaction_id} moves on from {event.from_state}, but none of this id is known"
                )
                self._here.report(Check.BROKEN_TRANSITION, sentence)
            return
        case = Case(event, known, known.original)
        if is_short(case):
            room = room_minor(event, known, self._books.balances, self.open.values())
            case = case._replace(room_minor=room)
        self._report_all(check_move(case))
        if event.command in BY_TIME and known.hold is None:
            if known.screening is not None:
                self._end_silence(event, known, verdict)
            else:
                self._do_due(event, known, verdict)
            return
        self._report_all(wrongs_of_moving(event))
        verb = verb_of(event)
        if verb == Verb.RETURN:
            self._report_posting(verdict.rule, case)
        else:
            self._check_posting(verdict.rule, event, known, known.original)
        self._refer(event, known, verb)
        if verdict.kind is Kind.NOTES:
            if event.type == TRANSACTION_SCREENED:
                self._screen(event, known, is_allowed=case.asked.verdict == "allow")
            else:
                self._check_remaining(event, None)
            return
        if verb == "expire":
            self.expiries.done(event)
        was, was_open, had_hold, original = known.state, known.is_open, known.hold is not None, known.original
        move(case)
        if verb == "return" and (why := why_not_due(known, was)):
            self._here.report(Check.BROKEN_TRANSITION, why)
        self._check_remaining(event, remaining_after(case, had_hold=had_hold))
        if event.to_state == "reversed":
            self._kept.end_reward(transaction_id)
        self._dues.moved(event, known, was_open=was_open, had_hold=had_hold)
        if original is not None and original.hold is None and original.operation != "authorize":
            if was_open:
                self._dues.settled_later(event, known, original)
            self._past.keep(original, event.recorded_at)
            if known.operation == "dispute":
                self._next.expect_state_of(original, "resolve_dispute")
            elif known.operation == "reverse" and verb == "accept":
                self._next.expect_state_of(original, "reverse")
        self._kept.keep(event, known)

    def _screen(self, event: LedgerEvent, known: Known, *, is_allowed: bool) -> None:
        """A payment has its verdict: what was held for it is available, and it is done or fails."""
        self._check_remaining(event, 0)
        self._dues.screened(event, known)
        known.screening, known.journal, known.due_at = None, (), ""
        self._next.due = Screened(known, is_allowed, place_of(event))

    def _end_silence(self, event: LedgerEvent, known: Known, verdict: Verdict) -> None:
        """Nobody has judged a payment in time: it fails, or is left to a person."""
        self.expiries.done(event)
        self.expiries.ended(known)
        self._check_posting(verdict.rule, event, known, None)
        if event.type == TRANSACTION_OVERDUE:
            self._check_remaining(event, held_minor(known))
            return
        self._report_all(wrongs_of_silence(event, known))
        self._check_remaining(event, 0)
        known.state = event.to_state or ""
        self._dues.screened(event, known)
        known.screening, known.journal = None, ()
        self._kept.keep(event, known)

    def _do_due(self, event: LedgerEvent, known: Known, verdict: Verdict) -> None:
        """What was asked for ahead of its time is opened, or fails; what is left of a reward is taken back."""
        if not self._next.is_screened:
            self.expiries.done(event)
            self.expiries.ended(known)
        if event.command == "expire":
            self._kept.end_reward(known.transaction_id)
            self._report_posting(verdict.rule, self._dues.expire_reward(event, known))
            self._check_remaining(event, 0)
            self._kept.keep(event, known)
            return
        self._report_all(wrongs_of_executing(event, known))
        self._report_all(wrongs_within(Case(event, None, None)))
        self._check_posting(verdict.rule, event, known, None)
        self._check_remaining(event, None)
        after = opened(event, None)
        after.parent_transaction_id = known.parent_transaction_id
        if event.to_state == "failed":
            # It is not said again; the rail may yet contradict it.
            after.rail = known.rail
        self._kept.keep(event, after)

    def _refer(self, event: LedgerEvent, known: Known, verb: str) -> None:
        """What a rail has done under one reference is booked once; what it only says again was booked before."""
        if verb not in _SETTLES:
            return
        case, past = Case(event, known, None), self._past
        reference, is_confirmed = case.asked.rail_reference, event.type == TRANSACTION_CONFIRMED
        named = known.transaction_id, f"{verb}:{reference}"
        was_new = not past.was_referred(*named) if is_confirmed else past.refer(*named)
        if was_new and verb == "return" and is_confirmed:
            # Operators may have reversed it by this return.
            was_new = unbooked_minor(case, known) > 0
        is_all_known = self._is_whole and not past.has_forgotten_references
        if was_new is is_confirmed and (is_all_known or not was_new):
            said = "was never booked" if was_new else "is booked a second time"
            self._here.report(Check.REFERENCE_TWICE, f"{verb} {reference!r} of {known.transaction_id} {said}")

    # ---- what all have in common ------------------------------------------------------------------

    def _check_posting(
        self, rule: Rule | None, event: LedgerEvent, known: Known | None, original: Known | None
    ) -> None:
        if (
            type(rule) is Posting
            and event.fee is None
            and event.exchange is None
            and moves(event.entries, rule.debit(event), rule.credit(event), event.asset, event.amount_minor)
        ):
            return
        self._report_posting(rule, Case(event, known, original))

    def _report_posting(self, rule: Rule | None, case: Case) -> None:
        why_wrong = why_wrong_posting(rule, case)
        if why_wrong:
            self._here.report(rule.check if type(rule) is Sums else Check.WRONG_POSTING, why_wrong)

    def _check_remaining(self, event: LedgerEvent, remaining_minor: int | None) -> None:
        if event.remaining_minor != remaining_minor:
            sentence = f"remaining_minor is {event.remaining_minor}, it must be {remaining_minor}"
            self._here.report(Check.REMAINING_WRONG, sentence)
        is_alone = event.operation not in ACTS_ON_ANOTHER and not self._next.is_item
        if event.from_state is None and event.type not in NOTES and event.parent_transaction_id and is_alone:
            self._here.report(Check.ORIGINAL_WRONG, f"{event.operation} acts on no other transaction")

    def _report_all(self, wrongs: list[originals.Wrong]) -> None:
        for check, sentence in wrongs:
            self._here.report(check, sentence)
