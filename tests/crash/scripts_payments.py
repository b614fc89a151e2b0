"""Scripts: transfers with conversion, authorizations and their captures, refunds."""

from __future__ import annotations

from tests.crash.script_parts import FEE_MINOR, GETS, GIVES, INSTANT, LONG_S, eur, own
from tests.crash.story import Script, Story


def exchanged_transfer(story: Story) -> Script:
    """A transfer with conversion, near or far, refunded in two parts: pro rata, the second one takes the rest."""
    far = story.chance.random() < 0.7
    payer, payee = story.pair(far=far)
    ends = "processed/settled" if far and story.partitions > 1 else "settled"
    given_minor = story.amount(100)
    got_minor = given_minor * GETS // GIVES
    sent = story.ask(payer, "transfer", ends, **eur(given_minor), to_wallet_id=payee, to_asset="USD")
    yield (sent,)
    part_minor = story.amount(1, got_minor - 1)
    back_minor, fee_back_minor = given_minor * part_minor // got_minor, FEE_MINOR * part_minor // got_minor
    named = {"transaction_id": sent.transaction_id}
    yield (story.ask(payee, "refund", ends, **named, amount_minor=part_minor),)
    left_minor, is_whole = got_minor - part_minor, story.chance.random() < 0.5
    if is_whole:
        yield (story.ask(payee, "refund", ends, **named),)
        return
    yield (story.ask(payee, "refund", "exceeds_remaining", **named, amount_minor=left_minor + 1),)
    story.move(own(payer), "system/fx", "EUR", given_minor - back_minor)
    story.move("system/fx", own(payee), "USD", left_minor)
    story.move(own(payer), "system/fees", "EUR", FEE_MINOR - fee_back_minor)


def captured_by_payees(story: Story) -> Script:
    """Captures to payees far and near, one refunded, the last over a rail."""
    payer, payee = story.pair(far=story.chance.random() < 0.8)
    ends = "settled" if story.home(payer) == story.home(payee) else "processed/settled"
    hold_minor = story.amount(100)
    hold = story.ask(payer, "authorize", "processed", **eur(hold_minor), expires_in_s=LONG_S)
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
    story.move(own(payer), own(payee), "EUR", one_minor - back_minor)
    story.move(own(payer), INSTANT, "EUR", hold_minor - one_minor)


def refused_capture(story: Story) -> Script:
    """A capture to nobody: held again, so that all of it can be captured."""
    payer, minor = story.wallet(), story.amount(20)
    ends = "processed/failed payee_refused" if story.partitions > 1 else "failed payee_refused"
    hold = story.ask(payer, "authorize", "processed", **eur(minor), expires_in_s=LONG_S)
    yield (hold,)
    named = {"transaction_id": hold.transaction_id}
    yield (story.ask(payer, "capture", ends, **named, to_wallet_id=story.nobody(payer), amount_minor=minor - 10),)
    hold.then("settled")
    yield (story.ask(payer, "capture", "settled", **named, amount_minor=minor),)
    story.move(own(payer), INSTANT, "EUR", minor)


def released_meanwhile(story: Story) -> Script:
    """A capture to nobody, and the authorization is released while it is under way: all comes back."""
    payer, minor = story.wallet(), story.amount(20)
    hold = story.ask(payer, "authorize", "processed", **eur(minor), expires_in_s=LONG_S)
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
    hold = story.ask(payer, "authorize", "processed/canceled hold_expired", **eur(minor), expires_in_s=after_s)
    yield (hold,)
    yield (story.ask(payer, "capture", "hold_expired", transaction_id=hold.transaction_id),)


def expired_meanwhile(story: Story) -> Script:
    """A capture to nobody whose authorization may expire while it is under way, or before it."""
    payer, minor = story.wallet(), story.amount(20)
    hold = story.ask(payer, "authorize", "processed", **eur(minor), expires_in_s=1)
    hold.may_be += [("processed", "canceled hold_expired")]
    yield (hold,)
    refused = ("processed", "failed payee_refused") if story.partitions > 1 else ("failed payee_refused",)
    hold.may_be = [("processed", "settled hold_expired"), ("processed", "canceled hold_expired")]
    named = {"transaction_id": hold.transaction_id, "to_wallet_id": story.nobody(payer), "amount_minor": minor - 10}
    yield (story.ask(payer, "capture", (refused, ("hold_expired",)), **named),)
