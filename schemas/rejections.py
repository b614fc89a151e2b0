"""Rejections: for each operation the codes that it can be rejected with, or fail with at once.

What the documentation says and the scenarios prove: each code here is shown by one, and none is shown that is not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.codes import Code

#: Before its operation is looked at, every command can be answered so.
OF_EVERY_COMMAND: Final = frozenset(
    {
        Code.MALFORMED,
        Code.KEY_MISMATCH,
        Code.IDEMPOTENCY_MISMATCH,
        Code.WALLET_NOT_FOUND,
        Code.INTERNAL_ERROR,
    }
)

_NOTHING_NEW: Final = frozenset({Code.WALLET_QUARANTINED, Code.WALLET_CLOSED, Code.WALLET_DISABLED})
_NOTHING_OUT: Final = _NOTHING_NEW | {Code.WALLET_LOCKED}
_ACCOUNT: Final = frozenset({Code.SUB_WALLET_NOT_FOUND, Code.ASSET_UNKNOWN, Code.ASSET_NOT_ENABLED})
_NAMED: Final = frozenset({Code.TRANSACTION_NOT_FOUND, Code.ILLEGAL_TRANSITION})
_AMOUNT, _FUNDS, _RAIL = Code.AMOUNT_OUT_OF_RANGE, Code.INSUFFICIENT_FUNDS, Code.RAIL_UNKNOWN
_LIMIT, _RATES = Code.LIMIT_EXCEEDED, frozenset({Code.RATE_UNAVAILABLE, Code.RATE_MOVED})
_ILLEGAL, _REMAINING, _PAYEE = Code.ILLEGAL_TRANSITION, Code.EXCEEDS_REMAINING, Code.PAYEE_REFUSED

#: Operation -> the codes of its own.
_OF_OPERATION: Final[Mapping[str, frozenset[Code]]] = {
    "open_wallet": frozenset({Code.WALLET_EXISTS, Code.ASSET_UNKNOWN}),
    "open_sub_wallet": _NOTHING_NEW | {Code.WALLET_EXISTS, Code.LIMIT_EXCEEDED},
    "enable_asset": _NOTHING_NEW | {Code.ASSET_UNKNOWN, Code.LIMIT_EXCEEDED},
    "credit": _NOTHING_NEW | _ACCOUNT | {_AMOUNT, _RAIL, _LIMIT, _FUNDS},
    "debit": _NOTHING_OUT | _ACCOUNT | {_AMOUNT, _RAIL, _ILLEGAL, _LIMIT, _FUNDS},
    "transfer": _NOTHING_OUT | _ACCOUNT | _RATES | {_AMOUNT, _ILLEGAL, _LIMIT, _FUNDS, _PAYEE},
    "convert": _NOTHING_OUT | _ACCOUNT | _RATES | {_AMOUNT, _ILLEGAL, _LIMIT, _FUNDS},
    "fee": _NOTHING_OUT | _ACCOUNT | {_AMOUNT, _ILLEGAL, _LIMIT, _FUNDS},
    "reward": _NOTHING_NEW | _ACCOUNT | {_AMOUNT, _LIMIT},
    "batch": _NOTHING_OUT
    | _ACCOUNT
    | _RATES
    | {_AMOUNT, _RAIL, _ILLEGAL, Code.ILLEGAL_IN_BATCH, _LIMIT, _FUNDS, _PAYEE},
    "close_wallet": _NOTHING_NEW | {_ILLEGAL},
    "authorize": _NOTHING_OUT | _ACCOUNT | {_AMOUNT, _ILLEGAL, _LIMIT, _FUNDS},
    "capture": _NOTHING_OUT | _NAMED | {_AMOUNT, _RAIL, Code.HOLD_EXPIRED, _LIMIT, _FUNDS, _REMAINING, _PAYEE},
    "release": _NAMED | {Code.WALLET_QUARANTINED},
    "cancel": _NAMED | {Code.WALLET_QUARANTINED},
    "refund": _NOTHING_OUT | _NAMED | {_AMOUNT, _FUNDS, _REMAINING, _PAYEE},
    "dispute": _NAMED | {_AMOUNT, Code.WALLET_QUARANTINED, _REMAINING},
    "set_wallet_state": frozenset({Code.WALLET_CLOSED, _ILLEGAL, Code.FOUR_EYES}),
    "set_limits": frozenset({Code.WALLET_CLOSED, Code.ASSET_UNKNOWN, Code.FOUR_EYES}),
    "set_tier": frozenset({Code.WALLET_CLOSED, _ILLEGAL, Code.FOUR_EYES}),
    "release_quarantine": frozenset({_ILLEGAL, Code.FOUR_EYES}),
    "reverse": _NAMED | {_AMOUNT, _REMAINING, _PAYEE, Code.FOUR_EYES},
    "adjust": _ACCOUNT | {_AMOUNT, _ILLEGAL, _FUNDS, Code.FOUR_EYES},
    "resolve_dispute": _NAMED | {_AMOUNT, Code.FOUR_EYES},
    "lock": frozenset({Code.WALLET_CLOSED, Code.WALLET_DISABLED}),
    "require_step_up": frozenset({Code.WALLET_CLOSED}),
    "screening_verdict": _NAMED,
    "submit": _NAMED,
    "settle": _NAMED | {_AMOUNT, _REMAINING},
    "fail": _NAMED,
    "return": _NAMED | {_AMOUNT},
}


def codes_of(operation: str) -> tuple[Code, ...]:
    """Every code that the operation can be rejected with, in order of precedence.

    Raises:
        KeyError: there is no such operation.
    """
    possible = _OF_OPERATION[operation] | OF_EVERY_COMMAND
    if operation == "open_wallet":
        possible -= {Code.WALLET_NOT_FOUND}
    return tuple(code for code in Code if code in possible)


def own_codes_of(operation: str) -> frozenset[Code]:
    """The codes of `codes_of` that not every command has.

    Raises:
        KeyError: there is no such operation.
    """
    return _OF_OPERATION[operation]
