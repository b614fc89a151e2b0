"""The code of an event is that of what it did: a key is frozen, or may be tried again, by it."""

from __future__ import annotations

from typing import Final

from ops.verify.verdicts import OF_TRANSACTIONS
from schemas import events as ev
from schemas.codes import Code
from schemas.commands import OPERATIONS
from schemas.events import LedgerEvent
from schemas.rejections import codes_of

_OK: Final = Code.OK.value
#: Why a payee's partition takes no money; while its wallet is under quarantine it says nothing.
_OF_PAYEES: Final = frozenset(
    code.value
    for code in (
        *(Code.WALLET_NOT_FOUND, Code.SUB_WALLET_NOT_FOUND, Code.WALLET_CLOSED, Code.WALLET_DISABLED),
        *(Code.ASSET_NOT_ENABLED, Code.LIMIT_EXCEEDED, Code.AMOUNT_OUT_OF_RANGE, Code.INTERNAL_ERROR),
    )
)
_DEAD: Final = frozenset({Code.MALFORMED.value, Code.INTERNAL_ERROR.value})
#: Types whose code is that of another event, or that have none.
_NOT_JUDGED: Final = frozenset({ev.REQUEST_REPLAYED, ev.REQUEST_FORWARDED, ev.REQUEST_PARKED, ev.CLOCK_TICKED})
#: Operation -> why it is refused; what cannot be read, or the ledger fails on, is no rejection.
_OF_REJECTIONS: Final = {
    operation: frozenset(code.value for code in codes_of(operation)) - _DEAD for operation in OPERATIONS
}
#: What has made a transaction fail -> its code; a rail says its own beside it. What is executed has its operation's.
_OF_FAILURES: Final = {"fail": _OK, "expire": Code.SCREENING_DENIED.value, None: Code.PAYEE_REFUSED.value}


def why_wrong_code(event: LedgerEvent) -> str:
    """What is wrong with the code of an event; empty where nothing is."""
    code, type_ = event.code, event.type
    if code == _OK and type_ in OF_TRANSACTIONS and type_ not in (ev.TRANSACTION_FAILED, ev.TRANSFER_REFUSED):
        # As nearly always.
        return _why_not_ok(event)
    if type_ in _NOT_JUDGED:
        return f"{type_} does not say what was answered" if type_ == ev.REQUEST_REPLAYED and code is None else ""
    if type_ == ev.REQUEST_DEAD_LETTERED:
        return "" if code in _DEAD else f"a dead letter has the code {code}"
    if type_ == ev.TRANSFER_REFUSED:
        return "" if code in _OF_PAYEES else f"{type_} has the code {code}"
    is_executed = type_ == ev.TRANSACTION_FAILED and event.command == "execute"
    if is_executed or type_ == ev.REQUEST_REJECTED:
        if is_executed and code == Code.SCREENING_DENIED:
            return ""
        is_possible = code in _OF_REJECTIONS.get(event.operation or "", ())
        return "" if is_possible else f"{type_} of {event.operation} has the code {code}"
    due = _due(event)
    return "" if code == due else f"{type_} by {event.command or event.operation} has the code {code}, it must be {due}"


def _why_not_ok(event: LedgerEvent) -> str:
    return "" if _due(event) == _OK else f"{event.operation} has expired, and its code is {_OK}"


def _due(event: LedgerEvent) -> str:
    if event.type == ev.TRANSACTION_FAILED:
        return _OF_FAILURES.get(event.command, _OK)
    if event.type == ev.WALLET_QUARANTINED:
        return Code.INTERNAL_ERROR.value
    return Code.HOLD_EXPIRED.value if event.operation == "authorize" and event.command == "expire" else _OK
