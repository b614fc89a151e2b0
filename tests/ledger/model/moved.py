"""What moves on a transaction that there is already."""

from __future__ import annotations

from typing import Any

from tests.ledger.model import rewards
from tests.ledger.model.begun import FULL, Done, rail_of
from tests.ledger.model.books import MAX, After, Json, account, remaining, state_of, update
from tests.ledger.model.given_back import count_forced, follow
from tests.ledger.model.refusals import is_said_again


def is_inflow(t: Json) -> bool:
    """True where money comes in over a rail."""
    return t["operation"] in ("credit", "refund")


def of(asset: str, moves: After) -> list[tuple[str, str, int]]:
    """Moves of a single asset."""
    return [(name, asset, minor) for name, minor in moves]


def moved(t: Json, state: str, after: After, *following: Json) -> Done:
    """A command has moved a transaction, and who asked for it is told."""
    t.update(state=state, code="ok")
    return t, after, [update(t, after), *following]


def release(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    t = m.transactions[c["transaction_id"]]
    told = m.end_hold(t, "ok")
    return t, told["balances"], [told]


def cancel(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    t = m.transactions[c["transaction_id"]]
    t["due"] = None
    return release(m, p, c, id_, refused=refused) if t["hold"] else undo(m, p, t, "canceled")


def undo(m: Any, p: int, t: Json, state: str) -> Done:
    """Everything goes back, and is not counted any more."""
    after = m.taken_back(p, t)
    if t["parent"]:
        m.forget_child(t, t["amount"])
    # The fee that a refund has given back may be spent.
    gave = sum(minor for name, _, minor in t["moves"] if name == t["account"])
    if gave > 0:
        taken = {"wallet": t["wallet"], "asset": t["asset"], "amount": gave, "state": "settled"}
        count_forced(m, taken, t["account"])
    return moved(t, state, after)


def fail(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    t = m.transactions[c["transaction_id"]]
    return (t, [], []) if t["state"] == "failed" else undo(m, p, t, "failed")


def submit(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    t = m.transactions[c["transaction_id"]]
    if t["batch"]:
        return t, [], []
    t["batch"] = c["batch_id"]
    return moved(t, "processed", [])


def settle(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    t, fee = m.transactions[c["transaction_id"]], c.get("rail_fee_minor") or 0
    amount, reference = t["amount"], f"settled {c['rail_reference']}"
    settled = amount if c.get("settled_minor") is None else c["settled_minor"]
    rail, sign = rail_of(t), -1 if is_inflow(t) else 1
    if is_said_again(c, t) or reference in t["refs"]:
        if reference not in t["refs"]:
            over = [(rail, sign * settled + fee), ("system/suspense", -sign * settled), ("system/fees", -fee)]
            if m.post(p, of(t["asset"], over)) is None:
                return FULL
            t["refs"].add(reference)
        return t, [], []
    own = t["wallet"], t["sub"]
    moves = [(rail, sign * settled + fee), ("system/fees", -fee)]
    if is_inflow(t):
        moves += [(account(*own, "incoming"), -amount), (account(*own), settled)]
        moves += [(f"system/rail-pending:{t['rail']}", amount)]
    else:
        moves += [(account(*own, "outgoing"), -amount), (account(*own), amount - settled)]
    after = m.post(p, of(t["asset"], moves), room=False)
    if after is None:
        return FULL
    t["settled"] = settled
    t["refs"].add(reference)
    if t["operation"] == "refund":
        m.forget_child(t, amount - settled, wholly=False)
        rewards.give_back(m, t["parent"], settled)
    elif not is_inflow(t):
        rewards.give_back(m, t, amount - settled)
        # Of a capture what was taken beyond its authorization first, then what that has counted.
        own_part = min(amount - settled, t["counts"])
        m.uncount(t, own_part, 0)
        if t["operation"] == "capture":
            m.uncount(t["parent"], amount - settled - own_part, 0)
    return moved(t, "settled", after)


def return_(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    t = m.transactions[c["transaction_id"]]
    reference, amount = f"returned {c['rail_reference']}", c["amount_minor"]
    sign = -1 if is_inflow(t) else 1
    if is_said_again(c, t):
        if reference not in t["refs"]:
            if m.post(p, of(t["asset"], [(rail_of(t), -sign * amount), ("system/suspense", sign * amount)])) is None:
                return FULL
            t["refs"].add(reference)
        return t, [], []
    # Operators have booked what they have reversed by this very return.
    amount -= t["reversed"] if f"reversed {c['rail_reference']}" in t["refs"] else 0
    if reference in t["refs"] or amount <= 0:
        return t, [], []
    # What is left of it is the wallet's, as far as there is room for it; the rest is for somebody to look at.
    own, asset = account(t["wallet"], t["sub"]), t["asset"]
    returned = min(amount, max(0, remaining(t)))
    if not is_inflow(t):
        returned = min(returned, max(0, MAX - m.in_all(p, own[:-10], asset)))
    moves = [(own, sign * returned), (rail_of(t), -sign * amount), ("system/suspense", sign * (amount - returned))]
    after = m.post(p, of(asset, moves))
    if after is None:
        return FULL
    t["refs"].add(reference)
    t["returned"] += returned
    if not is_inflow(t):
        rewards.give_back(m, t, returned)
    if is_inflow(t) and returned:
        count_forced(m, {"wallet": t["wallet"], "asset": asset, "amount": returned, "state": "settled"}, own)
    if t["operation"] == "refund":
        m.forget_child(t, returned, wholly=False)
    return moved(t, state_of(t), after)


def screen(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    """A verdict: what was held is back, and then it is done as if it were asked for now, or has failed."""
    t = m.transactions[c["transaction_id"]]
    after = m.taken_back(p, t)
    t |= {"silence": None, "due": None, "moves": [], "lots": [], "counts": 0, "counted": None}
    answered = {**t, "code": "ok"}
    if c["verdict"] == "deny":
        t |= {"state": "failed", "code": "screening_denied"}
        return answered, after, [update(t, [])]
    m.screened = {}
    told = m.execute(p, t)
    m.screened = m.all_screened
    return answered, after, [told]


def resolve_dispute(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    t = m.transactions[c["transaction_id"]]
    original, amount, own = t["parent"], t["amount"], (t["wallet"], t["sub"])
    is_credit, won = original["operation"] == "credit", c["won"]
    moves = [(account(*own, "disputed"), -amount), (account(*own), amount if won else 0)]
    if is_credit:
        moves.append((rail_of(original), 0 if won else amount))
    else:
        moves += [("system/chargebacks", amount), (rail_of(original), -amount if won else 0)]
    after = m.post(p, of(t["asset"], moves), room=False)
    if after is None:
        return FULL
    original["disputed"] -= amount
    if won:
        rewards.give_back(m, t if is_credit else original, amount)
    state = "settled" if won is is_credit else "reversed"
    original["charged_back"] += amount if state == "reversed" else 0
    done = moved(t, state, after)
    return done if isinstance(done, str) else (done[0], done[1], [*done[2], *follow(m, original)])
