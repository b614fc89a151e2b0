"""Why commands are refused, in no order: the model takes the cause whose code comes first."""

from __future__ import annotations

import re
from typing import Any

from tests.ledger.model.agreed import credit_of, of_amount
from tests.ledger.model.books import Books, Cause, Json, remaining

ADJUSTABLE = re.compile(
    r"system/((rail|bank):.+|fees|rewards|fx|chargebacks|adjustments|suspense|writeoffs)",
)
OVER_RAIL = ("credit", "debit", "capture", "refund")
#: What may be done -> operations and states of what it is done to.
MAY: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "capture": (("authorize",), ("processed",)),
    "release": (("authorize",), ("processed",)),
    "cancel": ((*OVER_RAIL, "authorize"), ("processed",)),
    "submit": (OVER_RAIL, ("processed",)),
    "settle": (OVER_RAIL, ("processed",)),
    "fail": (OVER_RAIL, ("processed",)),
    "return": (OVER_RAIL, ("settled", "disputed", "reversed")),
    "refund": (("debit", "capture", "transfer"), ("settled", "disputed")),
    "dispute": (("credit", "debit", "capture"), ("settled", "disputed")),
    "reverse": (("credit", "debit", "capture", "transfer", "convert", "fee", "reward"), ("settled",)),
    "resolve_dispute": (("dispute",), ("disputed",)),
    "screening_verdict": ((), ()),
}
#: Only of what goes over a rail, not to a payee.
NOT_TO_PAYEES = ("cancel", "submit", "settle", "fail", "return", "dispute")
#: Asked for under the wallet that has the money.
BY_HOLDER = ("refund", "dispute", "reverse")
#: Under any state of the wallet.
ALWAYS = ("release", "cancel", "dispute")


def causes_of(*causes: tuple[str, str | None, Any]) -> list[Cause]:
    """The causes that apply."""
    return [(code, field) for code, field, applies in causes if applies]


def of_wallet(w: Json, *, leaving: bool = False) -> list[Cause]:
    """What a wallet's state refuses, with money leaving it or not."""
    return causes_of(
        ("wallet_closed", None, w["state"] == "closed"),
        ("wallet_disabled", None, w["state"] == "disabled"),
        ("wallet_locked", None, w["state"] == "locked" and leaving),
    )


def of_operators(c: Json) -> list[Cause]:
    """Two people have to agree."""
    return causes_of(("four_eyes", "approved_by", c["requested_by"] == c["approved_by"]))


def charge(
    m: Any, c: Json, asset: str | None = None, amount: int | None = None, sub: str | None = None
) -> tuple[int, int]:
    """What a command costs its wallet, and how much of that refunds give back."""
    of, minor, w = asset or c["asset"], c["amount_minor"] if amount is None else amount, m.wallets[c["wallet_id"]]
    fee: tuple[int, int] = m.prices.fee(w["kind"], c["operation"], of, minor)
    return fee if minor > 0 and w["subs"].get(sub or c.get("sub_wallet"), ("",))[0] != "escrow" else (0, 0)


def spendable(m: Any, wallet_id: str, sub: str, asset: str) -> int:
    """What may leave a sub-wallet: what is available, and the wallet's credit."""
    return int(m.available(wallet_id, sub, asset)) + credit_of(m, f"{wallet_id}/{sub}/available", asset)


def is_barred(w: Json, sub: str) -> bool:
    """True where a sub-wallet holds no money: all assets here are money."""
    return sub in w["subs"] and w["subs"][sub][0] == "loyalty"


def of_posting(m: Any, w: Json, c: Json, *, leaving: bool = False, field: str = "asset") -> list[Cause]:
    """What refuses a posting to the sub-wallet that a command names, and in the asset of a field of it."""
    sub, asset = c["sub_wallet"], c[field]
    return of_wallet(w, leaving=leaving) + causes_of(
        ("sub_wallet_not_found", "sub_wallet", sub not in w["subs"]),
        ("asset_unknown", field, asset not in m.known),
        ("asset_not_enabled", field, asset not in w["assets"] or is_barred(w, sub)),
    )


