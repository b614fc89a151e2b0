"""Rewards that expire: soonest spent first, and what comes back of a spending comes back to them last. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agents.ledger.state import DAY_MS
from agents.ledger.transaction import Lot

#: A reward that comes back can be spent for so long at least.
GRACE_MS: Final = 7 * DAY_MS

Lots = tuple[Lot, ...]


def take(lots: Lots, minor: int) -> tuple[Lots, Lots]:
    """What is left of the lots, and what is taken of them, when so much is spent."""
    left, taken = [], []
    for lot in lots:
        part = min(minor, lot.remaining_minor)
        minor -= part
        if part:
            taken.append(Lot(lot.transaction_id, lot.expires_at_ms, part))
        if lot.remaining_minor > part:
            left.append(Lot(lot.transaction_id, lot.expires_at_ms, lot.remaining_minor - part))
    return tuple(left), tuple(taken)


def with_lots(lots: Lots, more: Iterable[Lot]) -> Lots:
    """Lots that have these too, soonest first; of one reward there is one lot, with the later time."""
    by_id = {lot.transaction_id: lot for lot in lots}
    for lot in more:
        known = by_id.get(lot.transaction_id)
        if known is not None:
            expires_at_ms = max(known.expires_at_ms, lot.expires_at_ms)
            lot = Lot(lot.transaction_id, expires_at_ms, known.remaining_minor + lot.remaining_minor)
        by_id[lot.transaction_id] = lot
    return tuple(sorted(by_id.values(), key=lambda lot: (lot.expires_at_ms, lot.transaction_id)))


def coming_back(spent: Lots, spent_minor: int, back_before_minor: int, back_minor: int, now_ms: int) -> Lots:
    """The lots that come back when, of `spent_minor`, `back_minor` more is given back.

    Rewards were spent first, so that everything else comes back before them: the latest of them first.
    """
    # A fee was taken of them too where they are more than what was spent.
    others_minor = max(0, spent_minor - sum(lot.remaining_minor for lot in spent))
    done_minor = max(0, back_before_minor - others_minor)
    due_minor = max(0, back_before_minor + back_minor - others_minor) - done_minor
    latest_first = tuple(reversed(spent))
    left, _ = take(latest_first, done_minor)
    _, back = take(left, due_minor)
    return tuple(
        Lot(lot.transaction_id, max(lot.expires_at_ms, now_ms + GRACE_MS), lot.remaining_minor) for lot in back
    )
