from __future__ import annotations

import re

from schemas.codes import MEANING, NOT_FROZEN, Code

PRECEDENCE = """
    ok malformed amount_out_of_range key_mismatch idempotency_mismatch wallet_not_found wallet_exists
    sub_wallet_not_found wallet_quarantined wallet_closed wallet_disabled wallet_locked asset_unknown asset_not_enabled
    rail_unknown transaction_not_found illegal_transition illegal_in_batch hold_expired limit_exceeded
    insufficient_funds exceeds_remaining rate_unavailable rate_moved payee_refused screening_denied four_eyes
    internal_error
"""


def test_the_order_of_precedence() -> None:
    assert [code.value for code in Code] == PRECEDENCE.split()


def test_what_may_be_tried_again_under_the_same_key() -> None:
    again = "malformed key_mismatch idempotency_mismatch wallet_not_found wallet_quarantined rate_unavailable"
    assert {code.value for code in NOT_FROZEN} == {*again.split(), "internal_error"}


def test_every_code_has_a_paragraph() -> None:
    assert list(MEANING) == list(Code)
    for code, paragraph in MEANING.items():
        assert re.fullmatch(r"[A-Z`].{20,}\.", paragraph), code


def test_a_code_that_may_be_tried_again_says_so_or_what_to_mend() -> None:
    for code in (Code.WALLET_NOT_FOUND, Code.WALLET_QUARANTINED, Code.RATE_UNAVAILABLE):
        assert "same key may" in MEANING[code]
