"""The reference model of the ledger, in plain dictionaries. Its commands carry all fields that have a default."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from schemas.codes import Code

Json = dict[str, Any]
TRY_AGAIN = {"key_mismatch", "idempotency_mismatch", "wallet_not_found", "wallet_quarantined", "internal_error"}
MAX = 2**63 - 1


class Model:
    """`request` and `told` return the outcomes of a record in partition `p`; `sent` is what partitions tell others."""

    def __init__(self, owner: Callable[[str], int], known: set[str], retained_ms: int, portion: int):
        self.owner, self.known, self.retained_ms, self.bucket_ms = owner, known, retained_ms, retained_ms // 5
        self.wallets: dict[str, Json] = {}
        self.balances: dict[tuple[int, str, str], int] = defaultdict(int)
        self.first: dict[tuple[str, str, str], tuple[int, Json, Json, Json]] = {}
        self.sent: list[tuple[int, int, tuple[Any, ...]]] = []
        #: Transfers whose money may come back, with the payer's partition.
        self.open: list[tuple[int, Json]] = []
        self.portion = portion

    def request(self, p: int, now: int, topic: str, c: Json, key: str, bug: bool, forwarded: bool) -> list[Json]:
        wid, scope, matches = c["wallet_id"], (topic, c["wallet_id"], c["idempotency_key"]), key == c["wallet_id"]
        wallet = self.wallets.get(wid) if self.owner(wid) == p else None
        if bug:
            (wallet or {}).update(quarantined=True, releasing=False)
            return [say(c, "internal_error")]
        if matches and self.owner(wid) != p and not forwarded:
            self.sent.append((p, self.owner(wid), ("forward", topic, c, key)))
            return []
        first = self.first.get(scope) if matches else None
        if first and first[0] // self.bucket_ms < (now - self.retained_ms) // self.bucket_ms:
            first = None
        if first and first[1] == c:
            return [{**first[2], "replayed": True, "current": (first[3]["state"], first[3]["code"])}]
        code, where = self.why_not(p, c, key, first[1] if first else None, wallet)
        rejection = say(c, code, where, "failed" if code == "payee_refused" else None)
        said, transaction = self.execute(p, c) if code == "ok" else (rejection, rejection)
        if matches and not first and said["code"] not in TRY_AGAIN:
            self.first[scope] = now, c, said, transaction
        if c["operation"] == "release_quarantine" and said["code"] == "ok" and wallet:
            return [said, *self.release(p, wid, wallet)]
        return [said]

    def release(self, p: int, wid: str, wallet: Json) -> list[Json]:
        first, wallet["parked"] = wallet["parked"][: self.portion], wallet["parked"][self.portion :]
        more = bool(wallet["parked"])
        updates = [update for item in first for update in self.execute_told(p, item, bug=False)]
        wallet |= {"quarantined": more, "releasing": more}
        if more:
            self.sent.append((p, p, ("portion", wid)))
        return updates

    def why_not(self, p: int, c: Json, key: str, first: Json | None, w: Json | None) -> tuple[str, str | None]:
        op, sub, asset, amount = c["operation"], c["sub_wallet"], c.get("asset"), c.get("amount_minor", 1)
        operator, out = "approved_by" in c, op in ("debit", "transfer")
        differing = [name for name in sorted({*first, *c}) if first.get(name) != c.get(name)] if first else []
        checks: list[tuple[str, str | None, Any]] = [
            ("amount_out_of_range", "amount_minor", not 0 < amount <= MAX),
            ("key_mismatch", "wallet_id", key != c["wallet_id"]),
            ("idempotency_mismatch", differing[0] if differing else None, differing),
            ("wallet_not_found", "wallet_id", w is None and op != "open_wallet"),
            ("wallet_exists", "wallet_id", w and op == "open_wallet"),
            ("asset_unknown", "assets", not {*c.get("assets", ())} <= self.known),
        ]
        if w:
            held = [minor for (_, name, _), minor in self.balances.items() if name.startswith(c["wallet_id"] + "/")]
            local = self.owner(c.get("to_wallet_id", "")) == p and op == "transfer"
            checks += [
                ("wallet_exists", "sub_wallet", op == "open_sub_wallet" and sub in w["subs"]),
                ("sub_wallet_not_found", "sub_wallet", asset and sub not in w["subs"]),
                ("wallet_quarantined", None, w["quarantined"] and not operator),
                ("wallet_closed", "state" if operator else None, w["state"] == "closed" and op != "release_quarantine"),
                ("wallet_disabled", None, w["state"] == "disabled" and not operator),
                ("wallet_locked", None, w["state"] == "locked" and out),
                ("asset_unknown", "asset", asset and asset not in self.known),
                ("asset_not_enabled", "asset", "amount_minor" in c and asset not in w["assets"]),
                ("rail_unknown", "rail", c.get("rail", "instant") != "instant"),
                ("illegal_transition", "state", c.get("state") == "closed" and (any(held) or w["open"] or w["parked"])),
                ("illegal_transition", "wallet_id", op == "release_quarantine" and not w["quarantined"]),
                ("illegal_transition", "to_wallet_id" if op == "transfer" else "sub_wallet", out and self.held(w, c)),
                ("insufficient_funds", "amount_minor", out and self.balances[p, account(c), str(asset)] < amount),
                ("payee_refused", None, local and (self.refuses(c) or self.wallets[c["to_wallet_id"]]["quarantined"])),
                ("four_eyes", "approved_by", operator and c["requested_by"] == c["approved_by"]),
            ]
        causes = [(code, where) for code, where, applies in checks if applies]
        return min(causes, key=lambda cause: [*Code].index(cause[0]), default=("ok", None))

    def held(self, w: Json, c: Json) -> bool:
        return w["subs"].get(c["sub_wallet"]) not in (None, c.get("to_wallet_id"))

    def refuses(self, c: Json) -> bool:
        w = self.wallets.get(c["to_wallet_id"], {"state": "closed", "subs": {}, "assets": {}})
        return not (
            c["to_sub_wallet"] in w["subs"] and c["asset"] in w["assets"] and w["state"] in ("active", "locked")
        )

    def execute(self, p: int, c: Json) -> tuple[Json, Json]:
        op, wid, transaction = c["operation"], c["wallet_id"], {"command": c, "state": None, "code": "ok"}
        if op == "open_wallet":
            self.wallets[wid] = {"assets": {*c["assets"]}, "subs": {"main": None}, "parked": [], "open": 0}
            self.wallets[wid] |= {"state": "active", "quarantined": False, "releasing": False}
        elif op == "open_sub_wallet":
            self.wallets[wid]["subs"][c["sub_wallet"]] = c.get("payee_wallet_id")
        elif op == "enable_asset":
            self.wallets[wid]["assets"].add(c["asset"])
        elif op == "set_wallet_state":
            self.wallets[wid]["state"] = c["state"]
        elif op != "release_quarantine":
            owner = self.owner(c["to_wallet_id"]) if op == "transfer" else p
            other = "rail" if op != "transfer" else account(c, "to_") if owner == p else "transit"
            debit, credit = (other, account(c)) if op == "credit" else (account(c), other)
            if not self.move(p, debit, credit, c, opens=owner != p):
                full = say(c, "amount_out_of_range", "amount_minor")
                full = say(c, "payee_refused", None, "failed") if op == "transfer" and owner == p else full
                return full, full
            transaction["state"] = "settled" if owner == p else "processed"
            if owner != p:
                self.open.append((p, transaction))
                self.wallets[wid]["open"] += 1
                self.sent.append((p, owner, ("leg", transaction)))
            own = [name for name in (debit, credit) if name.startswith(wid + "/")]
            return say(c, "ok", None, transaction["state"], self.after(p, c, own)), transaction
        return say(c, "ok"), transaction

    def told(self, p: int, item: tuple[Any, ...], bug: bool) -> list[Json]:
        if item[0] == "portion":
            wallet = self.wallets[item[1]]
            if bug:
                wallet |= {"quarantined": True, "releasing": False}
            return self.release(p, item[1], wallet) if wallet["releasing"] else []
        c = item[1]["command"]
        wallet = self.wallets.get(c["to_wallet_id" if item[0] == "leg" else "wallet_id"], {})
        if wallet and (wallet["quarantined"] or bug):
            wallet |= {"quarantined": True, "releasing": wallet["releasing"] and not bug}
            wallet["parked"].append(item)
            return []
        return self.execute_told(p, item, bug)

    def execute_told(self, p: int, item: tuple[Any, ...], bug: bool) -> list[Json]:
        (kind, transaction), c = item[:2], item[1]["command"]
        if kind == "leg":
            if "leg" not in transaction:
                takes = not bug and not self.refuses(c)
                transaction["leg"] = takes and self.move(p, "transit", account(c, "to_"), c)
            self.sent.append((p, self.owner(c["wallet_id"]), ("answer", transaction)))
        elif transaction["state"] == "processed":
            self.wallets[c["wallet_id"]]["open"] -= 1
            self.open.remove((p, transaction))
            state, code = ("settled", "ok") if transaction["leg"] else ("failed", "payee_refused")
            own = [] if code == "ok" or not self.move(p, "transit", account(c), c) else [account(c)]
            transaction |= {"state": state, "code": code}
            return [say(c, code, None, state, self.after(p, c, own), "update")]
        return []

    def move(self, p: int, debit: str, credit: str, c: Json, opens: bool = False) -> bool:
        """False where a balance would leave int64, now or if all that is under way came back."""
        less = self.balances[p, debit, c["asset"]] - c["amount_minor"]
        more = self.balances[p, credit, c["asset"]] + c["amount_minor"]
        here = [t["command"] for at, t in self.open if at == p and t["command"]["asset"] == c["asset"] and not opens]
        taken = sum(open_["amount_minor"] for open_ in here if debit == "transit")
        given = sum(open_["amount_minor"] for open_ in here if credit == account(open_))
        if fits := bool(less - taken >= -MAX - 1 and more + given <= MAX):
            self.balances[p, debit, c["asset"]], self.balances[p, credit, c["asset"]] = less, more
        return fits

    def after(self, p: int, c: Json, accounts: list[str]) -> list[tuple[str, int]]:
        return [(name, self.balances[p, name, c["asset"]]) for name in accounts]


def account(c: Json, prefix: str = "") -> str:
    return f"{c[prefix + 'wallet_id']}/{c[prefix + 'sub_wallet']}"


def say(c: Json, code: str, where: Any = None, state: Any = None, after: Any = (), kind: str = "answer") -> Json:
    said = {"kind": kind, "wallet_id": c["wallet_id"], "key": c["idempotency_key"], "code": code, "field": where}
    return {**said, "state": state, "balances": [*after], "replayed": False, "current": None}
