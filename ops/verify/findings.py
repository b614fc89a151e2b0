"""What the auditor can find: one code for each thing that it proves, with the sentence that explains it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from schemas.topics import LEDGER_EVENTS

#: Findings of one code that are kept word for word; the others are counted.
KEPT_PER_CODE: Final = 100


class Check(StrEnum):
    """One code for each proof that can fail."""

    UNDECODABLE = "undecodable"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_FIELD = "unknown_field"
    EVENTS_DELETED = "events_deleted"
    SEQUENCE_BROKEN = "sequence_broken"
    CHAIN_BROKEN = "chain_broken"
    SEAL_WRONG = "seal_wrong"
    NOT_SEALED = "not_sealed"
    TAIL_MISSING = "tail_missing"
    WRONG_KEY = "wrong_key"
    TIME_BACKWARDS = "time_backwards"
    TIME_WRONG = "time_wrong"
    SPAN_GAP = "span_gap"
    INPUT_BOUNDS = "input_bounds"
    OUTSIDE_SPAN = "outside_span"
    OFFSET_ANSWERED_TWICE = "offset_answered_twice"
    ORDER_WRONG = "order_wrong"
    OFFSET_LEFT_OUT = "offset_left_out"
    NO_SUCH_INPUT = "no_such_input"
    NOT_AS_ASKED = "not_as_asked"
    UNBALANCED_JOURNAL = "unbalanced_journal"
    STRAY_FACT = "stray_fact"
    CODE_WRONG = "code_wrong"
    TRANSACTION_ID_WRONG = "transaction_id_wrong"
    ILLEGAL_POSTING = "illegal_posting"
    WRONG_POSTING = "wrong_posting"
    ILLEGAL_FORCE = "illegal_force"
    WRONG_BALANCE = "wrong_balance"
    NEGATIVE_BALANCE = "negative_balance"
    BALANCE_OUT_OF_RANGE = "balance_out_of_range"
    UNKNOWN_WALLET = "unknown_wallet"
    WALLET_OPENED_TWICE = "wallet_opened_twice"
    STATE_FORBIDS = "state_forbids"
    ESCROW_WRONG = "escrow_wrong"
    NOT_EMPTY = "not_empty"
    FOREIGN_WALLET = "foreign_wallet"
    ILLEGAL_PATH = "illegal_path"
    BROKEN_TRANSITION = "broken_transition"
    ORIGINAL_WRONG = "original_wrong"
    EXCEEDS_ORIGINAL = "exceeds_original"
    REMAINING_WRONG = "remaining_wrong"
    EXPIRY_WRONG = "expiry_wrong"
    MOVE_UNFOUNDED = "move_unfounded"
    MOVE_MISSING = "move_missing"
    REFERENCE_TWICE = "reference_twice"
    EXCHANGE_WRONG = "exchange_wrong"
    FEE_WRONG = "fee_wrong"
    BUCKET_WRONG = "bucket_wrong"
    WRONG_COMPENSATION = "wrong_compensation"
    KEY_USED_TWICE = "key_used_twice"
    REPLAY_UNFOUNDED = "replay_unfounded"
    WRONG_FINGERPRINT = "wrong_fingerprint"
    ANSWER_MISSING = "answer_missing"
    ANSWER_TWICE = "answer_twice"
    ANSWER_UNFOUNDED = "answer_unfounded"
    ANSWER_DIFFERS = "answer_differs"
    FORWARD_LOST = "forward_lost"
    FORWARD_UNFOUNDED = "forward_unfounded"
    PARKED_LOST = "parked_lost"
    LEG_UNFOUNDED = "leg_unfounded"
    SAGA_DIFFERS = "saga_differs"
    SAGA_STUCK = "saga_stuck"
    TRANSIT_WRONG = "transit_wrong"
    SUM_NOT_ZERO = "sum_not_zero"
    BALANCES_DIFFER = "balances_differ"
    BALANCES_MISSING = "balances_missing"
    STORE_DIFFERS = "store_differs"


#: What is proved; what a finding of the code means.
MEANING: Final[dict[Check, str]] = {
    Check.UNDECODABLE: "A record is not what its topic holds.",
    Check.UNKNOWN_TYPE: "An event has a type that this release does not know, so that it cannot vouch for it.",
    Check.UNKNOWN_FIELD: "A record has a field that this release does not know, or one twice, so that it cannot vouch "
    "for what others read there.",
    Check.EVENTS_DELETED: "The event log does not begin at its beginning: it must be kept for ever.",
    Check.SEQUENCE_BROKEN: "Sequences are gapless within a partition; an event is missing, doubled or out of order.",
    Check.CHAIN_BROKEN: "A seal's hash does not follow from the one before and the bytes that it seals.",
    Check.SEAL_WRONG: "A seal names another partition, partition count or first sequence than it stands for.",
    Check.NOT_SEALED: "The log ends with events that no seal covers.",
    Check.TAIL_MISSING: "The log does not end before what was published with its events.",
    Check.WRONG_KEY: "An event is kept under its wallet as Kafka's key, a seal under none; what could not be decided "
    "is under the key that its record came with, if not under its wallet.",
    Check.TIME_BACKWARDS: "Partition time never goes back.",
    Check.TIME_WRONG: "Partition time is when the broker has kept the record that is decided, or what it was before, "
    "where that is later; all that a record leads to has its time, and a seal that of the last event.",
    Check.SPAN_GAP: "Each seal takes every input on from where the seal before it left off; the first starts at 0.",
    Check.INPUT_BOUNDS: "An input still holds what the ledger reads next: nothing was deleted unread, and it does not "
    "end before what the ledger has read.",
    Check.OUTSIDE_SPAN: "An event answers an input record that its seal does not cover.",
    Check.OFFSET_ANSWERED_TWICE: "Two events answer the same input record.",
    Check.ORDER_WRONG: "Within a batch the inputs are decided one after the other, in their order, and outcomes are in "
    "the order of the records that they answer.",
    Check.OFFSET_LEFT_OUT: "A record within a sealed span has no event.",
    Check.NO_SUCH_INPUT: "An event names an input record that the topic does not hold.",
    Check.NOT_AS_ASKED: "An event says of its request what the input record asked for, and of a wallet nothing else.",
    Check.UNBALANCED_JOURNAL: "Debits equal credits for each asset of a journal, each entry one of both, above zero.",
    Check.STRAY_FACT: "An event has no facts but those of its kind: what a rail has said, what is due, was charged or "
    "exchanged, a rail and a payee stand only where they were part of it.",
    Check.CODE_WRONG: "An event has the code of what it did: `ok` where something was done, and why where it was not.",
    Check.TRANSACTION_ID_WRONG: "The id of a transaction is the hash of the topic, wallet and idempotency key of its "
    "command and of when that was recorded.",
    Check.ILLEGAL_POSTING: "Only a transaction's own events move money.",
    Check.WRONG_POSTING: "A transaction posts exactly what its operation must, by what is known of it, or nothing.",
    Check.ILLEGAL_FORCE: "Forced is only what may be, and only where it takes what a wallet has available below its "
    "credit.",
    Check.WRONG_BALANCE: "The balances that an event states are those that all entries up to it add up to.",
    Check.NEGATIVE_BALANCE: "Nothing takes a wallet's bucket below zero, but what is available down to the credit that "
    "was agreed, and a forced posting beyond that.",
    Check.BALANCE_OUT_OF_RANGE: "Every balance fits a signed 64-bit integer.",
    Check.UNKNOWN_WALLET: "Money is only posted to wallets that were opened.",
    Check.WALLET_OPENED_TWICE: "A wallet is opened once.",
    Check.STATE_FORBIDS: "Nothing that a requester asks for takes money out of a wallet that is locked; one that is "
    "disabled or closed does nothing new, and nobody pays it.",
    Check.ESCROW_WRONG: "What a requester takes out of an escrow is for the wallet that it names.",
    Check.NOT_EMPTY: "A wallet is closed only once all its balances are zero.",
    Check.FOREIGN_WALLET: "A wallet lives in the partition that murmur2 of its id says.",
    Check.ILLEGAL_PATH: "The states that an event passes are allowed moves of its operation.",
    Check.BROKEN_TRANSITION: "A transaction moves on from the state that it was in, by what may move it, and "
    "is of the same wallets, amount and asset all along.",
    Check.ORIGINAL_WRONG: "What captures, refunds, disputes or reverses names a transaction that there is, in a state "
    "that allows it, under the wallet that has its money, and gives it back to where it came from.",
    Check.EXCEEDS_ORIGINAL: "No more is captured than is held, or than was agreed beyond it, no more settled than the "
    "transaction's amount, and of a settled one refunds, open disputes, chargebacks, reversals and returns together "
    "are never more than was settled.",
    Check.REMAINING_WRONG: "`remaining_minor` of an event is what is left: of a hold, of a dispute, of an original.",
    Check.EXPIRY_WRONG: "Authorizations and rewards expire, and what was scheduled is executed, when they are due, the "
    "soonest first: not before, and no later than at the first tick or command of their wallet from then on, but of a "
    "wallet under quarantine once it is released. Nothing is captured of what has expired.",
    Check.MOVE_UNFOUNDED: "What the ledger moves on of its own follows from the record before it, or from time.",
    Check.MOVE_MISSING: "Behind a batch all its items follow, in order, as asked for; behind its last capture an "
    "authorization ends; behind a dispute, its end or a reversal the original is brought into the state that follows.",
    Check.REFERENCE_TWICE: "What a rail has done under one reference is booked once, and only that is confirmed.",
    Check.EXCHANGE_WRONG: "An exchange gives the floor of the amount times its rate; what is taken back of it is "
    "exchanged back by what was recorded, pro rata and floored, and what completes it takes the remainder.",
    Check.FEE_WRONG: "A fee is above zero and of the asset that it is charged on. What is taken back gives back of a "
    "refundable fee its share, floored, and never more than is left of it; what completes it takes the remainder.",
    Check.BUCKET_WRONG: "`held`, `incoming`, `outgoing`, `disputed` and `system/rail-pending` hold what open "
    "transactions have set aside, and nothing else.",
    Check.WRONG_COMPENSATION: "A transaction that fails or is canceled gives back exactly what it had set aside: to "
    "where it came from, or to `available` where its authorization is over.",
    Check.KEY_USED_TWICE: "An idempotency key settles once within its retention.",
    Check.REPLAY_UNFOUNDED: "A replay repeats an answer that was given before, to the same command.",
    Check.WRONG_FINGERPRINT: "A fingerprint is the SHA-256 of the request in the event.",
    Check.ANSWER_MISSING: "Every command record is answered, and so is every later change of its transaction.",
    Check.ANSWER_TWICE: "A command record is answered once.",
    Check.ANSWER_UNFOUNDED: "Nothing is answered that the ledger does not say.",
    Check.ANSWER_DIFFERS: "An answer says what its event says.",
    Check.FORWARD_LOST: "A forwarded record arrives where its wallet lives and is decided there.",
    Check.FORWARD_UNFOUNDED: "A record that arrives as forwarded was forwarded, with these bytes.",
    Check.PARKED_LOST: "What is owed to a wallet under quarantine is parked, and nothing else; it is applied on "
    "release, in order.",
    Check.LEG_UNFOUNDED: "The payee's partition executes only legs that a payer's partition has sent, each once.",
    Check.SAGA_DIFFERS: "Both partitions of a transfer agree on its terms and its end.",
    Check.SAGA_STUCK: "When nothing waits in any input, no transfer is under way but what a quarantine holds.",
    Check.TRANSIT_WRONG: "Transit holds what transfers under way have sent and nobody received, and nothing else.",
    Check.SUM_NOT_ZERO: "All accounts of an asset, over all partitions, sum to zero.",
    Check.BALANCES_DIFFER: "The last record of a holder in wallet-balances states the balances of the ledger.",
    Check.BALANCES_MISSING: "Every holder of an account has a record in wallet-balances.",
    Check.STORE_DIFFERS: "A worker's local state equals the ledger at the seal that it stands at.",
}


class Finding(NamedTuple):
    """One thing that is wrong, where, and in a sentence."""

    check: Check
    sentence: str
    topic: str = LEDGER_EVENTS
    partition: int | None = None
    offset: int | None = None
    sequence: int | None = None

    @property
    def place(self) -> str:
        """`ledger-events/3 offset 17 sequence 12`, as far as it is known."""
        text = self.topic if self.partition is None else f"{self.topic}/{self.partition}"
        if self.offset is not None:
            text += f" offset {self.offset}"
        return text if self.sequence is None else f"{text} sequence {self.sequence}"


class Findings:
    """All findings: the first of each code word for word, the rest counted."""

    def __init__(self, kept_per_code: int = KEPT_PER_CODE):
        self._kept_per_code = kept_per_code
        self.counts: dict[Check, int] = {}
        self.kept: list[Finding] = []

    @property
    def total(self) -> int:
        """How many there are, the counted ones included."""
        return sum(self.counts.values())

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it while few of its code are kept."""
        count = self.counts.get(finding.check, 0) + 1
        self.counts[finding.check] = count
        if count <= self._kept_per_code:
            self.kept.append(finding)


class Here:
    """The place that is being read in one partition's event log; what reports a finding there."""

    __slots__ = ("_findings", "offset", "partition", "sequence")

    def __init__(self, findings: Findings, partition: int):
        self._findings = findings
        self.partition = partition
        self.offset: int | None = None
        self.sequence: int | None = None

    def report(self, check: Check, sentence: str) -> None:
        """Report a finding at the event that is being read."""
        self._findings.add(Finding(check, sentence, LEDGER_EVENTS, self.partition, self.offset, self.sequence))

    def report_at(
        self, check: Check, sentence: str, topic: str, offset: int | None, sequence: int | None = None
    ) -> None:
        """Report a finding elsewhere in this partition index."""
        self._findings.add(Finding(check, sentence, topic, self.partition, offset, sequence))
