"""The model's way of a record: key, idempotency, quarantine, what is due, the operation, and what follows it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from schemas.codes import Code
from tests.ledger.model.begun import follow
from tests.ledger.model.books import MAX, Books, Json, account, own, say, update
from tests.ledger.model.operations import OPERATIONS
from tests.ledger.model.refusals import Cause, payee_refuses

TRY_AGAIN = {
    *("malformed", "key_mismatch", "idempotency_mismatch", "wallet_not_found", "wallet_quarantined"),
    *("rate_unavailable", "internal_error"),
}
#: Amounts of commands, and the least that each may be.
AMOUNTS = {"amount_minor": 1, "settled_minor": 1, "rail_fee_minor": 0}


class Model(Books):
    """`request` and `told` return the outcomes of a record in partition `p`; `sent` is what partitions tell others."""

    def __init__(
        self, owner: Callable[[str], int], known: set[str], rails: dict[str, str], retained_ms: int, portions: Json
    ):
        super().__init__(owner)
        self.known, self.rails = known, rails
        self.retained_ms, self.bucket_ms = retained_ms, retained_ms // 5
        #: Scope of a key -> when it was used, the command, its answer.
        self.first: dict[tuple[str, str, str], tuple[int, Json, Json]] = {}
        #: How many parked records one release executes, and how many holds one tick ends.
        self.portions = portions
        self.now = 0

    # ---- commands ------------------------------------------------------------------------------------

    def request(
        self, p: int, topic: str, c: Json, key: str, *, bug: bool, forwarded: bool = False, parked: bool = False
    ) -> list[Json]:
        wid, matches = c["wallet_id"], key == c["wallet_id"]
        scope, wallet = (topic, wid, c["idempotency_key"]), self.wallet_in(p, wid)
        if bug:
            (wallet or {}).update(quarantined=True, releasing=False)
            return [say(c, "internal_error")]
        if matches and self.owner(wid) != p and not forwarded:
            self.sent.append((p, self.owner(wid), ("forward", topic, c, key)))
            return []
        first = self.first.get(scope) if matches else None
        if first and first[0] // self.bucket_ms < (self.now - self.retained_ms) // self.bucket_ms:
            first = None
        if first and first[1] == c:
            return [self.replayed(first[2])]
        if matches and wallet and wallet["quarantined"] and topic == "settlement-updates" and not parked:
            wallet["parked"].append(("update", c, key))
            return []
        causes = self.causes_of_any(c, key, first[1] if first else None, wallet)
        ended = self.expire(p, wid) if wallet and not causes else []
        self.id = sha256("\0".join([*scope, str(self.now), "0"]).encode()).hexdigest()[:32]
        said, following = self.decide(p, topic, c, wallet, causes, forwarded)
        if matches and not first and said["code"] not in TRY_AGAIN:
            self.first[scope] = self.now, c, said
        if c["operation"] == "release_quarantine" and said["code"] == "ok" and wallet:
            following += self.release(p, wid, wallet)
        return [*ended, said, *following]

    def replayed(self, first: Json) -> Json:
        t = self.transactions.get(first["id"], first)
        return {**first, "replayed": True, "current": (t["state"], t["code"])}

    def causes_of_any(self, c: Json, key: str, first: Json | None, w: Json | None) -> list[Cause]:
        """Why a command is refused whatever it asks for: what is known without looking at its wallet."""
        found = [(name, c[name] is None or least <= c[name] <= MAX) for name, least in AMOUNTS.items() if name in c]
        causes: list[Cause] = [("amount_out_of_range", name) for name, fits in found if not fits]
        if key != c["wallet_id"]:
            causes.append(("key_mismatch", "wallet_id"))
        if first:
            names = sorted({*first, *c})
            causes.append(("idempotency_mismatch", next(name for name in names if first.get(name) != c.get(name))))
        if w is None and c["operation"] != "open_wallet":
            causes.append(("wallet_not_found", "wallet_id"))
        return causes

    def decide(
        self, p: int, topic: str, c: Json, w: Json | None, causes: list[Cause], forwarded: bool
    ) -> tuple[Json, list[Json]]:
        """The answer, and the updates that follow it."""
        refuse, do = OPERATIONS[c["operation"]]
        late = refuse(self, p, w, c) if w or c["operation"] == "open_wallet" else []
        if w and w["quarantined"] and topic == "transaction-requests":
            late.append(("wallet_quarantined", None))
        cause = first_of(causes or late)
        if cause is not None and cause[0] != "payee_refused":
            return say(c, *cause), []
        done = do(self, p, c, self.id, refused=cause is not None)
        if isinstance(done, str):
            return say(c, done, "amount_minor"), []
        t, after, following = done
        state, code = (t["state"], t["code"]) if t else (None, "ok")
        answer = {**say(c, code if state == "failed" else "ok"), "state": state}
        return {**answer, "id": t["id"] if t else self.id, "balances": own(c["wallet_id"], after)}, following

    # ---- time ----------------------------------------------------------------------------------------

    def due(self, p: int, wallet_id: str | None = None) -> list[Json]:
        """Authorizations whose time is over, in order; under quarantine nothing is done that is due."""
        holds = [t for t in self.transactions.values() if t["hold"] and t["hold"]["due"] <= self.now]
        holds = [t for t in holds if not self.wallets[t["wallet"]]["quarantined"]]
        here = [t for t in holds if (self.owner(t["wallet"]) == p if wallet_id is None else t["wallet"] == wallet_id)]
        return sorted(here, key=lambda t: (t["hold"]["due"], t["id"]))

    def expire(self, p: int, wallet_id: str) -> list[Json]:
        return [self.end_hold(t, "hold_expired") for t in self.due(p, wallet_id)]

    def tick(self, p: int, bug: bool) -> list[Json]:
        due, most = self.due(p), self.portions["tick"]
        if bug:
            return []
        if len(due) > most:
            self.sent.append((p, p, ("tick",)))
        return [self.end_hold(t, "hold_expired") for t in due[:most]]

    # ---- what partitions tell each other -------------------------------------------------------------

    def told(self, p: int, item: tuple[Any, ...], bug: bool) -> list[Json]:
        if item[0] == "tick":
            return self.tick(p, bug)
        if item[0] == "portion":
            wallet = self.wallets[item[1]]
            if bug:
                wallet |= {"quarantined": True, "releasing": False}
            return self.release(p, item[1], wallet) if wallet["releasing"] else []
        t = item[1]
        wallet = self.wallets.get(t["to"][0] if item[0] == "leg" else t["wallet"], {})
        if wallet and (wallet["quarantined"] or bug):
            wallet |= {"quarantined": True, "releasing": wallet["releasing"] and not bug}
            wallet["parked"].append(item)
            return []
        return self.take_leg(p, t, bug) if item[0] == "leg" else self.take_answer(p, t)

    def take_leg(self, p: int, t: Json, bug: bool) -> list[Json]:
        """The payee's partition takes the money or does not, once, and answers."""
        if t["id"] not in self.received:
            (wallet_id, sub), asset, amount = t["to"], t["asset"], t["amount"]
            is_here = wallet_id in self.wallets
            takes = (
                not bug and is_here and (t["operation"] == "reverse" or not payee_refuses(self, wallet_id, sub, asset))
            )
            takes = takes and self.receive(p, asset, account(wallet_id, sub), amount)
            side = {"wallet": wallet_id, "sub": sub, "to": (t["wallet"], t["sub"]), "took": takes, "hold": None}
            side |= {"state": "settled" if takes else "failed", "code": "ok", "parent": None, "moves": []}
            self.received[t["id"]] = {**t, **side}
        self.sent.append((p, self.owner(t["wallet"]), ("answer", t)))
        return []

    def take_answer(self, p: int, t: Json) -> list[Json]:
        """The payer's partition settles, or takes everything back."""
        if t["state"] != "processed":
            return []
        if self.received[t["id"]]["took"]:
            t["state"] = "settled"
            following = follow(self, t["parent"]) if t["operation"] == "reverse" else []
            return [update(t, []), *following]
        after = self.taken_back(p, t)
        t.update(state="failed", code="payee_refused")
        if t["parent"]:
            self.forget_child(t, t["amount"])
        return [update(t, after)]

    def release(self, p: int, wallet_id: str, wallet: Json) -> list[Json]:
        """Execute what is parked, as much as one portion is."""
        count = self.portions["release"]
        items, wallet["parked"] = wallet["parked"][:count], wallet["parked"][count:]
        more = bool(wallet["parked"])
        wallet |= {"quarantined": more, "releasing": more}
        outcomes: list[Json] = []
        for item in items:
            if item[0] == "update":
                outcomes += self.request(p, "settlement-updates", *item[1:], bug=False, forwarded=True, parked=True)
            else:
                outcomes += self.take_leg(p, item[1], bug=False) if item[0] == "leg" else self.take_answer(p, item[1])
        if more:
            self.sent.append((p, p, ("portion", wallet_id)))
        return outcomes


def first_of(causes: list[Cause]) -> Cause | None:
    """Of several causes the one whose code is first."""
    return min(causes, key=lambda cause: [*Code].index(Code(cause[0])), default=None)
