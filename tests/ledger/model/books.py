"""Balances and transactions of the model, and what has to hold of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

Json = dict[str, Any]
#: Accounts and what is added to them, in minor units.
Moves = list[tuple[str, int]]
MAX = 2**63 - 1
#: Where money waits that may come back to what is available.
BUCKETS = ("available", "held", "incoming", "outgoing", "disputed")
TRANSIT = "system/transit"


class Known(Exception):
    """The ledger is known to do something else here; a test that has to fail says what, and the run ends."""


class Books:
    """What all partitions hold. `owner` is the partition of a wallet."""

    def __init__(self, owner: Callable[[str], int]):
        self.owner = owner
        self.balances: dict[tuple[int, str, str], int] = defaultdict(int)
        self.wallets: dict[str, Json] = {}
        #: By id, and the payee's side of those whose payee lives in another partition.
        self.transactions: dict[str, Json] = {}
        self.received: dict[str, Json] = {}
        #: What partitions tell others: from, to, what.
        self.sent: list[tuple[int, int, tuple[Any, ...]]] = []

    def wallet_in(self, p: int, wallet_id: str) -> Json | None:
        """A wallet, where it lives in this partition."""
        return self.wallets.get(wallet_id) if self.owner(wallet_id) == p else None

    def available(self, wallet_id: str, sub_wallet: str, asset: str) -> int:
        """What a sub-wallet can spend."""
        return self.balances[self.owner(wallet_id), account(wallet_id, sub_wallet), asset]

    def open_of(self, wallet_id: str) -> list[Json]:
        """Transactions of a wallet that something is still to come of."""
        return [t for t in self.transactions.values() if t["wallet"] == wallet_id and is_open(t)]

    # ---- posting -------------------------------------------------------------------------------------

    def post(self, p: int, asset: str, moves: Moves, *, room: bool = True) -> list[tuple[str, int]] | None:
        """Post a journal; returns the balances after it, or None where it may not be posted.

        Every balance fits int64, and with `room` would if all that is under way came back to the payer.
        """
        moves = [(name, minor) for name, minor in moves if minor]
        assert sum(minor for _, minor in moves) == 0, moves
        after = [(name, self.balances[p, name, asset] + minor) for name, minor in moves]
        if not all(-MAX - 1 <= minor <= MAX for _, minor in after):
            return None
        if room and not self._has_room(p, asset, moves):
            return None
        for name, minor in after:
            self.balances[p, name, asset] = minor
        return after

    def _has_room(self, p: int, asset: str, moves: Moves) -> bool:
        grown: dict[str, int] = defaultdict(int)
        for name, minor in moves:
            if not name.startswith("system/"):
                grown[name.rpartition("/")[0]] += minor
        return all(self._in_all(p, purse, asset) + minor <= MAX for purse, minor in grown.items() if minor > 0)

    def _in_all(self, p: int, purse: str, asset: str) -> int:
        """What a sub-wallet has in all buckets and in transit to others."""
        here = sum(self.balances.get((p, f"{purse}/{bucket}", asset), 0) for bucket in BUCKETS)
        return here + sum(int(t["amount"]) for t in self.sagas(p, asset) if purse == f"{t['wallet']}/{t['sub']}")

    def sagas(self, p: int, asset: str) -> Iterable[Json]:
        """Transactions of a partition whose payee elsewhere has not answered."""
        for t in self.transactions.values():
            if t["state"] == "processed" and t["to"] and t["asset"] == asset and self.owner(t["wallet"]) == p:
                yield t

    def receive(self, p: int, asset: str, name: str, amount: int) -> bool:
        """Take an amount from transit, where that leaves room for all that may come back through it."""
        coming_back = sum(t["amount"] for t in self.sagas(p, asset))
        if self.balances[p, TRANSIT, asset] - amount - coming_back < -MAX - 1:
            return False
        return self.post(p, asset, [(TRANSIT, -amount), (name, amount)]) is not None

    # ---- transactions --------------------------------------------------------------------------------

    def taken_back(self, p: int, t: Json) -> list[tuple[str, int]]:
        """Post the inverse of what opened a transaction; what was held is available where its hold is over."""
        is_over = t["parent"] is not None and t["parent"]["hold"] is None
        sums: dict[str, int] = defaultdict(int)
        for name, minor in t["moves"]:
            sums[name.replace("/held", "/available") if is_over else name] -= minor
        after = self.post(p, t["asset"], list(sums.items()), room=False)
        assert after is not None
        return after

    def forget_child(self, t: Json, minor: int) -> None:
        """What acted on another transaction has not come about, as far as this amount goes."""
        parent, operation = t["parent"], t["operation"]
        if operation == "capture" and parent["hold"]:
            parent["hold"]["left"] += minor
            parent["hold"]["captured"] -= minor
        elif operation in ("refund", "reverse"):
            parent["refunded" if operation == "refund" else "reversed"] -= minor

    def end_hold(self, t: Json, code: str) -> Json:
        """Give back what is left of an authorization; returns the update."""
        hold, purse = t["hold"], f"{t['wallet']}/{t['sub']}"
        moves = [(f"{purse}/held", -hold["left"]), (f"{purse}/available", hold["left"])]
        after = self.post(self.owner(t["wallet"]), t["asset"], moves, room=False)
        t.update(state="settled" if hold["captured"] else "canceled", code=code, hold=None)
        return update(t, after or [])


def account(wallet_id: str, sub_wallet: str, bucket: str = "available") -> str:
    """The name of an account."""
    return f"{wallet_id}/{sub_wallet}/{bucket}"


def is_open(t: Json) -> bool:
    """True where something is still to come of a transaction."""
    return bool(t["state"] == "processed" or (t["operation"], t["state"]) == ("dispute", "disputed"))


def remaining(t: Json) -> int:
    """settled - refunded - openly disputed - charged back - reversed, and what the rail has taken back."""
    taken_back = ("refunded", "disputed", "charged_back", "reversed", "returned")
    return int(t["settled"]) - sum(int(t[name]) for name in taken_back)


def state_of(t: Json) -> str:
    """The state of what was settled, by what became of it."""
    if t["disputed"]:
        return "disputed"
    undone = t["charged_back"] + t["reversed"] + t["returned"]
    return "reversed" if undone == t["settled"] or (t["reversed"] and not remaining(t)) else "settled"


# ---- outcomes ----------------------------------------------------------------------------------------


def say(c: Json, code: str, where: str | None = None) -> Json:
    """The answer to a command that is rejected, or that moves nothing."""
    said = {"kind": "answer", "wallet_id": c["wallet_id"], "key": c["idempotency_key"], "code": code, "field": where}
    return {**said, "id": None, "state": None, "balances": [], "replayed": False, "current": None}


def update(t: Json, after: list[tuple[str, int]]) -> Json:
    """A later change of a transaction, told to who asked for it."""
    said = {**say(t["c"], t["code"]), "kind": "update", "id": t["id"], "state": t["state"]}
    return {**said, "balances": own(t["wallet"], after)}


def own(wallet_id: str, after: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The balances that a requester is shown."""
    return sorted((name, minor) for name, minor in after if name.startswith(wallet_id + "/"))
