"""Events of the settlement role on `settlement-events`: its state is a fold of them, and needs no rail to be folded.

One struct for all types, as on `ledger-events`; a field that does not apply is not there.
"""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.rail_batches import Direction, RailInstruction
from schemas.settlement_batches import BatchState, InstructionResult
from schemas.settlement_internal import Payout

PAYOUT_FOLLOWED: Final = "payout.followed"
PAYOUT_KEPT_BACK: Final = "payout.kept_back"
PAYOUT_SENT_ON: Final = "payout.sent_on"
PAYOUT_ENDED: Final = "payout.ended"
MERCHANT_OPENED: Final = "merchant.opened"
MERCHANT_RECEIVED: Final = "merchant.received"
MERCHANT_WAITS: Final = "merchant.waits"
PAYOUT_QUEUED: Final = "payout.queued"
PAYOUT_HELD: Final = "payout.held"
PAYOUT_BATCHED: Final = "payout.batched"
PAYOUT_CONFIRMED: Final = "payout.confirmed"
PAYOUT_LEFT: Final = "payout.left"
PAYOUT_DROPPED: Final = "payout.dropped"
QUEUE_WAITS: Final = "queue.waits"
QUEUE_GOES: Final = "queue.goes"
BATCH_OPENED: Final = "batch.opened"
BATCH_CLOSED: Final = "batch.closed"
BATCH_READY: Final = "batch.ready"
BATCH_EMPTY: Final = "batch.empty"
ATTEMPT_DUE: Final = "attempt.due"
ATTEMPT_FAILED: Final = "attempt.failed"
ATTEMPT_PUT_OFF: Final = "attempt.put_off"
ANSWER_TAKEN: Final = "answer.taken"
ANSWER_UNKNOWN: Final = "answer.unknown"
ANSWER_REPEATED: Final = "answer.repeated"
BATCH_ABANDONED: Final = "batch.abandoned"
BATCH_FORGOTTEN: Final = "batch.forgotten"
POSITION_MOVED: Final = "position.moved"
RELEASE_PASSED_ON: Final = "release.passed_on"
COMMAND_FORWARDED: Final = "command.forwarded"
COMMAND_REFUSED: Final = "command.refused"
CLOCK_TICKED: Final = "clock.ticked"
DUE_FAILED: Final = "due.failed"
RECORD_FAILED: Final = "record.failed"

