"""What an operation costs by its fee schedule. Pure."""

from __future__ import annotations

from typing import Final

from schemas.fee_schedules import FeeSchedule
from schemas.money import INT64_MAX

_BASIS_POINTS: Final = 10_000


def fee_of(schedule: FeeSchedule, amount_minor: int) -> int:
    """The fee on `amount_minor` minor units, in minor units of the same asset: 0 or more, within int64.

    The band that the amount falls into counts for the whole of it. Its flat part and its part of the amount are added
    and floored once, then the least and the largest fee are seen to. The fee may be more than the amount.
    """
    band = next(band for band in schedule.tiers if band.up_to_minor is None or amount_minor <= band.up_to_minor)
    fee_minor = band.flat_minor + amount_minor * band.basis_points // _BASIS_POINTS
    if schedule.min_minor is not None:
        fee_minor = max(fee_minor, schedule.min_minor)
    if schedule.max_minor is not None:
        fee_minor = min(fee_minor, schedule.max_minor)
    return min(fee_minor, INT64_MAX)
