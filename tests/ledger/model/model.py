"""The model's way of a record: key, idempotency, quarantine, what is due, the operation, and what follows it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from tests.ledger.model import rewards
from tests.ledger.model.agreed import over_cap
from tests.ledger.model.books import MAX, TRANSIT, After, Books, Cause, Json, account, own, say, update
from tests.ledger.model.given_back import back_to, follow, taken_back_elsewhere
from tests.ledger.model.operations import OPERATIONS, first_of, of_scheduling, schedule
from tests.ledger.model.prices import Prices, ms_of
from tests.ledger.model.refusals import payee_refuses

TRY_AGAIN = {
    *("malformed", "key_mismatch", "idempotency_mismatch", "wallet_not_found", "wallet_quarantined"),
    *("rate_unavailable", "internal_error"),
}
EPOCH = "1970-01-01T00:00:00.000Z"
#: Amounts of commands, and the least that each may be.
AMOUNTS = {"amount_minor": 1, "settled_minor": 1, "rail_fee_minor": 0}


class Model(Books):
    """`request` and `told` return the outcomes of a record in partition `p`; `sent` is what partitions tell others."""

    def __init__(self, owner: Callable[[str], int], known: set[str], reference: Json, retained_ms: int, portions: Json):
        super().__init__(owner)
        self.known, self.rails, self.tiers = known, reference["rails"], reference["tiers"]
        #: Rail -> deadline in s, what silence does; none while something is executed that has its verdict.
        self.screened = self.all_screened = reference["screened"]
        self.prices = Prices(reference["rates"], reference["schedules"])
        self.retained_ms, self.bucket_ms = retained_ms, retained_ms // 5
        #: Scope of a key -> when it was used, the command, its answer.
        self.first: dict[tuple[str, str, str], tuple[int, Json, Json]] = {}
        #: How many parked records one release executes, and how many holds one tick ends.
        self.portions = portions

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
        ended = self.end_all(p, self.due(p, wid)) if wallet and not causes else []
        self.topic = topic
        said, following = self.decide(p, topic, c, wallet, causes, forwarded)
        if matches and not first and said["code"] not in TRY_AGAIN:
            self.first[scope] = self.now, c, said
        if c["operation"] == "release_quarantine" and said["code"] == "ok" and wallet:
            following += self.release(p, wid, wallet)
        return [*ended, said, *following]

    def id_of(self, c: Json, item: int = 0) -> str:
        """The id of a transaction: input topic, wallet, key, when it was first recorded, item of a batch."""
        identity = [self.topic, c["wallet_id"], c["idempotency_key"], str(self.now), str(item)]
        return sha256("\0".join(identity).encode()).hexdigest()[:32]

    def replayed(self, first: Json) -> Json:
        t = self.transactions.get(first["id"], first)
        return {**first, "replayed": True, "current": (t["state"], t["code"])}

    def causes_of_any(self, c: Json, key: str, first: Json | None, w: Json | None) -> list[Cause]:
        """Why a command is refused whatever it asks for: what is known without looking at its wallet."""
        found = [(name, c[name] is None or least <= c[name] <= MAX) for name, least in AMOUNTS.items() if name in c]
        for number, item in enumerate(c.get("items", ())):
            found.append((f"items.{number}.amount_minor", 1 <= item["amount_minor"] <= MAX))
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
        if ms_of(c.get("execute_at", EPOCH)) > self.now:
            refuse, do = of_scheduling, schedule
        late = refuse(self, p, w, c) if not causes and (w or c["operation"] == "open_wallet") else []
        if w and w["quarantined"] and topic == "transaction-requests":
            late.append(("wallet_quarantined", None))
        cause, id_ = first_of(causes or late), self.id_of(c)
        # What a payee refuses has failed; a batch is not begun.
        if cause is not None and (cause[0] != "payee_refused" or c["operation"] == "batch"):
            return say(c, *cause), []
        done = do(self, p, c, id_, refused=cause is not None)
        if isinstance(done, str):
            code, _, field = done.partition(" ")
            return say(c, code, field), []
        t, after, following = done
        state, code = (t["state"], t["code"]) if t else (None, "ok")
        # Only what this command has begun: a rail may settle what failed long ago, and is not told why it did.
        failed = t is not None and t["state"] == "failed" and t["id"] == id_
        answer = {**say(c, code if failed else "ok"), "state": state}
        return {**answer, "id": t["id"] if t else id_, "balances": own(c["wallet_id"], after)}, following

    # ---- time ----------------------------------------------------------------------------------------

    def due(self, p: int, wallet_id: str | None = None) -> list[Json]:
        """What is due, in order; under quarantine nothing is done that is due."""
        due = [t for t in self.transactions.values() if t["due"] and t["due"] <= self.now]
        due = [t for t in due if not self.wallets[t["wallet"]]["quarantined"]]
        here = [t for t in due if (self.owner(t["wallet"]) == p if wallet_id is None else t["wallet"] == wallet_id)]
        return sorted(here, key=lambda t: (t["due"], t["id"]))

    def end_all(self, p: int, due: list[Json]) -> list[Json]:
        """Holds end, rewards expire, what was scheduled is done; unless what came before has put it off."""
        ended = [self.end(p, t) for t in due if t["due"] and t["due"] <= self.now]
        return [told for told in ended if told is not None]

    def end(self, p: int, t: Json) -> Json | None:
        if t["silence"]:
            t["due"] = None
            if t["silence"] == "review":
                return None
            back = self.taken_back(p, t)
            t |= {"state": "failed", "code": "screening_denied", "silence": None}
            return update(t, back)
        if t["hold"]:
            return self.end_hold(t, "hold_expired")
        if t["operation"] != "reward":
            return self.execute(p, t)
        # Forced postings may have taken what is left of it.
        left = {key: sum(lot[2] for lot in lots) for key, lots in rewards.left(self, t).items()}
        purses = [f"{t['wallet']}/{sub}/available" for sub in self.wallets[t["wallet"]]["subs"]]
        moves = [
            (name, t["asset"], -max(0, min(left.get((name, t["asset"]), 0), self.balances[p, name, t["asset"]])))
            for name in purses
        ]
        expired = -sum(minor for _, _, minor in moves)
        moves.append(("system/rewards", t["asset"], expired))
        t["returned"] += expired
        t["code"] = "ok"
        # Taken of itself, and not of another one too.
        after = self.post(p, moves, room=False, first=t["id"])
        rewards.drop(self, t)
        return update(t, after or [])

    def execute(self, p: int, t: Json) -> Json:
        """Do what was scheduled; where that is refused it has failed."""
        refuse, do = OPERATIONS[t["operation"]]
        t["due"], t["state"] = None, "failed"
        after: After = []
        cause = first_of(refuse(self, p, self.wallets[t["wallet"]], t["c"]))
        if cause is None or cause[0] == "payee_refused":
            done = do(self, p, t["c"], t["id"], refused=cause is not None)
            if not isinstance(done, str):
                # What a rail has said too early stays booked.
                (done[0] or {})["refs"] |= t["refs"]
                return update(done[0] or {}, done[1])
            code, _, field = done.partition(" ")
            cause = code, field or None
        t["code"] = cause[0]
        return {**update(t, after), "field": cause[1]}

    def tick(self, p: int, bug: bool) -> list[Json]:
        due, most = self.due(p), self.portions["tick"]
        if bug:
            return []
        if len(due) > most:
            self.sent.append((p, p, ("tick",)))
        return self.end_all(p, due[:most])

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
            (wallet_id, sub), asset, to = t["to"], t["got_asset"], account(*t["to"])
            moves = [(TRANSIT, asset, -t["sends"]), (to, asset, t["sends"])]
            gets = asset
            if t["operation"] in ("refund", "reverse"):
                gets = t["parent"]["asset"]
                moves = [moves[0], *back_to(t["parent"], to, t["amount"], t["gives"], t["gives_fee"])]
            takes = not bug and wallet_id in self.wallets
            if takes and t["operation"] != "reverse":
                takes = not payee_refuses(self, wallet_id, sub, gets)
            if takes and t["operation"] in ("transfer", "capture"):
                takes = not over_cap(self, wallet_id, asset, t["sends"])
            takes = takes and self.receive(p, moves)
            side = {"wallet": wallet_id, "sub": sub, "to": (t["wallet"], t["sub"]), "took": takes, "hold": None}
            side |= {"state": "settled" if takes else "failed", "code": "ok", "parent": None, "moves": []}
            side |= {"due": None, "lots": [], "counted": None, "account": to}
            self.received[t["id"]] = {**t, **side}
            self.sent.append((p, self.owner(t["wallet"]), ("answer", t)))
            is_back = takes and t["operation"] in ("refund", "reverse")
            return taken_back_elsewhere(self, t) if is_back else []
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
