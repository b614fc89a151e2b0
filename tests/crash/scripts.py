"""The scripts of the stories: every operation, with what it must be answered and what it must move.

Each is told by the wire's contract alone. What is random is the wallets, the amounts and which way a story takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from schemas.clock import rfc3339
from schemas.topics import FEE_SCHEDULES, FX_RATES, RAILS
from tests.crash.stories import Script, Story

#: USD cents for EUR cents, and what a transfer costs, flat: see `REFERENCE`.
_GETS, _GIVES = 11, 10
_FEE_MINOR: Final = 7
_INSTANT, _SEPA = "system/rail:instant", "system/rail:sepa"
_LONG_S: Final = 30 * 86_400

#: Topic -> what there must be before any worker starts.
REFERENCE: Final[dict[str, dict[str, Any]]] = {
    RAILS: {"name": "sepa", "settlement": "deferred"},
    FX_RATES: {
        "rate_id": "eurusd",
        "base": "EUR",
        "quote": "USD",
        "bid": "1.1",
        "ask": "1.1",
        "source": "test",
        "valid_from": "2020-01-01T00:00:00.000Z",
        "valid_until": "2100-01-01T00:00:00.000Z",
    },
    FEE_SCHEDULES: {
        "name": "merchants",
        "version": 1,
        "operation": "transfer",
        "wallet_kind": "merchant",
        "asset": "EUR",
        "tiers": [{"flat_minor": _FEE_MINOR, "basis_points": 0}],
        "refundable": True,
    },
}


def _own(wallet_id: str, bucket: str = "available") -> str:
    return f"{wallet_id}/main/{bucket}"


def _eur(minor: int) -> dict[str, Any]:
    return {"amount_minor": minor, "asset": "EUR"}


def exchanged_transfer(story: Story) -> Script:
    """A transfer with conversion, near or far, refunded in two parts: pro rata, the second one takes the rest."""
    far = story.chance.random() < 0.7
    payer, payee = story.pair(far=far)
    ends = "processed/settled" if far and story.partitions > 1 else "settled"
    given_minor = story.amount(100)
    got_minor = given_minor * _GETS // _GIVES
    sent = story.ask(payer, "transfer", ends, **_eur(given_minor), to_wallet_id=payee, to_asset="USD")
    yield (sent,)
    part_minor = story.amount(1, got_minor - 1)
    back_minor, fee_back_minor = given_minor * part_minor // got_minor, _FEE_MINOR * part_minor // got_minor
    named = {"transaction_id": sent.transaction_id}
    yield (story.ask(payee, "refund", ends, **named, amount_minor=part_minor),)
    left_minor, is_whole = got_minor - part_minor, story.chance.random() < 0.5
    if is_whole:
        yield (story.ask(payee, "refund", ends, **named),)
        return
    yield (story.ask(payee, "refund", "exceeds_remaining", **named, amount_minor=left_minor + 1),)
    story.move(_own(payer), "system/fx", "EUR", given_minor - back_minor)
    story.move("system/fx", _own(payee), "USD", left_minor)
    story.move(_own(payer), "system/fees", "EUR", _FEE_MINOR - fee_back_minor)


def captured_by_payees(story: Story) -> Script:
    """Captures to payees far and near, one refunded, the last over a rail."""
    payer, payee = story.pair(far=story.chance.random() < 0.8)
    ends = "settled" if story.home(payer) == story.home(payee) else "processed/settled"
    hold_minor = story.amount(100)
    hold = story.ask(payer, "authorize", "processed", **_eur(hold_minor), expires_in_s=_LONG_S)
    yield (hold,)
    one_minor, named = story.amount(1, hold_minor - 1), {"transaction_id": hold.transaction_id}
    capture = story.ask(payer, "capture", ends, **named, amount_minor=one_minor, to_wallet_id=payee)
    yield (capture,)
    back_minor = story.amount(1, one_minor)
    hold.then("settled")
    yield (
        story.ask(payer, "capture", "settled", **named),
        story.ask(payee, "refund", ends, transaction_id=capture.transaction_id, amount_minor=back_minor),
    )
    yield (story.ask(payer, "capture", "illegal_transition", **named, amount_minor=1),)
    story.move(_own(payer), _own(payee), "EUR", one_minor - back_minor)
    story.move(_own(payer), _INSTANT, "EUR", hold_minor - one_minor)


def refused_capture(story: Story) -> Script:
    """A capture to nobody: held again, so that all of it can be captured."""
    payer, minor = story.wallet(), story.amount(20)
    ends = "processed/failed payee_refused" if story.partitions > 1 else "failed payee_refused"
    hold = story.ask(payer, "authorize", "processed", **_eur(minor), expires_in_s=_LONG_S)
    yield (hold,)
    named = {"transaction_id": hold.transaction_id}
    yield (story.ask(payer, "capture", ends, **named, to_wallet_id=story.nobody(payer), amount_minor=minor - 10),)
    hold.then("settled")
    yield (story.ask(payer, "capture", "settled", **named, amount_minor=minor),)
    story.move(_own(payer), _INSTANT, "EUR", minor)


def released_meanwhile(story: Story) -> Script:
    """A capture to nobody, and the authorization is released while it is under way: all comes back."""
    payer, minor = story.wallet(), story.amount(20)
    hold = story.ask(payer, "authorize", "processed", **_eur(minor), expires_in_s=_LONG_S)
    yield (hold,)
    named = {"transaction_id": hold.transaction_id}
    ends = "processed/failed payee_refused" if story.partitions > 1 else "failed payee_refused"
    # The refusal may come before the release.
    hold.may_be = [("processed", "settled"), ("processed", "canceled")]
    yield (
        story.ask(payer, "capture", ends, **named, to_wallet_id=story.nobody(payer), amount_minor=minor - 10),
        story.ask(payer, "release", (("settled",), ("canceled",)), **named),
    )


def expired(story: Story) -> Script:
    """An authorization that a tick ends, or a command before it."""
    payer, minor = story.wallet(), story.amount()
    after_s = story.chance.randint(1, 3)
    hold = story.ask(payer, "authorize", "processed/canceled hold_expired", **_eur(minor), expires_in_s=after_s)
    yield (hold,)
    yield (story.ask(payer, "capture", "hold_expired", transaction_id=hold.transaction_id),)


def expired_meanwhile(story: Story) -> Script:
    """A capture to nobody whose authorization may expire while it is under way, or before it."""
    payer, minor = story.wallet(), story.amount(20)
    hold = story.ask(payer, "authorize", "processed", **_eur(minor), expires_in_s=1)
    hold.may_be += [("processed", "canceled hold_expired")]
    yield (hold,)
    refused = ("processed", "failed payee_refused") if story.partitions > 1 else ("failed payee_refused",)
    hold.may_be = [("processed", "settled hold_expired"), ("processed", "canceled hold_expired")]
    named = {"transaction_id": hold.transaction_id, "to_wallet_id": story.nobody(payer), "amount_minor": minor - 10}
    yield (story.ask(payer, "capture", (refused, ("hold_expired",)), **named),)


def deferred_debit(story: Story) -> Script:
    """Submitted, settled, confirmed, returned in part; cancelled too late."""
    payer, minor = story.wallet(), story.amount()
    debit = story.ask(payer, "debit", "processed", **_eur(minor), rail="sepa")
    yield (debit,)
    named: dict[str, Any] = {"transaction_id": debit.transaction_id}
    debit.then("processed")
    yield (
        story.ask(payer, "submit", "processed", **named, batch_id="b1"),
        story.ask(payer, "submit", "processed", **named, batch_id="b1"),
    )
    yield (story.ask(payer, "cancel", "illegal_transition", **named),)
    debit.then("settled")
    settled = {**named, "rail_reference": "r1"}
    yield (story.ask(payer, "settle", "settled", **settled), story.ask(payer, "settle", "settled", **settled))
    back_minor = story.amount(1, minor - 1)
    debit.then("settled")
    yield (story.ask(payer, "return", "settled", **named, rail_reference="r2", code="AC04", amount_minor=back_minor),)
    story.move(_own(payer), _SEPA, "EUR", minor - back_minor)


def deferred_credit(story: Story) -> Script:
    """Settled in part, failed and settled all the same, or canceled."""
    payee, minor, way = story.wallet(), story.amount(), story.chance.randrange(3)
    credit = story.ask(payee, "credit", "processed", **_eur(minor), rail="sepa")
    yield (credit,)
    named: dict[str, Any] = {"transaction_id": credit.transaction_id}
    if way == 0:
        part_minor = story.amount(1, minor)
        credit.then("settled")
        yield (story.ask(payee, "settle", "settled", **named, rail_reference="r1", settled_minor=part_minor),)
        story.move(_SEPA, _own(payee), "EUR", part_minor)
    elif way == 1:
        credit.then("failed")
        yield (story.ask(payee, "fail", "failed", **named, code="AC04"),)
        # The rail has moved it, the ledger has not.
        yield (story.ask(payee, "settle", "failed", **named, rail_reference="r1"),)
        story.move(_SEPA, "system/suspense", "EUR", minor)
    else:
        credit.then("canceled")
        yield (story.ask(payee, "cancel", "canceled", **named),)


def deferred_capture(story: Story) -> Script:
    """A capture over a deferred rail that fails: held again. What is left is released."""
    payer, minor = story.wallet(), story.amount(20)
    hold = story.ask(payer, "authorize", "processed", **_eur(minor), expires_in_s=_LONG_S)
    yield (hold,)
    named = {"transaction_id": hold.transaction_id}
    capture = story.ask(payer, "capture", "processed", **named, amount_minor=minor - 10, rail="sepa")
    yield (capture,)
    capture.then("failed")
    yield (story.ask(payer, "fail", "failed", transaction_id=capture.transaction_id, code="AC04"),)
    hold.then("canceled")
    yield (story.ask(payer, "release", "canceled", **named),)


def disputed(story: Story) -> Script:
    """A credit or a debit is contested in part or whole, and won or lost."""
    wallet, minor = story.wallet(), story.amount()
    is_credit, won = story.chance.random() < 0.5, story.chance.random() < 0.5
    original = story.ask(wallet, "credit" if is_credit else "debit", "settled", **_eur(minor))
    yield (original,)
    contested_minor = minor if story.chance.random() < 0.5 else story.amount(1, minor)
    original.then("disputed")
    named = {"transaction_id": original.transaction_id}
    dispute = story.ask(wallet, "dispute", "disputed", **named, amount_minor=contested_minor, reason="10.4")
    yield (dispute,)
    is_undone = won is not is_credit
    ends = "reversed" if is_undone else "settled"
    dispute.then(ends)
    original.then("reversed" if is_undone and contested_minor == minor else "settled")
    yield (story.ask(wallet, "resolve_dispute", ends, transaction_id=dispute.transaction_id, won=won),)
    left_minor = minor - contested_minor if is_undone else minor
    accounts = (_INSTANT, _own(wallet)) if is_credit else (_own(wallet), _INSTANT)
    story.move(*accounts, "EUR", left_minor)


def reversed_by_operators(story: Story) -> Script:
    """A credit, an exchange or a transfer is taken back."""
    far, way = story.chance.random() < 0.6, story.chance.randrange(3)
    payer, payee = story.pair(far=far)
    minor = story.amount()
    if way == 0:
        original = story.ask(payer, "credit", "settled", **_eur(minor))
        story.move(_INSTANT, "system/adjustments", "EUR", minor)
    elif way == 1:
        original = story.ask(payer, "convert", "settled", **_eur(minor), to_asset="USD")
    else:
        is_far = story.home(payer) != story.home(payee)
        ends = "processed/settled" if is_far else "settled"
        original = story.ask(payer, "transfer", ends, **_eur(minor), to_wallet_id=payee)
        yield (original,)
        named = {"transaction_id": original.transaction_id}
        yield (story.ask(payee, "reverse", "four_eyes", **named, approved_by="ann"),)
        if not is_far:
            original.then("reversed")
        yield (story.ask(payee, "reverse", ends, **named),)
        return
    yield (original,)
    original.then("reversed")
    yield (story.ask(payer, "reverse", "settled", transaction_id=original.transaction_id),)


def adjusted_and_charged(story: Story) -> Script:
    """An adjustment, a fee, an exchange, a batch."""
    wallet, minor = story.wallet(), story.amount(100)
    accounts = {"from_account": "system/adjustments", "to_account": _own(wallet)}
    items = [
        {"operation": "credit", **_eur(minor)},
        {"operation": "debit", **_eur(minor // 2)},
        {"operation": "fee", **_eur(3), "code": "f"},
        {"operation": "convert", **_eur(50), "to_asset": "USD"},
    ]
    elsewhere = [*items, {"operation": "transfer", **_eur(1), "to_wallet_id": "nobody"}]
    yield (
        story.ask(wallet, "adjust", "settled", **accounts, **_eur(minor)),
        story.ask(wallet, "fee", "settled", **_eur(5), code="f"),
        story.ask(wallet, "convert", "settled", **_eur(100), to_asset="USD"),
        story.ask(wallet, "batch", "settled", items=items),
        story.ask(wallet, "batch", "illegal_in_batch", items=elsewhere),
    )
    story.move("system/adjustments", _own(wallet), "EUR", minor)
    story.move(_own(wallet), "system/fees", "EUR", 8)
    story.move(_own(wallet), "system/fx", "EUR", 150)
    story.move("system/fx", _own(wallet), "USD", 165)
    story.move(_INSTANT, _own(wallet), "EUR", minor - minor // 2)


def rewarded(story: Story) -> Script:
    """A wallet of its own gets a reward that expires, and one that does not."""
    wallet, minor = story.fresh(), story.amount()
    yield (story.ask(wallet, "open_wallet", "ok", owner_ref="o", assets=["EUR"]),)
    yield (story.ask(wallet, "reward", "settled/settled", **_eur(minor), code="r", expires_in_s=1),)
    yield (story.ask(wallet, "reward", "settled", **_eur(minor), code="r"),)
    story.move("system/rewards", _own(wallet), "EUR", minor)


def scheduled(story: Story) -> Script:
    """A transfer at its time, and a debit that is canceled before its time."""
    payer, payee = story.pair(far=story.chance.random() < 0.7)
    ends = ("settled",) if story.home(payer) == story.home(payee) else ("processed", "settled")
    minor, now_ms = story.amount(), int(time.time() * 1000)
    soon, late = rfc3339(now_ms + story.chance.randint(500, 3_000)), rfc3339(now_ms + 3_600_000)
    fields = {**_eur(minor), "to_wallet_id": payee, "execute_at": soon}
    debit = story.ask(payer, "debit", "initiated", **_eur(minor), execute_at=late)
    # Workers may be down until it is past.
    yield (story.ask(payer, "transfer", (ends, ("initiated", *ends)), **fields), debit)
    debit.then("canceled")
    yield (story.ask(payer, "cancel", "canceled", transaction_id=debit.transaction_id),)
    story.move(_own(payer), _own(payee), "EUR", minor)
    story.move(_own(payer), "system/fees", "EUR", _FEE_MINOR)


def limited(story: Story) -> Script:
    """A wallet of its own with limits and credit, which is closed in the end; then nobody can pay it."""
    wallet, payer = story.fresh(), story.wallet()
    yield (story.ask(wallet, "open_wallet", "ok", owner_ref="o", assets=["EUR"]),)
    limits = {"EUR": {"single_max_minor": 500, "credit_limit_minor": 100, "balance_cap_minor": 1_000}}
    yield (story.ask(wallet, "set_limits", "ok", limits=limits),)
    yield (story.ask(wallet, "credit", "settled", **_eur(800)),)
    yield (
        story.ask(wallet, "credit", "limit_exceeded", **_eur(201)),
        story.ask(wallet, "debit", "limit_exceeded", **_eur(501)),
        story.ask(wallet, "debit", "settled", **_eur(500)),
        story.ask(wallet, "debit", "settled", **_eur(400)),
        story.ask(wallet, "debit", "insufficient_funds", **_eur(1)),
        story.ask(wallet, "close_wallet", "illegal_transition"),
        story.ask(wallet, "credit", "settled", **_eur(100)),
        story.ask(wallet, "close_wallet", "ok"),
        story.ask(wallet, "credit", "wallet_closed", **_eur(1)),
    )
    is_near = story.home(wallet) == story.home(payer)
    ends = "failed payee_refused" if is_near else "processed/failed payee_refused"
    yield (story.ask(payer, "transfer", ends, **_eur(story.amount()), to_wallet_id=wallet),)


def left_open(story: Story) -> Script:
    """A hold, a debit and a credit over a deferred rail, and a dispute that stay open."""
    wallet, minor = story.wallet(), story.amount()
    credit = story.ask(wallet, "credit", "settled", **_eur(minor))
    yield (
        story.ask(wallet, "authorize", "processed", **_eur(minor), expires_in_s=_LONG_S),
        story.ask(wallet, "debit", "processed", **_eur(minor), rail="sepa"),
        story.ask(wallet, "credit", "processed", **_eur(minor), rail="sepa"),
        credit,
    )
    credit.then("disputed")
    named = {"transaction_id": credit.transaction_id}
    yield (story.ask(wallet, "dispute", "disputed", **named, reason="10.4"),)
    story.move(_own(wallet), _own(wallet, "held"), "EUR", minor)
    story.move(_own(wallet), _own(wallet, "outgoing"), "EUR", minor)
    story.move("system/rail-pending:sepa", _own(wallet, "incoming"), "EUR", minor)
    story.move(_INSTANT, _own(wallet, "disputed"), "EUR", minor)


SCRIPTS: Final[list[Callable[[Story], Script]]] = [
    *[exchanged_transfer, captured_by_payees] * 2,
    *[refused_capture, released_meanwhile, expired, expired_meanwhile],
    *[deferred_debit, deferred_credit, deferred_capture, disputed, reversed_by_operators],
    *[adjusted_and_charged, rewarded, scheduled, limited, left_open],
]
