"""Captures beyond what was authorized: to the last minor unit of what was agreed, and what they cost."""

from __future__ import annotations

import pytest

from tests.ledger.bank import Bank
from tests.ledger.commands import command, credit, operator


@pytest.mark.parametrize(
    ("held_minor", "over_capture_bps", "most_minor"),
    [
        (10_000, None, 10_000),
        (10_000, 0, 10_000),
        (10_000, 10_000, 20_000),
        (9_999, 1, 9_999),
        (10_000, 1, 10_001),
        # No number with a fraction has so many digits.
        (2**53 + 3, 0, 2**53 + 3),
        (2**53 + 3, 10_000, 2**54 + 6),
    ],
)
@pytest.mark.parametrize("before_minor", [0, 7])
def test_no_more_is_captured_than_was_agreed(
    held_minor: int, over_capture_bps: int | None, most_minor: int, before_minor: int
) -> None:
    bank = Bank()
    bank.ask(credit(bank.anna, 2**60))
    if over_capture_bps is not None:
        bank.ask(operator("set_limits", bank.anna, limits={}, over_capture_bps=over_capture_bps))
    hold = bank.ask(command("authorize", bank.anna, amount_minor=held_minor, asset="EUR", expires_in_s=60))
    if before_minor:
        bank.on("capture", hold, amount_minor=before_minor)
    left_minor = most_minor - before_minor
    refused = bank.world.submit(command("capture", bank.anna, transaction_id=hold, amount_minor=left_minor + 1))
    said = f"still held {held_minor - before_minor}, asked for {left_minor + 1}"
    assert (refused["code"], refused["field"], refused["message"]) == ("exceeds_remaining", "amount_minor", said)
    bank.on("capture", hold, amount_minor=left_minor)
    assert (bank.has(), bank.has("held")) == (2**60 + 10_000 - most_minor, 0)
    bank.audit()
