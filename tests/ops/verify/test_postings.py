"""Where money goes: forged postings that nothing else gives away, for all that states a balance is made to fit."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from ops.verify import postings
from ops.verify.findings import Check
from ops.verify.postings import NOTES, POSTINGS, Move, rule_of
from schemas.events import LedgerEvent, decode_event
from schemas.lifecycle import MOVES
from streams.seal import is_seal
from tests.ops.verify.forger import make_fit
from tests.ops.verify.frauds import CREDIT, DEBIT, ENDED, GIVEN_BACK, RECEIVED, SENT, edit_event, forward_more, times
from tests.ops.verify.operations import operations
from tests.ops.verify.screened import screened
from tests.ops.verify.services import services
from tests.ops.verify.story import HERE, THERE, audit, story
from tests.ops.verify.tamper import EVENTS, edit, forget_inputs, locate

Entries = list[dict[str, Any]]
SOME_CREDIT = {**CREDIT, "wallet_id": HERE[3]}
MOVED = {"type": "transaction.settled", "operation": "transfer", "from_state": None}
REFUSED = {"type": "transfer.refused"}
FAILED = {"type": "transaction.failed", "from_state": None}
RAIL = "system/rail:instant"


def _with(index: int, **changes: Any) -> Any:
    """Change one entry."""
    return lambda entries: [{**entry, **(changes if at == index else {})} for at, entry in enumerate(entries)]


def _turned(entries: Entries) -> Entries:
    first, second = entries
    return [{**first, "account": second["account"]}, {**second, "account": first["account"]}]


def _in_two(entries: Entries) -> Entries:
    return [
        {**entry, side: part}
        for entry in entries
        for side in ("debit_minor", "credit_minor")
        if side in entry
        for part in (1, entry[side] - 1)
    ]


def _pair(debit: str, credit: str) -> Entries:
    return [
        {"account": debit, "asset": "EUR", "debit_minor": 5},
        {"account": credit, "asset": "EUR", "credit_minor": 5},
    ]


OWN = f"{HERE[0]}/main/available"
FORGED: list[tuple[str, dict[str, Any], Any]] = [
    ("a credit of seven times its amount", SOME_CREDIT, lambda entries: times(7, entries)),
    ("a credit to another wallet", SOME_CREDIT, _with(1, account=f"{HERE[2]}/main/available")),
    ("a credit to another sub-wallet", SOME_CREDIT, _with(1, account=f"{HERE[3]}/savings/available")),
    ("a credit that posts nothing", SOME_CREDIT, None),
    ("a credit of another asset", SOME_CREDIT, lambda entries: [{**entry, "asset": "JPY"} for entry in entries]),
    ("a credit without a rail", SOME_CREDIT, _with(0, account="system/adjustments")),
    ("a credit in two parts", SOME_CREDIT, _in_two),
    ("a debit the wrong way", DEBIT, _turned),
    ("a debit of another's money", DEBIT, _with(0, account=f"{HERE[1]}/main/available")),
    ("a debit with a fee beside it", DEBIT, lambda entries: [*entries, *_pair(OWN, "system/fees")]),
    ("a transfer that the rail pays", MOVED, _with(0, account=RAIL)),
    ("a transfer to the fees", MOVED, _with(1, account="system/fees")),
    ("a transfer back to its payer", MOVED, _turned),
    ("a leg to another wallet of its partition", RECEIVED, _with(1, account=f"{HERE[1]}/main/available")),
    ("a saga that posts a second time", ENDED, lambda _: _pair(OWN, RAIL)),
    ("a refusal that posts", REFUSED, lambda _: _pair(RAIL, OWN)),
    (
        "a payee refused at home, and paid",
        {"type": "transaction.failed", "from_state": None},
        lambda _: _pair(RAIL, OWN),
    ),
]


def test_making_fit_what_is_honest_changes_nothing() -> None:
    ledger = story()
    make_fit(ledger)
    assert audit(ledger).counts == {}


@pytest.mark.parametrize(("wanted", "entries"), [case[1:] for case in FORGED], ids=[case[0] for case in FORGED])
def test_a_forged_posting_is_the_one_thing_found(wanted: dict[str, Any], entries: Any) -> None:
    ledger = story()
    edit_event(wanted, entries=entries)(ledger)
    make_fit(ledger)
    assert dict(audit(ledger).counts) == {Check.WRONG_POSTING: 1}


def test_a_credit_into_another_bucket_is_found() -> None:
    ledger = story()
    edit_event(SOME_CREDIT, entries=_with(1, account=f"{HERE[3]}/main/held"))(ledger)
    make_fit(ledger)
    assert dict(audit(ledger).counts) == {Check.WRONG_POSTING: 1, Check.BUCKET_WRONG: 1}


def test_a_fee_in_another_journal_is_a_row_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may charge a fee must post it, and nobody else may say so."""
    fee = {"schedule": "s", "version": 1, "asset": "EUR", "amount_minor": 5}
    ledger = story()
    edit_event(DEBIT, fee=fee, entries=lambda entries: _merged([*entries, *_pair(OWN, "system/fees")]))(ledger)
    make_fit(ledger)
    assert audit(ledger).counts == {}
    with monkeypatch.context() as patched:
        patched.setattr(postings, "MAY_CHARGE_FEES", frozenset({"credit"}))
        assert dict(audit(ledger).counts) == {Check.WRONG_POSTING: 1}
    edit_event(DEBIT, fee={**fee, "amount_minor": 6})(ledger)
    assert dict(audit(ledger).counts) == {Check.WRONG_POSTING: 1}


