"""What begins a transaction: its journal, and what it counts for on the one that it acts on.

All that an operation does returns the transaction (None where there is none), the balances after its journal and the
updates that follow; or the code where a balance would leave int64.
"""

from __future__ import annotations

from typing import Any

from tests.ledger.model.books import TRANSIT, Json, Moves, account, remaining, state_of, update
from tests.ledger.model.refusals import named

Done = tuple[Json | None, list[tuple[str, int]], list[Json]] | str
FULL = "amount_out_of_range"
COUNTED = {"refund": "refunded", "dispute": "disputed", "reverse": "reversed"}


def rail_of(t: Json) -> str:
    """The account of what is settled with a transaction's rail."""
    return f"system/rail:{t['rail'] or 'instant'}"


def begin(m: Any, p: int, c: Json, id_: str, state: str, moves: Moves, **fields: Any) -> Done:
    """A transaction of its own, with the journal that opens it; one that failed posts none."""
    t: Json = {"id": id_, "c": c, "operation": c["operation"], "wallet": c["wallet_id"], "sub": c.get("sub_wallet")}
    t |= {"asset": c.get("asset"), "amount": c.get("amount_minor"), "state": state, "code": "ok", "rail": None}
    t |= {"to": None, "parent": None, "hold": None, "batch": None, "refs": set(), "moves": moves, **fields}
    t |= {"settled": t["amount"], **dict.fromkeys(("refunded", "disputed", "charged_back", "reversed", "returned"), 0)}
    if state == "failed":
        t |= {"code": "payee_refused", "moves": []}
        m.transactions[id_] = t
        return t, [], []
    after = m.post(p, t["asset"], moves)
    if after is None:
        return FULL
    m.transactions[id_] = t
    if t["parent"] and t["operation"] in COUNTED:
        t["parent"][COUNTED[t["operation"]]] += t["amount"]
    return t, after, []


def over_rail(m: Any, rail: str | None) -> tuple[bool, str | None]:
    """Whether a rail settles later, and its name where it does."""
    waits = m.rails[rail or "instant"] == "deferred"
    return waits, rail if waits else None


