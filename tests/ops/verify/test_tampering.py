"""Every check finds what it is there for, in a log that is honest but for one thing."""

from __future__ import annotations

from typing import Any

import pytest

from ops.verify import postings
from ops.verify.findings import MEANING, Check
from tests.ops.verify.agreement_cases import AGREEMENT_CASES
from tests.ops.verify.asked_cases import NOT_AS_ASKED
from tests.ops.verify.frauds import (
    DEBIT,
    REQUESTS,
    doubled,
    edit_event,
    edit_of,
    last_seal,
    not_resealed,
    overdraw,
    spans,
    without,
)
from tests.ops.verify.log_cases import LOG_CASES
from tests.ops.verify.operation_cases import OPERATION_CASES
from tests.ops.verify.operations import operations
from tests.ops.verify.screened import screened
from tests.ops.verify.screening_cases import SCREENING_CASES
from tests.ops.verify.service_cases import SERVICE_CASES, SERVICES_NOT_AS_ASKED
from tests.ops.verify.services import services
from tests.ops.verify.state_cases import STATE_CASES
from tests.ops.verify.story import audit, codes, story
from tests.ops.verify.tamper import EVENTS, OUTCOMES, Tamper, edit, locate, remove
from tests.ops.verify.topic_cases import TOPIC_CASES

CASES = [*LOG_CASES, *TOPIC_CASES]


@pytest.mark.parametrize(("check", "tamper"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_is_found(check: Check, tamper: Tamper) -> None:
    ledger = story()
    tamper(ledger)
    report = audit(ledger, chunk=10_000)
    assert check in report.counts, report.counts
    assert report.line().startswith("verify: FAILED")


@pytest.mark.parametrize(
    ("check", "tamper"),
    [case[1:] for case in [*OPERATION_CASES, *STATE_CASES]],
    ids=[case[0] for case in [*OPERATION_CASES, *STATE_CASES]],
)
def test_is_found_among_all_operations(check: Check, tamper: Tamper) -> None:
    ledger = operations()
    tamper(ledger)
    assert check in audit(ledger, chunk=10_000).counts


@pytest.mark.parametrize(
    ("check", "tamper"), [case[1:] for case in SERVICE_CASES], ids=[case[0] for case in SERVICE_CASES]
)
def test_is_found_among_services(check: Check, tamper: Tamper) -> None:
    ledger = services()
    tamper(ledger)
    assert check in audit(ledger, chunk=10_000).counts


@pytest.mark.parametrize(
    ("check", "tamper"), [case[1:] for case in SCREENING_CASES], ids=[case[0] for case in SCREENING_CASES]
)
def test_is_found_among_payments_that_wait(check: Check, tamper: Tamper) -> None:
    ledger = screened()
    assert audit(ledger, chunk=10_000).counts == {}
    tamper(ledger)
    assert check in audit(ledger, chunk=10_000).counts


@pytest.mark.parametrize(
    ("wanted", "changes"), [c[1:] for c in SERVICES_NOT_AS_ASKED], ids=[c[0] for c in SERVICES_NOT_AS_ASKED]
)
def test_whatever_of_services_was_asked_otherwise_is_found(wanted: dict[str, Any], changes: dict[str, Any]) -> None:
    ledger = services()
    edit_event(wanted, **changes)(ledger)
    assert Check.NOT_AS_ASKED in audit(ledger, chunk=10_000).counts


@pytest.mark.parametrize(("wanted", "changes"), [c[1:] for c in NOT_AS_ASKED], ids=[c[0] for c in NOT_AS_ASKED])
def test_whatever_was_asked_otherwise_is_found(wanted: dict[str, Any], changes: dict[str, Any]) -> None:
    ledger = operations()
    edit_event(wanted, **changes)(ledger)
    assert Check.NOT_AS_ASKED in audit(ledger, chunk=10_000).counts


def test_every_check_is_tampered_with() -> None:
    """`store_differs` and `events_deleted` are in the tests of stores and of retention."""
    assert {case[1] for case in [*CASES, *OPERATION_CASES, *STATE_CASES, *SERVICE_CASES, *AGREEMENT_CASES]} == set(
        Check
    ) - {
        Check.STORE_DIFFERS,
        Check.EVENTS_DELETED,
    }
    assert set(MEANING) == set(Check)


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (not_resealed(remove), "sequence_broken"),
        (edit_of(EVENTS, {"type": "batch.sealed"}, hash="1" * 64), "chain_broken"),
        (without(OUTCOMES, code="insufficient_funds"), "answer_missing"),
        (doubled(OUTCOMES, code="insufficient_funds"), "answer_twice"),
        (edit_of(REQUESTS, {"operation": "debit"}, amount_minor=1), "not_as_asked"),
        (without(REQUESTS, operation="enable_asset"), "no_such_input"),
        (last_seal(inputs=spans(**{"from": 3})), "span_gap"),
        (edit_event(DEBIT, path=["initiated", "disputed", "settled"]), "illegal_path"),
    ],
)
def test_a_finding_says_where(tamper: Tamper, expected: str) -> None:
    ledger = story()
    tamper(ledger)
    report = audit(ledger)
    (finding, *_) = [finding for finding in report.findings if finding.check == expected]
    assert finding.partition is not None
    assert finding.offset is not None
    assert finding.sentence
    assert f"offset {finding.offset}" in finding.place


@pytest.mark.parametrize(
    "changes",
    [
        {"recorded_at": ""},
        {"recorded_at": "2026-13-45T99:00:00.000Z"},
        {"recorded_at": "9999-12-31T23:59:59.999Z"},
        {"code": "ok-ish"},
    ],
)
def test_an_event_of_nonsense_does_not_stop_the_audit(changes: dict[str, Any]) -> None:
    ledger = story()
    edit_event(DEBIT, **changes)(ledger)
    doubled(OUTCOMES, code="insufficient_funds")(ledger)
    report = audit(ledger)
    assert Check.ANSWER_TWICE in report.counts
    undecodable = [finding for finding in report.findings if finding.check == Check.UNDECODABLE]
    assert ["cannot be followed" in finding.sentence for finding in undecodable].count(True) == 1
    assert len({finding.offset for finding in undecodable} - {None}) == 1


def test_one_tampered_byte_is_one_break_of_the_chain() -> None:
    """What follows is judged on its own: the chain goes on from the seal as it is."""
    ledger = story()
    edit(ledger, EVENTS, locate(ledger, EVENTS, type="wallet.opened"), occurred_at="2020-01-01T00:00:00Z")
    assert dict(audit(ledger).counts) == {Check.CHAIN_BROKEN: 1}


def test_only_an_operation_that_may_be_forced_may_overdraw(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = story()
    overdraw(forced=True)(ledger)
    assert codes(audit(ledger)) >= {"illegal_force", "negative_balance"}
    monkeypatch.setattr(postings, "MAY_BE_FORCED", frozenset({"transfer"}))
    assert not codes(audit(ledger)) & {"illegal_force", "negative_balance"}