def _merged(entries: Entries) -> Entries:
    """One entry for each account."""
    sums: dict[str, int] = {}
    for entry in entries:
        minor = entry.get("credit_minor", 0) - entry.get("debit_minor", 0)
        sums[entry["account"]] = sums.get(entry["account"], 0) + minor
    return [
        {"account": account, "asset": "EUR", "credit_minor" if minor > 0 else "debit_minor": abs(minor)}
        for account, minor in sums.items()
    ]


def test_money_that_never_reaches_transit_is_found() -> None:
    ledger = story()
    edit_event({**SENT, "wallet_id": HERE[0]}, entries=_with(1, account="system/fees"))(ledger)
    make_fit(ledger)
    assert Check.WRONG_POSTING in audit(ledger).counts


def test_a_compensation_to_another_is_found() -> None:
    ledger = story()
    edit_event(GIVEN_BACK, entries=lambda entries: [_to_another(entry) for entry in entries])(ledger)
    make_fit(ledger)
    assert dict(audit(ledger).counts) == {Check.WRONG_COMPENSATION: 1}


def _to_another(entry: dict[str, Any]) -> dict[str, Any]:
    return entry if entry["account"].startswith("system/") else {**entry, "account": f"{THERE[2]}/main/available"}


def test_entries_may_stand_in_either_order() -> None:
    ledger = story()
    edit_event(DEBIT, entries=lambda entries: entries[::-1])(ledger)
    make_fit(ledger)
    assert audit(ledger).counts == {}


def test_a_header_beside_its_request_is_found_when_the_input_is_gone() -> None:
    """The event log alone: seven times the amount, in entries and header, but not in the request that it keeps."""
    ledger = story()
    edit_event(SOME_CREDIT, entries=lambda entries: times(7, entries), amount_minor=70_000)(ledger)
    make_fit(ledger)
    report = audit(ledger, retained_from=forget_inputs(ledger))
    assert dict(report.counts) == {Check.NOT_AS_ASKED: 1}
    assert report.findings[0].sentence == "amount_minor is 10000, the event says 70000"


def test_another_request_under_its_right_fingerprint_is_found() -> None:
    """The request that an event keeps is the one that was sent, to the last field."""
    ledger = story()
    place = locate(ledger, EVENTS, **DEBIT)
    edit(ledger, EVENTS, place, request=lambda request: {**request, "partner_id": "p-1"})
    event = decode_event(ledger.topics[EVENTS][place[0]][place[1]].value or b"")
    digest = sha256(event.request).hexdigest()  # type: ignore[arg-type]
    edit(ledger, EVENTS, place, cause=lambda cause: {**cause, "fingerprint": digest})
    make_fit(ledger)
    report = audit(ledger)
    assert dict(report.counts) == {Check.NOT_AS_ASKED: 2}
    assert '"partner_id":"p-1"' in report.findings[0].sentence
    assert "replayed, but what was answered first is another command" in report.findings[1].sentence


def test_a_record_that_grows_while_it_is_forwarded_is_found() -> None:
    ledger = story()
    forward_more(ledger)
    make_fit(ledger)
    assert dict(audit(ledger).counts) == {Check.FORWARD_UNFOUNDED: 1}


# ---- the table ------------------------------------------------------------------------------------------


def test_every_move_of_an_honest_ledger_has_its_row() -> None:
    seen = set()
    ledgers = (story(), operations(), services(), screened())
    for records in [records for ledger in ledgers for records in ledger.topics[EVENTS]]:
        for record in records:
            value = record.value or b""
            if is_seal(value):
                continue
            event = decode_event(value)
            if event.path or event.type in NOTES:
                is_later = event.from_state is not None or event.type in NOTES
                seen.add(Move(event.type, event.operation, event.leg, event.command, is_later))
    assert seen == set(POSTINGS)


def test_every_operation_that_moves_money_has_a_row() -> None:
    assert {move.operation for move in POSTINGS} == set(MOVES)
    compensated = {move.operation for move, rule in POSTINGS.items() if rule is postings.GIVEN_BACK}
    assert compensated == {"credit", "debit", "transfer", "capture", "refund", "reverse"}


def test_what_no_row_knows_is_found() -> None:
    ledger = story()
    edit_event({**MOVED, "wallet_id": HERE[0]}, leg="debit")(ledger)
    make_fit(ledger)
    assert Check.WRONG_POSTING in audit(ledger).counts
    assert rule_of(LedgerEvent(type="transaction.settled", operation="authorize", recorded_at="2026")) is None
