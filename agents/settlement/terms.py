"""What a rail's record says of batches, limits, fees and attempts. Pure."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import Final

from agents.settlement.state import DAY_MS
from schemas.cut_offs import execution_day, next_cut_off
from schemas.rail_settings import RailFee
from schemas.rails import Rail
from schemas.settlement_internal import Payout

_NO_FEE: Final = RailFee()
#: 1970-01-01 as a proleptic ordinal.
EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def is_settled_here(rail: Rail | None) -> bool:
    """Whether the role sends what waits for the rail: it has an adapter."""
    return rail is not None and rail.adapter is not None


def closes_at_ms(rail: Rail, now_ms: int) -> int:
    """When a batch that is opened now closes, if it is not full before: at the next cut-off, or at its most age."""
    cut_off, max_age_s = next_cut_off(rail, now_ms), rail.batches.max_age_s
    times = [] if cut_off is None else [cut_off.at_ms]
    if max_age_s is not None:
        times.append(now_ms + max_age_s * 1000)
    return min(times, default=now_ms)


def execution_date(rail: Rail | None, opened_ms: int, now_ms: int) -> str:
    """The day on which a rail executes a batch that was opened at `opened_ms` and is ready now."""
    day = EPOCH_DAY + now_ms // DAY_MS if rail is None else execution_day(rail, opened_ms, now_ms)
    return date.fromordinal(day).isoformat()


def payout_fee_minor(rail: Rail, payout: Payout) -> int:
    """What the rail is expected to charge for a payout of its own instruction; netted ones cost no more."""
    if payout.direction == "in":
        return 0
    fee = rail.fees.get(payout.asset, _NO_FEE)
    return fee.instruction_minor + payout.amount_minor * fee.basis_points // 10_000


def batch_fee_minor(rail: Rail, asset: str, direction: str) -> int:
    """What the rail is expected to charge for a batch beside its instructions."""
    return 0 if direction == "in" else rail.fees.get(asset, _NO_FEE).batch_minor


def reserve_minor(rail: Rail | None, asset: str) -> int:
    """What has to stay with the rail."""
    return 0 if rail is None else rail.minimum_reserve_minor.get(asset, 0)


def exceeded_limit_minor(rail: Rail | None, payout: Payout) -> int | None:
    """The limit that a payout exceeds by itself, whatever else goes out; None where there is none."""
    limits = None if rail is None or payout.direction == "in" else rail.payout_limits.get(payout.asset)
    if limits is None:
        return None
    all_limits = (limits.transaction_minor, limits.batch_minor, limits.day_minor)
    return next((one for one in all_limits if one is not None and payout.amount_minor > one), None)


def next_attempt_ms(rail: Rail | None, batch_id: str, attempt: int, now_ms: int) -> int:
    """When to try again after so many attempts: a pause that doubles up to the longest one.

    The second half of it is jitter: batches of an outage do not come back all at once. It is drawn from the batch's id,
    so that whoever decides this comes to the same time (AWS Architecture Blog, "Exponential Backoff And Jitter").
    """
    first_ms, longest_ms = (1_000, 300_000) if rail is None else (rail.retry.first_ms, rail.retry.longest_ms)
    doublings = min(max(0, attempt - 1), 40)
    pause_ms: int = min(longest_ms, first_ms * 2**doublings)
    drawn = int.from_bytes(sha256(f"{batch_id} {attempt}".encode()).digest()[:8])
    return now_ms + max(1, pause_ms - pause_ms // 2 + drawn % (pause_ms // 2 + 1))


def next_day_ms(now_ms: int) -> int:
    """When the next UTC day begins."""
    return (now_ms // DAY_MS + 1) * DAY_MS
