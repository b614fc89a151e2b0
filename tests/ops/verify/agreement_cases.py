"""Frauds with rewards, batches, schedules and what is agreed, in a ledger that is told in `agreements`."""

from __future__ import annotations

from typing import Any

from ops.verify.findings import Check
from tests.ops.verify.agreements import BELA, KARL, OTTO, RITA, SUSE
from tests.ops.verify.frauds import doubled, edit_event, times, without
from tests.ops.verify.honest import Ledger
from tests.ops.verify.operation_cases import instead
from tests.ops.verify.tamper import EVENTS, Tamper, edit, locate, read, reseal

Fields = dict[str, Any]

SETTLED, INITIATED = "transaction.settled", "transaction.initiated"
EXPIRED: Fields = {"type": "reward.expired", "entries": lambda entries: bool(entries)}
ITEM: Fields = {"type": SETTLED, "wallet_id": BELA, "parent_transaction_id": lambda parent: parent is not None}
ITEM_CREDIT, ITEM_TRANSFER = {**ITEM, "operation": "credit"}, {**ITEM, "operation": "transfer"}
EXECUTED: Fields = {"command": "execute", "type": SETTLED}
#: Executed by one tick, the first one first.
DUE: tuple[Fields, Fields] = ({**EXECUTED, "operation": "debit"}, {**EXECUTED, "operation": "credit"})
LIMITS: Fields = {"type": "wallet.limits_set", "wallet_id": KARL}
REFUNDED: Fields = {"operation": "refund", "wallet_id": OTTO, "forced": True}
LATE, EARLY = "2099-01-01T00:00:00.000Z", "2020-01-01T00:00:00.000Z"


def swapped(first: Fields, second: Fields) -> Tamper:
    """Two events of one batch of records in the other order."""

    def tamper(ledger: Ledger) -> None:
        (partition, one), (other_partition, other) = locate(ledger, EVENTS, **first), locate(ledger, EVENTS, **second)
        assert partition == other_partition
        records = ledger.topics[EVENTS][partition]
        a, b = records[one], records[other]
        records[one], records[other] = b._replace(offset=a.offset), a._replace(offset=b.offset)
        reseal(ledger)

    return tamper


def spent_first(ledger: Ledger) -> None:
    """As if the debit had taken of what expires later: more expires of the sooner, less of the later."""
    for amount_minor, expired_minor in ((50, 50), (100, 40)):
        at = locate(ledger, EVENTS, type="reward.expired", wallet_id=RITA, amount_minor=amount_minor)
        edit(ledger, EVENTS, at, entries=_of(expired_minor))
    reseal(ledger)


def _of(minor: int) -> list[Fields]:
    return [
        {"account": f"{RITA}/main/available", "asset": "EUR", "debit_minor": minor},
        {"account": "system/rewards", "asset": "EUR", "credit_minor": minor},
    ]


def agreed(**changes: Any) -> Tamper:
    """Less was agreed with a wallet, by request and event."""

    def tamper(ledger: Ledger) -> None:
        for wallet in (KARL, OTTO):
            at = locate(ledger, EVENTS, type="wallet.limits_set", wallet_id=wallet)
            edit(ledger, EVENTS, at, request=lambda request: {**request, **changes})
            edit(ledger, EVENTS, at, wallet=lambda facts: {**facts, **changes})
        reseal(ledger)

    return tamper


def of_another_batch(ledger: Ledger) -> None:
    """An item names a batch that it is not of."""
    at = locate(ledger, EVENTS, **ITEM)
    assert read(ledger, EVENTS, at)["parent_transaction_id"]
    edit(ledger, EVENTS, at, parent_transaction_id="f" * 32)
    reseal(ledger)


