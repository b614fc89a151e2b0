"""What an event answers with, and what it names: its code, the request under its key, and the id that it begins."""

from __future__ import annotations

from typing import Any

import pytest

from ops.verify.findings import Check
from tests.ops.verify.agreements import agreements
from tests.ops.verify.frauds import CREDIT, DEBIT, ENDED, GIVEN_BACK, POOR, RECEIVED, edit_event
from tests.ops.verify.honest import Ledger
from tests.ops.verify.operations import operations
from tests.ops.verify.services import services
from tests.ops.verify.story import audit, codes, story
from tests.ops.verify.tamper import OUTCOMES, Tamper, forget_inputs

Fields = dict[str, Any]

OPENED: Fields = {"type": "wallet.opened"}
REFUSED: Fields = {"type": "transfer.refused"}
EXPIRED: Fields = {"operation": "authorize", "command": "expire"}
ITEM: Fields = {"operation": "credit", "parent_transaction_id": lambda parent: parent is not None}


def _found_without_inputs(ledger: Ledger) -> set[str]:
    """What is found where inputs and outcomes are past their retention, so that the log speaks for itself."""
    starts = forget_inputs(ledger)
    for records in ledger.topics[OUTCOMES]:
        records.clear()
    return codes(audit(ledger, retained_from=starts, outcomes_begin=True))


def test_a_log_of_which_nothing_else_is_kept_holds() -> None:
    for ledger in (story(), operations(), services()):
        assert _found_without_inputs(ledger) == set()


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (DEBIT, "rate_unavailable"),
        (DEBIT, "insufficient_funds"),
        (CREDIT, None),
        (ENDED, "payee_refused"),
        (GIVEN_BACK, "ok"),
        (RECEIVED, "limit_exceeded"),
        (REFUSED, "ok"),
        (OPENED, "wallet_exists"),
        (REFUSED, "wallet_locked"),
        (POOR, "ok"),
        (POOR, "malformed"),
        (POOR, "wallet_exists"),
        (POOR, "insufficient_fund"),
        ({"type": "request.dead_lettered"}, "ok"),
        ({"type": "wallet.quarantined"}, "ok"),
    ],
    ids=str,
)
def test_a_code_of_something_else(wanted: Fields, code: str | None) -> None:
    ledger = story()
    edit_event(wanted, code=code)(ledger)
    assert "code_wrong" in _found_without_inputs(ledger)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"type": "transaction.failed", "command": "execute"}, "exceeds_remaining"),
        ({"type": "request.rejected", "operation": "require_step_up"}, "wallet_disabled"),
    ],
    ids=str,
)
def test_a_code_that_its_operation_has_not(wanted: Fields, code: str) -> None:
    ledger = services()
    edit_event(wanted, code=code)(ledger)
    assert "code_wrong" in _found_without_inputs(ledger)


def test_a_hold_that_has_expired_says_so() -> None:
    ledger = operations()
    edit_event(EXPIRED, code="ok")(ledger)
    assert "code_wrong" in _found_without_inputs(ledger)


@pytest.mark.parametrize(
    ("check", "tamper"),
    [
        ("transaction_id_wrong", edit_event(CREDIT, transaction_id="0" * 32)),
        ("transaction_id_wrong", edit_event(OPENED, transaction_id="0" * 32)),
        ("transaction_id_wrong", edit_event(OPENED, transaction_id=None)),
        ("not_as_asked", edit_event(DEBIT, request=None)),
        ("not_as_asked", edit_event(POOR, request=None)),
        ("wrong_fingerprint", edit_event(POOR, cause=lambda cause: {**cause, "fingerprint": None})),
    ],
    ids=[
        "of a credit",
        "of a wallet",
        "none of a wallet",
        "request of a debit",
        "request of a rejection",
        "fingerprint of a rejection",
    ],
)
def test_what_is_named_otherwise_is_found(check: str, tamper: Tamper) -> None:
    ledger = story()
    tamper(ledger)
    assert check in _found_without_inputs(ledger)


def test_an_item_has_the_id_of_its_place_in_its_batch() -> None:
    ledger = agreements()
    edit_event(ITEM, transaction_id="0" * 32)(ledger)
    assert Check.MOVE_MISSING in audit(ledger).counts