def of_account(m: Any, w: Json, c: Json, *, leaving: bool = False) -> list[Cause]:
    """The same, its rail, and what is there where money leaves."""
    sub, asset = c["sub_wallet"], c["asset"]
    causes = of_posting(m, w, c, leaving=leaving)
    causes += causes_of(("rail_unknown", "rail", c.get("rail", "instant") not in m.rails))
    if not leaving:
        return causes
    escrow_to, to_wallet_id = w["subs"].get(sub, ("", None))[1], c.get("to_wallet_id")
    fee = 0 if c["operation"] == "fee" else charge(m, c)[0]
    return causes + causes_of(
        (
            "illegal_transition",
            "to_wallet_id" if to_wallet_id else "sub_wallet",
            escrow_to not in (None, to_wallet_id),
        ),
        ("insufficient_funds", "amount_minor", spendable(m, c["wallet_id"], sub, asset) < c["amount_minor"] + fee),
    )


def payee_refuses(m: Books, wallet_id: str, sub: str, asset: str) -> bool:
    """True where a wallet cannot take money."""
    w = m.wallets.get(wallet_id)
    if w is None or sub not in w["subs"] or is_barred(w, sub):
        return True
    return asset not in w["assets"] or w["state"] not in ("active", "locked")


def here_refused(m: Books, p: int, to: tuple[str, str], asset: str) -> bool:
    """True where a payee of this partition cannot take money now."""
    is_here = m.owner(to[0]) == p
    return is_here and (payee_refuses(m, *to, asset) or m.wallets[to[0]]["quarantined"])


# ---- on a transaction --------------------------------------------------------------------------------


def named(m: Books, p: int, c: Json) -> Json | None:
    """The transaction that a command names, as its wallet sees it: with `purse`, its sub-wallet there, and `payer`."""
    wallet_id, id_ = c["wallet_id"], c["transaction_id"]
    t, received = m.transactions.get(id_), m.received.get(id_)
    is_here = t is not None and m.owner(t["wallet"]) == p
    if c["operation"] not in BY_HOLDER:
        return {"t": t, "purse": t["sub"], "payer": None} if t and is_here and t["wallet"] == wallet_id else None
    if t and is_here:
        if t["to"] is None:
            return {"t": t, "purse": t["sub"], "payer": None} if t["wallet"] == wallet_id else None
        if t["to"][0] != wallet_id:
            return None
        return {"t": t, "purse": t["to"][1], "payer": (t["wallet"], t["sub"])}
    if received and received["wallet"] == wallet_id and m.owner(wallet_id) == p:
        return {"t": received, "purse": received["sub"], "payer": received["to"]}
    return None


def may(verb: str, t: Json) -> bool:
    """True where this may be done to a transaction."""
    operations, states = MAY[verb]
    if t["state"] == "initiated":
        return verb == "cancel" or (verb == "screening_verdict" and t["silence"] is not None)
    is_captured = t["operation"] == "authorize" and t["hold"] and t["hold"]["captured"]
    return (
        t["operation"] in operations
        and t["state"] in states
        and not (t["to"] and verb in NOT_TO_PAYEES)
        and not (verb == "cancel" and (t["batch"] or is_captured))
    )


def is_said_again(c: Json, t: Json) -> bool:
    """True where a rail has said the same before, or says what contradicts the ledger: it is taken all the same."""
    verb = c["operation"]
    if t["operation"] not in OVER_RAIL or t["to"]:
        return False
    if verb == "settle":
        return bool(t["state"] != "processed")
    if verb == "return":
        return t["state"] in ("failed", "canceled")
    return bool(verb == "fail" and t["state"] == "failed" and t["rail"])


