"""Frauds of wallets that were not active, or keep money for others, in the ledger that is told in `operations`."""

from __future__ import annotations

from typing import Any

import orjson

from ops.verify.findings import Check
from tests.ops.verify.honest import Ledger
from tests.ops.verify.story import HERE
from tests.ops.verify.tamper import EVENTS, Tamper, edit, reseal

_Fields = dict[str, Any]


def _had_been(state: str, wanted: _Fields, *, payee: bool = False, **changed: Any) -> Tamper:
    """The wallet of an event, or its payee, had been put into a state before, or changed in another way."""

    def tamper(ledger: Ledger) -> None:
        records = ledger.topics[EVENTS][0]
        events = [orjson.loads(record.value or b"") for record in records]
        changes = [index for index, event in enumerate(events) if event["type"] == "wallet.state_changed"]
        later = (event for event in events[changes[0] :] if wanted.items() <= {"from_state": None, **event}.items())
        event = next(later)
        wallet_id = event["counterparty"]["wallet_id"] if payee else event["wallet_id"]
        edit(ledger, EVENTS, (0, changes[0]), wallet_id=wallet_id)
        for index in changes:
            if events[index]["wallet_id"] == wallet_id or index == changes[0]:
                edit(ledger, EVENTS, (0, index), wallet={"state": state})
        edit(ledger, EVENTS, (0, changes[0]), **changed)
        reseal(ledger)

    return tamper


def _closed_at_last(ledger: Ledger) -> None:
    """The last change of a state is said to have closed a wallet that has money."""
    types = [orjson.loads(record.value or b"")["type"] for record in ledger.topics[EVENTS][0]]
    last = max(index for index, name in enumerate(types) if name == "wallet.state_changed")
    edit(ledger, EVENTS, (0, last), wallet_id=HERE[0], wallet={"state": "closed"})
    reseal(ledger)


_AT_ONCE: _Fields = {"type": "transaction.settled", "from_state": None}
_LEAVES: dict[str, _Fields] = {
    "debits": {"operation": "debit", **_AT_ONCE},
    "pays": {"operation": "transfer", **_AT_ONCE},
    "pays elsewhere": {"operation": "transfer", "type": "transaction.processed"},
    "holds": {"operation": "authorize", "type": "transaction.processed"},
    "captures": {"operation": "capture", **_AT_ONCE},
}
_ESCROW: _Fields = {
    "type": "wallet.sub_wallet_opened",
    "wallet": {"sub_wallet": "main", "sub_wallet_kind": "escrow", "payee_wallet_id": "somebody"},
}
_COMES: dict[str, _Fields] = {
    "is credited": {"operation": "credit", **_AT_ONCE},
    "is paid from elsewhere": {"type": "transfer.received"},
}

STATE_CASES: list[tuple[str, Check, Tamper]] = [
    *(
        (f"one that is {state} {does}", Check.STATE_FORBIDS, _had_been(state, wanted))
        for state in ("locked", "disabled", "closed")
        for does, wanted in (_LEAVES if state == "locked" else _LEAVES | _COMES).items()
    ),
    ("one that is disabled is paid", Check.STATE_FORBIDS, _had_been("disabled", _LEAVES["pays"], payee=True)),
    *(
        (f"one that is an escrow {does}", Check.ESCROW_WRONG, _had_been("active", wanted, **_ESCROW))
        for does, wanted in _LEAVES.items()
        if does != "captures"
    ),
    ("one that has money is closed", Check.NOT_EMPTY, _closed_at_last),
]
