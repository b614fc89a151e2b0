"""`OPERATIONS` has for each operation why it is refused, and what it does once nothing refuses it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from schemas.codes import Code
from tests.ledger.model.agreed import of_limits, over_cap
from tests.ledger.model.begun import (
    Done,
    adjust,
    authorize,
    begin,
    capture,
    convert,
    credit,
    debit,
    exchange,
    reward,
    take_fee,
    transfer,
)
from tests.ledger.model.books import Cause, Json
from tests.ledger.model.given_back import dispute, refund, reverse
from tests.ledger.model.moved import cancel, fail, release, resolve_dispute, return_, screen, settle, submit
from tests.ledger.model.prices import ms_of
from tests.ledger.model.refusals import (
    causes_of,
    charge,
    here_refused,
    of_account,
    of_adjust,
    of_capture,
    of_closing,
    of_operators,
    of_posting,
    of_settle,
    of_submit,
    of_transaction,
    of_wallet,
    spendable,
)

Refuse = Callable[[Any, int, Any, Json], list[Cause]]


def open_wallet(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    w: Json = {"assets": {*c["assets"]}, "subs": {"main": ("main", None)}, "parked": [], "state": "active"}
    w |= {"kind": c["kind"], "terms": None}
    m.wallets[c["wallet_id"]] = w | {"quarantined": False, "releasing": False}
    return None, [], []


def change(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    """Whatever changes a wallet and posts nothing."""
    w = m.wallets[c["wallet_id"]]
    if c["operation"] == "open_sub_wallet":
        w["subs"][c["sub_wallet"]] = c["kind"], c.get("payee_wallet_id")
    elif c["operation"] == "enable_asset":
        w["assets"].add(c["asset"])
    elif c["operation"] == "set_wallet_state":
        w["state"] = c["state"]
    elif c["operation"] == "lock":
        w["state"] = "locked"
    elif c["operation"] == "close_wallet":
        w["state"] = "closed"
    elif c["operation"] in ("set_limits", "set_tier"):
        terms = w["terms"] or {"tier": None, "limits": {}, "over_capture_bps": 0, "below_zero": False}
        if c["operation"] == "set_tier":
            w["terms"] = {**terms, "tier": c["tier"]}
        else:
            own = {"limits": c["limits"], "over_capture_bps": c["over_capture_bps"]}
            w["terms"] = {**terms, **own, "below_zero": c["refunds_below_zero"]}
    return None, [], []


def of_opening(m: Any, p: int, w: Json | None, c: Json) -> list[Cause]:
    unknown = not {*c["assets"]} <= m.known
    return causes_of(("wallet_exists", "wallet_id", w), ("asset_unknown", "assets", unknown))


def of_transfer(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    to, asset = (c["to_wallet_id"], c["to_sub_wallet"]), str(c.get("to_asset", c["asset"]))
    limits = of_limits(m, w, c) if to[0] != c["wallet_id"] else []
    causes = of_account(m, w, c, leaving=True) + limits
    causes += causes_of(("asset_unknown", "to_asset", asset not in m.known))
    return causes + causes_of(("payee_refused", None, here_refused(m, p, to, asset)))


def of_credit(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    sub, asset, amount = c["sub_wallet"], c["asset"], c["amount_minor"]
    covered = spendable(m, c["wallet_id"], sub, asset) + amount
    costs = charge(m, c)[0] if m.rails.get(c["rail"]) == "instant" else 0
    return of_account(m, w, c) + causes_of(
        ("limit_exceeded", "amount_minor", over_cap(m, c["wallet_id"], asset, amount)),
        ("insufficient_funds", "amount_minor", costs and covered < costs),
    )


def of_spending(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    return of_account(m, w, c, leaving=True) + of_limits(m, w, c)


def of_converting(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    exchanged = exchange(m, {**c, "min_to_amount_minor": 1})
    capped = not isinstance(exchanged, str) and over_cap(m, c["wallet_id"], c["to_asset"], exchanged[0])
    causes = of_account(m, w, c, leaving=True) + of_posting(m, w, c, field="to_asset")
    return causes + causes_of(("limit_exceeded", "amount_minor", capped))


def of_reward(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    capped = over_cap(m, c["wallet_id"], c["asset"], c["amount_minor"])
    return of_posting(m, w, c) + causes_of(("limit_exceeded", "amount_minor", capped))


def of_terms(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    """What refuses limits, or a tier."""
    unknown = not {*c.get("limits", ())} <= m.known
    no_tier = c["operation"] == "set_tier" and c["tier"] not in m.tiers
    closed = w["state"] == "closed"
    return of_operators(c) + causes_of(
        ("wallet_closed", None, closed), ("asset_unknown", "limits", unknown), ("illegal_transition", "tier", no_tier)
    )


def of_scheduling(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    """What is asked of a command that is for later: the rest is asked at its time."""
    too_far = ms_of(c["execute_at"]) > m.now + 365 * 86_400_000
    screened = c["operation"] == "debit" and c["rail"] in m.screened
    return of_posting(m, w, c) + causes_of(
        ("asset_unknown", "to_asset", c.get("to_asset", c["asset"]) not in m.known),
        ("rail_unknown", "rail", c.get("rail", "instant") not in m.rails),
        ("illegal_transition", "rail", screened),
        ("limit_exceeded", "execute_at", too_far),
    )


def schedule(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    rail = c.get("rail", "instant")
    return begin(m, p, c, id_, "initiated", [], due=ms_of(c["execute_at"]), rail=None if rail == "instant" else rail)


def of_batch(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    """What refuses a batch: its wallet, or the first of its items that cannot be done. They are tried on a copy."""
    causes, trial = of_wallet(w), copy.copy(m)
    if causes or w["quarantined"]:
        return causes
    kept = ("balances", "transactions", "received", "lots", "spent", "wallets")
    for name, copied in zip(kept, copy.deepcopy([getattr(m, name) for name in kept]), strict=True):
        setattr(trial, name, copied)
    trial.sent = []
    for number, item in enumerate(items_of(c)):
        # Done on the copy only: of both reasons the first one by its code.
        both = _elsewhere(m, item), do_item(trial, p, item, f"trial {number}")
        cause = first_of([one for one in both if one])
        if cause:
            return [(cause[0], f"items.{number}.{cause[1]}" if cause[1] else f"items.{number}")]
    return []


def items_of(c: Json) -> list[Json]:
    """The items as commands of the batch's wallet; no key of theirs is remembered, and updates name the batch's."""
    common = {"wallet_id": c["wallet_id"], "idempotency_key": c["idempotency_key"]}
    return [{**item, **common} for item in c["items"]]


def _elsewhere(m: Any, item: Json) -> Cause | None:
    if item.get("to_wallet_id", item["wallet_id"]) != item["wallet_id"]:
        return "illegal_in_batch", "to_wallet_id"
    return ("illegal_in_batch", "rail") if m.rails.get(item.get("rail")) == "deferred" else None


def do_item(m: Any, p: int, item: Json, id_: str) -> Cause | None:
    """Do an item; returns why it cannot be done, if so."""
    refuse, do = OPERATIONS[item["operation"]]
    cause = first_of(refuse(m, p, m.wallets[item["wallet_id"]], item))
    if cause is not None and cause[0] != "payee_refused":
        return cause
    done = do(m, p, item, id_, refused=cause is not None)
    if isinstance(done, str):
        code, _, field = done.partition(" ")
        return code, field
    return ("payee_refused", None) if (done[0] or {})["state"] == "failed" else None


def batch(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    done = begin(m, p, c, id_, "settled", [])
    for number, item in enumerate(items_of(c)):
        assert do_item(m, p, item, m.id_of(c, number + 1)) is None
    return done


def first_of(causes: list[Cause]) -> Cause | None:
    """Of several causes the one whose code is first."""
    return min(causes, key=lambda cause: [*Code].index(Code(cause[0])), default=None)


#: Why an operation is refused, and what it does.
OPERATIONS: dict[str, tuple[Refuse, Callable[..., Done]]] = {
    "open_wallet": (of_opening, open_wallet),
    "open_sub_wallet": (
        lambda m, p, w, c: of_wallet(w) + causes_of(("wallet_exists", "sub_wallet", c["sub_wallet"] in w["subs"])),
        change,
    ),
    "enable_asset": (
        lambda m, p, w, c: of_wallet(w) + causes_of(("asset_unknown", "asset", c["asset"] not in m.known)),
        change,
    ),
    "set_wallet_state": (of_closing, change),
    "release_quarantine": (
        lambda m, p, w, c: of_operators(c) + causes_of(("illegal_transition", "wallet_id", not w["quarantined"])),
        change,
    ),
    "lock": (lambda m, p, w, c: of_wallet(w), change),
    "require_step_up": (
        lambda m, p, w, c: causes_of(("wallet_closed", None, w["state"] == "closed")),
        change,
    ),
    "close_wallet": (of_closing, change),
    "set_limits": (of_terms, change),
    "set_tier": (of_terms, change),
    "credit": (of_credit, credit),
    "debit": (of_spending, debit),
    "authorize": (of_spending, authorize),
    "convert": (of_converting, convert),
    "fee": (lambda m, p, w, c: of_account(m, w, c, leaving=True), take_fee),
    "reward": (of_reward, reward),
    "batch": (of_batch, batch),
    "transfer": (of_transfer, transfer),
    "capture": (of_capture, capture),
    "release": (of_transaction, release),
    "cancel": (of_transaction, cancel),
    "refund": (of_transaction, refund),
    "dispute": (of_transaction, dispute),
    "submit": (of_submit, submit),
    "settle": (of_settle, settle),
    "fail": (of_transaction, fail),
    "return": (of_transaction, return_),
    "reverse": (lambda m, p, w, c: of_transaction(m, p, w, c) + of_operators(c), reverse),
    "resolve_dispute": (lambda m, p, w, c: of_transaction(m, p, w, c) + of_operators(c), resolve_dispute),
    "adjust": (of_adjust, adjust),
    "screening_verdict": (of_transaction, screen),
}