#: Type -> what it says.
SETTLEMENT_EVENT_TYPES: Final[dict[str, str]] = {
    PAYOUT_FOLLOWED: "a transaction waits for its rail: it is followed until the ledger says that it has ended",
    PAYOUT_KEPT_BACK: "a merchant's payout waits: what would be left is less than the rolling reserve",
    PAYOUT_SENT_ON: "a payout was sent to its rail's partition",
    PAYOUT_ENDED: "the ledger has settled, failed or canceled a transaction: it is no longer followed",
    MERCHANT_OPENED: "a merchant's wallet, or sub-wallet (`account`) was opened: what it receives counts for a reserve",
    MERCHANT_RECEIVED: "a merchant has received money, or has another balance",
    MERCHANT_WAITS: "what is kept back of a merchant is looked at again at `due_ms`",
    PAYOUT_QUEUED: "a payout waits in its rail's queue",
    PAYOUT_HELD: "a payout is larger than the rail's payout limit: it waits for an operator",
    PAYOUT_BATCHED: "a payout was put into a batch",
    PAYOUT_CONFIRMED: "the ledger has answered that a transaction is submitted in its batch",
    PAYOUT_LEFT: "a payout has left its batch before that went out",
    PAYOUT_DROPPED: "a payout has left the queue, for its transaction has ended",
    QUEUE_WAITS: "the first payout of a queue cannot go yet; `reason` says why",
    QUEUE_GOES: "a queue goes on",
    BATCH_OPENED: "a batch was opened",
    BATCH_CLOSED: "a batch takes no more; the ledger is asked to submit its transactions",
    BATCH_READY: "all transactions of a batch are answered: its instructions are fixed, and it may go to the rail",
    BATCH_EMPTY: "nothing was left of a batch before it went out",
    ATTEMPT_DUE: "the next attempt to hand a batch over is to be made",
    ATTEMPT_FAILED: "an attempt to hand a batch over has failed; `due_ms` says when the next one is due",
    ATTEMPT_PUT_OFF: "the next attempt waits for another batch that tries whether the rail is back",
    ANSWER_TAKEN: "what a rail has answered of a batch was taken",
    ANSWER_UNKNOWN: "a rail has answered of a batch that does not exist here",
    ANSWER_REPEATED: "a rail has said what it has said before; nothing changes",
    BATCH_ABANDONED: "an operator has given up a batch that no rail has; its transactions fail",
    BATCH_FORGOTTEN: "a batch finished so long ago that nothing is expected of it any more",
    POSITION_MOVED: "money was put at a rail's disposal, or taken back from it",
    RELEASE_PASSED_ON: "a payout that shall be let go is not known here: the partitions of merchants were asked",
    COMMAND_FORWARDED: "an operator's command came to another partition than its rail's: it was sent on",
    COMMAND_REFUSED: "an operator's command cannot be done; `message` says why",
    CLOCK_TICKED: "time has passed",
    DUE_FAILED: "the role failed on something that was due, named by `reason`; it is left alone, and the others go on",
    RECORD_FAILED: "a record could not be handled; it is dead-lettered",
}


class SettlementCause(msgspec.Struct, frozen=True, gc=False):
    """The record that was decided."""

    topic: str
    partition: int
    offset: int


class SettlementEvent(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One event."""

    #: Gapless in its partition; set when it is written.
    sequence: int = -1
    type: str
    cause: SettlementCause
    rail: str | None = None
    asset: str | None = None
    direction: Direction | None = None
    wallet_id: str | None = None
    transaction_id: str | None = None
    batch_id: str | None = None
    payout: Payout | None = None
    #: Place in a queue, or within a batch.
    number: int | None = None
    amount_minor: int | None = None
    #: What the rail is expected to charge for it.
    fee_minor: int | None = None
    #: When the batch closes, gives up waiting or tries again, or a queue is looked at again, in ms.
    due_ms: int | None = None
    #: The ledger has answered before that the transaction is submitted.
    is_submitted: bool = False
    #: An operator lets it go beyond the payout limit.
    is_released: bool = False
    execution_date: str | None = None
    netted: bool = False
    attempt: int | None = None
    #: Whether the rail may have got it all the same.
    may_have_been_sent: bool = False
    #: Until when the rail is left alone, after failures in a row, in ms.
    breaker_until_ms: int | None = None
    instructions: tuple[RailInstruction, ...] = ()
    #: Of an answer: instructions as they are from now on.
    results: tuple[InstructionResult, ...] = ()
    #: Id of the answer, and references under which it contradicts what was answered before, by end-to-end id.
    answer_id: str | None = None
    other_references: tuple[tuple[str, str], ...] = ()
    #: State of the batch from now on.
    state: BatchState | None = None
    contradictions: int = 0
    #: What is no longer set aside.
    released_minor: int = 0
    #: By how much the money with the rail has changed.
    moved_minor: int = 0
    #: Of a merchant: what an account has received on a day (days since 1970), and what is available now.
    account: str | None = None
    day: int | None = None
    received_minor: int = 0
    available_minor: int | None = None
    #: Of a command: its id, and who gives it.
    command_id: str | None = None
    by: str | None = None
    reason: str | None = None
    message: str | None = None
    recorded_at: str


encode_settlement_event: Final = msgspec.json.Encoder().encode
decode_settlement_event: Final = msgspec.json.Decoder(SettlementEvent).decode
