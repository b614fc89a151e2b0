"""Scripts: deferred rails, disputes, reversals."""

from __future__ import annotations

from typing import Any

from tests.crash.script_parts import INSTANT, LONG_S, SEPA, eur, own
from tests.crash.story import Script, Story


def deferred_debit(story: Story) -> Script:
    """Submitted, settled, confirmed, returned in part; cancelled too late."""
    payer, minor = story.wallet(), story.amount()
    debit = story.ask(payer, "debit", "processed", **eur(minor), rail="sepa")
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
    story.move(own(payer), SEPA, "EUR", minor - back_minor)


def deferred_credit(story: Story) -> Script:
    """Settled in part, failed and settled all the same, or canceled."""
    payee, minor, way = story.wallet(), story.amount(), story.chance.randrange(3)
    credit = story.ask(payee, "credit", "processed", **eur(minor), rail="sepa")
    yield (credit,)
    named: dict[str, Any] = {"transaction_id": credit.transaction_id}
    if way == 0:
        part_minor = story.amount(1, minor)
        credit.then("settled")
        yield (story.ask(payee, "settle", "settled", **named, rail_reference="r1", settled_minor=part_minor),)
        story.move(SEPA, own(payee), "EUR", part_minor)
    elif way == 1:
        credit.then("failed")
        yield (story.ask(payee, "fail", "failed", **named, code="AC04"),)
        # The rail has moved it, the ledger has not.
        yield (story.ask(payee, "settle", "failed", **named, rail_reference="r1"),)
        story.move(SEPA, "system/suspense", "EUR", minor)
    else:
        credit.then("canceled")
        yield (story.ask(payee, "cancel", "canceled", **named),)


def deferred_capture(story: Story) -> Script:
    """A capture over a deferred rail that fails: held again. What is left is released."""
    payer, minor = story.wallet(), story.amount(20)
    hold = story.ask(payer, "authorize", "processed", **eur(minor), expires_in_s=LONG_S)
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
    original = story.ask(wallet, "credit" if is_credit else "debit", "settled", **eur(minor))
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
    accounts = (INSTANT, own(wallet)) if is_credit else (own(wallet), INSTANT)
    story.move(*accounts, "EUR", left_minor)


def reversed_by_operators(story: Story) -> Script:
    """A credit, an exchange or a transfer is taken back."""
    far, way = story.chance.random() < 0.6, story.chance.randrange(3)
    payer, payee = story.pair(far=far)
    minor = story.amount()
    if way == 0:
        original = story.ask(payer, "credit", "settled", **eur(minor))
        story.move(INSTANT, "system/adjustments", "EUR", minor)
    elif way == 1:
        original = story.ask(payer, "convert", "settled", **eur(minor), to_asset="USD")
    else:
        is_far = story.home(payer) != story.home(payee)
        ends = "processed/settled" if is_far else "settled"
        original = story.ask(payer, "transfer", ends, **eur(minor), to_wallet_id=payee)
        yield (original,)
        named = {"transaction_id": original.transaction_id}
        yield (story.ask(payee, "reverse", "four_eyes", **named, approved_by="ann"),)
        original.then("reversed")
        yield (story.ask(payee, "reverse", ends, **named),)
        return
    yield (original,)
    original.then("reversed")
    yield (story.ask(payer, "reverse", "settled", transaction_id=original.transaction_id),)
