"""What begins a transaction: its journal, and what it counts for on the one that it acts on.

All that an operation does returns the transaction (None where there is none), the balances after its journal and the
updates that follow; or the code, and perhaps the field, where that cannot be done after all.
"""

from __future__ import annotations

from typing import Any

from tests.ledger.model import rewards
from tests.ledger.model.agreed import over_cap
from tests.ledger.model.books import MAX, TRANSIT, After, Json, Moves, account
from tests.ledger.model.refusals import charge, named

Done = tuple[Json | None, After, list[Json]] | str
FULL = "amount_out_of_range amount_minor"
COUNTED = {"refund": "refunded", "dispute": "disputed", "reverse": "reversed"}


def rail_of(t: Json) -> str:
    """The account of what is settled with a transaction's rail."""
    return f"system/rail:{t['rail'] or 'instant'}"


def begin(m: Any, p: int, c: Json, id_: str, state: str, moves: Moves, **fields: Any) -> Done:
    """A transaction of its own, with the journal that opens it; one that failed posts none."""
    t: Json = {"id": id_, "c": c, "operation": c["operation"], "wallet": c["wallet_id"], "sub": c.get("sub_wallet")}
    t |= {"asset": c.get("asset"), "amount": c.get("amount_minor") or 0, "state": state, "code": "ok", "rail": None}
    t |= {"to": None, "parent": None, "hold": None, "due": None, "batch": None, "refs": set(), "moves": moves}
    # What refunds give back of its fee; what counts towards limits; what it takes of a hold.
    t |= {"fee": 0, "counts": 0, "counted": None, "held": 0, "lots": [], "silence": None, **fields}
    t["account"] = account(t["wallet"], t["sub"] or "main")
    # What its payee gets, what it sends there, and what it gives back of its original's exchange and fee.
    t = {"got": t["amount"], "got_asset": t["asset"], "gives": 0, "gives_fee": 0, **t}
    t = {"sends": t["amount"], "settled": t["got"], **t}
    t |= dict.fromkeys(("refunded", "disputed", "charged_back", "reversed", "returned", "fee_back", "given_back"), 0)
    parent = t["parent"]
    if state == "failed":
        t |= {"code": "payee_refused", "moves": []}
        m.transactions[id_] = t
        return t, [], []
    after = m.post(p, moves, first=parent["id"] if parent else None)
    if after is None:
        return FULL
    t |= {"lots": m.taken, "others": max(0, t["amount"] - sum(lot[2] for lot in m.taken))}
    m.transactions[id_] = t
    if t["counts"] and m.wallets[t["wallet"]]["terms"]:
        t["counted"] = [m.now, t["counts"], 0 if t["operation"] == "capture" else 1]
        m.spent[t["wallet"], t["asset"]].append(t["counted"])
    if parent and t["operation"] in COUNTED:
        parent[COUNTED[t["operation"]]] += t["amount"]
        parent["fee_back"] += t["gives_fee"]
        parent["given_back"] += t["gives"]
        if state == "settled" and parent["operation"] not in ("credit", "reward") and "took" not in parent:
            rewards.give_back(m, parent, t["amount"] if parent["got_asset"] == parent["asset"] else t["gives"])
    return t, after, []


def paid(fee: int, purse: tuple[str, str], asset: str) -> Moves:
    """A fee, from what a sub-wallet can spend."""
    return [(account(*purse), asset, -fee), ("system/fees", asset, fee)]


def over_rail(m: Any, rail: str | None) -> tuple[bool, str | None]:
    """Whether a rail settles later, and its name where it does."""
    waits = m.rails[rail or "instant"] == "deferred"
    return waits, rail if waits else None


