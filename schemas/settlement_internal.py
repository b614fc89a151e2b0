"""What the settlement role tells itself over `settlement-internal`: facts for a rail's partition, and rails' answers.

The role's courier writes the answers, at least once; the role takes each once.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from schemas.rail_batches import Direction, RailAnswer


class Payout(msgspec.Struct, tag_field="kind", tag="payout", frozen=True, omit_defaults=True, kw_only=True):
    """A transaction that waits for its rail, on its way to the rail's partition."""

    transaction_id: str
    wallet_id: str
    operation: str
    rail: str
    asset: str
    direction: Direction
    amount_minor: int
    #: Who gets it, or is asked for it: the requester's `instrument_ref`, else the merchant, else the wallet.
    beneficiary: str
    remittance: str | None = None
    #: When the ledger recorded it, in ms.
    ledger_time_ms: int


class LedgerSaid(msgspec.Struct, tag_field="kind", tag="ledger", omit_defaults=True, kw_only=True):
    """What the ledger has made of a transaction that waits for its rail."""

    transaction_id: str
    rail: str
    #: `submitted` in the batch named; `refused` to be; all others end it.
    what: Literal["submitted", "refused", "settled", "failed", "canceled", "reversed"]
    batch_id: str | None = None
    message: str | None = None


class RailAnswered(msgspec.Struct, tag_field="kind", tag="rail_answer", kw_only=True):
    """A rail has answered."""

    answer: RailAnswer


class SubmissionFailed(msgspec.Struct, tag_field="kind", tag="submission_failed", omit_defaults=True, kw_only=True):
    """An attempt to hand a batch over has failed."""

    rail: str
    batch_id: str
    #: As in the record of the batch.
    attempt: int
    #: Whether the rail may have got it; its status is asked before the next attempt in any case.
    may_have_been_sent: bool
    message: str


class ForwardedCommand(msgspec.Struct, tag_field="kind", tag="command", kw_only=True):
    """A command that arrived in another partition than its rail's: its value."""

    value: str


class ReleaseKept(msgspec.Struct, tag_field="kind", tag="release_kept", kw_only=True):
    """An operator lets a payout go that a merchant's reserve keeps back."""

    transaction_id: str
    by: str


class Tick(msgspec.Struct, tag_field="kind", tag="tick", kw_only=True):
    """Something is due at `due_at_ms` (Unix milliseconds): let time pass."""

    due_at_ms: int


SettlementInternal = Payout | LedgerSaid | RailAnswered | SubmissionFailed | ForwardedCommand | ReleaseKept | Tick

encode_settlement_internal: Final = msgspec.json.Encoder().encode
decode_settlement_internal: Final = msgspec.json.Decoder(SettlementInternal).decode
