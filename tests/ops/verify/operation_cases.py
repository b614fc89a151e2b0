"""Frauds with holds, rails, refunds, disputes and reversals, in a ledger that is told in `operations`."""

from __future__ import annotations

from typing import Any

import orjson

from ops.verify.findings import Check
from schemas import topics
from tests.ops.verify.frauds import doubled, edit_event, edit_of, times, without
from tests.ops.verify.honest import Ledger
from tests.ops.verify.operations import ALICE, BERT, DORA, EVE, FRED
from tests.ops.verify.tamper import EVENTS, OUTCOMES, Tamper, double, edit, locate, reseal

Fields = dict[str, Any]

PROCESSED, SETTLED, FAILED = "transaction.processed", "transaction.settled", "transaction.failed"
AUTHORIZED = {"type": PROCESSED, "operation": "authorize"}
CAPTURED = {"type": SETTLED, "operation": "capture", "from_state": None}
EXPIRED = {"operation": "authorize", "command": "expire"}
CAPTURED_ALL = {"operation": "authorize", "command": "capture"}
RELEASED = {"operation": "authorize", "command": "release"}
SUBMITTED = {"type": "transaction.submitted"}
SETTLED_IN_PART = {"command": "settle", "rail_facts": lambda facts: facts and "settled_minor" in facts}
RETURNED = {"type": "transaction.returned"}
CONTRADICTED = {"type": "transaction.contradicted", "command": "settle"}
CAME_BACK = {"type": "transaction.contradicted", "command": "return"}
CONFIRMED = {"type": "transaction.confirmed", "command": "settle"}
REFUNDED = {"type": SETTLED, "operation": "refund", "from_state": None, "counterparty": None}
PAID_BACK = {"type": SETTLED, "operation": "refund", "from_state": None, "counterparty": lambda to: to is not None}
DISPUTED = {"type": "transaction.disputed", "operation": "dispute"}
CONTESTED = {"type": "transaction.disputed", "command": "dispute"}
RESOLVED = {"operation": "dispute", "command": "resolve_dispute"}
TAKEN_BACK = {"type": SETTLED, "operation": "reverse", "from_state": None, "wallet_id": DORA}
ADJUSTED = {"operation": "adjust", "type": SETTLED}
CANCELED = {"command": "cancel", "operation": "debit"}
NOBODY: Fields = {"wallet_id": "nobody", "sub_wallet": "main"}


def instead(old: str, new: str) -> Any:
    """Another account in place of one whose name ends so."""
    return lambda entries: [
        {**entry, "account": new if entry["account"].endswith(old) else entry["account"]} for entry in entries
    ]


def turned(entries: list[Fields]) -> list[Fields]:
    """The same journal the other way round."""
    sides = {"debit_minor": "credit_minor", "credit_minor": "debit_minor"}
    return [{sides.get(name, name): value for name, value in entry.items()} for entry in entries]


def facts(**changes: Any) -> Any:
    return lambda said: {**said, **changes}


def more(wanted: Fields, factor: int, **changes: Any) -> Tamper:
    """So many times the amount, in header and entries."""
    return edit_event(
        wanted, amount_minor=lambda minor: minor * factor, entries=lambda entries: times(factor, entries), **changes
    )


def in_other_name(wanted: Fields) -> Tamper:
    """The same event once more, as another transaction."""

    def tamper(ledger: Ledger) -> None:
        place = locate(ledger, EVENTS, **wanted)
        double(ledger, EVENTS, place)
        edit(ledger, EVENTS, (place[0], place[1] + 1), transaction_id="f" * 32)
        reseal(ledger)

    return tamper


def of(kind: Fields, wanted: Fields) -> Tamper:
    """An event acts on the transaction of another kind."""

    def tamper(ledger: Ledger) -> None:
        at = locate(ledger, EVENTS, **kind)
        other = orjson.loads(ledger.topics[EVENTS][at[0]][at[1]].value or b"")["transaction_id"]
        edit(ledger, EVENTS, locate(ledger, EVENTS, **wanted), parent_transaction_id=other)
        reseal(ledger)

    return tamper


def later(wanted: Fields) -> Tamper:
    """What the ledger does of its own names another record than the one that it follows."""
    return edit_event(wanted, cause=lambda cause: {**cause, "offset": cause["offset"] + 1})


def submitted_then(ledger: Ledger) -> None:
    """What is canceled was submitted before."""
    at = locate(ledger, EVENTS, **CANCELED)
    canceled = orjson.loads(ledger.topics[EVENTS][at[0]][at[1]].value or b"")["transaction_id"]
    edit(ledger, EVENTS, locate(ledger, EVENTS, **SUBMITTED, operation="debit"), transaction_id=canceled)
    reseal(ledger)


