"""Who is in the story, and what most of what they ask for says."""

from __future__ import annotations

from typing import Any, Final

ALICE: Final = "alice"
BEN: Final = "ben"
#: Merchants, each in a partition that is not the customers'.
HOTEL: Final = "hotel"
BOOKSHOP: Final = "bookshop"

HOUR_S: Final = 3_600
_SIGNED: Final = {"requested_by": "olga", "approved_by": "piet"}


def eur(minor: int, **fields: Any) -> dict[str, Any]:
    """Fields of a command: an amount of euros in minor units, and others."""
    return {"amount_minor": minor, "asset": "EUR", **fields}


def by_operators(reason_code: str, **fields: Any) -> dict[str, Any]:
    """Fields of an operator's command: who asks, who approves, why, and others."""
    return {**_SIGNED, "reason_code": reason_code, **fields}
