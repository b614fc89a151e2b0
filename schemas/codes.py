"""Outcome codes, in order of precedence: where several apply, the first one here is the answer."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Code(StrEnum):
    """Why a command was accepted or rejected. The order of the members is the order of precedence."""

    OK = "ok"
    MALFORMED = "malformed"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    KEY_MISMATCH = "key_mismatch"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    WALLET_NOT_FOUND = "wallet_not_found"
    WALLET_EXISTS = "wallet_exists"
    SUB_WALLET_NOT_FOUND = "sub_wallet_not_found"
    WALLET_QUARANTINED = "wallet_quarantined"
    WALLET_CLOSED = "wallet_closed"
    WALLET_DISABLED = "wallet_disabled"
    WALLET_LOCKED = "wallet_locked"
    ASSET_UNKNOWN = "asset_unknown"
    ASSET_NOT_ENABLED = "asset_not_enabled"
    RAIL_UNKNOWN = "rail_unknown"
    TRANSACTION_NOT_FOUND = "transaction_not_found"
    ILLEGAL_TRANSITION = "illegal_transition"
    ILLEGAL_IN_BATCH = "illegal_in_batch"
    HOLD_EXPIRED = "hold_expired"
    LIMIT_EXCEEDED = "limit_exceeded"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    EXCEEDS_REMAINING = "exceeds_remaining"
    RATE_UNAVAILABLE = "rate_unavailable"
    RATE_MOVED = "rate_moved"
    PAYEE_REFUSED = "payee_refused"
    SCREENING_DENIED = "screening_denied"
    FOUR_EYES = "four_eyes"
    INTERNAL_ERROR = "internal_error"


#: Outcomes that are not frozen: the same idempotency key may be tried again and is decided anew.
NOT_FROZEN: Final = frozenset(
    {
        Code.MALFORMED,
        Code.KEY_MISMATCH,
        Code.IDEMPOTENCY_MISMATCH,
        Code.WALLET_NOT_FOUND,
        Code.WALLET_QUARANTINED,
        Code.RATE_UNAVAILABLE,
        Code.INTERNAL_ERROR,
    }
)

#: One paragraph for each code: what it means and what the caller does about it.
MEANING: Final[dict[Code, str]] = {
    Code.OK: "The command was accepted. `state` says how far the transaction has come; later changes of it "
    "arrive as outcomes of kind `update`.",
    Code.MALFORMED: "The record cannot be understood: not UTF-8 JSON, not an object, a wrong type, an unknown or "
    "missing field, an unknown operation, a doubled or foreign `ce_*` header. It is answered with what can be "
    "read - of a value that says nothing, the record's key and `ce_id` - and kept in `dead-letters` with its bytes "
    "untouched. Mend the producer and send it again under the "
    "same key.",
    Code.AMOUNT_OUT_OF_RANGE: "An amount is an integer, but 0, negative or beyond int64; or an exchange would give "
    "nothing, or a balance would leave int64, now or if what is under way came back to it. Nothing was posted. What "
    "shows only when it is tried, of an exchange or a balance, is the answer only where the wallet is refused for no "
    "other reason.",
    Code.KEY_MISMATCH: "The Kafka record's key is not the `wallet_id` in its value. Producers must key by wallet; "
    "send it again with the right key.",
    Code.IDEMPOTENCY_MISMATCH: "The idempotency key was used before for another command. `field` names the first "
    "field that differs. Nothing moved; use a new key for a new command.",
    Code.WALLET_NOT_FOUND: "No wallet has this id. Open it first; the same key may then be tried again.",
    Code.WALLET_EXISTS: "`open_wallet` or `open_sub_wallet` names one that exists already.",
    Code.SUB_WALLET_NOT_FOUND: "The wallet has no sub-wallet of this name. Open it with `open_sub_wallet`.",
    Code.WALLET_QUARANTINED: "An internal error put the wallet under quarantine; an operator has to look at it "
    "and release it. The same key may be tried again after that.",
    Code.WALLET_CLOSED: "The wallet is closed for good.",
    Code.WALLET_DISABLED: "The wallet is disabled: nothing new is accepted until an operator enables it.",
    Code.WALLET_LOCKED: "The wallet is locked: money may come in, none may leave.",
    Code.ASSET_UNKNOWN: "No asset of this code is known: it is neither in ISO 4217 nor registered in `assets`.",
    Code.ASSET_NOT_ENABLED: "The wallet does not hold this asset. Enable it with `enable_asset`.",
    Code.RAIL_UNKNOWN: "No rail of this name is configured.",
    Code.TRANSACTION_NOT_FOUND: "The wallet has no transaction of this id, or it is past its retention. What gives "
    "back a transfer, or a capture to a payee, is asked for under the wallet that received the money: under the "
    "payer's it is not found.",
    Code.ILLEGAL_TRANSITION: "What the command is about is in a state that does not allow it; nothing changed. The "
    "page of each operation says what may be done to its transactions, `docs/reference/lifecycle.md` says it of all: "
    "what is settled is not canceled but refunded, what its rail has been given is not canceled at all. Given too "
    "for closing a wallet that holds money, or for which transactions are under way or records are parked; for "
    "releasing a wallet that is not under quarantine; where money would leave an escrow for another wallet than it "
    "names; and for adjusting an account that belongs to transactions under way.",
    Code.ILLEGAL_IN_BATCH: "This operation posts outside the wallet or over a rail that is not instant.",
    Code.HOLD_EXPIRED: "The authorization had expired at the record's time, whether or not a tick had ended it by "
    "then; what it still held has gone back. Authorize anew. An authorization that expired has this as its own code "
    "too, in the update that says so.",
    Code.LIMIT_EXCEEDED: "A limit of the wallet, or of its tier, would be exceeded: of a single amount, of how many "
    "or how much leave it in an hour, day or month of UTC, or of what it may hold. `limit` and the message name it, "
    "its value, what is used of it and, of an hour, day or month, when it frees up. So it is with what every wallet "
    "is limited to: how many accounts it has, and how far ahead something may be scheduled. Nothing leaves a wallet "
    "whose tier is not configured.",
    Code.INSUFFICIENT_FUNDS: "The available balance does not cover the amount: money that is held, on its way in or "
    "out, or disputed is not available, and what a wallet owes is below zero. Of a refund it is the balance of the "
    "wallet that gives back. Try again with a new key once there is enough.",
    Code.EXCEEDS_REMAINING: "More than what remains: of an authorization, of what is still held; of a settled "
    "transaction, of what was neither refunded, disputed, charged back, returned nor reversed; of a settlement, of "
    "what the transaction is. The message says how much that is.",
    Code.RATE_UNAVAILABLE: "No exchange rate is valid now; the same key may be tried again.",
    Code.RATE_MOVED: "The exchange would give less than the least amount asked for.",
    Code.PAYEE_REFUSED: "The wallet that the money was for could not take it; everything was given back to where it "
    "came from, and the transaction failed. What a capture had taken is held again while its authorization is open, "
    "else available; a refund that was refused may be asked for again under a new key. The message names the other "
    "wallet's reason.",
    Code.SCREENING_DENIED: "Screening has stopped the payment: a fraud rule or an analyst has denied it, or no verdict "
    "came until the deadline of its rail. It failed; what was held for it is available again. It comes in the update "
    "that says so, never in an answer.",
    Code.FOUR_EYES: "Requester and approver of an operator command are the same person. Nothing was done; send it "
    "again under a new key, approved by somebody else.",
    Code.INTERNAL_ERROR: "The ledger failed while deciding this record. Nothing was posted, the record is in "
    "`dead-letters` and the wallet is under quarantine until an operator releases it.",
}
