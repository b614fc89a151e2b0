"""`OPERATIONS` has for each operation why it is refused, and what it does once nothing refuses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.ledger.model.begun import Done, adjust, authorize, capture, credit, debit, dispute, refund, reverse, transfer
from tests.ledger.model.books import Json
from tests.ledger.model.moved import cancel, fail, release, resolve_dispute, return_, settle, submit
from tests.ledger.model.refusals import (
    Cause,
    causes_of,
    here_refused,
    of_account,
    of_adjust,
    of_capture,
    of_closing,
    of_operators,
    of_settle,
    of_submit,
    of_transaction,
    of_wallet,
)

Refuse = Callable[[Any, int, Any, Json], list[Cause]]


def open_wallet(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    w: Json = {"assets": {*c["assets"]}, "subs": {"main": None}, "parked": [], "state": "active"}
    m.wallets[c["wallet_id"]] = w | {"quarantined": False, "releasing": False}
    return None, [], []


def change(m: Any, p: int, c: Json, id_: str, *, refused: bool) -> Done:
    """Whatever changes a wallet and posts nothing."""
    w = m.wallets[c["wallet_id"]]
    if c["operation"] == "open_sub_wallet":
        w["subs"][c["sub_wallet"]] = c.get("payee_wallet_id")
    elif c["operation"] == "enable_asset":
        w["assets"].add(c["asset"])
    elif c["operation"] == "set_wallet_state":
        w["state"] = c["state"]
    return None, [], []


def of_opening(m: Any, p: int, w: Json | None, c: Json) -> list[Cause]:
    unknown = not {*c["assets"]} <= m.known
    return causes_of(("wallet_exists", "wallet_id", w), ("asset_unknown", "assets", unknown))


def of_transfer(m: Any, p: int, w: Json, c: Json) -> list[Cause]:
    to, asset = (c["to_wallet_id"], c["to_sub_wallet"]), c["asset"]
    return of_account(m, w, c, leaving=True) + causes_of(("payee_refused", None, here_refused(m, p, to, asset)))


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
    "credit": (lambda m, p, w, c: of_account(m, w, c), credit),
    "debit": (lambda m, p, w, c: of_account(m, w, c, leaving=True), debit),
    "authorize": (lambda m, p, w, c: of_account(m, w, c, leaving=True), authorize),
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
}
