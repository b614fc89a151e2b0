"""A fact on an event that has none of its kind is found: whoever folds the log goes by it."""

from __future__ import annotations

from typing import Any

import pytest

from ops.verify.findings import Check
from tests.ops.verify.frauds import CREDIT, DEBIT, ENDED, GIVEN_BACK, POOR, RECEIVED, edit_event
from tests.ops.verify.operations import operations
from tests.ops.verify.story import audit, story

Fields = dict[str, Any]

FEE: Fields = {"schedule": "x", "version": 1, "asset": "EUR", "amount_minor": 1}
EXCHANGE: Fields = {
    "rate_id": "r",
    "source": "s",
    "from_asset": "EUR",
    "from_minor": 1,
    "to_asset": "USD",
    "to_minor": 1,
    "numerator": 1,
    "denominator": 1,
}
DUE: Fields = {"due_at": "2099-01-01T00:00:00.000Z"}
LATER: Fields = {"type": "transaction.disputed", "from_state": "settled"}
REPLAYED: Fields = {"type": "request.replayed"}
OPENED: Fields = {"type": "wallet.opened"}
SUBMITTED: Fields = {"type": "transaction.submitted"}
CONFIRMED: Fields = {"type": "transaction.confirmed"}


@pytest.mark.parametrize("wanted", [CREDIT, DEBIT, POOR, ENDED, GIVEN_BACK, RECEIVED, REPLAYED, OPENED])
@pytest.mark.parametrize(
    "fact",
    [
        DUE,
        {"screening": "fail"},
        {"fee_returned_minor": 1},
        {"rail_facts": {"returned_minor": 1}},
        {"rail_facts": {"rail_reference": "r-1"}},
        {"forwarded_to": 1},
        {"tier": "basic@1"},
    ],
    ids=str,
)
def test_a_fact_that_no_such_event_has(wanted: Fields, fact: Fields) -> None:
    ledger = story()
    edit_event(wanted, **fact)(ledger)
    assert Check.STRAY_FACT in audit(ledger).counts


@pytest.mark.parametrize(
    ("wanted", "fact"),
    [
        (ENDED, {"fee": FEE}),
        (ENDED, {"exchange": EXCHANGE}),
        (ENDED, {"rail": "sepa"}),
        (ENDED, {"counterparty": {"wallet_id": "w", "sub_wallet": "main"}}),
        (DEBIT, {"limit": {"name": "day", "limit": 1}}),
        (DEBIT, {"field": "amount_minor"}),
        (POOR, {"amount_minor": 1}),
        (POOR, {"remaining_minor": 1}),
        (POOR, {"asset": "EUR"}),
        (POOR, {"rail": "sepa"}),
        (POOR, {"counterparty": {"wallet_id": "w", "sub_wallet": "main"}}),
        (POOR, {"fee": FEE}),
        (REPLAYED, {"parent_transaction_id": "0" * 32}),
        (REPLAYED, {"leg": "credit"}),
        (REPLAYED, {"sub_wallet": "main"}),
        (POOR, {"transaction_id": "0" * 32}),
        (POOR, {"command": "refund"}),
        (OPENED, {"leg": "credit"}),
        (OPENED, {"amount_minor": 1}),
        (OPENED, {"asset": "EUR"}),
    ],
    ids=str,
)
def test_a_fact_of_others(wanted: Fields, fact: Fields) -> None:
    ledger = story()
    edit_event(wanted, **fact)(ledger)
    assert Check.STRAY_FACT in audit(ledger).counts


@pytest.mark.parametrize(
    ("wanted", "fact"),
    [
        (LATER, {"rail_facts": {"returned_minor": 1}}),
        (LATER, {"rail": "sepa"}),
        (LATER, DUE),
        (SUBMITTED, {"rail_facts": {"batch_id": "b1", "rail_reference": "r-1"}}),
        (CONFIRMED, {"rail_facts": {"rail_reference": "r-1"}}),
        ({"type": "transaction.settled", "command": "settle"}, {"rail_facts": {"returned_minor": 1}}),
        ({"type": "transaction.failed", "command": "fail"}, {"rail_facts": {"settled_minor": 1}}),
    ],
    ids=str,
)
def test_a_fact_of_rails_where_they_have_not_said_it(wanted: Fields, fact: Fields) -> None:
    ledger = operations()
    edit_event(wanted, **fact)(ledger)
    assert Check.STRAY_FACT in audit(ledger).counts


@pytest.mark.parametrize(
    "fact",
    [
        {"request": {"operation": "credit"}},
        {"references": {"merchant": "m"}},
        {"metadata": {"a": "b"}},
        {"device": {"ip": "::1"}},
        {"occurred_at": "2026-01-01T00:00:00.000Z"},
    ],
    ids=str,
)
@pytest.mark.parametrize("wanted", [ENDED, GIVEN_BACK, REPLAYED, {"type": "request.parked"}])
def test_what_a_requester_says_where_none_is_answered(wanted: Fields, fact: Fields) -> None:
    ledger = story()
    edit_event(wanted, **fact)(ledger)
    assert Check.STRAY_FACT in audit(ledger).counts


@pytest.mark.parametrize("fact", [{"references": {"merchant": "m"}}, {"metadata": {"a": "b"}}], ids=str)
def test_what_a_payees_partition_was_not_told(fact: Fields) -> None:
    ledger = story()
    edit_event(RECEIVED, **fact)(ledger)
    assert Check.NOT_AS_ASKED in audit(ledger).counts


@pytest.mark.parametrize("wanted", [LATER, SUBMITTED])
def test_forced_is_nothing_that_posts_nothing(wanted: Fields) -> None:
    ledger = operations()
    edit_event(wanted, forced=True)(ledger)
    assert Check.ILLEGAL_FORCE in audit(ledger).counts
