"""The code of an event is that of what it did: a key is frozen, or may be tried again, by it."""

from __future__ import annotations

from typing import Final

from ops.verify.verdicts import OF_TRANSACTIONS
from schemas import events as ev
from schemas.codes import Code
from schemas.events import LedgerEvent

_OK: Final = Code.OK.value
#: Types of events that say why something was not done: any code but `ok`.
_REFUSES: Final = frozenset({ev.TRANSFER_REFUSED, ev.REQUEST_REJECTED})
_DEAD: Final = frozenset({Code.MALFORMED.value, Code.INTERNAL_ERROR.value})
#: Types whose code is that of another event, or that have none.
_NOT_JUDGED: Final = frozenset({ev.REQUEST_REPLAYED, ev.REQUEST_FORWARDED, ev.REQUEST_PARKED, ev.CLOCK_TICKED})
#: What has made a transaction fail -> its code; a rail says its own beside it, and what is executed any.
_OF_FAILURES: Final = {"fail": _OK, "expire": Code.SCREENING_DENIED.value, None: Code.PAYEE_REFUSED.value}


def why_wrong_code(event: LedgerEvent) -> str:
    """What is wrong with the code of an event; empty where nothing is."""
    code, type_ = event.code, event.type
    if code == _OK and type_ in OF_TRANSACTIONS and type_ not in (ev.TRANSACTION_FAILED, ev.TRANSFER_REFUSED):
        # As nearly always.
        return _why_not_ok(event)
    if type_ in _NOT_JUDGED:
        return ""
    if type_ == ev.REQUEST_DEAD_LETTERED:
        return "" if code in _DEAD else f"a dead letter has the code {code}"
    if type_ in _REFUSES or (type_ == ev.TRANSACTION_FAILED and event.command == "execute"):
        return f"{type_} has the code {code}" if code in (_OK, None) else ""
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
