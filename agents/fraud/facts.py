"""Facts of the ledger: what fraud rules see of one ledger event.

A rule sees a transaction once: in the event of its first decision, accepted or rejected, on the payer's side or the
only one. Other events are facts as well, for rules whose filter names a `type`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from agents.ledger.accounts import CHARGEBACKS, available
from schemas import events as ev
from schemas.clock import unix_ms
from schemas.commands import OPERATIONS
from schemas.facts import FactValue
from schemas.topics import FRAUD_COMMANDS

DAY_MS: Final = 86_400_000
#: 1970-01-01 was a Thursday.
_FIRST_WEEKDAY: Final = 3

#: Operation -> where its money goes, as seen from the wallet that the event is about.
_DIRECTIONS: Final = {
    "credit": "in",
    "reward": "in",
    "debit": "out",
    "transfer": "out",
    "authorize": "out",
    "capture": "out",
    "fee": "out",
}
#: Events that are about no transaction that somebody asked for.
_PASSED_OVER: Final = frozenset(
    {ev.BATCH_SEALED, ev.CLOCK_TICKED, ev.REQUEST_FORWARDED, ev.REQUEST_PARKED, ev.REQUEST_DEAD_LETTERED}
)
#: Operations that ask for a transaction of their own: where one is refused, that is the first decision of it.
_OWN_TRANSACTION: Final = frozenset({*_DIRECTIONS, "refund", "convert", "batch", "dispute", "reverse", "adjust"})
#: About a transaction that was decided before.
_NOTES: Final = frozenset(
    {ev.TRANSACTION_CONFIRMED, ev.TRANSACTION_CONTRADICTED, ev.TRANSACTION_SCREENED, ev.TRANSACTION_OVERDUE}
)
#: Commands on a transaction that is there already; what they do is told by events of other types.
_ACTS: Final = frozenset({"release", "cancel", "submit", "settle", "fail", "return", "resolve_dispute"})

#: What the role itself has ordered: a rule on refusals that locks would else go on from the refusal of its own lock.
_OWN_ORDERS: Final = frozenset(operation for operation, (topic, _) in OPERATIONS.items() if topic == FRAUD_COMMANDS)


class _Device(msgspec.Struct, gc=False):
    fingerprint: str | None = None
    ip: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class _References(msgspec.Struct, gc=False):
    merchant: str | None = None
    order: str | None = None
    user: str | None = None


class _Request(msgspec.Struct, gc=False):
    """Of the command as the event keeps it."""

    #: As text where 64 bits do not hold it: the ledger has refused that, and rules are told no such amount.
    amount_minor: int | str | None = None
    asset: str | None = None
    rail: str | None = None
    to_wallet_id: str | None = None
    to_sub_wallet: str | None = None
    transaction_id: str | None = None
    code: str | None = None
    references: _References | None = None


class _Seen(msgspec.Struct):
    """Of a ledger event."""

    type: str
    recorded_at: str
    wallet_id: str | None = None
    transaction_id: str | None = None
    parent_transaction_id: str | None = None
    leg: str | None = None
    operation: str | None = None
    from_state: str | None = None
    to_state: str | None = None
    amount_minor: int | None = None
    asset: str | None = None
    balances: tuple[ev.AccountBalance, ...] = ()
    rail: str | None = None
    screening: str | None = None
    sub_wallet: str | None = None
    counterparty: ev.Counterparty | None = None
    code: str | None = None
    tier: str | None = None
    occurred_at: str | None = None
    device: _Device | None = None
    references: _References | None = None
    request: _Request | None = None


_decode: Final = msgspec.json.Decoder(_Seen).decode


class Recorded(NamedTuple):
    """One fact, and when."""

    #: Milliseconds since 1970: when it occurred, within what is allowed.
    t_ms: int
    recorded_at_ms: int
    #: It says that it occurred earlier than is allowed, or in the future.
    is_clamped: bool
    #: The first decision of a transaction: what a rule sees that names no `type`.
    is_first: bool
    #: A payment that waits for the verdict of screening.
    is_gated: bool
    fact: dict[str, FactValue]


def fact_of(value: bytes, lateness_ms: int) -> Recorded | None:
    """The fact that an event of the ledger is; None where it is none, such as a seal, or an order of this role.

    Args:
        value: the event's bytes.
        lateness_ms: how much earlier than it was recorded it may have occurred.

    Raises:
        msgspec.MsgspecError: it is no event of the ledger.
    """
    seen = _decode(value)
    if seen.type in _PASSED_OVER or seen.operation in _OWN_ORDERS or seen.wallet_id is None:
        return None
    recorded_at_ms = unix_ms(seen.recorded_at)
    occurred_at_ms = recorded_at_ms if seen.occurred_at is None else unix_ms(seen.occurred_at)
    t_ms = min(max(occurred_at_ms, recorded_at_ms - lateness_ms), recorded_at_ms)
    fact: dict[str, FactValue] = {
        "type": seen.type,
        "status": "rejected" if seen.type == ev.REQUEST_REJECTED or seen.to_state == "failed" else "accepted",
        "wallet_id": seen.wallet_id,
        "late_ms": recorded_at_ms - t_ms,
    }
    _add_command(fact, seen)
    _add_circumstances(fact, seen)
    add_calendar(fact, t_ms)
    is_gated = seen.type == ev.TRANSACTION_INITIATED and seen.screening is not None
    return Recorded(t_ms, recorded_at_ms, t_ms != occurred_at_ms, _is_first(seen), is_gated, fact)


def add_calendar(fact: dict[str, FactValue], t_ms: int) -> None:
    """Add the hour and the weekday (Monday 0) of an event time, in UTC."""
    fact["hour"] = t_ms % DAY_MS // 3_600_000
    fact["weekday"] = (t_ms // DAY_MS + _FIRST_WEEKDAY) % 7


def direction_of(operation: str | None, has_payee: bool) -> str | None:
    """`in` or `out`, as seen from the wallet that asked; None for what moves no money in or out of it."""
    if operation == "refund":
        return "out" if has_payee else "in"
    return _DIRECTIONS.get(operation or "")


def _is_first(seen: _Seen) -> bool:
    if seen.type == ev.REQUEST_REJECTED:
        return seen.operation in _OWN_TRANSACTION
    return (
        seen.from_state is None
        and seen.to_state is not None
        and seen.leg is None
        and seen.transaction_id is not None
        and seen.type not in _NOTES
    )


def _add_command(fact: dict[str, FactValue], seen: _Seen) -> None:
    """What was asked for; of a rejected command from the request that its event keeps."""
    request, operation = seen.request or _NO_REQUEST, seen.operation
    # Of a payee's event the counterparty is the payer, to whom nothing goes.
    party = None if seen.leg else seen.counterparty
    if operation is not None:
        fact["operation"] = operation
    if seen.code is not None:
        fact["code"] = seen.code
    if seen.transaction_id is not None:
        fact["transaction_id"] = seen.transaction_id
    parent = seen.parent_transaction_id or (request.transaction_id if operation not in _ACTS else None)
    if parent is not None:
        fact["parent_transaction_id"] = parent
    if seen.sub_wallet is not None:
        fact["sub_wallet"] = seen.sub_wallet
    to_wallet_id = request.to_wallet_id if party is None else party.wallet_id
    if to_wallet_id is not None:
        fact["to_wallet_id"] = to_wallet_id
    to_sub_wallet = request.to_sub_wallet if party is None else party.sub_wallet
    if to_sub_wallet is not None:
        fact["to_sub_wallet"] = to_sub_wallet
    direction = "in" if seen.leg else direction_of(operation, to_wallet_id is not None)
    # From one sub-wallet to another it goes neither in nor out.
    if direction is not None and to_wallet_id != seen.wallet_id:
        fact["direction"] = direction
    amount_minor = request.amount_minor if seen.amount_minor is None else seen.amount_minor
    if isinstance(amount_minor, int):
        fact["amount_minor"] = amount_minor
    asset = seen.asset or request.asset
    if asset is not None:
        fact["asset"] = asset
    rail = seen.rail or request.rail
    if rail is not None:
        fact["rail"] = rail
    if seen.tier is not None:
        fact["tier"] = seen.tier.partition("@")[0]
    if seen.balances:
        available_minor = _available_minor(seen)
        if available_minor is not None:
            fact["available_minor"] = available_minor
        if operation == "dispute" and seen.type == ev.TRANSACTION_DISPUTED:
            # What a payer contests is advanced to the wallet; what others contest is taken from it.
            is_own = any(each.account == CHARGEBACKS for each in seen.balances)
            fact["disputed_direction"] = "out" if is_own else "in"
    if request.code is not None:
        fact["reward_code"] = request.code


def _available_minor(seen: _Seen) -> int | None:
    """What the sub-wallet can spend after the event; None where that has not changed."""
    account = available(seen.wallet_id or "", seen.sub_wallet or "")
    balances = seen.balances
    return next((each.balance_minor for each in balances if each.account == account and each.asset == seen.asset), None)


def _add_circumstances(fact: dict[str, FactValue], seen: _Seen) -> None:
    """The device and what the requester refers to."""
    device = seen.device
    if device is not None:
        if device.fingerprint is not None:
            fact["device"] = device.fingerprint
        # An empty one is none, or all who have none would share it.
        if device.ip:
            fact["ip"] = device.ip
        if device.latitude is not None:
            fact["latitude"] = device.latitude
        if device.longitude is not None:
            fact["longitude"] = device.longitude
    references = seen.references or (seen.request or _NO_REQUEST).references
    if references is not None:
        if references.merchant is not None:
            fact["merchant"] = references.merchant
        if references.order is not None:
            fact["order"] = references.order
        if references.user is not None:
            fact["user"] = references.user


_NO_REQUEST: Final = _Request()