def credit(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    waits, rail = over_rail(m, c["rail"])
    amount, purse = c["amount_minor"], (c["wallet_id"], c["sub_wallet"])
    if waits:
        moves = [(f"system/rail-pending:{rail}", -amount), (account(*purse, "incoming"), amount)]
        return begin(m, p, c, id_, "processed", moves, rail=rail)
    return begin(m, p, c, id_, "settled", [("system/rail:instant", -amount), (account(*purse), amount)])


def debit(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    waits, rail = over_rail(m, c["rail"])
    amount, purse = c["amount_minor"], (c["wallet_id"], c["sub_wallet"])
    to = account(*purse, "outgoing") if waits else "system/rail:instant"
    moves = [(account(*purse), -amount), (to, amount)]
    return begin(m, p, c, id_, "processed" if waits else "settled", moves, rail=rail)


def authorize(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    amount, purse = c["amount_minor"], (c["wallet_id"], c["sub_wallet"])
    hold = {"due": m.now + c["expires_in_s"] * 1_000, "left": amount, "captured": 0}
    moves = [(account(*purse), -amount), (account(*purse, "held"), amount)]
    return begin(m, p, c, id_, "processed", moves, hold=hold)


def to_payee(m: Any, p: int, c: Json, id_: str, from_: str, refused: bool, **fields: Any) -> Done:
    """Money to another wallet: in one journal where it lives here, else by way of transit."""
    to, amount = fields["to"], fields["amount"]
    if m.owner(to[0]) != p:
        done = begin(m, p, c, id_, "processed", [(from_, -amount), (TRANSIT, amount)], **fields)
        if not isinstance(done, str):
            m.sent.append((p, m.owner(to[0]), ("leg", done[0])))
        return done
    if not refused:
        done = begin(m, p, c, id_, "settled", [(from_, -amount), (account(*to), amount)], **fields)
        if not isinstance(done, str):
            return done
    return begin(m, p, c, id_, "failed", [], **fields)


def transfer(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    from_, to = account(c["wallet_id"], c["sub_wallet"]), (c["to_wallet_id"], c["to_sub_wallet"])
    return to_payee(m, p, c, id_, from_, refused, to=to, amount=c["amount_minor"])


def capture(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    of = named(m, p, c)["t"]  # type: ignore[index]
    hold, purse = of["hold"], (of["wallet"], of["sub"])
    amount = hold["left"] if c.get("amount_minor") is None else c["amount_minor"]
    fields = {"parent": of, "asset": of["asset"], "sub": of["sub"], "amount": amount}
    from_ = account(*purse, "held")
    if "to_wallet_id" in c:
        to = c["to_wallet_id"], c.get("to_sub_wallet", "main")
        done = to_payee(m, p, c, id_, from_, refused, to=to, **fields)
    else:
        waits, rail = over_rail(m, c.get("rail"))
        moves = [(from_, -amount), (account(*purse, "outgoing") if waits else "system/rail:instant", amount)]
        done = begin(m, p, c, id_, "processed" if waits else "settled", moves, rail=rail, **fields)
    if isinstance(done, str) or (done[0] or {})["state"] == "failed":
        return done
    hold["left"] -= amount
    hold["captured"] += amount
    if c["final"] or not hold["left"]:
        return done[0], done[1], [m.end_hold(of, "ok")]
    return done


def refund(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    found = named(m, p, c)
    assert found is not None
    of, own = found["t"], account(c["wallet_id"], found["purse"])
    amount = remaining(of) if c.get("amount_minor") is None else c["amount_minor"]
    fields = {"parent": of, "asset": of["asset"], "sub": found["purse"], "amount": amount}
    if found["payer"]:
        return to_payee(m, p, c, id_, own, refused, to=found["payer"], **fields)
    if of["rail"] is None:
        return begin(m, p, c, id_, "settled", [("system/rail:instant", -amount), (own, amount)], **fields)
    incoming = account(c["wallet_id"], found["purse"], "incoming")
    moves = [(f"system/rail-pending:{of['rail']}", -amount), (incoming, amount)]
    return begin(m, p, c, id_, "processed", moves, rail=of["rail"], **fields)


def follow(m: Any, of: Json) -> list[Json]:
    """The original, after what acted on it; the payer's partition is told nothing of it."""
    before, of["state"] = of["state"], state_of(of)
    if before == of["state"]:
        return []
    of["code"] = "ok"
    return [] if "took" in of else [update(of, [])]


def dispute(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    of = named(m, p, c)["t"]  # type: ignore[index]
    amount = remaining(of) if c.get("amount_minor") is None else c["amount_minor"]
    purse = of["wallet"], of["sub"]
    from_ = account(*purse) if of["operation"] == "credit" else "system/chargebacks"
    fields = {"parent": of, "asset": of["asset"], "sub": of["sub"], "amount": amount}
    moves = [(from_, -amount), (account(*purse, "disputed"), amount)]
    done = begin(m, p, c, id_, "disputed", moves, **fields)
    return done if isinstance(done, str) else (done[0], done[1], follow(m, of))


def reverse(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    found = named(m, p, c)
    assert found is not None
    of = found["t"]
    if found["payer"]:
        done = refund(m, p, c, id_, refused=False)
    else:
        amount, own = remaining(of), account(of["wallet"], of["sub"])
        against = "system/adjustments" if c.get("rail_reference") is None else rail_of(of)
        sign = -1 if of["operation"] == "credit" else 1
        fields = {"parent": of, "asset": of["asset"], "sub": of["sub"], "amount": amount}
        done = begin(m, p, c, id_, "settled", [(own, sign * amount), (against, -sign * amount)], **fields)
    # What is under way to the payer's partition is reversed once that has taken the money.
    if isinstance(done, str) or (done[0] or {})["state"] != "settled":
        return done
    return done[0], done[1], follow(m, of)


def adjust(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    moves = [(c["from_account"], -c["amount_minor"]), (c["to_account"], c["amount_minor"])]
    return begin(m, p, c, id_, "settled", moves)
