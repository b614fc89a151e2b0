"""Outcomes: the answers that requesters read from `transaction-outcomes`, and the balances topic."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.events import AccountBalance, LimitFacts, Source


class Outcome(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Answer to one command record (`answer`), or a later change of its transaction (`update`)."""

    #: `answer` or `update`.
    kind: str
    request_id: str | None = None
    idempotency_key: str | None = None
    wallet_id: str | None = None
    transaction_id: str | None = None
    operation: str | None = None
    status: str
    code: str
    message: str | None = None
    field: str | None = None
    state: str | None = None
    replayed: bool = False
    current_state: str | None = None
    current_code: str | None = None
    balances: tuple[AccountBalance, ...] = ()
    #: The limit that would be exceeded, where the code says so.
    limit: LimitFacts | None = None
    source: Source
    recorded_at: str


class WalletBalances(msgspec.Struct, kw_only=True):
    """All accounts of one wallet, or of one partition's shard of a system account."""

    wallet_id: str
    partition: int
    sequence: int
    accounts: tuple[AccountBalance, ...]
    recorded_at: str


encode_outcome: Final = msgspec.json.Encoder().encode
decode_outcome: Final = msgspec.json.Decoder(Outcome).decode
encode_balances: Final = msgspec.json.Encoder().encode
decode_balances: Final = msgspec.json.Decoder(WalletBalances).decode
