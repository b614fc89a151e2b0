"""What the log says of a wallet under quarantine: what is new is refused, what is owed to it is parked."""

from __future__ import annotations

import pytest

from ops.verify.findings import Check, Findings, Here
from ops.verify.quarantines import Quarantines
from schemas.events import Cause, LedgerEvent, Source
from schemas.topics import INTERNAL_COMMANDS, OPERATOR_COMMANDS, SETTLEMENT_UPDATES, TRANSACTION_REQUESTS


def _event(type_: str, topic: str, code: str = "ok", origin: str | None = None) -> LedgerEvent:
    first = None if origin is None else Source(origin, 1, 3)
    return LedgerEvent(type=type_, wallet_id="w0", code=code, cause=Cause(topic, 0, 7, origin=first), recorded_at="")


def _found(event: LedgerEvent) -> set[Check]:
    findings = Findings()
    quarantines = Quarantines(Here(findings, 0))
    quarantines.change(_event("wallet.quarantined", TRANSACTION_REQUESTS, "internal_error"))
    quarantines.event(event, is_opened=True)
    return set(findings.counts)


@pytest.mark.parametrize(
    ("event", "check"),
    [
        (_event("transaction.settled", TRANSACTION_REQUESTS), Check.CODE_WRONG),
        (_event("request.rejected", TRANSACTION_REQUESTS, "insufficient_funds"), Check.CODE_WRONG),
        (_event("transaction.settled", INTERNAL_COMMANDS, origin=TRANSACTION_REQUESTS), Check.CODE_WRONG),
        (_event("transaction.settled", SETTLEMENT_UPDATES), Check.PARKED_LOST),
        (_event("request.rejected", SETTLEMENT_UPDATES, "illegal_transition"), Check.PARKED_LOST),
        (_event("transfer.received", INTERNAL_COMMANDS), Check.PARKED_LOST),
        (_event("transaction.failed", INTERNAL_COMMANDS, "payee_refused"), Check.PARKED_LOST),
    ],
)
def test_what_is_done_all_the_same_is_found(event: LedgerEvent, check: Check) -> None:
    assert _found(event) == {check}


@pytest.mark.parametrize(
    "event",
    [
        _event("request.rejected", TRANSACTION_REQUESTS, "wallet_quarantined"),
        _event("request.rejected", TRANSACTION_REQUESTS, "idempotency_mismatch"),
        _event("request.replayed", TRANSACTION_REQUESTS),
        _event("request.dead_lettered", TRANSACTION_REQUESTS, "malformed"),
        _event("request.parked", SETTLEMENT_UPDATES),
        _event("request.rejected", SETTLEMENT_UPDATES, "key_mismatch"),
        _event("request.parked", INTERNAL_COMMANDS),
        _event("wallet.releasing", INTERNAL_COMMANDS),
        _event("transaction.reversed", OPERATOR_COMMANDS),
    ],
)
def test_what_goes_on_is_not(event: LedgerEvent) -> None:
    assert _found(event) == set()


def test_a_quarantine_ends() -> None:
    findings = Findings()
    quarantines = Quarantines(Here(findings, 0))
    quarantines.change(_event("wallet.quarantined", TRANSACTION_REQUESTS))
    quarantines.change(_event("wallet.released", OPERATOR_COMMANDS))
    quarantines.event(_event("transaction.settled", TRANSACTION_REQUESTS), is_opened=True)
    assert findings.counts == {}
    quarantines.event(_event("request.parked", INTERNAL_COMMANDS), is_opened=True)
    assert set(findings.counts) == {Check.PARKED_LOST}


def test_of_a_log_without_its_beginning_nobody_knows() -> None:
    findings = Findings()
    quarantines = Quarantines(Here(findings, 0))
    quarantines.begin_anywhere()
    quarantines.event(_event("request.parked", INTERNAL_COMMANDS), is_opened=True)
    assert findings.counts == {}
