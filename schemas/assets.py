"""Assets: what an amount is an amount of, and how many decimals its minor unit has.

ISO 4217 currencies are built in; others (loyalty points, vouchers, currencies outside ISO) are registered.
Source: ISO 4217 list one as in force since 1 January 2026 (Bulgaria in the euro, XCG for ANG, ZWG for ZWL).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from schemas.contract import Contract
from schemas.money import INT64_MAX, INT64_MIN

_ISO_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW "
    "CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR "
    "ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV "
    "MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD "
    "SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

#: ISO 4217 codes whose minor unit is "N.A.": metals, bond units, test and no currency. They are not money here.
NOT_MONEY: Final = frozenset(
    ["XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"]
)

#: Code of an asset in reference data; commands name any text, which the ledger answers `asset_unknown`.
ReferenceAssetCode = Annotated[
    str, Field(pattern=r"^[A-Z][A-Z0-9_-]{0,15}$", description="ISO 4217 code or the registered asset's own.")
]

_LONGEST_AMOUNT: Final = 64
_DECIMAL: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")


class Asset(Contract):
    """One asset. An amount of it is an integer of minor units: 10 to the `exponent` of them make one whole unit."""

    model_config = ConfigDict(frozen=True)

    code: ReferenceAssetCode
    exponent: Annotated[int, Field(ge=0, le=18, description="Decimals of the minor unit: 2 for cents.")]
    kind: Annotated[
        Literal["currency", "points", "voucher"], Field(description="Money, loyalty points, or vouchers.")
    ] = "currency"
    name: Annotated[str, Field(min_length=1, max_length=200, description="Name for people.")] | None = None


ISO_4217: Final[Mapping[str, Asset]] = MappingProxyType(
    {
        code: Asset(code=code, exponent=exponent)
        for exponent, codes in sorted(_ISO_BY_EXPONENT.items())
        for code in codes.split()
    }
)


class AssetRegistry:
    """The assets that a ledger knows: ISO 4217 and the registered ones. Immutable; registering makes a new one.

    What was removed is remembered: under its code only the same may be registered again.
    """

    __slots__ = ("_registered", "_removed")

    def __init__(self) -> None:
        self._registered: Mapping[str, Asset] = {}
        self._removed: Mapping[str, Asset] = {}

    def get(self, code: str) -> Asset | None:
        """The asset of this code, or None where there is none."""
        return ISO_4217.get(code) or self._registered.get(code)

    @property
    def registered(self) -> tuple[Asset, ...]:
        """The assets beyond ISO 4217, by code."""
        return tuple(self._registered[code] for code in sorted(self._registered))

    def with_registered(self, asset: Asset) -> AssetRegistry:
        """A registry that knows `asset` too. Registering it again may change its name, nothing else.

        Raises:
            ValueError: the code belongs to ISO 4217, or to an asset of another exponent or kind, perhaps a removed
                one: amounts already booked would change their meaning.
        """
        if asset.code in ISO_4217 or asset.code in NOT_MONEY:
            raise ValueError(f"asset {asset.code} cannot be registered: the code belongs to ISO 4217; choose another")
        known = self._registered.get(asset.code) or self._removed.get(asset.code)
        if known is not None and (known.exponent, known.kind) != (asset.exponent, asset.kind):
            is_or_was = "is" if asset.code in self._registered else "was"
            raise ValueError(
                f"asset {asset.code} {is_or_was} registered as {known.kind} with exponent {known.exponent} and cannot "
                f"become {asset.kind} with exponent {asset.exponent}: amounts booked so far would change; use a new "
                "code"
            )
        return self._changed({**self._registered, asset.code: asset}, self._removed)

    def without(self, code: str) -> AssetRegistry:
        """A registry that does not know the registered asset of this code; itself where it does not anyway."""
        asset = self._registered.get(code)
        if asset is None:
            return self
        rest = {other: one for other, one in self._registered.items() if other != code}
        return self._changed(rest, {**self._removed, code: asset})

    @staticmethod
    def _changed(registered: Mapping[str, Asset], removed: Mapping[str, Asset]) -> AssetRegistry:
        registry = AssetRegistry()
        registry._registered, registry._removed = registered, removed
        return registry


def format_minor(amount_minor: int, asset: Asset) -> str:
    """The amount in whole units with all decimals of the asset: `1234` of EUR is `12.34`, of JPY `1234`."""
    whole, rest = divmod(abs(amount_minor), 10**asset.exponent)
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{whole}.{rest:0{asset.exponent}d}" if asset.exponent else f"{sign}{whole}"


def parse_minor(text: str, asset: Asset) -> int:
    """Minor units of a decimal number such as `12.34`; exact, for no float is involved.

    Raises:
        ValueError: not a plain decimal number, more decimals than the asset has, or beyond int64.
    """
    found = _DECIMAL.fullmatch(text) if len(text) <= _LONGEST_AMOUNT else None
    if found is None:
        raise ValueError(f"{text[:_LONGEST_AMOUNT]!r} is no amount: write digits, with a point before decimals")
    sign, whole, decimals = found[1], found[2], found[3] or ""
    if len(decimals) > asset.exponent:
        raise ValueError(f"{text!r} has {len(decimals)} decimals, but {asset.code} has {asset.exponent}")
    amount_minor = int(sign + whole + decimals.ljust(asset.exponent, "0"))
    if not INT64_MIN <= amount_minor <= INT64_MAX:
        raise ValueError(f"{text!r} {asset.code} is beyond a signed 64-bit integer of minor units")
    return amount_minor
