"""Honest traffic: people who are paid, shop, rent, pay their friends, travel, and now and then have a new phone. Pure.

What makes rules wrong is in it: families that share a device, an office with one address, refunds, rejections, wages
and rents, gifts far above the usual.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

#: Monday 2026-03-02, 00:00 UTC.
START_MS: Final = 1_772_409_600_000
DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
SHOPS: Final = tuple(f"shop-{number}" for number in range(25))
LANDLORDS: Final = tuple(f"landlord-{number}" for number in range(8))
#: Latitude and longitude of cities.
PLACES: Final = (
    (48.2082, 16.3738),
    (52.52, 13.405),
    (48.8566, 2.3522),
    (40.4168, -3.7038),
    (41.9028, 12.4964),
    (59.3293, 18.0686),
    (51.5074, -0.1278),
    (50.0755, 14.4378),
)


class Row(NamedTuple):
    """One transaction. `attack` names the attack that it is part of; `label` says that it can be told by then."""

    t_ms: int
    operation: str
    wallet_id: str
    to_wallet_id: str = ""
    amount_minor: int = 0
    asset: str = "EUR"
    status: str = "accepted"
    device: str = ""
    ip: str = ""
    latitude: float | None = None
    longitude: float | None = None
    reward_code: str = ""
    wallet_age_s: int | None = None
    available_minor: int | None = None
    attack: str = ""
    label: bool = False
    transaction_id: str = ""
    parent_transaction_id: str = ""


class Person(NamedTuple):
    """Somebody with a wallet."""

    wallet_id: str
    device: str
    ip: str
    place: tuple[float, float]
    age_days: int
    wage_minor: int
    #: Usual purchase, and payments in a day.
    purchase_minor: int
    pace: float
    wakes_at: int
    friends: tuple[str, ...]
    landlord: str

    def row(self, t_ms: int, operation: str, **fields: object) -> Row:
        """Something that they do, from their own device at their own place."""
        age_s = self.age_days * 86_400 + (t_ms - START_MS) // 1_000
        own = Row(t_ms, operation, self.wallet_id, device=self.device, ip=self.ip, wallet_age_s=age_s)
        own = own._replace(latitude=self.place[0], longitude=self.place[1])
        return own._replace(**fields)  # type: ignore[arg-type]


def people(rng: Random, count: int) -> list[Person]:
    """People, every tenth with a device in common with the one before, every fifth in the same office."""
    names = [f"w-{number}" for number in range(count)]
    found: list[Person] = []
    for number, name in enumerate(names):
        shares = number % 10 == 9
        found.append(
            Person(
                wallet_id=name,
                device=found[-1].device if shares else f"phone-{number}",
                ip=f"198.51.100.{number % 40}" if number % 5 == 0 else f"10.{number // 250}.{number % 250}.7",
                place=found[-1].place if shares else rng.choice(PLACES),
                age_days=rng.randint(100, 900),
                wage_minor=rng.randint(1_500, 4_000) * 100 + rng.randint(0, 99),
                purchase_minor=rng.randint(900, 4_000),
                pace=rng.uniform(0.5, 2.5),
                wakes_at=rng.randint(5, 9),
                friends=tuple(rng.sample([each for each in names if each != name], min(5, count - 1))),
                landlord=rng.choice(LANDLORDS),
            )
        )
    return found


def honest_rows(rng: Random, crowd: Sequence[Person], days: int) -> list[Row]:
    """What people do in so many days, in no order."""
    return [row for person in crowd for row in _life(rng, person, days)]


def _life(rng: Random, person: Person, days: int) -> Iterator[Row]:
    payday, rent_day = rng.randrange(3), rng.randint(1, 5)
    new_phone = rng.randrange(days) if rng.random() < 0.05 else days
    leaves = rng.randrange(days) if rng.random() < 0.1 else days
    abroad = rng.choice(PLACES)
    for day in range(days):
        today_ms = START_MS + day * DAY_MS
        if day == new_phone:
            person = person._replace(device=f"{person.device}-new")
        if day % 28 == payday:
            yield Row(today_ms + 6 * HOUR_MS, "credit", person.wallet_id, amount_minor=person.wage_minor)
        if day % 28 == rent_day:
            rent_minor = person.wage_minor * 3 // 10
            t_ms = today_ms + 7 * HOUR_MS + rng.randrange(HOUR_MS)
            yield person.row(t_ms, "transfer", to_wallet_id=person.landlord, amount_minor=rent_minor)
        # Nobody pays on the days on which they travel.
        if day in (leaves, leaves + 4):
            continue
        here = person._replace(place=abroad) if leaves < day < leaves + 4 else person
        yield from _day(rng, here, today_ms)


def _day(rng: Random, person: Person, today_ms: int) -> Iterator[Row]:
    for _ in range(min(7, _poisson(rng, person.pace))):
        t_ms = today_ms + person.wakes_at * HOUR_MS + rng.randrange(14 * HOUR_MS)
        kind = rng.random()
        if kind < 0.1:
            amount_minor = rng.randint(500, 6_000) * (rng.choice((8, 12)) if rng.random() < 0.05 else 1)
            yield person.row(t_ms, "transfer", to_wallet_id=rng.choice(person.friends), amount_minor=amount_minor)
            continue
        amount_minor = max(50, round(person.purchase_minor * rng.lognormvariate(0, 0.6)))
        shop = rng.choice(SHOPS)
        if kind > 0.98:
            yield person.row(t_ms - 40_000, "transfer", to_wallet_id=shop, amount_minor=amount_minor, status="rejected")
        yield person.row(t_ms, "transfer", to_wallet_id=shop, amount_minor=amount_minor)
        if kind < 0.13:
            back_ms = t_ms + rng.randint(1, 5) * DAY_MS
            yield Row(back_ms, "refund", shop, to_wallet_id=person.wallet_id, amount_minor=amount_minor)
        if 0.3 < kind < 0.4:
            points = max(1, amount_minor // 50)
            yield person.row(t_ms, "reward", amount_minor=points, asset="POINTS", reward_code="purchase")


def _poisson(rng: Random, mean: float) -> int:
    """How many there are where `mean` are usual (Knuth's method)."""
    limit, product, count = 2.718281828459045**-mean, rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
