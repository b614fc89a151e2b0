"""What the readers of all formats give: statements with entries and balances, before anything is proven."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from agents.statements.refusal import Refusal
from schemas.external_statements import Basis

#: Lines of a file: they stand in memory until all of them are proven, about 2 KB each.
MOST_ENTRIES: Final = 500_000


def check_count(entries: int) -> None:
    """Raise where a file has more lines than are read.

    Raises:
        Refusal: `too_large`.
    """
    if entries > MOST_ENTRIES:
        raise Refusal("too_large", f"more than {MOST_ENTRIES:,} lines: have it split")


@dataclass(slots=True)
class Entry:
    """One movement, as `schemas.external_statements.ExternalLine` has it."""

    line_number: int
    #: Signed, as the account's holder sees it.
    amount_minor: int
    asset: str
    value_date: date | None = None
    booking_date: date | None = None
    references: dict[str, str] = field(default_factory=dict)
    fee_minor: int = 0
    reversal: bool = False
    code: str | None = None
    return_code: str | None = None
    counterparty: str | None = None
    remittance: str | None = None
    #: Balance after it, where the file has one for each line.
    balance_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """A balance: signed, positive where we have money there."""

    minor: int
    asset: str
    day: date | None
    line_number: int


@dataclass(frozen=True, slots=True)
class Control:
    """A total or count that the file gives, and what its own entries give. The first that agrees is enough."""

    name: str
    expected: int
    found: tuple[int, ...]
    #: Currency where it is an amount.
    asset: str | None = None
    line_number: int | None = None


@dataclass(slots=True)
class Statement:
    """One statement, or the consecutive pages of one that stand in the file."""

    index: int
    line_number: int
    basis: Basis = "booked"
    account_id: str | None = None
    asset: str | None = None
    reference: str | None = None
    sequence_number: int | None = None
    first_page: int = 1
    last_page: int = 1
    #: No later page follows.
    complete: bool = True
    opening: Balance | None = None
    closing: Balance | None = None
    #: Such statements always have both balances: without, it is not proven.
    needs_balances: bool = False
    entries: list[Entry] = field(default_factory=list)
    not_booked_count: int = 0
    controls: list[Control] = field(default_factory=list)


@dataclass(slots=True)
class ParsedFile:
    """All statements of a file, in its order, and what it was read as."""

    format: str
    statements: list[Statement] = field(default_factory=list)
