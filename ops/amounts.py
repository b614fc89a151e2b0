"""Amounts for people: whole units where the asset is known."""

from __future__ import annotations

from typing import Final

from schemas.assets import AssetRegistry, format_minor


class Amounts:
    """Writes amounts of the assets that a registry knows; of others in minor units, and says so."""

    def __init__(self, assets: AssetRegistry):
        self._assets: Final = assets

    def number(self, minor: int, asset: str | None) -> str:
        """`12.34`, without the asset; `1234 minor` where the asset's decimals are not known."""
        known = None if asset is None else self._assets.get(asset)
        return f"{minor} minor" if known is None else format_minor(minor, known)

    def amount(self, minor: int, asset: str | None) -> str:
        """`12.34 EUR`."""
        return f"{self.number(minor, asset)} {asset or ''}".rstrip()

    def signed(self, minor: int, asset: str | None) -> str:
        """`+12.34 EUR`, as a change."""
        return f"{'+' if minor >= 0 else ''}{self.amount(minor, asset)}"
