"""What is agreed with a wallet: its limits, its cap and its credit; and what has left it in an hour, a day, a month."""

from __future__ import annotations

from typing import Any

from tests.ledger.model.books import Cause, Json
from tests.ledger.model.prices import time_of

#: Windows, and how many parts of a time say which one it is in.
WINDOWS = {"month": 2, "day": 3, "hour": 4}


def limit(m: Any, w: Json, asset: str, *names: str) -> int | None:
    """The wallet's own, else its tier's."""
    terms = w["terms"]
    for limits in (terms["limits"], m.tiers.get(terms["tier"], {})):
        found: Any = limits.get(asset)
        for name in names:
            found = None if found is None else found.get(name)
        if found is not None:
            return int(found)
    return None


def credit_of(m: Any, own: str, asset: str) -> int:
    """How far below zero what is available may go, by what the other sub-wallets owe."""
    wallet_id, sub, _ = own.split("/")
    w = m.wallets[wallet_id]
    if w["subs"].get(sub, ("",))[0] == "escrow":
        return 0
    credit = int(w["terms"]["limits"].get(asset, {}).get("credit_limit_minor", 0)) if w["terms"] else 0
    purses = [f"{wallet_id}/{sub}/available" for sub in w["subs"]]
    owed = sum(min(0, m.balances.get((m.owner(wallet_id), name, asset), 0)) for name in purses if name != own)
    return max(0, credit + int(owed))


def of_limits(m: Any, w: Json, c: Json) -> list[Cause]:
    """Refused where an amount, leaving the wallet now, would be more than was agreed."""
    return of_amount(m, w, c["wallet_id"], c["asset"], c["amount_minor"], 0)


def of_amount(m: Any, w: Json, wallet_id: str, asset: str, amount: int, held: int) -> list[Cause]:
    """The same of an amount of which so much is held, and was counted then."""
    if not w["terms"]:
        return []
    most = limit(m, w, asset, "single_max_minor")
    refused = most is not None and amount > most
    for window, parts in WINDOWS.items():
        now = time_of(m.now).timetuple()[:parts]
        spent = [one for one in m.spent[wallet_id, asset] if time_of(one[0]).timetuple()[:parts] == now]
        for name, more, used in (("sum_minor", amount - held, 1), ("count", 0 if held else 1, 2)):
            most = limit(m, w, asset, window, name)
            refused = refused or (most is not None and more > 0 and sum(one[used] for one in spent) + more > most)
    return [("limit_exceeded", "amount_minor")] if refused else []


def over_cap(m: Any, wallet_id: str, asset: str, amount: int) -> bool:
    """True where a wallet would hold more than was agreed, in all its accounts."""
    w = m.wallets[wallet_id]
    cap = limit(m, w, asset, "balance_cap_minor") if w["terms"] else None
    if cap is None:
        return False
    has = [minor for (_, name, of), minor in m.balances.items() if name.startswith(wallet_id + "/") and of == asset]
    return bool(sum(has) + amount > cap)
