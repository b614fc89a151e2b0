"""What moves on a transaction that there is already."""

from __future__ import annotations

from typing import Any

from tests.ledger.model.begun import FULL, Done, follow, rail_of
from tests.ledger.model.books import Json, Known, account, remaining, state_of, update
from tests.ledger.model.refusals import is_said_again


def is_inflow(t: Json) -> bool:
    """True where money comes in over a rail."""
    return t["operation"] in ("credit", "refund")


def moved(t: Json, state: str, after: list[tuple[str, int]], *following: Json) -> Done:
    """A command has moved a transaction, and who asked for it is told."""
    t.update(state=state, code="ok")
    return t, after, [update(t, after), *following]


def release(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    t = m.transactions[c["transaction_id"]]
    told = m.end_hold(t, "ok")
    return t, told["balances"], [told]


def cancel(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    t = m.transactions[c["transaction_id"]]
    return release(m, p, c, id_, refused=refused) if t["hold"] else undo(m, p, t, "canceled")


def undo(m: Any, p: int, t: Json, state: str) -> Done:
    """Everything goes back, and is not counted any more."""
    after = m.taken_back(p, t)
    if t["parent"]:
        m.forget_child(t, t["amount"])
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
    if is_said_again(c, t):
        if reference not in t["refs"]:
            over = [(rail, sign * settled + fee), ("system/suspense", -sign * settled), ("system/fees", -fee)]
            if m.post(p, t["asset"], over) is None:
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
    after = m.post(p, t["asset"], moves, room=False)
    if after is None:
        return FULL
    t["settled"] = settled
    t["refs"].add(reference)
    if t["operation"] == "refund":
        m.forget_child(t, amount - settled)
    return moved(t, "settled", after)


def return_(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    t = m.transactions[c["transaction_id"]]
    reference, amount = f"returned {c['rail_reference']}", c["amount_minor"]
    if reference in t["refs"]:
        return t, [], []
    # What is left of it is the wallet's; the rest was given back before, and is for somebody to look at.
    returned, sign = min(amount, max(0, remaining(t))), -1 if is_inflow(t) else 1
    moves = [(account(t["wallet"], t["sub"]), sign * returned), (rail_of(t), -sign * amount)]
    moves.append(("system/suspense", sign * (amount - returned)))
    after = m.post(p, t["asset"], moves)
    if after is None:
        if m.post(p, t["asset"], moves, room=False) is not None:
            raise Known("a return leaves no room for what may come back")
        return FULL
    t["refs"].add(reference)
    t["returned"] += returned
    if t["operation"] == "refund":
        m.forget_child(t, returned)
    return moved(t, state_of(t), after)


def resolve_dispute(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    t = m.transactions[c["transaction_id"]]
    of, amount, own = t["parent"], t["amount"], (t["wallet"], t["sub"])
    is_credit, won = of["operation"] == "credit", c["won"]
    moves = [(account(*own, "disputed"), -amount), (account(*own), amount if won else 0)]
    if is_credit:
        moves.append((rail_of(of), 0 if won else amount))
    else:
        moves += [("system/chargebacks", amount), (rail_of(of), -amount if won else 0)]
    after = m.post(p, t["asset"], moves, room=False)
    if after is None:
        return FULL
    of["disputed"] -= amount
    state = "settled" if won is is_credit else "reversed"
    of["charged_back"] += amount if state == "reversed" else 0
    done = moved(t, state, after)
    return done if isinstance(done, str) else (done[0], done[1], [*done[2], *follow(m, of)])