OPERATION_CASES: list[tuple[str, Check, Tamper]] = [
    # who may act on what
    ("a refund of nothing", Check.ORIGINAL_WRONG, edit_event(REFUNDED, parent_transaction_id="f" * 32)),
    ("a refund of a credit", Check.ORIGINAL_WRONG, of({"operation": "credit", "wallet_id": DORA}, REFUNDED)),
    ("a refund to a stranger", Check.ORIGINAL_WRONG, edit_event(PAID_BACK, counterparty={**NOBODY, "wallet_id": DORA})),
    ("a refund by another wallet", Check.ORIGINAL_WRONG, edit_event(PAID_BACK, wallet_id=ALICE)),
    ("a refund over another rail", Check.ORIGINAL_WRONG, edit_event(REFUNDED, rail="sepa")),
    ("a capture of another's hold", Check.ORIGINAL_WRONG, edit_event(CAPTURED, wallet_id=BERT)),
    ("a dispute of a transfer", Check.ORIGINAL_WRONG, of({"operation": "transfer", "type": SETTLED}, DISPUTED)),
    ("a reversal of a hold", Check.ORIGINAL_WRONG, of(AUTHORIZED, TAKEN_BACK)),
    ("a debit that acts on something", Check.ORIGINAL_WRONG, edit_event(ADJUSTED, parent_transaction_id="f" * 32)),
    # how much
    ("a capture of more than is held", Check.EXCEEDS_ORIGINAL, more(CAPTURED, 9)),
    ("a refund of more than is left", Check.EXCEEDS_ORIGINAL, more(REFUNDED, 9)),
    ("a refund once more", Check.EXCEEDS_ORIGINAL, in_other_name(PAID_BACK)),
    ("a dispute of more than is left", Check.EXCEEDS_ORIGINAL, more(DISPUTED, 9)),
    (
        "more is settled than there is",
        Check.EXCEEDS_ORIGINAL,
        edit_event(SETTLED_IN_PART, rail_facts=facts(settled_minor=99)),
    ),
    ("a hold says to keep less", Check.REMAINING_WRONG, edit_event(AUTHORIZED, remaining_minor=1)),
    ("a released hold says to keep something", Check.REMAINING_WRONG, edit_event(RELEASED, remaining_minor=1)),
    ("a return says that more is left", Check.REMAINING_WRONG, edit_event(RETURNED, remaining_minor=99)),
    ("an original says that more is left", Check.REMAINING_WRONG, edit_event(CONTESTED, remaining_minor=99)),
    ("a capture says that something is left", Check.REMAINING_WRONG, edit_event(CAPTURED, remaining_minor=1)),
    # time
    (
        "a hold is due earlier than it is ended",
        Check.EXPIRY_WRONG,
        edit_event(AUTHORIZED, due_at="2020-01-01T00:00:00.000Z"),
    ),
    (
        "a hold expires before it is due",
        Check.EXPIRY_WRONG,
        edit_event({**AUTHORIZED, "amount_minor": 12}, due_at="2099-01-01T00:00:00.000Z"),
    ),
    ("a tick leaves a hold open", Check.EXPIRY_WRONG, without(EVENTS, **EXPIRED, wallet_id=BERT)),
    ("a command leaves a hold open", Check.EXPIRY_WRONG, without(EVENTS, **EXPIRED, wallet_id=ALICE)),
    # what follows
    ("a hold is not ended behind its last capture", Check.MOVE_MISSING, without(EVENTS, **CAPTURED_ALL)),
    ("an original is not disputed", Check.MOVE_MISSING, without(EVENTS, **CONTESTED)),
    ("an original is not reversed", Check.MOVE_MISSING, without(EVENTS, command="reverse", leg="credit")),
    ("a hold ends for no capture", Check.MOVE_UNFOUNDED, edit_event(EXPIRED, command="capture")),
    ("an original moves behind another record", Check.MOVE_UNFOUNDED, later(CONTESTED)),
    ("a hold expires ahead of another's record", Check.MOVE_UNFOUNDED, later({**EXPIRED, "wallet_id": ALICE})),
    # rails
    ("a contradiction is booked twice", Check.REFERENCE_TWICE, doubled(EVENTS, **CONTRADICTED)),
    ("a return is booked twice", Check.REFERENCE_TWICE, doubled(EVENTS, **RETURNED)),
    ("what comes back of a failed one is booked twice", Check.REFERENCE_TWICE, doubled(EVENTS, **CAME_BACK)),
    (
        "what never was is confirmed",
        Check.REFERENCE_TWICE,
        edit_event(CONFIRMED, request=lambda request: {**request, "rail_reference": "never"}),
    ),
    (
        "a return counts more than the wallet bears",
        Check.WRONG_POSTING,
        edit_event(RETURNED, rail_facts=lambda said: {**said, "returned_minor": said["returned_minor"] + 1}),
    ),
    (
        "a return counts less than the wallet bears",
        Check.WRONG_POSTING,
        edit_event(RETURNED, rail_facts=lambda said: {**said, "returned_minor": said["returned_minor"] - 1}),
    ),
    # balances
    (
        "a balance of 0 is stated of another account",
        Check.WRONG_BALANCE,
        edit_event({**RELEASED, "type": "transaction.canceled"}, balances=instead("/held", f"{DORA}/main/other")),
    ),
    # buckets
    (
        "money is held for nobody",
        Check.BUCKET_WRONG,
        edit_event(ADJUSTED, entries=instead("/available", f"{DORA}/main/held")),
    ),
    (
        "an announced credit is nowhere",
        Check.BUCKET_WRONG,
        edit_event({"operation": "credit", "type": PROCESSED}, entries=instead("/incoming", f"{EVE}/main/outgoing")),
    ),
    # postings
    (
        "a capture takes what is available",
        Check.WRONG_POSTING,
        edit_event(CAPTURED, entries=instead("/held", f"{ALICE}/main/available")),
    ),
    (
        "a release to another wallet",
        Check.WRONG_POSTING,
        edit_event(RELEASED, entries=instead("/available", f"{BERT}/main/available")),
    ),
    ("an expiry gives nothing back", Check.WRONG_POSTING, edit_event(EXPIRED, entries=None)),
    (
        "the rest of a settlement is kept",
        Check.WRONG_POSTING,
        edit_event({**SETTLED_IN_PART, "operation": "debit"}, entries=instead("/available", "system/adjustments")),
    ),
    (
        "the customer pays the rail",
        Check.WRONG_POSTING,
        edit_event(SETTLED_IN_PART, entries=instead("system/fees", f"{EVE}/main/held")),
    ),
    (
        "a contradiction at the customer's cost",
        Check.WRONG_POSTING,
        edit_event(CONTRADICTED, entries=instead("system/suspense", f"{EVE}/main/available")),
    ),
    ("a contradiction the wrong way", Check.WRONG_POSTING, edit_event(CONTRADICTED, entries=turned)),
    ("what comes back of a failed one the wrong way", Check.WRONG_POSTING, edit_event(CAME_BACK, entries=turned)),
    (
        "what comes back of a failed one is the customer's",
        Check.WRONG_POSTING,
        edit_event(CAME_BACK, entries=instead("system/suspense", f"{EVE}/main/available")),
    ),
    (
        "a return beyond what is left is the customer's",
        Check.WRONG_POSTING,
        edit_event(
            {**RETURNED, "rail_facts": lambda said: said["rail_reference"] == "r3"},
            entries=instead("system/suspense", "system/adjustments"),
        ),
    ),
    (
        "a submission moves money",
        Check.WRONG_POSTING,
        edit_event(
            SUBMITTED,
            entries=[
                {"account": "system/fees", "asset": "EUR", "debit_minor": 1},
                {"account": "system/suspense", "asset": "EUR", "credit_minor": 1},
            ],
        ),
    ),
    (
        "a dispute of a debit is paid by the customer",
        Check.WRONG_POSTING,
        edit_event({**DISPUTED, "amount_minor": 7}, entries=instead("system/chargebacks", f"{ALICE}/main/available")),
    ),
    (
        "a lost dispute goes back all the same",
        Check.WRONG_POSTING,
        edit_event(
            {**RESOLVED, "to_state": "reversed", "wallet_id": FRED},
            entries=instead("system/rail:instant", f"{FRED}/main/available"),
        ),
    ),
    (
        "a reversal against the rail without its word",
        Check.WRONG_POSTING,
        edit_event(TAKEN_BACK, entries=instead("system/adjustments", "system/rail:instant")),
    ),
    (
        "an adjustment of another account",
        Check.WRONG_POSTING,
        edit_event(ADJUSTED, entries=instead("system/suspense", "system/fees")),
    ),
    # what is given back
    (
        "a failed debit gives nothing back",
        Check.WRONG_COMPENSATION,
        edit_event({"command": "fail", "operation": "debit"}, entries=None),
    ),
    (
        "a canceled debit gives back to another",
        Check.WRONG_COMPENSATION,
        edit_event(CANCELED, entries=instead("/available", f"{ALICE}/main/available")),
    ),
    (
        "a failed capture is available although its hold is open",
        Check.WRONG_COMPENSATION,
        edit_event({"command": "fail", "operation": "capture"}, entries=instead("/held", f"{EVE}/main/available")),
    ),
    # life cycles
    ("what was submitted is canceled", Check.BROKEN_TRANSITION, submitted_then),
    ("submitted again", Check.BROKEN_TRANSITION, doubled(EVENTS, **SUBMITTED)),
    (
        "a capture changes its hold",
        Check.BROKEN_TRANSITION,
        edit_event({"command": "settle", "operation": "capture"}, parent_transaction_id="f" * 32),
    ),
    (
        "a debit changes its sub-wallet",
        Check.BROKEN_TRANSITION,
        edit_event({"command": "settle", "operation": "debit"}, sub_wallet="savings"),
    ),
    (
        "a dispute ends as it was not decided",
        Check.BROKEN_TRANSITION,
        edit_event(RESOLVED, request=lambda request: {**request, "won": not request["won"]}),
    ),
    (
        "a hold ends settled although nothing was captured",
        Check.BROKEN_TRANSITION,
        edit_event(
            {**RELEASED, "type": "transaction.canceled"},
            type=SETTLED,
            to_state="settled",
            path=["processed", "settled"],
        ),
    ),
    ("a note states another state", Check.BROKEN_TRANSITION, edit_event(CONFIRMED, to_state="failed")),
    ("a failure is confirmed that never was", Check.BROKEN_TRANSITION, edit_event(CONFIRMED, command="fail")),
    (
        "a debit fails by a settlement",
        Check.ILLEGAL_PATH,
        edit_event({"command": "fail", "operation": "debit"}, command="settle"),
    ),
    ("a note passes states", Check.ILLEGAL_PATH, edit_event(CONFIRMED, path=["settled"])),
    # force
    ("a hold is forced", Check.ILLEGAL_FORCE, edit_event(AUTHORIZED, forced=True)),
    ("a refund is forced without need", Check.ILLEGAL_FORCE, edit_event(PAID_BACK, forced=True)),
    (
        "a dispute of spent money is not forced",
        Check.NEGATIVE_BALANCE,
        edit_event({**DISPUTED, "forced": True}, forced=None),
    ),
    # between partitions
    (
        "a captured sum arrives as a transfer",
        Check.SAGA_DIFFERS,
        edit_event({"type": "transfer.received", "operation": "capture"}, operation="transfer"),
    ),
    (
        "a refund takes back another transfer where it arrives",
        Check.SAGA_DIFFERS,
        edit_event({"type": "transfer.received", "operation": "refund"}, parent_transaction_id="0" * 32),
    ),
    (
        "a refund arrives that takes back nothing",
        Check.NOT_AS_ASKED,
        edit_event({"type": "transfer.received", "operation": "refund"}, parent_transaction_id=None),
    ),
    (
        "who paid is not told that it was taken back",
        Check.ANSWER_MISSING,
        without(OUTCOMES, kind="update", operation="transfer", state="reversed"),
    ),
    (
        "a leg is told to be of another kind",
        Check.NOT_AS_ASKED,
        edit_of(topics.INTERNAL_COMMANDS, {"kind": "capture"}, kind="refund"),
    ),
    # answers
    ("a submission is not told", Check.ANSWER_MISSING, without(OUTCOMES, kind="update", state="processed")),
    ("an expiry is not told", Check.ANSWER_MISSING, without(OUTCOMES, kind="update", code="hold_expired")),
    (
        "an answer to another command",
        Check.ANSWER_DIFFERS,
        edit_of(OUTCOMES, {"operation": "release"}, operation="cancel"),
    ),
    ("a parked update is never answered", Check.ANSWER_MISSING, without(OUTCOMES, operation="fail", wallet_id=DORA)),
    (
        "a parked update says something else",
        Check.NOT_AS_ASKED,
        edit_event(
            {"type": "request.parked"},
            parked=lambda parked: {**parked, "value": parked["value"].replace('"r1"', '"r2"')},
        ),
    ),
    ("a parked update is never applied", Check.PARKED_LOST, without(EVENTS, wallet_id=DORA, command="fail")),
]