def credit(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    waits, rail = over_rail(m, c["rail"])
    amount, purse, asset = c["amount_minor"], (c["wallet_id"], c["sub_wallet"]), c["asset"]
    if waits:
        moves = [(f"system/rail-pending:{rail}", asset, -amount), (account(*purse, "incoming"), asset, amount)]
        return begin(m, p, c, id_, "processed", moves, rail=rail)
    fee, back = charge(m, c)
    moves = [("system/rail:instant", asset, -amount), (account(*purse), asset, amount), *paid(fee, purse, asset)]
    return begin(m, p, c, id_, "settled", moves, fee=back)


def debit(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    waits, rail = over_rail(m, c["rail"])
    amount, purse, asset = c["amount_minor"], (c["wallet_id"], c["sub_wallet"]), c["asset"]
    to = account(*purse, "outgoing") if waits else "system/rail:instant"
    fee, back = charge(m, c)
    if c["rail"] in m.screened:
        deadline_s, silence = m.screened[c["rail"]]
        moves = [(account(*purse), asset, -amount - fee), (account(*purse, "held"), asset, amount + fee)]
        waiting = {"rail": rail, "due": m.now + deadline_s * 1_000, "silence": silence, "counts": amount}
        return begin(m, p, c, id_, "initiated", moves, **waiting)
    moves = [(account(*purse), asset, -amount), (to, asset, amount), *paid(fee, purse, asset)]
    return begin(m, p, c, id_, "processed" if waits else "settled", moves, rail=rail, fee=back, counts=amount)


def authorize(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    amount, purse, asset = c["amount_minor"], (c["wallet_id"], c["sub_wallet"]), c["asset"]
    hold, fee = {"left": amount, "captured": 0}, charge(m, c)[0]
    moves = [(account(*purse), asset, -amount), (account(*purse, "held"), asset, amount), *paid(fee, purse, asset)]
    due = m.now + c["expires_in_s"] * 1_000
    return begin(m, p, c, id_, "processed", moves, hold=hold, due=due, counts=amount)


def to_payee(m: Any, p: int, c: Json, id_: str, moves: Moves, refused: bool, **fields: Any) -> Done:
    """Money to another wallet: in one journal where it lives here, else by way of transit.

    `moves` take it from the payer; the payee gets what is missing from them in `got_asset`.
    """
    to, asset = fields["to"], fields["got_asset"]
    sends = -sum(minor for _, of, minor in moves if of == asset)
    if m.owner(to[0]) != p:
        done = begin(m, p, c, id_, "processed", [*moves, (TRANSIT, asset, sends)], sends=sends, **fields)
        if not isinstance(done, str):
            m.sent.append((p, m.owner(to[0]), ("leg", done[0])))
        return done
    is_other = to[0] != c["wallet_id"] or c.get("to_asset") not in (None, c.get("asset"))
    is_new = c["operation"] in ("transfer", "capture") and is_other
    if not refused and not (is_new and over_cap(m, to[0], asset, sends)):
        done = begin(m, p, c, id_, "settled", [*moves, (account(*to), asset, sends)], **fields)
        if not isinstance(done, str) or m.in_all(p, account(*to).rpartition("/")[0], asset) + sends <= MAX:
            return done
    return begin(m, p, c, id_, "failed", [], **fields)


def exchange(m: Any, c: Json) -> tuple[int, Moves] | str:
    """What an amount gives of another asset, and the moves of the account that exchanges are against."""
    from_, to, amount = c["asset"], c["to_asset"], c["amount_minor"]
    gives = m.prices.exchanged(m.now, from_, to, amount, c.get("rate_id"))
    if gives is None:
        return "rate_unavailable rate_id" if "rate_id" in c else "rate_unavailable to_asset"
    if not 1 <= gives <= 2**63 - 1:
        return FULL
    if gives < c.get("min_to_amount_minor", 1):
        return "rate_moved min_to_amount_minor"
    return gives, [("system/fx", from_, amount), ("system/fx", to, -gives)]


def transfer(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    purse, to = (c["wallet_id"], c["sub_wallet"]), (c["to_wallet_id"], c["to_sub_wallet"])
    amount, asset, (fee, back) = c["amount_minor"], c["asset"], charge(m, c)
    fields: Json = {"to": to, "fee": back, "got": amount, "got_asset": asset}
    moves = [(account(*purse), asset, -amount), *paid(fee, purse, asset)]
    if c.get("to_asset", asset) != asset:
        exchanged = exchange(m, c)
        if isinstance(exchanged, str):
            return exchanged
        fields |= {"got": exchanged[0], "got_asset": c["to_asset"]}
        moves += exchanged[1]
    return to_payee(m, p, c, id_, moves, refused, counts=amount if to[0] != purse[0] else 0, **fields)


def convert(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    exchanged = exchange(m, c)
    if isinstance(exchanged, str):
        return exchanged
    purse, asset, to_asset, (fee, back) = (c["wallet_id"], c["sub_wallet"]), c["asset"], c["to_asset"], charge(m, c)
    moves = [(account(*purse), asset, -c["amount_minor"]), *exchanged[1], (account(*purse), to_asset, exchanged[0])]
    moves += paid(fee, purse, asset)
    return begin(m, p, c, id_, "settled", moves, fee=back, got=exchanged[0], got_asset=to_asset)


def take_fee(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    return begin(m, p, c, id_, "settled", paid(c["amount_minor"], (c["wallet_id"], c["sub_wallet"]), c["asset"]))


def reward(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    amount, to = c["amount_minor"], account(c["wallet_id"], c["sub_wallet"])
    due = m.now + c["expires_in_s"] * 1_000 if "expires_in_s" in c else None
    moves = [("system/rewards", c["asset"], -amount), (to, c["asset"], amount)]
    done = begin(m, p, c, id_, "settled", moves, due=due)
    if due and not isinstance(done, str):
        rewards.add(m, done[0] or {})
    return done


def capture(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    of = named(m, p, c)["t"]  # type: ignore[index]
    hold, purse, asset = of["hold"], (of["wallet"], of["sub"]), of["asset"]
    amount = hold["left"] if c.get("amount_minor") is None else c["amount_minor"]
    held = min(amount, hold["left"])
    fee, back = charge(m, c, asset, amount)
    fields = {"parent": of, "asset": asset, "sub": of["sub"], "amount": amount, "held": held, "fee": back}
    fields["counts"] = amount - held
    moves = [(account(*purse, "held"), asset, -held), (account(*purse), asset, held - amount)]
    moves += paid(fee, purse, asset)
    if "to_wallet_id" in c:
        to = c["to_wallet_id"], c.get("to_sub_wallet", "main")
        done = to_payee(m, p, c, id_, moves, refused, to=to, got_asset=asset, **fields)
    else:
        waits, rail = over_rail(m, c.get("rail"))
        moves.append((account(*purse, "outgoing") if waits else "system/rail:instant", asset, amount))
        done = begin(m, p, c, id_, "processed" if waits else "settled", moves, rail=rail, **fields)
    if isinstance(done, str) or (done[0] or {})["state"] == "failed":
        return done
    hold["left"] -= held
    hold["captured"] += amount
    if c["final"] or not hold["left"]:
        return done[0], done[1], [m.end_hold(of, "ok")]
    return done


def adjust(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    minor, asset = c["amount_minor"], c["asset"]
    return begin(m, p, c, id_, "settled", [(c["from_account"], asset, -minor), (c["to_account"], asset, minor)])
