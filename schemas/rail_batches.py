"""What goes to a rail and what it answers, whatever the rail: batches of instructions. Amounts are minor units."""

from __future__ import annotations

import hashlib
from typing import Final, Literal

import msgspec

#: `out`: we pay the beneficiaries. `in`: the money comes to us.
Direction = Literal["out", "in"]
InstructionState = Literal["accepted", "rejected", "settled", "returned"]
BatchAnswerState = Literal["received", "accepted", "rejected", "settled", "partially_settled", "failed", "unknown"]

#: Ids that end up in ISO 20022 messages: `Max35Text` there.
MAX_ID: Final = 35


class RailInstruction(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One payment of a batch: of one transaction, or of several to the same beneficiary where a rail nets them."""

    #: At most 35 characters of `[A-Za-z0-9-]`; begins with the batch id's first part, and is unique for ever.
    end_to_end_id: str
    transaction_ids: tuple[str, ...]
    #: The requesters' reference to the account that is paid: an IBAN, or what the rail knows it by.
    beneficiary: str
    amount_minor: int
    #: What the beneficiary reads.
    remittance: str = ""
    beneficiary_name: str = ""


class RailBatch(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A batch as it is handed over. The same `batch_id` always names the same instructions."""

    #: At most 35 characters of `[A-Za-z0-9-]`.
    batch_id: str
    rail: str
    asset: str
    direction: Direction
    instructions: tuple[RailInstruction, ...]
    #: Day on which the rail is to execute it, such as `2026-11-28`.
    execution_date: str
    #: When it became ready, RFC 3339. A rail that writes a time into its message writes this one.
    ready_at: str
    #: How often it was handed to the courier: 1, and more after `retry`. No part of its identity.
    attempt: int = 1

    @property
    def amount_minor(self) -> int:
        """Sum of the instructions."""
        return sum(one.amount_minor for one in self.instructions)

    def pays_the_same_as(self, other: RailBatch) -> bool:
        """Whether both move the same money; a later attempt may have another day and another time."""
        return (self.batch_id, self.asset, self.direction, self.instructions) == (
            other.batch_id,
            other.asset,
            other.direction,
            other.instructions,
        )


class InstructionAnswer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the rail says of one instruction.

    `settled_minor` is what was paid out of its amount, or with `returned` what came back; None is all of it.
    """

    end_to_end_id: str
    state: InstructionState
    settled_minor: int | None = None
    fee_minor: int = 0
    #: The rail's own, one for each thing that it did.
    rail_reference: str = ""
    #: The rail's reason, such as `AC04` of ISO 20022's external code sets.
    code: str = ""
    value_date: str | None = None


class RailAnswer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a rail says of a batch, and of those instructions that it names.

    What is said of a named instruction counts for it, in order where it is named several times. For those that are not
    named the state of the batch counts:
    `rejected` and `failed` mean that they are refused, `settled` that they are settled in full, each other state
    nothing. `unknown`: whether the batch was sent is not known yet, and nobody may conclude anything.
    """

    #: The same for the same answer, however often it arrives.
    answer_id: str
    #: Empty where the rail did not name it: the instructions' ids lead to it.
    batch_id: str
    rail: str
    state: BatchAnswerState
    instructions: tuple[InstructionAnswer, ...] = ()
    code: str = ""
    message: str = ""
    #: When the rail said so, RFC 3339.
    at: str


encode_rail_batch: Final = msgspec.json.Encoder().encode
decode_rail_batch: Final = msgspec.json.Decoder(RailBatch).decode
encode_rail_answer: Final = msgspec.json.Encoder().encode
decode_rail_answer: Final = msgspec.json.Decoder(RailAnswer).decode


def answer_id_of(*parts: str) -> str:
    """Id of an answer: 32 hex digits of the SHA-256 of what names it, such as rail, file hash and place in the file."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