AGREEMENT_CASES: list[tuple[str, Check, Tamper]] = [
    # rewards
    ("a later reward is spent before a sooner one", Check.WRONG_POSTING, spent_first),
    (
        "a reward expires that was spent",
        Check.WRONG_POSTING,
        edit_event({"type": "reward.expired", "amount_minor": 50}, entries=_of(50)),
    ),
    ("what is left of a reward stays", Check.WRONG_POSTING, edit_event(EXPIRED, entries=None)),
    (
        "more of a reward expires than is left",
        Check.WRONG_POSTING,
        edit_event(EXPIRED, entries=lambda e: times(2, e)),
    ),
    (
        "what expires goes to another",
        Check.WRONG_POSTING,
        edit_event(EXPIRED, entries=instead("rewards", "system/fees")),
    ),
    (
        "a reward is paid by the rail",
        Check.WRONG_POSTING,
        edit_event({"operation": "reward", "type": SETTLED}, entries=instead("rewards", "system/rail:instant")),
    ),
    (
        "a reward expires before it is due",
        Check.EXPIRY_WRONG,
        edit_event({"operation": "reward", "type": SETTLED, "amount_minor": 50}, due_at=LATE),
    ),
    ("a tick leaves a reward", Check.EXPIRY_WRONG, without(EVENTS, type="reward.expired", amount_minor=50)),
    ("a command leaves a reward", Check.EXPIRY_WRONG, without(EVENTS, type="reward.expired", amount_minor=25)),
    ("a reward expires twice", Check.EXPIRY_WRONG, doubled(EVENTS, type="reward.expired", amount_minor=50)),
    (
        "a reward that has no end gets one",
        Check.NOT_AS_ASKED,
        edit_event({"operation": "reward", "type": SETTLED, "amount_minor": 7}, due_at=LATE),
    ),
    ("an expired reward says that something is left", Check.REMAINING_WRONG, edit_event(EXPIRED, remaining_minor=1)),
    # batches
    ("an item is left out", Check.MOVE_MISSING, without(EVENTS, **ITEM_CREDIT)),
    ("the last item is left out", Check.MOVE_MISSING, without(EVENTS, **ITEM, amount_minor=21)),
    ("an item is done twice", Check.MOVE_UNFOUNDED, doubled(EVENTS, **ITEM, amount_minor=21)),
    (
        "two items in the other order",
        Check.MOVE_MISSING,
        swapped({**ITEM, "amount_minor": 20}, {**ITEM, "amount_minor": 21}),
    ),
    (
        "an item of another amount",
        Check.MOVE_MISSING,
        edit_event(ITEM_CREDIT, amount_minor=1_000, entries=lambda entries: times(10, entries)),
    ),
    ("an item over another rail", Check.MOVE_MISSING, edit_event(ITEM_CREDIT, rail="sepa")),
    (
        "an item to another wallet",
        Check.MOVE_MISSING,
        edit_event(ITEM_TRANSFER, counterparty={"wallet_id": RITA, "sub_wallet": "main"}),
    ),
    ("an item of another batch", Check.MOVE_MISSING, of_another_batch),
    (
        "items of no batch",
        Check.MOVE_UNFOUNDED,
        edit_event({"operation": "batch", "type": SETTLED}, operation="adjust"),
    ),
    # schedules
    ("executed before it is due", Check.EXPIRY_WRONG, edit_event({"type": INITIATED}, due_at=LATE)),
    ("a tick leaves what is due", Check.EXPIRY_WRONG, without(EVENTS, **EXECUTED, operation="debit")),
    (
        "a command leaves what is due",
        Check.EXPIRY_WRONG,
        without(EVENTS, command="execute", code="payee_refused"),
    ),
    ("the later one is executed first", Check.EXPIRY_WRONG, swapped(*DUE)),
    ("executed twice", Check.BROKEN_TRANSITION, doubled(EVENTS, **EXECUTED)),
    (
        "executed after it was canceled",
        Check.BROKEN_TRANSITION,
        edit_event({**EXECUTED, "operation": "debit"}, from_state="canceled"),
    ),
    (
        "executed for another amount",
        Check.BROKEN_TRANSITION,
        edit_event({**EXECUTED, "operation": "debit"}, amount_minor=22, entries=lambda entries: times(2, entries)),
    ),
    (
        "executed for another payee",
        Check.NOT_AS_ASKED,
        edit_event({**EXECUTED, "operation": "transfer"}, counterparty={"wallet_id": RITA, "sub_wallet": "main"}),
    ),
    ("executed over another rail", Check.NOT_AS_ASKED, edit_event({**EXECUTED, "operation": "debit"}, rail="sepa")),
    (
        "what waits is given another time",
        Check.NOT_AS_ASKED,
        edit_event({"type": INITIATED, "operation": "credit"}, due_at=LATE),
    ),
    (
        "what waits posts already",
        Check.WRONG_POSTING,
        edit_event({"type": INITIATED, "wallet_id": SUSE}, entries=_of(5)),
    ),
    # what is agreed
    ("below what is agreed", Check.NEGATIVE_BALANCE, agreed(limits={"EUR": {"credit_limit_minor": 49}})),
    ("captured beyond what is agreed", Check.EXCEEDS_ORIGINAL, agreed(over_capture_bps=1_400)),
    ("a refund below zero that is not agreed", Check.NEGATIVE_BALANCE, agreed(refunds_below_zero=False)),
    ("a refund below zero is not forced", Check.NEGATIVE_BALANCE, edit_event(REFUNDED, forced=None)),
    (
        "more credit than was asked for",
        Check.NOT_AS_ASKED,
        edit_event(LIMITS, wallet=lambda facts: {**facts, "limits": {"EUR": {"credit_limit_minor": 5_000}}}),
    ),
    (
        "a policy that was not asked for",
        Check.NOT_AS_ASKED,
        edit_event(LIMITS, wallet=lambda f: {**f, "over_capture_bps": 1}),
    ),
    ("another tier", Check.NOT_AS_ASKED, edit_event({"type": "wallet.tier_set"}, wallet={"tier": "gold"})),
    ("another tier is named", Check.NOT_AS_ASKED, edit_event({"type": "wallet.tier_set"}, tier="gold@1")),
    (
        "limits of another tier were seen to",
        Check.STRAY_FACT,
        edit_event({"operation": "transfer", "tier": "basic@3"}, tier="gold@1"),
    ),
    (
        "a closed wallet is said to be active",
        Check.NOT_AS_ASKED,
        edit_event({"type": "wallet.state_changed", "operation": "close_wallet"}, wallet={"state": "active"}),
    ),
    (
        "a locked wallet is said to be active",
        Check.NOT_AS_ASKED,
        edit_event({"type": "wallet.state_changed", "operation": "lock"}, wallet={"state": "active"}),
    ),
    (
        "a lock is said to be the operators'",
        Check.NOT_AS_ASKED,
        edit_event({"type": "wallet.state_changed", "operation": "lock"}, operation="set_wallet_state"),
    ),
    (
        "a lock for another rule",
        Check.NOT_AS_ASKED,
        edit_event(
            {"type": "wallet.state_changed", "operation": "lock"},
            request=lambda asked: {**asked, "rule_ids": ["velocity-in"]},
        ),
    ),
    (
        "step-up changes the wallet",
        Check.NOT_AS_ASKED,
        edit_event({"type": "wallet.step_up_required"}, wallet={"state": "locked"}),
    ),
    (
        "a lock is written as step-up",
        Check.NOT_AS_ASKED,
        edit_event(
            {"type": "wallet.state_changed", "operation": "lock"},
            type="wallet.step_up_required",
            operation="require_step_up",
            wallet=None,
        ),
    ),
]
