"""Amounts for people."""

from __future__ import annotations

from ops.amounts import Amounts
from schemas.assets import Asset, AssetRegistry

AMOUNTS = Amounts(AssetRegistry().with_registered(Asset(code="POINTS", exponent=0, kind="points")))


def test_whole_units_with_the_decimals_of_the_asset() -> None:
    assert AMOUNTS.amount(-1_234, "EUR") == "-12.34 EUR"
    assert AMOUNTS.amount(1_234, "JPY") == "1234 JPY"
    assert AMOUNTS.number(7, "POINTS") == "7"


def test_an_asset_that_is_not_known_is_told_in_minor_units() -> None:
    assert AMOUNTS.amount(1_234, "GONE") == "1234 minor GONE"
    assert AMOUNTS.amount(5, None) == "5 minor"


def test_a_change_has_its_sign() -> None:
    assert [AMOUNTS.signed(minor, "EUR") for minor in (1, 0, -1)] == ["+0.01 EUR", "+0.00 EUR", "-0.01 EUR"]
