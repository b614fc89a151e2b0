"""Attacks, each with the shipped rule that it is made for. Pure.

A label says that by this transaction the attack can be told: the generator counts that itself, as whoever plans an
attack counts what they have done. It knows no rule but its name and the limits that it goes beyond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from ops.fraud.attacks.honest import DAY_MS, HOUR_MS, PLACES, SHOPS, START_MS, Person, Row

_MINUTE_MS: Final = 60_000


class Scene(NamedTuple):
    """Among whom an attack happens: its number, the day it begins on, who there is."""

    name: str
    rng: Random
    day: int
    crowd: Sequence[Person]

    def at(self, span_ms: int) -> int:
        """Some time of the day, so that `span_ms` later it is still the same day."""
        return START_MS + self.day * DAY_MS + self.rng.randrange(DAY_MS - span_ms)

    def spread(self, count: int, span_ms: int) -> list[int]:
        """So many times within a span, in order, no two alike."""
        start_ms = self.at(span_ms)
        return [start_ms + at for at in sorted(self.rng.sample(range(span_ms), count))]


class Kind(NamedTuple):
    """One kind of attack.

    Attributes:
        rule_id: the shipped rule that it is made for.
        days: how long one takes at most; it begins so that there is history before it and room after it.
    """

    rule_id: str
    days: int
    make: Callable[[Scene], Iterator[Row]]


def burst(scene: Scene) -> Iterator[Row]:
    """A stolen wallet pays out in many small pieces within three quarters of an hour."""
    victim = scene.rng.choice(scene.crowd)
    for nth, t_ms in enumerate(scene.spread(scene.rng.randint(13, 20), 45 * _MINUTE_MS), start=1):
        payee = f"{scene.name}-payee-{scene.rng.randrange(3)}"
        amount_minor = scene.rng.randint(900, 9_000)
        yield victim.row(t_ms, "transfer", to_wallet_id=payee, amount_minor=amount_minor, label=nth >= 10)


def structuring(scene: Scene) -> Iterator[Row]:
    """Cash is paid in, each time a little below what has to be reported."""
    smurf = scene.rng.choice(scene.crowd)
    start_ms = scene.at(HOUR_MS)
    gaps = sorted(scene.rng.sample(range(6 * 24), scene.rng.randint(4, 6)))
    for nth, gap in enumerate(gaps, start=1):
        amount_minor = scene.rng.randint(9_100, 9_990) * 100
        yield smurf.row(start_ms + gap * HOUR_MS, "credit", amount_minor=amount_minor, label=nth >= 3)


def takeover(scene: Scene) -> Iterator[Row]:
    """Somebody far away fails a few times from a device of their own, then pays large sums to mules."""
    victim = scene.rng.choice(scene.crowd)
    far = scene.rng.choice([place for place in PLACES if place != victim.place])
    thief = victim._replace(device=f"{scene.name}-device", ip="203.0.113.66", place=far)
    failures, steals = scene.rng.randint(2, 4), scene.rng.randint(2, 3)
    for nth, t_ms in enumerate(scene.spread(failures + steals, 20 * _MINUTE_MS)):
        amount_minor = scene.rng.randint(1_200, 3_000) * 100
        row = thief.row(t_ms, "transfer", to_wallet_id=f"{scene.name}-mule-{nth}", amount_minor=amount_minor)
        yield row._replace(status="rejected") if nth < failures else row._replace(label=True)


def device_sharing(scene: Scene) -> Iterator[Row]:
    """One phone drives wallet after wallet of people who do not exist."""
    wallets = scene.rng.randint(5, 8)
    drives = [*range(wallets), *(scene.rng.randrange(wallets) for _ in range(scene.rng.randint(0, 8)))]
    scene.rng.shuffle(drives)
    seen: set[int] = set()
    for number, t_ms in zip(drives, scene.spread(len(drives), 10 * HOUR_MS), strict=True):
        seen.add(number)
        yield Row(
            t_ms,
            "transfer",
            f"{scene.name}-{number}",
            to_wallet_id=f"{scene.name}-payee",
            amount_minor=scene.rng.randint(500, 5_000),
            device=f"{scene.name}-phone",
            ip=f"203.0.113.{number}",
            wallet_age_s=scene.rng.randint(1, 20) * 86_400,
            label=len(seen) >= 4,
        )


def refund_abuse(scene: Scene) -> Iterator[Row]:
    """A customer buys, and has nearly all of it refunded a day or two later."""
    customer, bought, refunded = scene.name, 0, 0
    rows: list[Row] = []
    for _ in range(scene.rng.randint(8, 12)):
        t_ms = scene.at(0) + scene.rng.randrange(12) * DAY_MS
        shop, amount_minor = scene.rng.choice(SHOPS), scene.rng.randint(2_000, 20_000)
        rows.append(Row(t_ms, "transfer", customer, to_wallet_id=shop, amount_minor=amount_minor, device=customer))
        if scene.rng.random() < 0.9:
            back_ms = t_ms + scene.rng.randint(20, 50) * HOUR_MS
            rows.append(Row(back_ms, "refund", shop, to_wallet_id=customer, amount_minor=amount_minor))
    for row in sorted(rows, key=lambda each: each.t_ms):
        bought, refunded = bought + (row.operation != "refund"), refunded + (row.operation == "refund")
        told = row.operation == "refund" and bought + refunded >= 8 and 2 * refunded >= bought
        yield row._replace(label=told)


def points_abuse(scene: Scene) -> Iterator[Row]:
    """A promotion that can be had again and again is had again and again, and cashed."""
    farmer = scene.rng.choice(scene.crowd)
    times = scene.spread(scene.rng.randint(12, 20), 20 * HOUR_MS)
    for nth, t_ms in enumerate(times, start=1):
        yield farmer.row(
            t_ms, "reward", amount_minor=500, asset="POINTS", reward_code="invite-a-friend", label=nth >= 10
        )
    yield farmer.row(times[-1] + HOUR_MS, "convert", amount_minor=500 * len(times), asset="POINTS")


def card_testing(scene: Scene) -> Iterator[Row]:
    """Stolen cards are tried with small amounts from one machine; most no longer work."""
    rejected = 0
    for nth, t_ms in enumerate(scene.spread(scene.rng.randint(14, 25), 50 * _MINUTE_MS), start=1):
        fails = scene.rng.random() < 0.7
        rejected += fails
        yield Row(
            t_ms,
            "debit",
            f"{scene.name}-card-{nth}",
            amount_minor=scene.rng.randint(50, 500),
            status="rejected" if fails else "accepted",
            device=f"{scene.name}-machine",
            ip="203.0.113.99",
            label=nth >= 8 and 2 * rejected >= nth,
        )


def collecting(scene: Scene) -> Iterator[Row]:
    """Many who were deceived pay one wallet within a day, which pays it on."""
    mule, *payers = scene.rng.sample(scene.crowd, scene.rng.randint(13, 18))
    times = scene.spread(len(payers), 20 * HOUR_MS)
    amounts = [scene.rng.randint(5_000, 40_000) for _ in payers]
    for nth, (payer, t_ms, amount_minor) in enumerate(zip(payers, times, amounts, strict=True), start=1):
        yield payer.row(t_ms, "transfer", to_wallet_id=mule.wallet_id, amount_minor=amount_minor, label=nth >= 10)
    yield mule.row(times[-1] + HOUR_MS, "debit", amount_minor=sum(amounts) * 98 // 100)


KINDS: Final[dict[str, Kind]] = {
    "burst": Kind("velocity-out", 1, burst),
    "structuring": Kind("structuring", 7, structuring),
    "takeover": Kind("takeover-score", 1, takeover),
    "device-sharing": Kind("device-sharing", 1, device_sharing),
    "refund-abuse": Kind("refund-abuse", 15, refund_abuse),
    "points-abuse": Kind("points-farming", 2, points_abuse),
    "card-testing": Kind("card-testing", 1, card_testing),
    "collecting": Kind("fan-in", 2, collecting),
}
