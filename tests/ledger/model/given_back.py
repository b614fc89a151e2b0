"""What gives back of another transaction, or takes back: refunds, disputes and reversals."""

from __future__ import annotations

from typing import Any

from tests.ledger.model import rewards
from tests.ledger.model.agreed import credit_of
from tests.ledger.model.begun import COUNTED, FULL, Done, begin, paid, rail_of
from tests.ledger.model.books import TRANSIT, Json, Moves, account, remaining, state_of, update
from tests.ledger.model.refusals import charge, named


def share(of: Json, whole: int, back: int, amount: int) -> int:
    """Of what an original cost or gave for another asset, the part that goes back with an amount: pro rata, floored."""
    if of["refunded"] + of["reversed"] + amount == of["settled"]:
        return whole - back
    return min(int(whole * amount // of["settled"]), whole - back)


def refund(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    found = named(m, p, c)
    assert found is not None
    of, purse = found["t"], (c["wallet_id"], found["purse"])
    asset, own = of["got_asset"], account(*purse)
    amount = remaining(of) if c.get("amount_minor") is None else c["amount_minor"]
    gives_fee = share(of, of["fee"], of["fee_back"], amount)
    fields = {"parent": of, "asset": asset, "sub": found["purse"], "amount": amount, "gives_fee": gives_fee}
    costs = paid(charge(m, c, asset, amount, purse[1])[0], purse, asset) if c["operation"] == "refund" else []
    if found["payer"]:
        return _pay_back(m, p, c, id_, refused, found, costs, fields)
    moves = [*costs, ("system/fees", asset, -gives_fee), (own, asset, gives_fee)]
    if of["rail"] is None:
        moves += [("system/rail:instant", asset, -amount), (own, asset, amount)]
        return begin(m, p, c, id_, "settled", moves, **fields)
    moves += [(f"system/rail-pending:{of['rail']}", asset, -amount), (account(*purse, "incoming"), asset, amount)]
    return begin(m, p, c, id_, "processed", moves, rail=of["rail"], **fields)


def _pay_back(m: Any, p: int, c: Json, id_: str, refused: bool, found: Json, costs: Moves, fields: Json) -> Done:
    """From the payee to the payer, who gets the asset that they gave, and a part of the fee."""
    of, amount, payer = found["t"], fields["amount"], found["payer"]
    if of["got_asset"] != of["asset"]:
        fields["gives"] = share(of, of["amount"], of["given_back"], amount)
    own, asset = account(c["wallet_id"], found["purse"]), of["got_asset"]
    moves = [(own, asset, -amount), *costs]
    if m.owner(payer[0]) == p:
        moves += back_to(of, account(*payer), amount, fields.get("gives", 0), fields["gives_fee"])
        done = begin(m, p, c, id_, "failed" if refused else "settled", moves, to=payer, **fields)
        if done == FULL:
            done = begin(m, p, c, id_, "failed", [], to=payer, **fields)
    else:
        done = begin(m, p, c, id_, "processed", [*moves, (TRANSIT, asset, amount)], to=payer, **fields)
        if not isinstance(done, str):
            m.sent.append((p, m.owner(payer[0]), ("leg", done[0])))
    if not isinstance(done, str):
        count_forced(m, done[0] or {}, own)
    return done


def back_to(of: Json, payer: str, amount: int, gives: int, gives_fee: int) -> Moves:
    """What comes to a payer: the amount or what is exchanged back for it, and the fee."""
    got, given = of["got_asset"], of["asset"]
    moves = [("system/fees", given, -gives_fee), (payer, given, gives_fee)]
    if got == given:
        return [*moves, (payer, got, amount)]
    return [*moves, ("system/fx", got, amount), ("system/fx", given, -gives), (payer, given, gives)]


def count_forced(m: Any, t: Json, own: str) -> None:
    """What is taken below a wallet's credit counts towards its limits."""
    w = m.wallets[t["wallet"]]
    below = m.balances[m.owner(t["wallet"]), own, t["asset"]] < -credit_of(m, own, t["asset"])
    if t["state"] != "failed" and w["terms"] and below:
        t |= {"counted": [m.now, t["amount"], 1], "counts": t["amount"]}
        m.spent[t["wallet"], t["asset"]].append(t["counted"])


def follow(m: Any, of: Json) -> list[Json]:
    """The original, after what acted on it; its requester is told of it in the payer's partition."""
    before, of["state"] = of["state"], state_of(of)
    if before == of["state"]:
        return []
    of["code"] = "ok"
    if of["operation"] == "reward" and of["state"] == "reversed":
        rewards.drop(m, of)
    return [] if "took" in of else [update(of, [])]


def taken_back_elsewhere(m: Any, t: Json) -> list[Json]:
    """In the payer's partition: the original counts what has come back of it, and its requester is told."""
    original = m.transactions[t["parent"]["id"]]
    original[COUNTED[t["operation"]]] += t["amount"]
    original["fee_back"] += t["gives_fee"]
    original["given_back"] += t["gives"]
    rewards.give_back(m, original, t["amount"] if original["got_asset"] == original["asset"] else t["gives"])
    return follow(m, original) if t["operation"] == "reverse" else []


def dispute(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    of = named(m, p, c)["t"]  # type: ignore[index]
    amount = remaining(of) if c.get("amount_minor") is None else c["amount_minor"]
    purse, asset = (of["wallet"], of["sub"]), of["asset"]
    from_ = account(*purse) if of["operation"] == "credit" else "system/chargebacks"
    fields = {"parent": of, "asset": asset, "sub": of["sub"], "amount": amount}
    fee = charge(m, c, asset, amount, purse[1])[0] if of["operation"] == "credit" else 0
    moves = [(from_, asset, -amount), (account(*purse, "disputed"), asset, amount), *paid(fee, purse, asset)]
    done = begin(m, p, c, id_, "disputed", moves, **fields)
    if isinstance(done, str):
        return done
    if of["operation"] == "credit":
        count_forced(m, done[0] or {}, from_)
    return done[0], done[1], follow(m, of)


def reverse(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    found = named(m, p, c)
    assert found is not None
    of = found["t"]
    if found["payer"]:
        done = refund(m, p, c, id_, refused=False)
    else:
        amount, own, asset = remaining(of), account(of["wallet"], of["sub"]), of["got_asset"]
        fields = {"parent": of, "asset": asset, "sub": of["sub"], "amount": amount}
        against = "system/adjustments" if c.get("rail_reference") is None else rail_of(of)
        against = {"fee": "system/fees", "reward": "system/rewards"}.get(of["operation"], against)
        sign = -1 if of["operation"] in ("credit", "reward") else 1
        fields["gives_fee"] = share(of, of["fee"], of["fee_back"], amount)
        moves = [(own, asset, sign * amount), (against, asset, -sign * amount)]
        moves += [("system/fees", asset, -fields["gives_fee"]), (own, asset, fields["gives_fee"])]
        if of["operation"] == "convert":
            fields["gives"] = of["amount"]
            moves = [(own, asset, -amount), *back_to(of, own, amount, of["amount"], of["fee"])]
        done = begin(m, p, c, id_, "settled", moves, **fields)
        if not isinstance(done, str) and against == rail_of(of):
            of["refs"].add(f"reversed {c['rail_reference']}")
        if not isinstance(done, str) and of["operation"] in ("credit", "reward", "convert"):
            count_forced(m, done[0] or {}, own)
    # What is under way to the payer's partition is reversed once that has taken the money.
    if isinstance(done, str) or (done[0] or {})["state"] != "settled":
        return done
    return done[0], done[1], follow(m, of)
