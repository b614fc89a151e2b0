"""Frauds with payments that wait for screening, in a ledger that is told in `screened`."""

from __future__ import annotations

from typing import Any

from ops.verify.findings import Check
from tests.ops.verify.frauds import edit_event, without
from tests.ops.verify.operations import ALICE
from tests.ops.verify.service_cases import moved_more
from tests.ops.verify.tamper import EVENTS, Tamper

Fields = dict[str, Any]

WAITING: Fields = {"type": "transaction.initiated", "wallet_id": ALICE, "amount_minor": 60}
SCREENED: Fields = {"type": "transaction.screened", "wallet_id": ALICE, "amount_minor": 60}
DENIED: Fields = {"type": "transaction.screened", "wallet_id": ALICE, "amount_minor": 61}
DONE: Fields = {"type": "transaction.processed", "wallet_id": ALICE, "amount_minor": 60, "command": "execute"}
STOPPED: Fields = {"type": "transaction.failed", "wallet_id": ALICE, "amount_minor": 61}
TOO_LATE: Fields = {"type": "transaction.failed", "wallet_id": ALICE, "command": "expire"}
LEFT: Fields = {"type": "transaction.overdue", "wallet_id": ALICE}
LEFT_WAITING: Fields = {"type": "transaction.initiated", "wallet_id": ALICE, "amount_minor": 66}

SCREENING_CASES: list[tuple[str, Check, Tamper]] = [
    (
        "more is held than the payment takes",
        Check.WRONG_POSTING,
        edit_event(WAITING, entries=moved_more(1, "/available", "/held", asset="EUR")),
    ),
    ("less is held than the payment", Check.REMAINING_WRONG, edit_event(WAITING, remaining_minor=59)),
    ("held without a word on silence", Check.WRONG_POSTING, edit_event(WAITING, screening=None)),
    ("a policy that there is not", Check.BROKEN_TRANSITION, edit_event(WAITING, screening="later")),
    ("a verdict that is due in a year", Check.EXPIRY_WRONG, edit_event(WAITING, due_at="2027-01-01T00:00:00.000Z")),
    ("a payment that goes without a verdict", Check.EXPIRY_WRONG, without(EVENTS, **SCREENED)),
    ("a verdict on another payment", Check.NOT_AS_ASKED, edit_event(SCREENED, transaction_id="0" * 32)),
    ("a verdict that keeps the money held", Check.WRONG_COMPENSATION, edit_event(SCREENED, entries=None)),
    (
        "a verdict that gives back more",
        Check.WRONG_COMPENSATION,
        edit_event(SCREENED, entries=moved_more(1, "/available", "/held", asset="EUR")),
    ),
    ("a verdict that leaves something", Check.REMAINING_WRONG, edit_event(SCREENED, remaining_minor=1)),
    ("allowed, and nothing is done", Check.MOVE_MISSING, without(EVENTS, **DONE)),
    (
        "allowed, and done for another record",
        Check.MOVE_MISSING,
        edit_event(DONE, cause=lambda cause: {**cause, "offset": cause["offset"] + 1}),
    ),
    ("denied, and nothing is said of it", Check.MOVE_MISSING, without(EVENTS, **STOPPED)),
    ("denied, but refused for another reason", Check.MOVE_MISSING, edit_event(STOPPED, code="wallet_locked")),
    (
        "allowed, but it fails as denied",
        Check.MOVE_MISSING,
        edit_event(
            DONE, type="transaction.failed", to_state="failed", path=["initiated", "failed"], code="screening_denied"
        ),
    ),
    ("silence that is kept from its payer", Check.EXPIRY_WRONG, without(EVENTS, **TOO_LATE)),
    ("silence that fails for another reason", Check.MOVE_UNFOUNDED, edit_event(TOO_LATE, code="hold_expired")),
    ("silence that keeps the money", Check.WRONG_COMPENSATION, edit_event(TOO_LATE, entries=None)),
    ("silence that leaves something", Check.REMAINING_WRONG, edit_event(TOO_LATE, remaining_minor=None)),
    ("left to a person against the policy", Check.BROKEN_TRANSITION, edit_event(LEFT_WAITING, screening="fail")),
    ("left to a person, and less is held", Check.REMAINING_WRONG, edit_event(LEFT, remaining_minor=1)),
    ("nobody is told that it is overdue", Check.EXPIRY_WRONG, without(EVENTS, **LEFT)),
    ("a second verdict", Check.BROKEN_TRANSITION, edit_event(DENIED, amount_minor=60)),
]
