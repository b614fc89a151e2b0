"""Commands as hypothesis draws them: with all fields that have a default, and numbers in place of wallet ids."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from tests.ledger.commands import Json, command, fraud, operator
from tests.ledger.world import DAY_MS, FRAUD, OPERATORS

PARTITIONS: Final = 3
HOUR_MS: Final = 3_600_000

AMOUNTS = st.integers(1, 60) | st.sampled_from([0, -1, 2**63, 2**63 - 1, 2**62, 1, 2, 3, 5, 8])
#: Of what is taken back: mostly less than was moved.
PARTS = st.none() | st.none() | st.integers(1, 20) | st.sampled_from([0, 2**63, 61])
ASSETS = st.sampled_from(["EUR"] * 8 + ["USD", "USD", "JPY", "DUCATS"])
SUB_WALLETS = st.sampled_from(["main"] * 8 + ["savings", "gone"])
STATES = st.sampled_from(["active", "active", "active", "locked", "locked", "disabled", "closed"])
KEYS = st.integers(0, 9).map("k{}".format) | st.uuids().map(str)
RAILS = st.sampled_from(["instant"] * 4 + ["sepa"] * 5 + ["wire", "wire", "giro", "swift"])
PARTITION = st.integers(0, PARTITIONS - 1)
#: Two wallets of each partition, opened at first, and more rarely a third that is not.
WALLETS = st.sampled_from([*range(2 * PARTITIONS)] * 3 + [*range(2 * PARTITIONS, 3 * PARTITIONS)])
WAITS_MS = st.sampled_from([0, 1, 999, 1_000, 1_000, HOUR_MS, DAY_MS, 8 * DAY_MS, 40 * DAY_MS])
#: From now on; what is past is done at once, what is too far is refused.
LATER_MS = st.sampled_from([-1_000, 0, 1_000, 1_000, 2_000, HOUR_MS, DAY_MS, 366 * DAY_MS])
HOLDS_S = st.sampled_from([1, 1, 2, 3_600, 86_400])
APPROVERS = st.sampled_from(["piet"] * 5 + ["olga"])
REFERENCES = st.sampled_from(["r1", "r2", "r3"])

#: Fields that name a wallet by its number.
NUMBERED = ("wallet", "to_wallet", "payee_wallet")
_MONEY = ["credit"] * 4 + ["debit"] * 4 + ["transfer"] * 7 + ["authorize"] * 3 + ["adjust"]
_MONEY += ["convert"] * 4 + ["fee", "fee"] + ["reward"] * 4 + ["batch"] * 3
_OTHERS = ["open_wallet", "open_sub_wallet", "enable_asset", *["set_wallet_state"] * 3, "release_quarantine"]
_OTHERS += ["close_wallet", "set_limits", "set_limits", "set_tier", "lock", "require_step_up"]
_OF_THE_WALLET = (*OPERATORS, *FRAUD, "open_wallet", "enable_asset", "close_wallet", "batch")
_SYSTEM = [
    "fees",
    "suspense",
    "rail:instant",
    "rail:sepa",
    "bank:one",
    "chargebacks",
    "adjustments",
    "rewards",
    "fx",
    "transit",
    "nobody",
]


@st.composite
def commands(draw: st.DrawFn) -> Json:
    """A command that names no transaction."""
    operation = draw(st.sampled_from(_MONEY + _OTHERS))
    wallet, sub_wallet = draw(WALLETS), "main"
    if operation not in _OF_THE_WALLET:
        sub_wallet = draw(SUB_WALLETS)
    drawn = command(operation, "", draw(KEYS), wallet=wallet, sub_wallet=sub_wallet)
    if operation in OPERATORS:
        drawn |= operator(operation, "", drawn["idempotency_key"], approved_by=draw(APPROVERS))
    if operation in FRAUD:
        drawn |= fraud(operation, "", drawn["idempotency_key"])
    return drawn | draw(_fields(operation))


@st.composite
def _fields(draw: st.DrawFn, operation: str) -> Json:
    """The fields of an operation beside those that all have."""
    if operation == "batch":
        return {"items": draw(st.lists(_items(), min_size=1, max_size=4))}
    if operation not in _MONEY:
        return draw(_of_wallets(operation))
    money: Json = {"amount_minor": draw(AMOUNTS), "asset": draw(ASSETS)}
    if operation == "authorize":
        return {**money, "expires_in_s": draw(HOLDS_S)}
    if operation == "reward":
        expires = draw(st.none() | HOLDS_S)
        return {**money, "code": "welcome", **({} if expires is None else {"expires_in_s": expires})}
    if operation == "adjust":
        return {**money, "accounts": [draw(_accounts()), draw(_accounts())]}
    if draw(st.integers(0, 4)) == 0:
        money["later_ms"] = draw(LATER_MS)
    if operation == "transfer":
        to = {"to_wallet": draw(WALLETS), "to_sub_wallet": draw(SUB_WALLETS)}
        return {**money, **to, **(draw(_exchanges()) if draw(st.integers(0, 2)) == 0 else {})}
    return {**money, **draw(_of_item(operation))}


@st.composite
def _of_item(draw: st.DrawFn, operation: str) -> Json:
    """The fields that an operation has in a batch and without one."""
    if operation in ("credit", "debit"):
        return {"rail": draw(RAILS)}
    if operation == "transfer":
        return {"to_sub_wallet": draw(SUB_WALLETS), **(draw(_exchanges()) if draw(st.booleans()) else {})}
    return draw(_exchanges()) if operation == "convert" else {"code": "monthly"}


@st.composite
def _items(draw: st.DrawFn) -> Json:
    operation = draw(st.sampled_from(["credit"] * 3 + ["debit", "debit", "transfer", "convert", "fee"]))
    money = {"amount_minor": draw(AMOUNTS), "asset": draw(ASSETS), "sub_wallet": draw(SUB_WALLETS)}
    to: Json = {"to_wallet": draw(st.sampled_from(["own"] * 9 + [0, 1]))} if operation == "transfer" else {}
    rail: Json = {"rail": draw(st.sampled_from(["instant"] * 9 + ["sepa"]))} if operation in ("credit", "debit") else {}
    return {"operation": operation, **money, **to, **draw(_of_item(operation)), **rail}


@st.composite
def _exchanges(draw: st.DrawFn) -> Json:
    """Another asset to get, perhaps at a rate, or for no less than some amount."""
    fields: Json = {"to_asset": draw(st.sampled_from(["USD"] * 6 + ["EUR", "EUR", "JPY", "JPY", "DUCATS"]))}
    if draw(st.integers(0, 3)) == 0:
        fields["rate_id"] = draw(st.sampled_from(["r1", "r2", "yen", "gone"]))
    if draw(st.integers(0, 3)) == 0:
        fields["min_to_amount_minor"] = draw(st.integers(1, 60))
    return fields


@st.composite
def _of_wallets(draw: st.DrawFn, operation: str) -> Json:
    """The fields of what changes a wallet."""
    if operation == "open_wallet":
        assets = draw(st.lists(ASSETS, min_size=1, max_size=3, unique=True))
        return {"owner_ref": "o", "assets": assets, "kind": draw(st.sampled_from(["customer", "merchant"]))}
    if operation == "open_sub_wallet":
        kind = draw(st.sampled_from(["savings"] * 4 + ["escrow"] * 2 + ["loyalty"]))
        return {"kind": kind, **({"payee_wallet": draw(WALLETS)} if kind == "escrow" else {})}
    if operation == "set_limits":
        limits = draw(st.dictionaries(ASSETS, _limits(), max_size=2))
        bps = draw(st.sampled_from([0, 0, 1_000, 10_000]))
        return {"limits": limits, "over_capture_bps": bps, "refunds_below_zero": draw(st.booleans())}
    if operation == "set_tier":
        return {"tier": draw(st.sampled_from(["basic", "basic", "gone"]))}
    if operation == "enable_asset":
        return {"asset": draw(ASSETS)}
    return {"state": draw(STATES)} if operation == "set_wallet_state" else {}


def _limits() -> st.SearchStrategy[Json]:
    """Limits of an asset: some of all that there are."""
    windows = st.fixed_dictionaries(
        {}, optional={"count": st.sampled_from([0, 1, 3]), "sum_minor": st.sampled_from([20, 60, 100])}
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "single_max_minor": st.sampled_from([10, 30, 50]),
            **dict.fromkeys(("hour", "day", "month"), windows),
            "balance_cap_minor": st.sampled_from([60, 120, 200]),
            "credit_limit_minor": st.sampled_from([5, 20]),
        },
    )


@st.composite
def _accounts(draw: st.DrawFn) -> Any:
    """A system account, or the number of a wallet, its sub-wallet and bucket."""
    if draw(st.booleans()):
        return "system/" + draw(st.sampled_from(_SYSTEM))
    return draw(WALLETS), draw(SUB_WALLETS), draw(st.sampled_from(["available"] * 5 + ["held"]))


VERBS = st.sampled_from(
    [
        *(["capture"] * 4 + ["release", "cancel", "cancel"] + ["refund"] * 4),
        *(["dispute"] * 3 + ["resolve_dispute"] * 3 + ["reverse"] * 2),
        *(["submit"] + ["settle"] * 4 + ["fail"] * 2 + ["return"] * 2),
        *["screening_verdict"] * 3,
    ]
)


@st.composite
def on_transactions(draw: st.DrawFn) -> Json:
    """A command on a transaction that is yet to be chosen; its wallet is too, save where `wallet` is another one.

    `near` is a field that is as much as is left of the transaction, or one more or less.
    """
    verb = draw(VERBS)
    drawn = command(verb, "", draw(KEYS))
    if verb in OPERATORS:
        drawn |= operator(verb, "", drawn["idempotency_key"], approved_by=draw(APPROVERS))
    if verb in FRAUD:
        drawn |= fraud(verb, "", drawn["idempotency_key"], verdict=draw(st.sampled_from(["allow", "allow", "deny"])))
    if draw(st.integers(0, 11)) == 0:
        drawn["wallet"] = draw(WALLETS)
    if draw(st.integers(0, 11)) == 0:
        drawn["sub_wallet"] = draw(SUB_WALLETS)
    if verb in ("capture", "refund", "dispute", "settle"):
        field = "settled_minor" if verb == "settle" else "amount_minor"
        if (amount := draw(PARTS)) is not None and verb != "settle":
            drawn[field] = amount
        elif draw(st.booleans()):
            drawn["near"] = field, draw(st.sampled_from([-1, 0, 1]))
    return drawn | draw(_said(verb))


@st.composite
def _said(draw: st.DrawFn, verb: str) -> Json:
    """The fields of a verb beside those that all have."""
    if verb == "capture":
        where = draw(st.sampled_from(["default", "rail", "payee"]))
        to: Json = {"rail": draw(RAILS)} if where == "rail" else {}
        if where == "payee":
            to = {"to_wallet": draw(WALLETS), "to_sub_wallet": draw(SUB_WALLETS)}
        return {"final": draw(st.integers(0, 3)) == 0, **to}
    if verb in ("release", "cancel", "refund", "screening_verdict"):
        return {}
    if verb == "dispute":
        return {"reason": "fraud"}
    if verb == "resolve_dispute":
        return {"won": draw(st.booleans())}
    if verb == "reverse":
        return {"rail_reference": draw(REFERENCES)} if draw(st.booleans()) else {}
    if verb == "submit":
        return {"batch_id": draw(st.sampled_from(["b1", "b1", "b2"]))}
    if verb == "fail":
        return {"code": "AC04"}
    said: Json = {"rail_reference": draw(REFERENCES)}
    if verb == "return":
        return {**said, "code": "MD06", "amount_minor": draw(st.integers(1, 70) | st.sampled_from([0, 2**62]))}
    if (settled := draw(st.none() | st.none() | st.integers(1, 20) | st.sampled_from([70, 70, 70, 0]))) is not None:
        said["settled_minor"] = settled
    return {**said, **({"rail_fee_minor": draw(st.integers(0, 2))} if draw(st.booleans()) else {})}
