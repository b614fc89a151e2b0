"""Internal commands: what one partition of the ledger tells another, or itself, over `internal-commands`."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.events import Counterparty, Exchange, Fee, Source


class TransferLeg(msgspec.Struct, tag_field="operation", tag="transfer_credit", omit_defaults=True, kw_only=True):
    """Credit the payee of a transfer, or of a capture, whose payer lives in another partition."""

    transaction_id: str
    #: The payer's operation.
    kind: str = "transfer"
    wallet_id: str
    sub_wallet: str
    amount_minor: int
    asset: str
    payer: Counterparty
    #: What was exchanged on its way; a refund is exchanged back where it arrives.
    exchange: Exchange | None = None
    #: What the payer has paid for it; and of a refund what it gives back of its original's fee.
    fee: Fee | None = None
    fee_returned_minor: int | None = None
    #: What a refund or a reversal takes back, which its payee has paid.
    parent_transaction_id: str | None = None
    occurred_at: str | None = None
    references: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    metadata: dict[str, str] | None = None


class LegAnswer(msgspec.Struct, tag_field="operation", tag="transfer_answer", omit_defaults=True, kw_only=True):
    """The payee's partition tells the payer's what became of the credit leg; `code` says why it was refused."""

    transaction_id: str
    wallet_id: str
    accepted: bool
    code: str | None = None


class ForwardedRecord(msgspec.Struct, tag_field="operation", tag="forward", omit_defaults=True, kw_only=True):
    """A request that arrived in the wrong partition, on its way to the owner of its wallet: all that it came with."""

    source: Source
    key: str
    value: str
    headers: tuple[tuple[str, bytes | None], ...] = ()


class ReleasePortion(msgspec.Struct, tag_field="operation", tag="release_portion", kw_only=True):
    """A partition tells itself to execute the next portion of what is parked for a wallet under release."""

    wallet_id: str


class Tick(msgspec.Struct, tag_field="operation", tag="tick", kw_only=True):
    """Something in the state is due at `due_at_ms` (Unix milliseconds): let time pass."""

    due_at_ms: int


InternalCommand = TransferLeg | LegAnswer | ForwardedRecord | ReleasePortion | Tick

encode_internal: Final = msgspec.json.Encoder().encode
decode_internal: Final = msgspec.json.Decoder(InternalCommand).decode
