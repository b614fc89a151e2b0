"""Rewards that expire: the soonest is spent first, and what comes back of a spending comes back to them last."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

Json = dict[str, Any]
#: Account and asset -> rewards there: until when, which, how much. The soonest first, then by id.
Lots = dict[tuple[str, str], list[list[Any]]]
GRACE_MS = 7 * 86_400_000


def spend(lots: Lots, moves: list[tuple[str, str, int]], first: str | None) -> list[list[Any]]:
    """Take of the rewards what a journal takes from what is available; of `first`, if that is there, before others.

    What goes to another account of the same wallet stays a reward there, and is not spent.
    """
    net: dict[tuple[str, str], int] = defaultdict(int)
    for name, asset, minor in moves:
        if name.endswith("/available"):
            net[name, asset] -= minor
    taken = []
    for key, minor in [*net.items()]:
        of_it = []
        for lot in sorted(lots.get(key, []), key=lambda lot: (lot[1] != first, lot)):
            part = max(0, min(minor, lot[2]))
            minor -= part
            lot[2] -= part
            of_it += [[lot[0], lot[1], part]] if part else []
        if key in lots:
            lots[key] = [lot for lot in lots[key] if lot[2]]
        to = [other for other in net if net[other] < 0 and purse_of(other) == purse_of(key)]
        for other in to:
            move(lots, other, of_it, -net[other])
        taken += [] if to else of_it
    return taken


def purse_of(key: tuple[str, str]) -> tuple[str, str]:
    """The wallet of an account, and the asset."""
    return key[0].split("/")[0], key[1]


def move(lots: Lots, key: tuple[str, str], taken: list[list[Any]], minor: int) -> None:
    """So much of what was taken is in another account now."""
    for lot in taken:
        part = min(minor, lot[2])
        minor -= part
        lot[2] -= part
        if part:
            join(lots, key, [lot[0], lot[1], part])


def join(lots: Lots, key: tuple[str, str], lot: list[Any]) -> None:
    """More of a reward in an account, of which it may have some: until the later of both times."""
    same = [one for one in lots.get(key, []) if one[1] == lot[1]]
    others = [one for one in lots.get(key, []) if one[1] != lot[1]]
    until, minor = max([lot[0], *(one[0] for one in same)]), lot[2] + sum(one[2] for one in same)
    lots[key] = sorted([*others, [until, lot[1], minor]])


def give_back(m: Any, t: Json, minor: int, *, held_again: bool = False) -> None:
    """So much of a spending comes back: all else before the rewards, of these the latest first.

    What a capture took of its authorization has been spent by that.
    """
    others = min(minor, t["others"])
    t["others"] -= others
    if t["operation"] == "capture" and not held_again:
        give_back(m, t["parent"], others)
    minor -= others
    for lot in reversed(t["lots"]):
        part = min(minor, lot[2])
        minor -= part
        lot[2] -= part
        if part:
            _revive(m, m.transactions[lot[1]], t["account"], max(lot[0], m.now + GRACE_MS), part)


def _revive(m: Any, reward: Json, account: str, until: int, minor: int) -> None:
    if reward["state"] == "reversed":
        return
    join(m.lots, (account, reward["asset"]), [until, reward["id"], minor])
    until = max(lot[0] for lots in left(m, reward).values() for lot in lots)
    for key, lots in left(m, reward).items():
        for _ in lots:
            join(m.lots, key, [until, reward["id"], 0])
    reward["due"] = until


def add(m: Any, reward: Json) -> None:
    """A reward that expires."""
    lots = m.lots.setdefault((reward["account"], reward["asset"]), [])
    lots.append([reward["due"], reward["id"], reward["amount"]])
    lots.sort()


def left(m: Any, reward: Json) -> dict[tuple[str, str], list[list[Any]]]:
    """What is left of a reward, by account and asset."""
    found = {key: [lot for lot in lots if lot[1] == reward["id"]] for key, lots in m.lots.items()}
    return {key: lots for key, lots in found.items() if lots}


def drop(m: Any, reward: Json) -> None:
    """A reward is none any more."""
    reward["due"] = None
    for key in left(m, reward):
        m.lots[key] = [lot for lot in m.lots[key] if lot[1] != reward["id"]]