def of_transaction(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    """What refuses a command on a transaction, whatever the verb."""
    verb, found = c["operation"], named(m, p, c)
    causes: list[Cause] = []
    if verb in ("capture", "refund"):
        causes += of_wallet(w, leaving=verb == "capture" or bool(found and found["payer"]))
    if not found:
        return [*causes, ("transaction_not_found", "transaction_id")]
    t = found["t"]
    if not may(verb, t) and not is_said_again(c, t):
        is_over = verb == "capture" and t["code"] == "hold_expired"
        causes.append(("hold_expired" if is_over else "illegal_transition", "transaction_id"))
    elif verb in ("refund", "dispute", "reverse"):
        left, asked = remaining(t), c.get("amount_minor")
        if verb == "refund":
            causes += _of_refund(m, p, w, c, found, left if asked is None else asked)
        causes += causes_of(("exceeds_remaining", "amount_minor", left < 1 or (asked or 0) > left))
        is_booked = verb == "reverse" and f"returned {c.get('rail_reference')}" in t["refs"]
        causes += causes_of(("illegal_transition", "rail_reference", is_booked))
    other_sub = c.get("sub_wallet") not in (None, found["purse"])
    return causes + causes_of(("malformed", "sub_wallet", other_sub))


def _of_refund(m: Any, p: int, w: Json, c: Json, found: Json, asked: int) -> list[Cause]:
    """What a refund takes has to be there, and what it costs; the payer has to take their own asset back."""
    t, payer = found["t"], found["payer"]
    needed = charge(m, c, t["got_asset"], asked)[0] + (max(0, asked) if payer else 0)
    if w["terms"] and w["terms"]["below_zero"]:
        needed = 0
    funds = spendable(m, c["wallet_id"], found["purse"], t["got_asset"])
    return causes_of(
        ("insufficient_funds", "amount_minor", needed and funds < needed),
        ("payee_refused", None, payer and here_refused(m, p, payer, t["asset"])),
    )


def of_capture(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    """What refuses a capture."""
    t = (named(m, p, c) or {}).get("t")
    to = c.get("to_wallet_id", ""), c.get("to_sub_wallet", "main")
    causes = causes_of(("malformed", "to_sub_wallet", t and to == (t["wallet"], t["sub"])))
    causes += causes_of(("illegal_transition", "rail", t and c.get("rail") in m.screened))
    causes += of_transaction(m, p, w, c)
    causes += causes_of(("rail_unknown", "rail", c.get("rail", "instant") not in m.rails))
    if not t or not t["hold"]:
        return causes
    left = t["hold"]["left"]
    asked = left if c.get("amount_minor") is None else c["amount_minor"]
    most = t["amount"] + t["amount"] * (w["terms"]["over_capture_bps"] if w["terms"] else 0) // 10_000
    exceeds = asked > left and t["hold"]["captured"] + asked > most
    needed = max(0, asked - left) + charge(m, c, t["asset"], asked)[0]
    funds = spendable(m, c["wallet_id"], t["sub"], t["asset"])
    if asked > left and not exceeds:
        causes += of_amount(m, w, t["wallet"], t["asset"], asked, left)
    return causes + causes_of(
        ("exceeds_remaining", "amount_minor", exceeds),
        ("insufficient_funds", "amount_minor", not exceeds and needed and funds < needed),
        ("payee_refused", None, to[0] and here_refused(m, p, to, t["asset"])),
    )


def of_submit(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    """What refuses that a transaction goes to its rail."""
    causes, t = of_transaction(m, p, w, c), (named(m, p, c) or {}).get("t")
    in_other = bool(t and may("submit", t) and t["batch"] not in (None, c["batch_id"]))
    return causes + causes_of(("illegal_transition", "batch_id", in_other))


def of_settle(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    """What refuses a settlement."""
    causes, t = of_transaction(m, p, w, c), (named(m, p, c) or {}).get("t")
    is_more = bool(t and may("settle", t) and (c.get("settled_minor") or 0) > t["amount"])
    return causes + causes_of(("exceeds_remaining", "settled_minor", is_more))


def of_adjust(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    """What refuses an adjustment: of either account, and of what is there."""
    asset = c["asset"]
    unknown = causes_of(("asset_unknown", "asset", asset not in m.known))
    causes: list[Cause] = []
    for field in ("from_account", "to_account"):
        name = c[field]
        if name.startswith("system/"):
            causes += causes_of(("illegal_transition", field, not ADJUSTABLE.fullmatch(name)))
            continue
        wallet_id, sub, bucket = name.split("/")
        of = m.wallet_in(p, wallet_id)
        causes += causes_of(
            ("wallet_not_found", field, of is None),
            ("sub_wallet_not_found", field, of and sub not in of["subs"]),
            ("asset_not_enabled", "asset", of and asset not in of["assets"]),
            ("illegal_transition", field, bucket != "available"),
        )
        if field == "from_account":
            covered = m.balances[p, name, asset]
            causes += causes_of(("insufficient_funds", "amount_minor", of and covered < c["amount_minor"]))
    return unknown + causes + of_operators(c)


def of_closing(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    """What refuses another state of a wallet; closing needs every bucket zero, and nothing under way or parked."""
    wallet_id = c["wallet_id"]
    holds = any(minor for (_, name, _), minor in m.balances.items() if name.startswith(wallet_id + "/"))
    is_used = holds or m.open_of(wallet_id) or w["parked"]
    if c["operation"] == "close_wallet":
        return of_wallet(w) + causes_of(("illegal_transition", "wallet_id", is_used))
    return of_operators(c) + causes_of(
        ("wallet_closed", "state", w["state"] == "closed"),
        ("illegal_transition", "state", c["state"] == "closed" and is_used),
    )
