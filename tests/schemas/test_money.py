from __future__ import annotations

import pytest

from schemas.money import INT64_MAX, INT64_MIN, is_amount, is_balance


def test_the_bounds_are_those_of_a_signed_64_bit_integer() -> None:
    assert INT64_MAX.to_bytes(8, "big", signed=True) == b"\x7f" + b"\xff" * 7
    assert INT64_MIN.to_bytes(8, "big", signed=True) == b"\x80" + b"\x00" * 7


@pytest.mark.parametrize(
    ("amount_minor", "moved"), [(1, True), (INT64_MAX, True), (0, False), (-1, False), (INT64_MAX + 1, False)]
)
def test_an_amount_is_from_1_to_int64(amount_minor: int, moved: bool) -> None:
    assert is_amount(amount_minor) is moved


@pytest.mark.parametrize(
    ("balance_minor", "kept"),
    [(0, True), (INT64_MIN, True), (INT64_MAX, True), (INT64_MIN - 1, False), (INT64_MAX + 1, False)],
)
def test_a_balance_is_any_int64(balance_minor: int, kept: bool) -> None:
    assert is_balance(balance_minor) is kept
