"""What the settlement role tells on `settlement-batches`: batches, positions and alerts. The key is the rail's name.

The last record of a batch, of a position or of an alert is what counts, and repeats what was said before. Amounts are
integers of minor units.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from schemas.rail_batches import Direction, RailBatch

#: `ready` is one whose transactions the ledger has answered `submitted`: it may go to the rail. Of one that is
#: `acknowledged` the rail has said something, and has to say more. `empty` is one that nothing was left of before it
#: went out.
BatchState = Literal[
    "open", "closed", "ready", "submitted", "acknowledged", "settled", "partially_settled", "failed", "empty"
]
#: What is known of an instruction.
ResultState = Literal["pending", "accepted", "settled", "rejected", "returned"]


class InstructionResult(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What became of an instruction."""

    end_to_end_id: str
    state: ResultState
    amount_minor: int
    settled_minor: int = 0
    fee_minor: int = 0
    returned_minor: int = 0
    rail_reference: str | None = None
    value_date: str | None = None
    #: The rail's reason of a refusal or a return.
    code: str | None = None


class BatchRecord(msgspec.Struct, tag_field="kind", tag="batch", omit_defaults=True, kw_only=True):
    """A batch as it is from now on."""

    #: 24 hexadecimal digits; what the ids of its instructions begin with.
    batch_id: str
    rail: str
    asset: str
    direction: Direction
    state: BatchState
    #: Nothing more is expected of it, though a return may still come.
    is_final: bool = False
    #: One instruction for each transaction, or one for each beneficiary.
    netted: bool = False
    #: Which attempt to hand it over this is, from 1 on, once it is `ready`. A courier makes each once and answers it
    #: with what the rail says or a `submission_failed`; when the next one is due is decided here, and told by a record.
    attempt: int = 0
    #: When the next attempt is due, where one has failed or the rail is left alone.
    next_attempt_at: str | None = None
    #: When it closes, unless it is full before.
    closes_at: str | None = None
    #: The day on which the rail shall execute it.
    execution_date: str | None = None
    transactions: int
    amount_minor: int
    settled_minor: int = 0
    fee_minor: int = 0
    #: What was refused, or was not settled of what was settled in part.
    failed_minor: int = 0
    returned_minor: int = 0
    #: Answers that contradict what was answered before.
    contradictions: int = 0
    #: What the rail is to be given; only while it is `ready` and an attempt is due.
    to_send: RailBatch | None = None
    #: What has become of its instructions, once the rail has said something; of more than 100 once the batch is final.
    results: tuple[InstructionResult, ...] = ()
    #: Why it waits or has failed.
    message: str | None = None
    opened_at: str
    closed_at: str | None = None
    #: When the rail said that it has it.
    submitted_at: str | None = None
    finished_at: str | None = None
    recorded_at: str


class PositionRecord(msgspec.Struct, tag_field="kind", tag="position", omit_defaults=True, kw_only=True):
    """The money that lies with a rail, and what waits for it."""

    rail: str
    asset: str
    #: Whether payouts need funds there; where they do not, `funded_minor` says what the rail owes us, or we it.
    prefunded: bool = True
    #: What lies there by what we know: funded, less what was settled and the rail's fees, and what came in.
    funded_minor: int
    #: Of that, what batches under way take, with the fees expected.
    committed_minor: int = 0
    minimum_reserve_minor: int = 0
    #: What can still go: funded - committed - reserve.
    free_minor: int
    #: What batches under way bring in.
    incoming_minor: int = 0
    #: What waits for funds or limits, in order.
    waiting: int = 0
    waiting_minor: int = 0
    #: Why the first of it waits: `liquidity`, `day_limit`, `more` (it goes on at once), `no_adapter`.
    reason: str | None = None
    #: What was put into batches on this UTC day.
    day: str | None = None
    day_minor: int = 0
    recorded_at: str


class AlertRecord(msgspec.Struct, tag_field="kind", tag="alert", omit_defaults=True, kw_only=True):
    """Something waits and somebody should know; `open` until it goes on."""

    #: Stands for what it is about: a later record of the same id replaces it.
    alert_id: str
    rail: str
    asset: str | None = None
    code: Literal["liquidity", "day_limit", "payout_limit", "kept_back", "rail_unavailable"]
    state: Literal["open", "closed"]
    #: What is missing, or waits.
    amount_minor: int | None = None
    batch_id: str | None = None
    transaction_id: str | None = None
    wallet_id: str | None = None
    #: Says what is the matter and what can be done about it.
    message: str
    recorded_at: str


SettlementRecord = BatchRecord | PositionRecord | AlertRecord

encode_settlement_record: Final = msgspec.json.Encoder().encode
decode_settlement_record: Final = msgspec.json.Decoder(SettlementRecord).decode
