"""Rewards that expire: the soonest is spent first, and what comes back of a spending comes back to them last."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

Json = dict[str, Any]
#: Account and asset -> rewards there: until when, which, how much. The soonest first, then by id.
Lots = dict[tuple[str, str], list[list[Any]]]
GRACE_MS = 7 * 86_400_000


def spend(lots: Lots, moves: list[tuple[str, str, int]], first: str | None) -> list[list[Any]]:
    """Take of the rewards what a journal takes from what is available; of `first`, if that is there, before others."""
    net: dict[tuple[str, str], int] = defaultdict(int)
    for name, asset, minor in moves:
        if name.endswith("/available"):
            net[name, asset] -= minor
    taken = []
    for key, minor in net.items():
        for lot in sorted(lots.get(key, []), key=lambda lot: (lot[1] != first, lot)):
            part = max(0, min(minor, lot[2]))
            minor -= part
            lot[2] -= part
            taken += [[lot[0], lot[1], part]] if part else []
        if key in lots:
            lots[key] = [lot for lot in lots[key] if lot[2]]
    return taken


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
            _revive(m, m.transactions[lot[1]], max(lot[0], m.now + GRACE_MS), part)


def _revive(m: Any, reward: Json, until: int, minor: int) -> None:
    if reward["state"] == "reversed":
        return
    lots = m.lots.setdefault((reward["account"], reward["asset"]), [])
    known = [lot for lot in lots if lot[1] == reward["id"]]
    for lot in known:
        lots.remove(lot)
        until, minor = max(until, lot[0]), minor + lot[2]
    lots.append([until, reward["id"], minor])
    lots.sort()
    reward["due"] = until


def add(m: Any, reward: Json) -> None:
    """A reward that expires."""
    lots = m.lots.setdefault((reward["account"], reward["asset"]), [])
    lots.append([reward["due"], reward["id"], reward["amount"]])
    lots.sort()


def left(m: Any, reward: Json) -> int:
    """What is left of a reward."""
    lots = m.lots.get((reward["account"], reward["asset"]), [])
    return sum(lot[2] for lot in lots if lot[1] == reward["id"])


def drop(m: Any, reward: Json) -> None:
    """A reward is none any more."""
    reward["due"] = None
    key = reward["account"], reward["asset"]
    m.lots[key] = [lot for lot in m.lots.get(key, []) if lot[1] != reward["id"]]
