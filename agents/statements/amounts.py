"""Amounts and currencies, from the text of a statement to minor units: exact, or refused."""

from __future__ import annotations

import re
from typing import Final

from agents.statements.refusal import Refusal, quoted
from schemas.assets import Asset, AssetRegistry, format_minor
from schemas.money import INT64_MAX

#: Digits of an amount, the separators taken off: int64 has 19, and 18 decimals is what an asset has at most.
_LONGEST: Final = 40
_PLAIN: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?")


def asset_of(code: str, assets: AssetRegistry) -> Asset:
    """The asset of a currency code.

    Raises:
        Refusal: `currency`, where nobody has registered it.
    """
    asset = assets.get(code)
    if asset is None:
        raise Refusal("currency", f"{quoted(code)} is no currency of ISO 4217 and no registered asset")
    return asset


def minor_of(text: str, asset: Asset, *, mark: str = ".") -> int:
    """Minor units of an amount without a sign; `mark` stands before its decimals. More zeros than needed do not harm.

    Raises:
        Refusal: `sign`, where it has one; `amount`, where it is no plain number, finer than the asset, or too large.
    """
    if text[:1] in {"-", "+"}:
        raise Refusal("sign", f"the amount {quoted(text)} has a sign, but debit or credit is said apart from it")
    found = _PLAIN.fullmatch(text.replace(mark, ".", 1) if mark != "." else text) if len(text) <= _LONGEST else None
    if found is None or not (found[1] or found[2]) or (mark != "." and "." in text):
        raise Refusal("amount", f"{quoted(text)} is no amount: digits are wanted, with {mark!r} before decimals")
    decimals = (found[2] or "").rstrip("0")
    if len(decimals) > asset.exponent:
        raise Refusal("amount", f"{quoted(text)} is finer than {asset.code}, which has {asset.exponent} decimals")
    minor = int((found[1] or "0") + decimals.ljust(asset.exponent, "0"))
    if minor > INT64_MAX:
        raise Refusal("amount", f"{quoted(text)} {asset.code} is beyond a signed 64-bit integer of minor units")
    return minor


def whole_minor_of(text: str) -> int:
    """An amount that is written in minor units already, without a sign.

    Raises:
        Refusal: as `minor_of`.
    """
    if text[:1] in {"-", "+"}:
        raise Refusal("sign", f"the amount {quoted(text)} has a sign, but debit or credit is said apart from it")
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST or int(text) > INT64_MAX:
        raise Refusal("amount", f"{quoted(text)} is no amount in minor units: digits are wanted, up to 64 bits")
    return int(text)


def told(minor: int, asset: str, assets: AssetRegistry) -> str:
    """An amount for people: `-12.34 EUR`."""
    known = assets.get(asset)
    return f"{minor} minor units of {asset}" if known is None else f"{format_minor(minor, known)} {asset}"
