"""Facts stand only on events that have them: a fold goes by a fact wherever it stands.

A rail's reference beside an event that no rail has a part in would be one that was booked, and the settlement under it
would never be; a time beside a debit would have it executed once more.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from ops.verify.batches import is_item
from ops.verify.verdicts import OF_TRANSACTIONS
from schemas import events as ev
from schemas.events import LedgerEvent, RailFacts
from schemas.lifecycle import Verb

_LEGS: Final = frozenset({ev.TRANSFER_RECEIVED, ev.TRANSFER_REFUSED})
_PROCESSED_OR_SETTLED: Final = frozenset({ev.TRANSACTION_PROCESSED, ev.TRANSACTION_SETTLED})
_CHARGED: Final = _PROCESSED_OR_SETTLED | {ev.TRANSACTION_DISPUTED}
_WITH_PAYEE: Final = _PROCESSED_OR_SETTLED | {ev.TRANSACTION_FAILED}
#: Types of the events that accept what is asked for, or that its payee refuses it.
_ASKED: Final = _WITH_PAYEE | {ev.TRANSACTION_INITIATED}
_TAKES_BACK: Final = frozenset({"refund", "reverse"})
_TO_WALLETS: Final = frozenset({"transfer", "capture", *_TAKES_BACK})
#: Operations that a wallet's limits, or its cap, are asked of.
_LIMITED: Final = frozenset({"credit", "debit", "transfer", "authorize", "capture", "convert", "reward"})
_OVER_RAILS: Final = frozenset({"credit", "debit", "capture", "refund"})
#: Types of events that refuse something, or tell that it was refused before it was decided.
_REFUSES: Final = frozenset(
    {ev.REQUEST_REJECTED, ev.TRANSACTION_FAILED, ev.REQUEST_DEAD_LETTERED, ev.WALLET_QUARANTINED}
)
#: What moves a transaction on, or is noted of it -> what its rail has said with it.
_SAID_BY_RAILS: Final[dict[tuple[str, str | None], frozenset[str]]] = {
    (ev.TRANSACTION_SUBMITTED, "submit"): frozenset({"batch_id"}),
    (ev.TRANSACTION_SETTLED, "settle"): frozenset({"rail_reference", "settled_minor", "rail_fee_minor", "value_date"}),
    (ev.TRANSACTION_FAILED, "fail"): frozenset({"code"}),
    (ev.TRANSACTION_RETURNED, "return"): frozenset({"rail_reference", "returned_minor", "code"}),
    (ev.TRANSACTION_CONTRADICTED, "settle"): frozenset({"rail_reference", "rail_fee_minor"}),
    (ev.TRANSACTION_CONTRADICTED, "return"): frozenset({"rail_reference", "code"}),
}
_PROVES_REVERSAL: Final = frozenset({"rail_reference"})
#: Types of events that decide nothing of an account.
_OF_NO_ACCOUNT: Final = frozenset(
    {ev.REQUEST_REPLAYED, ev.REQUEST_FORWARDED, ev.REQUEST_PARKED, ev.REQUEST_DEAD_LETTERED, ev.CLOCK_TICKED}
)
_NOTHING: Final = frozenset[str]()


def is_plain(event: LedgerEvent) -> bool:
    """True where an event has none of the facts that only some have: most have none."""
    return (
        event.due_at is None
        and event.rail_facts is None
        and event.fee is None
        and event.exchange is None
        and event.fee_returned_minor is None
        and event.screening is None
        and event.forwarded_to is None
        and event.limit is None
        and event.field is None
        and event.tier is None
    )


def strays(event: LedgerEvent) -> list[str]:
    """The names of facts that no event of its kind has."""
    found = [] if is_plain(event) else _strays_of_some(event)
    if event.type not in OF_TRANSACTIONS:
        return found + _strays_of_none(event)
    if event.rail is not None and not _goes_over_rail(event):
        found.append("rail")
    if event.counterparty is not None and not _goes_to_wallet(event):
        found.append("counterparty")
    return found


def strays_of_requesters(event: LedgerEvent) -> list[str]:
    """What a requester says, on an event that answers no command: but what is passed on from one is nothing there."""
    found = [] if event.request is UNSET else ["request"]
    names: tuple[str, ...] = ("device", "occurred_at", "references", "metadata")
    if event.type in _LEGS:
        names = names[:1]
    elif event.command == Verb.EXECUTE or is_item(event):
        names = ()
    return found + [name for name in names if getattr(event, name) not in (None, UNSET)]


def _begins(event: LedgerEvent) -> bool:
    """True where a transaction is opened: asked for now, or before."""
    return event.command == Verb.EXECUTE or (event.command is None and event.from_state is None)


def _goes_over_rail(event: LedgerEvent) -> bool:
    if event.counterparty is not None or event.operation not in _OVER_RAILS or not _begins(event):
        return False
    return event.type in _PROCESSED_OR_SETTLED or (
        event.type == ev.TRANSACTION_INITIATED and event.screening is not None
    )


def _goes_to_wallet(event: LedgerEvent) -> bool:
    return event.type in _LEGS or (event.operation in _TO_WALLETS and event.type in _WITH_PAYEE and _begins(event))


def _strays_of_some(event: LedgerEvent) -> list[str]:
    begins, is_leg = _begins(event), event.type in _LEGS
    in_place = {
        "due_at": begins and event.command is None and _is_due(event),
        "screening": event.type == ev.TRANSACTION_INITIATED and event.operation == "debit",
        "fee": is_leg or (begins and event.type in _CHARGED),
        "exchange": is_leg or (begins and event.type in _PROCESSED_OR_SETTLED),
        "fee_returned_minor": event.operation in _TAKES_BACK
        and (is_leg or (begins and event.type in _PROCESSED_OR_SETTLED)),
        "forwarded_to": event.type == ev.REQUEST_FORWARDED,
        "limit": event.type in (ev.REQUEST_REJECTED, ev.TRANSACTION_FAILED),
        "field": event.type in _REFUSES,
        "tier": event.type == ev.WALLET_TIER_SET
        or (event.operation in _LIMITED and (event.type == ev.TRANSFER_RECEIVED or (begins and event.type in _ASKED))),
    }
    found = [name for name, has_place in in_place.items() if not has_place and getattr(event, name) is not None]
    return found if event.rail_facts is None else found + _strays_of_rail(event, event.rail_facts)


def _is_due(event: LedgerEvent) -> bool:
    """True of what may end, or begin, by time alone."""
    named = event.type, event.operation
    held_or_given = ((ev.TRANSACTION_PROCESSED, "authorize"), (ev.TRANSACTION_SETTLED, "reward"))
    return event.type == ev.TRANSACTION_INITIATED or named in held_or_given


def _strays_of_rail(event: LedgerEvent, facts: RailFacts) -> list[str]:
    """What a rail has not said, for it says nothing of the kind with such an event."""
    may_say = _SAID_BY_RAILS.get((event.type, event.command), _NOTHING)
    if event.type == ev.TRANSACTION_SETTLED and event.operation == "reverse" and event.from_state is None:
        may_say = _PROVES_REVERSAL
    said = [name for name in RailFacts.__struct_fields__ if getattr(facts, name) is not None]
    return [f"rail_facts.{name}" for name in said if name not in may_say]


def _strays_of_none(event: LedgerEvent) -> list[str]:
    """Of an event of a wallet, a request or the clock: it moves no money, and says of none."""
    names = ["amount_minor", "remaining_minor", "rail", "counterparty", "parent_transaction_id", "leg"]
    if event.type != ev.ASSET_ENABLED:
        names.append("asset")
    if event.type != ev.WALLET_QUARANTINED:
        names.append("command")
    if event.type == ev.REQUEST_REJECTED:
        names.append("transaction_id")
    elif event.type in _OF_NO_ACCOUNT:
        names.append("sub_wallet")
    return [name for name in names if getattr(event, name) is not None]
