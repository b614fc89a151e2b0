"""What will lie with a rail after its next cut-offs, from what is pending now. Pure; amounts are minor units.

It assumes that all that is under way is settled in full, and that nothing new comes. What waits goes at the first
cut-off before which there are funds for all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from schemas.clock import rfc3339, unix_ms
from schemas.cut_offs import upcoming_cut_offs
from schemas.rails import Rail
from schemas.settlement_batches import BatchRecord, PositionRecord

_UNDER_WAY = ("open", "closed", "ready", "submitted", "acknowledged")


class Moment(NamedTuple):
    """A cut-off, or where a rail has none the time at which its batches close by age."""

    at: str
    #: Business day that it belongs to.
    day: str | None


class ForecastRow(NamedTuple):
    """What goes and comes up to a cut-off, and what lies with the rail afterwards."""

    rail: str
    asset: str
    at: str
    day: str | None
    outgoing_minor: int
    incoming_minor: int
    #: What still waits afterwards, and what is missing for all of it.
    waiting_minor: int
    missing_minor: int
    position_minor: int
    #: Beyond the minimum reserve.
    free_minor: int


def moments_of(rail: Rail, now_ms: int, count: int) -> list[Moment]:
    """The next cut-offs of a rail, at most `count`; where it has none, when a batch that is opened now would close."""
    cut_offs = upcoming_cut_offs(rail, now_ms, count)
    if cut_offs:
        return [Moment(rfc3339(one.at_ms), date.fromordinal(one.day).isoformat()) for one in cut_offs]
    return [Moment(rfc3339(now_ms + (rail.batches.max_age_s or 0) * 1000), None)]


def forecast(
    position: PositionRecord, batches: Iterable[BatchRecord], moments: Sequence[Moment], rail: Rail | None = None
) -> list[ForecastRow]:
    """A row for each moment.

    Args:
        position: with a rail in an asset, as it was told last.
        batches: as they were told last, of any rail.
        moments: when batches close, in order.
        rail: the rail's record, for the fees that it expects of what waits; None: there are none.
    """
    own = [
        batch
        for batch in batches
        if (batch.rail, batch.asset) == (position.rail, position.asset) and batch.state in _UNDER_WAY
    ]
    left_minor = {
        direction: [(_closes_ms(batch), open_minor(batch)) for batch in own if batch.direction == direction]
        for direction in ("out", "in")
    }
    # Fees that are set aside with what goes out.
    fees_minor = position.committed_minor - sum(minor for _, minor in left_minor["out"])
    lies_minor, waiting_minor, rows = position.funded_minor, position.waiting_minor, []
    fees_of_what_waits = 0 if rail is None else waiting_fees_minor(position, rail)
    for number, moment in enumerate(moments):
        last = number == len(moments) - 1
        gone = {
            direction: _take(left_minor[direction], None if last else unix_ms(moment.at)) for direction in left_minor
        }
        outgoing_minor = gone["out"] + (max(0, fees_minor) if number == 0 else 0)
        lies_minor += gone["in"] - outgoing_minor
        still_set_aside = sum(minor for _, minor in left_minor["out"])
        free_minor = lies_minor - still_set_aside - position.minimum_reserve_minor
        missing_minor = 0
        needed_minor = waiting_minor + fees_of_what_waits
        if waiting_minor and (free_minor >= needed_minor or not position.prefunded):
            outgoing_minor, lies_minor = outgoing_minor + needed_minor, lies_minor - needed_minor
            free_minor, waiting_minor = free_minor - needed_minor, 0
        elif waiting_minor:
            missing_minor = needed_minor - free_minor
        rows.append(
            ForecastRow(
                position.rail,
                position.asset,
                moment.at,
                moment.day,
                outgoing_minor,
                gone["in"],
                waiting_minor,
                missing_minor,
                lies_minor,
                free_minor,
            )
        )
    return rows


def waiting_fees_minor(position: PositionRecord, rail: Rail) -> int:
    """What the rail is expected to charge at most for all that waits, in batches as full as they may be."""
    fee = rail.fees.get(position.asset)
    if fee is None or not position.waiting:
        return 0
    batches = -(-position.waiting // rail.batches.max_transactions)
    of_instructions = position.waiting * fee.instruction_minor + position.waiting_minor * fee.basis_points // 10_000
    return of_instructions + batches * fee.batch_minor


def open_minor(batch: BatchRecord) -> int:
    """What of a batch is still to be settled."""
    return max(0, batch.amount_minor - batch.settled_minor - batch.failed_minor)


def _closes_ms(batch: BatchRecord) -> int:
    return 0 if batch.closes_at is None else unix_ms(batch.closes_at)


def _take(waiting: list[tuple[int, int]], until_ms: int | None) -> int:
    """Sum of what closes by then, which is taken out; None takes all."""
    due = [one for one in waiting if until_ms is None or one[0] <= until_ms]
    for one in due:
        waiting.remove(one)
    return sum(minor for _, minor in due)
