"""Balances and transactions of the model, and what has to hold of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from tests.ledger.model import rewards

Json = dict[str, Any]
#: Why something is refused: code and field.
Cause = tuple[str, str | None]
#: Accounts, assets, and what is added to them in minor units.
Moves = list[tuple[str, str, int]]
#: Accounts and their balances after a journal.
After = list[tuple[str, int]]
MAX = 2**63 - 1
TRANSIT = "system/transit"
#: System accounts that compensations give to and take from, beside transit.
SHARED = ("system/fees", "system/fx")


class Books:
    """What all partitions hold. `owner` is the partition of a wallet."""

    def __init__(self, owner: Callable[[str], int]):
        self.owner = owner
        self.now = 0
        self.balances: dict[tuple[int, str, str], int] = defaultdict(int)
        self.wallets: dict[str, Json] = {}
        #: By id, and the payee's side of those whose payee lives in another partition.
        self.transactions: dict[str, Json] = {}
        self.received: dict[str, Json] = {}
        #: Rewards that expire, and what the last journal has taken of them.
        self.lots: rewards.Lots = {}
        self.taken: list[list[Any]] = []
        #: Wallet and asset -> what has left it since it has terms: when, how much, how often.
        self.spent: dict[tuple[str, str], list[list[int]]] = defaultdict(list)
        #: What partitions tell others: from, to, what.
        self.sent: list[tuple[int, int, tuple[Any, ...]]] = []

    def wallet_in(self, p: int, wallet_id: str) -> Json | None:
        """A wallet, where it lives in this partition."""
        return self.wallets.get(wallet_id) if self.owner(wallet_id) == p else None

    def available(self, wallet_id: str, sub_wallet: str, asset: str) -> int:
        """What a sub-wallet can spend of its own."""
        return self.balances[self.owner(wallet_id), account(wallet_id, sub_wallet), asset]

    def open_of(self, wallet_id: str) -> list[Json]:
        """Transactions of a wallet that something is still to come of."""
        return [t for t in self.transactions.values() if t["wallet"] == wallet_id and is_open(t)]

    # ---- posting -------------------------------------------------------------------------------------

    def post(self, p: int, moves: Moves, *, room: bool = True, first: str | None = None) -> After | None:
        """Post a journal; returns the balances after it, or None where it may not be posted.

        Every balance fits int64, and with `room` would if all that is under way came back to the payer. Of rewards
        `first` is taken before others.
        """
        moves = [(name, asset, minor) for name, asset, minor in moves if minor]
        after: dict[tuple[str, str], int] = {}
        sums: dict[str, int] = defaultdict(int)
        for name, asset, minor in moves:
            after[name, asset] = after.get((name, asset), self.balances.get((p, name, asset), 0)) + minor
            sums[asset] += minor
        assert not any(sums.values()), moves
        if not all(-MAX - 1 <= minor <= MAX for minor in after.values()):
            return None
        if room and not (self._has_room(p, moves) and self._keeps_play(p, moves, after)):
            return None
        for (name, asset), minor in after.items():
            self.balances[p, name, asset] = minor
        self.taken = rewards.spend(self.lots, moves, first)
        return [(name, minor) for (name, _), minor in after.items()]

    def _has_room(self, p: int, moves: Moves) -> bool:
        grown: dict[tuple[str, str], int] = defaultdict(int)
        for name, asset, minor in moves:
            if not name.startswith("system/"):
                grown[name.rpartition("/")[0], asset] += minor
        return all(self.in_all(p, *key) + minor <= MAX for key, minor in grown.items() if minor > 0)

    def _keeps_play(self, p: int, moves: Moves, after: dict[tuple[str, str], int]) -> bool:
        """False where what others may take back could not be: of fees and exchanges, or of what leaves by transit."""
        for (name, asset), minor in after.items():
            if name in SHARED:
                back = [-_net(t, name, asset) for t in self.compensated(p)]
                if (
                    minor + sum(max(0, one) for one in back) > MAX
                    or minor + sum(min(0, one) for one in back) < -MAX - 1
                ):
                    return False
        return all(
            minor + sum(_net(t, TRANSIT, asset) for t in self.sagas(p)) <= MAX
            for name, asset, minor in moves
            if name == TRANSIT and minor > 0
        )

    def compensated(self, p: int) -> Iterable[Json]:
        """Transactions of a partition whose journal may have to be taken back."""
        return (t for t in self.transactions.values() if self.owner(t["wallet"]) == p and is_open(t) and not t["hold"])

    def in_all(self, p: int, purse: str, asset: str) -> int:
        """What a sub-wallet has, and the most that may yet come back to it."""
        here = self.balances.get((p, f"{purse}/available", asset), 0)
        return here + sum(may_come(t, asset) for t in self.open_of(purse.split("/")[0]) if t["account"][:-10] == purse)

    def sagas(self, p: int) -> Iterable[Json]:
        """Transactions of a partition whose payee elsewhere has not answered."""
        for t in self.transactions.values():
            if t["state"] == "processed" and t["to"] and self.owner(t["wallet"]) == p:
                yield t

    def receive(self, p: int, moves: Moves) -> bool:
        """Take from transit, where that leaves room for all that may come back through it."""
        asset = moves[0][1]
        under_way = [one for t in self.sagas(p) for one in t["moves"] if one[:2] == (TRANSIT, asset)]
        left = self.balances.get((p, TRANSIT, asset), 0) + moves[0][2] - sum(minor for _, _, minor in under_way)
        return left >= -MAX - 1 and self.post(p, moves) is not None

    # ---- transactions --------------------------------------------------------------------------------

    def taken_back(self, p: int, t: Json) -> After:
        """Post the inverse of what opened a transaction; what was held is available where its hold is over."""
        moves = [(name, asset, -minor) for name, asset, minor in t["moves"]]
        if t["operation"] == "capture" and t["parent"]["hold"] is None:
            sums: dict[tuple[str, str], int] = defaultdict(int)
            for name, asset, minor in moves:
                sums[name.replace("/held", "/available"), asset] += minor
            moves = [(*key, minor) for key, minor in sums.items()]
        after = self.post(p, moves, room=False)
        assert after is not None
        is_held_again = t["operation"] == "capture" and t["parent"]["hold"] is not None
        rewards.give_back(self, t, t["amount"] + MAX, held_again=is_held_again)
        self.uncount(t, t["counts"], 0 if t["operation"] == "capture" else 1)
        if t["operation"] == "capture" and t["parent"]["hold"] is None:
            parent = t["parent"]
            parent["captured"] -= t["amount"]
            self.uncount(parent, t["held"], 0 if parent["captured"] else 1)
        return after

    def uncount(self, t: Json, minor: int, times: int) -> None:
        """So much has not left the wallet after all, in the windows that have counted it."""
        if t["counted"]:
            t["counted"][1] -= minor
            t["counted"][2] -= times

    def forget_child(self, t: Json, minor: int, *, wholly: bool = True) -> None:
        """What acted on another transaction has not come about, as far as this amount goes."""
        parent, operation = t["parent"], t["operation"]
        if operation == "capture" and parent["hold"]:
            parent["hold"]["left"] += t["held"]
            parent["hold"]["captured"] -= minor
        elif operation in ("refund", "reverse"):
            parent["refunded" if operation == "refund" else "reversed"] -= minor
            if wholly:
                parent["fee_back"] -= t["gives_fee"]
                parent["given_back"] -= t["gives"]

    def end_hold(self, t: Json, code: str) -> Json:
        """Give back what is left of an authorization; returns the update."""
        hold, purse, asset = t["hold"], f"{t['wallet']}/{t['sub']}", t["asset"]
        moves = [(f"{purse}/held", asset, -hold["left"]), (f"{purse}/available", asset, hold["left"])]
        after = self.post(self.owner(t["wallet"]), moves, room=False)
        rewards.give_back(self, t, hold["left"])
        self.uncount(t, hold["left"], 0 if hold["captured"] else 1)
        t["captured"] = hold["captured"]
        t.update(state="settled" if hold["captured"] else "canceled", code=code, hold=None, due=None)
        return update(t, after or [])


def _net(t: Json, name: str, asset: str) -> int:
    """What an account has gained by what opened a transaction."""
    return sum(minor for of, in_, minor in t["moves"] if (of, in_) == (name, asset))


def account(wallet_id: str, sub_wallet: str, bucket: str = "available") -> str:
    """The name of an account."""
    return f"{wallet_id}/{sub_wallet}/{bucket}"


def may_come(t: Json, asset: str) -> int:
    """The most that an open transaction may yet bring to what its wallet can spend.

    What is held of it; or all that it took, its fee too; or what it has set aside.
    """
    if t["hold"]:
        return int(t["hold"]["left"]) if asset == t["asset"] else 0
    if t["silence"]:
        return sum(minor for name, of, minor in t["moves"] if of == asset and name.endswith("/held"))
    took, aside = 0, 0
    for name, of, minor in t["moves"]:
        if of == asset and name.startswith(t["account"][:-9]):
            if name.endswith(("/available", "/held")):
                took -= minor
            else:
                aside += minor
    return max(0, took, aside)


def is_open(t: Json) -> bool:
    """True where something is still to come of a transaction."""
    return bool(t["state"] in ("initiated", "processed") or (t["operation"], t["state"]) == ("dispute", "disputed"))


def remaining(t: Json) -> int:
    """settled - refunded - openly disputed - charged back - reversed, and what the rail has taken back."""
    taken_back = ("refunded", "disputed", "charged_back", "reversed", "returned")
    return int(t["settled"]) - sum(int(t[name]) for name in taken_back)


def state_of(t: Json) -> str:
    """The state of what was settled, by what became of it."""
    if t["state"] == "reversed":
        return "reversed"
    if t["disputed"]:
        return "disputed"
    undone = t["charged_back"] + t["reversed"] + t["returned"]
    return "reversed" if undone == t["settled"] or (t["reversed"] and not remaining(t)) else "settled"


# ---- outcomes ----------------------------------------------------------------------------------------


def say(c: Json, code: str, where: str | None = None) -> Json:
    """The answer to a command that is rejected, or that moves nothing."""
    said = {"kind": "answer", "wallet_id": c["wallet_id"], "key": c["idempotency_key"], "code": code, "field": where}
    return {**said, "id": None, "state": None, "balances": [], "replayed": False, "current": None}


def update(t: Json, after: After) -> Json:
    """A later change of a transaction, told to who asked for it."""
    said = {**say(t["c"], t["code"]), "kind": "update", "id": t["id"], "state": t["state"]}
    return {**said, "balances": own(t["wallet"], after)}


def own(wallet_id: str, after: After) -> After:
    """The balances that a requester is shown."""
    return sorted((name, minor) for name, minor in after if name.startswith(wallet_id + "/"))
