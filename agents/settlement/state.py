"""The state of one partition of the settlement role: its tables, and their rows. Pure.

It is a fold of `settlement-events`. What waits for a rail lives in the rail's partition; what a wallet has under way,
and merchants' reserves, in the wallet's.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from schemas.rail_batches import Direction, RailInstruction
from schemas.settlement_batches import BatchState, InstructionResult
from schemas.settlement_internal import Payout
from streams.overlay import Overlay
from streams.tables import IN_ORDER, Table, row_codec

DAY_MS: Final = 86_400_000

#: Where a payout is: in its queue, held for an operator, in a batch, or left out of one until the ledger answers.
Place = Literal["queued", "held", "batched", "asked"]


class Followed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A transaction of a wallet that waits for its rail."""

    rail: str
    wallet_id: str
    #: Merchant's account and asset, and place in its queue, where it is kept back.
    kept_in: str = ""
    #: Of one that is scheduled: whom it will be for.
    beneficiary: str = ""
    is_scheduled: bool = False


class MerchantAccount(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a merchant's account has received by UTC day (days since 1970), what it has, and what is kept back of it."""

    days: tuple[tuple[int, int], ...] = ()
    available_minor: int = 0
    kept_minor: int = 0
    next_number: int = 0


class PayoutRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A payout in its rail's partition."""

    payout: Payout
    place: Place
    #: Of the queue, or of the batch.
    number: int
    batch_id: str = ""
    #: What the rail is expected to charge for it; set aside with it.
    fee_minor: int = 0
    #: The ledger has answered that it is submitted.
    is_submitted: bool = False
    #: An operator lets it go beyond the payout limit.
    is_released: bool = False
    #: Of one in a batch: days since 1970 when it was put there, which the rail's limit of the day counts it on.
    day: int = 0


class QueueRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What waits for one rail, asset and direction."""

    next_number: int = 0
    next_batch: int = 0
    waiting: int = 0
    waiting_minor: int = 0
    #: Why the first of it waits; empty where nothing keeps it.
    reason: str = ""
    #: What is missing for it, where that is why, or what it is, where the day's limit is.
    missing_minor: int = 0


class BatchRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A batch, but for its instructions."""

    rail: str
    asset: str
    direction: Direction
    state: BatchState
    opened_at: str
    netted: bool = False
    closes_ms: int = 0
    #: Places that were given out, and how many of them the batch still has.
    numbers: int = 0
    transactions: int = 0
    amount_minor: int = 0
    size_bytes: int = 0
    #: Transactions that the ledger has answered for.
    submitted: int = 0
    #: What of the position is set aside for it, or expected from it.
    committed_minor: int = 0
    execution_date: str = ""
    ready_at: str = ""
    attempt: int = 0
    #: The attempt was told, and nobody has answered it yet.
    is_in_attempt: bool = False
    #: When the next attempt is due; 0: none is.
    attempt_due_ms: int = 0
    may_have_been_sent: bool = False
    #: Instructions, and those of which something is still expected.
    instructions: int = 0
    pending: int = 0
    settled_minor: int = 0
    fee_minor: int = 0
    failed_minor: int = 0
    returned_minor: int = 0
    contradictions: int = 0
    message: str = ""
    closed_at: str = ""
    submitted_at: str = ""
    finished_at: str = ""


class InstructionRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An instruction, and what has become of it."""

    instruction: RailInstruction
    result: InstructionResult
    #: References under which the rail has said something else of it.
    other_references: tuple[str, ...] = ()


class PositionRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The money with a rail in one asset; see `schemas.settlement_batches.PositionRecord`."""

    funded_minor: int = 0
    committed_minor: int = 0
    incoming_minor: int = 0
    #: Days since 1970, and what went into batches on it.
    day: int = 0
    day_minor: int = 0


class RailRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a rail has answered lately."""

    #: Failed attempts in a row.
    failures: int = 0
    #: Until when it is left alone, in ms; 0: it is not.
    open_until_ms: int = 0
    #: The batch that tries whether it is back.
    probe: str = ""


def _table(name: str, kind: type[Any], cached: bool = True) -> Table[Any]:
    return Table(name, *row_codec(kind), cached)


#: Transaction id -> what its wallet's partition knows of it.
FOLLOWED: Final[Table[Followed]] = _table("followed", Followed)
#: Wallet id, or account of a sub-wallet that alone is a merchant's -> 1.
MERCHANTS: Final[Table[int]] = _table("merchants", int)
#: Account, space, asset -> what a merchant has there.
ACCOUNTS: Final[Table[MerchantAccount]] = _table("merchant-accounts", MerchantAccount)
#: Account, asset, number -> payout that is kept back.
KEPT: Final[Table[Payout]] = _table(f"kept-back{IN_ORDER}", Payout)
#: Transaction id -> payout, in its rail's partition.
PAYOUTS: Final[Table[PayoutRow]] = _table("payouts", PayoutRow)
#: Queue, number -> transaction id.
QUEUED: Final[Table[str]] = _table(f"queued{IN_ORDER}", str)
#: `queue_name` -> what waits.
QUEUES: Final[Table[QueueRow]] = _table("queues", QueueRow)
#: `queue_name` -> id of the batch that is open.
OPEN: Final[Table[str]] = _table("open-batches", str)
BATCHES: Final[Table[BatchRow]] = _table("batches", BatchRow)
#: Batch id, number -> transaction id.
MEMBERS: Final[Table[str]] = _table(f"members{IN_ORDER}", str)
#: End-to-end id -> instruction.
INSTRUCTIONS: Final[Table[InstructionRow]] = _table(f"instructions{IN_ORDER}", InstructionRow)
#: Rail, space, asset -> position.
POSITIONS: Final[Table[PositionRow]] = _table("positions", PositionRow)
RAILS_SEEN: Final[Table[RailRow]] = _table("rails-seen", RailRow)
#: Time in ms, kind, what -> 1: it is looked at then.
DUE: Final[Table[int]] = _table(f"due{IN_ORDER}", int)

PLAIN_TABLES: Final = (
    FOLLOWED,
    MERCHANTS,
    ACCOUNTS,
    KEPT,
    PAYOUTS,
    QUEUED,
    QUEUES,
    OPEN,
    BATCHES,
    MEMBERS,
    INSTRUCTIONS,
    POSITIONS,
    RAILS_SEEN,
    DUE,
)


def taken_table(retained_ms: int) -> Table[int]:
    """Ids of answers and commands that were taken -> 1, in weekly buckets."""
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(int).decode
    return Table("taken", encode, decode, bucket_ms=7 * DAY_MS, retained_ms=retained_ms)


class SettlementState:
    """The tables of one overlay."""

    def __init__(self, overlay: Overlay, taken: Table[int]):
        self.overlay = overlay
        self.followed = overlay.table(FOLLOWED)
        self.merchants = overlay.table(MERCHANTS)
        self.accounts = overlay.table(ACCOUNTS)
        self.kept = overlay.table(KEPT)
        self.payouts = overlay.table(PAYOUTS)
        self.queued = overlay.table(QUEUED)
        self.queues = overlay.table(QUEUES)
        self.open = overlay.table(OPEN)
        self.batches = overlay.table(BATCHES)
        self.members = overlay.table(MEMBERS)
        self.instructions = overlay.table(INSTRUCTIONS)
        self.positions = overlay.table(POSITIONS)
        self.rails_seen = overlay.table(RAILS_SEEN)
        self.due = overlay.table(DUE)
        self.taken = overlay.bucketed(taken)

    def batch(self, batch_id: str) -> BatchRow:
        """A batch that an event names, which is there."""
        batch = self.batches.get(batch_id)
        assert batch is not None, f"batch {batch_id} is missing"
        return batch

    def position(self, rail: str, asset: str) -> PositionRow:
        """The position with a rail; nothing lies there where nobody has said so."""
        return self.positions.get(f"{rail} {asset}") or PositionRow()

    def queue(self, name: str) -> QueueRow:
        """What waits under this name."""
        return self.queues.get(name) or QueueRow()

    def members_of(self, batch_id: str) -> list[tuple[str, PayoutRow]]:
        """Transaction ids and payouts of a batch, in order."""
        found = []
        for _, transaction_id in self.members.scan(f"{batch_id} ", f"{batch_id}!"):
            payout = self.payouts.get(transaction_id)
            assert payout is not None, f"payout {transaction_id} is missing"
            found.append((transaction_id, payout))
        return found

    def instructions_of(self, batch_id: str) -> list[InstructionRow]:
        """Instructions of a batch, in order."""
        return [row for _, row in self.instructions.scan(f"{batch_id}-", f"{batch_id}.")]


def queue_name(rail: str, asset: str, direction: str) -> str:
    """How a queue is called in the tables; ASCII, as rails and assets are."""
    return f"{rail} {asset} {direction}"


def queued_key(name: str, number: int) -> str:
    """Key of a place in a queue."""
    return f"{name} {number:012d}"


def leave_queue(state: SettlementState, row: PayoutRow) -> None:
    """A payout is no longer in its queue."""
    payout = row.payout
    name = queue_name(payout.rail, payout.asset, payout.direction)
    state.queued.delete(queued_key(name, row.number))
    queue = state.queue(name)
    state.queues.put(
        name,
        msgspec.structs.replace(
            queue, waiting=queue.waiting - 1, waiting_minor=queue.waiting_minor - payout.amount_minor
        ),
    )


def member_key(batch_id: str, number: int) -> str:
    """Key of a place in a batch."""
    return f"{batch_id} {number:05d}"


def due_key(due_ms: int, kind: str, what: str) -> str:
    """Key of something to be looked at."""
    return f"{max(0, due_ms):015d} {kind} {what}"


def read_due_key(key: str) -> tuple[int, str, str]:
    """The inverse of `due_key`."""
    due_ms, kind, what = key.split(" ", 2)
    return int(due_ms), kind, what
