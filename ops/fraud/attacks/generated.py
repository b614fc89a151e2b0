"""Attacks among honest traffic, in the order in which they happen, or arrive. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Final, Literal, NamedTuple

from ops.fraud.attacks.honest import HOUR_MS, Row, honest_rows, people
from ops.fraud.attacks.kinds import KINDS, Scene

#: How the rows of a table arrive.
Arrival = Literal["in-order", "late", "doubled"]
ARRIVALS: Final[tuple[Arrival, ...]] = ("in-order", "late", "doubled")
#: Days without an attack at the beginning, so that everybody has a history.
QUIET_DAYS: Final = 18
#: Most that a row arrives after it happened, and the share of rows that are late, or come twice.
LATENESS_MS: Final = 2 * HOUR_MS
_SHARE: Final = 0.2


class Size(NamedTuple):
    """How much there is."""

    people: int = 200
    days: int = 40
    attacks: int = 5


def background(seed: int, size: Size = Size()) -> list[Row]:  # noqa: B008 - immutable
    """Honest rows alone, in the order in which they happen."""
    rng = Random(f"honest {seed}")
    return _settled(honest_rows(rng, people(rng, size.people), size.days), seed)


def attacked(kind: str, seed: int, size: Size = Size()) -> list[Row]:  # noqa: B008 - immutable
    """Honest rows with attacks of a kind among them, in the order in which they happen.

    Raises:
        KeyError: there is no such kind.
        ValueError: there are too few days for it.
    """
    rng = Random(f"honest {seed}")
    crowd = people(rng, size.people)
    rows = honest_rows(rng, crowd, size.days)
    last = size.days - KINDS[kind].days - 1
    if last < QUIET_DAYS:
        raise ValueError(f"{kind} takes {KINDS[kind].days} days after {QUIET_DAYS} quiet ones: {size.days} are too few")
    rng = Random(f"{kind} {seed}")
    # Each with people of its own, so that one attack is not seen by what another has done.
    shares = [crowd[number :: size.attacks] for number in range(size.attacks)]
    for number, share in enumerate(shares):
        name = f"{kind}-{number}"
        scene = Scene(name, rng, rng.randint(QUIET_DAYS, last), share)
        rows += [row._replace(attack=name) for row in KINDS[kind].make(scene)]
    return _settled(rows, seed)


def arriving(rows: Sequence[Row], arrival: Arrival, seed: int) -> list[Row]:
    """The rows in the order in which they arrive: as they happened, some late, or some once more."""
    rng = Random(f"{arrival} {seed}")
    if arrival == "in-order":
        return list(rows)
    delayed = [(row.t_ms + (rng.randint(1, LATENESS_MS) if rng.random() < _SHARE else 0), row) for row in rows]
    if arrival == "doubled":
        delayed = [(row.t_ms, row) for row in rows]
        delayed += [(row.t_ms + rng.randint(1, LATENESS_MS), row) for row in rows if rng.random() < _SHARE]
    return [row for _, row in sorted(delayed, key=lambda each: each[0])]


def _settled(rows: list[Row], seed: int) -> list[Row]:
    """In order, each with an id and what is left in the wallet; nobody is ever short of money."""
    rows = sorted(rows, key=lambda each: each.t_ms)
    lowest, balance = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in rows:
        for account, change in _changes(row):
            balance[account] += change
            lowest[account] = min(lowest[account], balance[account])
    rng = Random(f"balances {seed}")
    left = {account: rng.randint(5_000, 200_000) - least for account, least in lowest.items()}
    found = []
    for number, row in enumerate(rows):
        for account, change in _changes(row):
            left[account] += change
        available = left.get((row.wallet_id, row.asset)) if row.status == "accepted" else None
        found.append(row._replace(transaction_id=f"t-{seed}-{number}", available_minor=available))
    return found


def _changes(row: Row) -> list[tuple[tuple[str, str], int]]:
    """What a row moves: (wallet, asset) and amount."""
    if row.status != "accepted":
        return []
    comes_in = row.operation in ("credit", "reward")
    own = (row.wallet_id, row.asset), row.amount_minor if comes_in else -row.amount_minor
    return [own, ((row.to_wallet_id, row.asset), row.amount_minor)] if row.to_wallet_id else [own]
