"""Frauds that show beside the log or between partitions: keys, answers, sagas, balances."""

from __future__ import annotations

from ops.verify.findings import Check
from tests.ops.verify.frauds import (
    BALANCES,
    CREDIT,
    DEBIT,
    RECEIVED,
    REQUESTS,
    cut_last_batch_of_saga,
    doubled,
    edit_event,
    edit_of,
    in_place,
    lose_forward,
    lose_parked,
    move_leg,
    other_key,
    sagas_terms,
    swap_released,
    swapped,
    without,
)
from tests.ops.verify.story import HERE
from tests.ops.verify.tamper import EVENTS, OUTCOMES, Tamper, edit

REFUSED_UNDER_QUARANTINE = {"type": "request.rejected", "code": "wallet_quarantined"}
NOT_QUARANTINED = edit_event({"type": "wallet.quarantined"}, type="request.dead_lettered")

TOPIC_CASES: list[tuple[str, Check, Tamper]] = [
    ("a key settles twice", Check.KEY_USED_TWICE, other_key),
    (
        "a rejection is frozen twice",
        Check.KEY_USED_TWICE,
        edit_event(
            {"type": "request.replayed"},
            type="request.rejected",
            code="insufficient_funds",
            cause=lambda c: {**c, "fingerprint": "0" * 64},
        ),
    ),
    (
        "a replay of nothing",
        Check.REPLAY_UNFOUNDED,
        edit_event({"type": "request.replayed"}, cause=lambda c: {**c, "idempotency_key": "never"}),
    ),
    (
        "a replay of another answer",
        Check.REPLAY_UNFOUNDED,
        edit_event({"type": "request.replayed"}, code="wallet_locked"),
    ),
    (
        "a replay of no answer",
        Check.CODE_WRONG,
        edit_event({"type": "request.replayed", "code": "ok"}, code=None),
    ),
    (
        "a replay of another operation",
        Check.NOT_AS_ASKED,
        edit_event({"type": "request.replayed"}, operation="fee"),
    ),
    (
        "another request under the fingerprint",
        Check.WRONG_FINGERPRINT,
        edit_event(DEBIT, request=lambda request: {**request, "metadata": {"a": "b"}}),
    ),
    (
        "inputs of a batch in another order",
        Check.ORDER_WRONG,
        swapped(EVENTS, type="request.dead_lettered", cause=lambda cause: cause["topic"] == "fraud-commands"),
    ),
    ("answers in another order", Check.ORDER_WRONG, swapped(OUTCOMES, operation="transfer", code="ok")),
    ("an answer is missing", Check.ANSWER_MISSING, without(OUTCOMES, code="insufficient_funds")),
    ("an update is missing", Check.ANSWER_MISSING, without(OUTCOMES, kind="update")),
    ("an answer is doubled", Check.ANSWER_TWICE, doubled(OUTCOMES, code="insufficient_funds")),
    ("an update is doubled", Check.ANSWER_UNFOUNDED, doubled(OUTCOMES, kind="update")),
    (
        "an answer to what never came",
        Check.ANSWER_UNFOUNDED,
        edit_of(OUTCOMES, {"code": "insufficient_funds"}, source={"topic": REQUESTS, "partition": 0, "offset": 999}),
    ),
    (
        "a rejection is answered ok",
        Check.ANSWER_DIFFERS,
        edit_of(OUTCOMES, {"code": "insufficient_funds"}, code="ok", status="accepted"),
    ),
    (
        "an answer in another state",
        Check.ANSWER_DIFFERS,
        edit_of(OUTCOMES, {"operation": "debit", "code": "ok"}, state="processed"),
    ),
    (
        "an answer with another balance",
        Check.ANSWER_DIFFERS,
        edit_of(OUTCOMES, {"operation": "debit", "code": "ok"}, **in_place("balances", balance_minor=7)),
    ),
    (
        "an answer of another transaction",
        Check.ANSWER_DIFFERS,
        edit_of(OUTCOMES, {"operation": "debit", "code": "ok"}, transaction_id="0" * 32),
    ),
    (
        "an answer to another request id",
        Check.ANSWER_DIFFERS,
        edit_of(OUTCOMES, {"request_id": "r-1"}, request_id="r-2"),
    ),
    (
        "an answer of another time",
        Check.ANSWER_DIFFERS,
        edit_of(OUTCOMES, {"operation": "debit", "code": "ok"}, recorded_at="2026-11-23T04:50:00.001Z"),
    ),
    (
        "a rejection for another reason",
        Check.ANSWER_DIFFERS,
        edit_of(OUTCOMES, {"code": "insufficient_funds"}, message="come again tomorrow"),
    ),
    (
        "an answer that neither accepts nor rejects",
        Check.ANSWER_DIFFERS,
        edit_of(OUTCOMES, {"code": "insufficient_funds"}, status="perhaps"),
    ),
    ("an outcome that is none", Check.UNDECODABLE, edit_of(OUTCOMES, {"code": "insufficient_funds"}, kind="hearsay")),
    (
        "a replay of another state",
        Check.ANSWER_DIFFERS,
        edit_of(OUTCOMES, {"replayed": True, "code": "ok"}, state="failed"),
    ),
    (
        "a replay with another balance",
        Check.ANSWER_DIFFERS,
        edit_of(OUTCOMES, {"replayed": True, "code": "ok"}, **in_place("balances", balance_minor=7)),
    ),
    ("a replay that does not say so", Check.ANSWER_DIFFERS, edit_of(OUTCOMES, {"replayed": True}, replayed=None)),
    ("a forwarded record vanishes", Check.FORWARD_LOST, lose_forward),
    (
        "a record arrives that nobody forwarded",
        Check.FORWARD_UNFOUNDED,
        edit_event({"type": "request.forwarded"}, type="clock.ticked"),
    ),
    (
        "a record is forwarded to another partition",
        Check.FORWARD_UNFOUNDED,
        edit_event({"type": "request.forwarded"}, forwarded_to=1),
    ),
    (
        "a record arrives as another",
        Check.FORWARD_UNFOUNDED,
        edit_event({"type": "request.forwarded"}, wallet_id=HERE[5]),
    ),
    ("a wallet that the ledger failed on goes on", Check.CODE_WRONG, NOT_QUARANTINED),
    ("what is owed to a wallet waits for nothing", Check.PARKED_LOST, NOT_QUARANTINED),
    (
        "a request of a wallet under quarantine is decided",
        Check.CODE_WRONG,
        edit_event(REFUSED_UNDER_QUARANTINE, code="wallet_locked"),
    ),
    ("a parked record is never applied", Check.PARKED_LOST, lose_parked),
    ("parked records are applied in another order", Check.PARKED_LOST, swap_released),
    ("a leg is executed twice", Check.LEG_UNFOUNDED, doubled(EVENTS, **RECEIVED)),
    ("a leg that nobody sent", Check.LEG_UNFOUNDED, edit_event(RECEIVED, transaction_id="f" * 32)),
    ("a leg of another amount", Check.SAGA_DIFFERS, move_leg),
    ("a leg from another payer", Check.SAGA_DIFFERS, sagas_terms),
    (
        "settled, but refused",
        Check.SAGA_DIFFERS,
        edit_event(
            {"type": "transfer.refused"},
            type="transfer.received",
            to_state="settled",
            path=["initiated", "processed", "settled"],
        ),
    ),
    (
        "settled, but never received",
        Check.SAGA_DIFFERS,
        edit_event(RECEIVED, type="clock.ticked", leg=None, path=None, to_state=None, entries=None, balances=None),
    ),
    ("a saga never ends", Check.SAGA_STUCK, cut_last_batch_of_saga),
    (
        "transit keeps something",
        Check.TRANSIT_WRONG,
        edit_event(RECEIVED, entries=lambda entries: [{**entries[0], "account": "system/suspense"}, entries[1]]),
    ),
    ("money out of nothing", Check.SUM_NOT_ZERO, edit_event(CREDIT, entries=lambda entries: entries[1:])),
    (
        "another balance is published",
        Check.BALANCES_DIFFER,
        lambda ledger: edit(ledger, BALANCES, (0, -1), **in_place("accounts", balance_minor=1)),
    ),
    (
        "an account too few is published",
        Check.BALANCES_DIFFER,
        lambda ledger: edit(ledger, BALANCES, (0, -1), accounts=lambda accounts: accounts[1:]),
    ),
    (
        "balances under another's key",
        Check.BALANCES_DIFFER,
        lambda ledger: edit(ledger, BALANCES, (0, -1), wallet_id=HERE[2]),
    ),
    (
        "balances in another's name and partition",
        Check.BALANCES_DIFFER,
        lambda ledger: edit(ledger, BALANCES, (0, -1), partition=1),
    ),
    ("balances are not published", Check.BALANCES_MISSING, lambda ledger: ledger.topics[BALANCES][1].clear()),
]
