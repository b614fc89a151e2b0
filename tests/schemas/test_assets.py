from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.assets import ISO_4217, NOT_MONEY, Asset, AssetRegistry, format_minor, parse_minor
from schemas.money import INT64_MAX, INT64_MIN

MILES = Asset(code="MILES", exponent=0, kind="points", name="Air miles")
ASSETS = st.sampled_from([*ISO_4217.values(), MILES, Asset(code="BTC", exponent=8), Asset(code="WEI", exponent=18)])


def test_the_active_list_is_complete() -> None:
    assert len(ISO_4217) == 165
    assert len(NOT_MONEY) == 13
    assert not NOT_MONEY & ISO_4217.keys()
    assert all(len(code) == 3 and code.isupper() for code in ISO_4217.keys() | NOT_MONEY)


@pytest.mark.parametrize(
    ("codes", "exponent"),
    [
        ("EUR USD GBP CHF CNY MGA MRU VED XCG ZWG XAD USN", 2),
        ("JPY KRW CLP VND ISK XAF XOF XPF UGX UYI", 0),
        ("BHD IQD JOD KWD LYD OMR TND", 3),
        ("CLF UYW", 4),
    ],
)
def test_exponents(codes: str, exponent: int) -> None:
    assert {ISO_4217[code].exponent for code in codes.split()} == {exponent}


@pytest.mark.parametrize("code", ["ANG", "BGN", "HRK", "SLL", "ZWL", "CUC", "DEM", "XAU", "XXX", "eur", "MILES", ""])
def test_what_is_no_money(code: str) -> None:
    assert AssetRegistry().get(code) is None


def test_registering_makes_a_new_registry() -> None:
    plain = AssetRegistry()
    registry = plain.with_registered(MILES)
    assert registry.get("MILES") == MILES
    assert registry.get("EUR") == ISO_4217["EUR"]
    assert plain.get("MILES") is None
    assert plain.registered == ()
    assert registry.registered == (MILES,)


def test_a_name_may_change_but_never_what_an_amount_means() -> None:
    registry = AssetRegistry().with_registered(MILES)
    renamed = MILES.model_copy(update={"name": "Sky miles"})
    assert registry.with_registered(renamed).get("MILES") == renamed
    for change in ({"exponent": 2}, {"kind": "voucher"}):
        with pytest.raises(ValueError, match="use a new code"):
            registry.with_registered(MILES.model_copy(update=change))


def test_a_removed_asset_is_unknown_and_cannot_come_back_as_another() -> None:
    registry = AssetRegistry().with_registered(MILES).without("MILES")
    assert registry.get("MILES") is None
    assert registry.registered == ()
    assert registry.without("MILES") is registry
    with pytest.raises(ValueError, match="MILES was registered as points with exponent 0 and cannot become points"):
        registry.with_registered(MILES.model_copy(update={"exponent": 2}))
    assert registry.with_registered(MILES).get("MILES") == MILES
    assert AssetRegistry().without("EUR").get("EUR") == ISO_4217["EUR"]


@pytest.mark.parametrize("code", ["EUR", "JPY", "XAU", "XXX"])
def test_codes_of_iso_4217_cannot_be_registered(code: str) -> None:
    with pytest.raises(ValueError, match="belongs to ISO 4217"):
        AssetRegistry().with_registered(Asset(code=code, exponent=3))


def test_an_asset_is_strict_and_immutable() -> None:
    for bad in ({"exponent": 19}, {"exponent": -1}, {"exponent": 2.0}, {"exponent": True}, {"code": "a"}, {"x": 1}):
        with pytest.raises(ValidationError):
            Asset.model_validate({"code": "A", "exponent": 2, **bad})
    with pytest.raises(ValidationError):
        MILES.exponent = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("amount_minor", "code", "text"),
    [
        (1234, "EUR", "12.34"),
        (5, "EUR", "0.05"),
        (-5, "EUR", "-0.05"),
        (0, "EUR", "0.00"),
        (1234, "JPY", "1234"),
        (-7, "JPY", "-7"),
        (1, "BHD", "0.001"),
        (12345, "CLF", "1.2345"),
        (INT64_MAX, "EUR", "92233720368547758.07"),
        (INT64_MIN, "EUR", "-92233720368547758.08"),
    ],
)
def test_formatting_and_parsing(amount_minor: int, code: str, text: str) -> None:
    assert format_minor(amount_minor, ISO_4217[code]) == text
    assert parse_minor(text, ISO_4217[code]) == amount_minor


@given(st.integers(INT64_MIN, INT64_MAX), ASSETS)
def test_parsing_is_the_inverse_of_formatting(amount_minor: int, asset: Asset) -> None:
    text = format_minor(amount_minor, asset)
    assert parse_minor(text, asset) == amount_minor
    assert Decimal(text).scaleb(asset.exponent) == amount_minor


@pytest.mark.parametrize(("text", "amount_minor"), [("12", 1200), ("12.3", 1230), ("-0", 0), ("007.10", 710)])
def test_fewer_decimals_are_exact_too(text: str, amount_minor: int) -> None:
    assert parse_minor(text, ISO_4217["EUR"]) == amount_minor


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "1.", ".5", "+1", "--1", "1e3", "1,50", "1_000", "0x1", "NaN", "inf", "1.2.3", "١٢", "1\n"),
        "9" * 5_000,
    ],
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no amount"):
        parse_minor(text, ISO_4217["EUR"])


@pytest.mark.parametrize(("text", "code"), [("1.234", "EUR"), ("1.000", "EUR"), ("1.0", "JPY")])
def test_more_decimals_than_the_asset_has_are_refused(text: str, code: str) -> None:
    with pytest.raises(ValueError, match=f"but {code} has"):
        parse_minor(text, ISO_4217[code])


@pytest.mark.parametrize("text", ["92233720368547758.08", "-92233720368547758.09"])
def test_beyond_int64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64-bit"):
        parse_minor(text, ISO_4217["EUR"])
