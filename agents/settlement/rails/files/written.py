"""A batch as a file: what is written of it, and what is remembered of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from schemas.rail_batches import InstructionAnswer, RailAnswer, RailBatch, answer_id_of


@dataclass(frozen=True, slots=True)
class Written:
    """A batch's file, and the instructions that cannot stand in it, each with the reason.

    `content` is None where none can.
    """

    content: bytes | None
    refused: tuple[InstructionAnswer, ...] = ()


class Sent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A batch that was sent, and its instructions that were not."""

    batch: RailBatch
    refused: tuple[InstructionAnswer, ...] = ()

    def answer(self) -> RailAnswer:
        """What can be said of it before the rail says anything."""
        left = len(self.batch.instructions) - len(self.refused)
        return RailAnswer(
            answer_id=answer_id_of(self.batch.rail, self.batch.batch_id, "sent"),
            batch_id=self.batch.batch_id,
            rail=self.batch.rail,
            state="received" if left else "rejected",
            instructions=self.refused,
            at=self.batch.ready_at,
        )
