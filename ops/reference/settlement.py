"""`docs/reference/settlement.md`: states of batches, alerts, commands and events of the settlement role."""

from __future__ import annotations

from typing import Final

from ops.reference.markdown import page, table
from schemas.settlement_events import SETTLEMENT_EVENT_TYPES

_INTRODUCTION = """
[Settlement](../concepts/settlement.md) says how queues, batches and positions hang together. The contracts of the
topics are in [topics](topics.md), with a JSON Schema and examples of each.
"""

_STATES: Final = {
    "open": "it takes payouts",
    "closed": "it takes no more; the ledger is asked to submit each transaction",
    "ready": "the ledger has answered for all; it waits for its rail, or for the next attempt to reach it",
    "submitted": "the rail has it",
    "acknowledged": "the rail has said something of it, and has to say more",
    "settled": "all of it was settled",
    "partially_settled": "nothing more is expected; some of it was not settled",
    "failed": "nothing of it was settled",
    "empty": "nothing was left of it before it went out",
}

_ALERTS: Final = {
    "liquidity": "the next payout needs more money with the rail; `amount_minor` is what is missing",
    "day_limit": "the rail's payout limit of the day is reached; it goes on the next UTC day",
    "payout_limit": "a payout is above the rail's limits by itself: release or cancel it",
    "kept_back": "a merchant's payout waits for the rolling reserve",
    "rail_unavailable": "the rail has failed several times in a row, and is left alone for a while",
}

_EVENTS = """
## Events

Types of the events on `settlement-events`, the role's state log; beside them stand seals, as in the ledger's. What is
told of a wallet stands in the wallet's partition, what is told of a rail in the rail's.
"""


def settlement_page() -> str:
    """The page."""
    states = table(("state", "says that"), [(f"`{name}`", said) for name, said in _STATES.items()])
    alerts = table(("code", "says that"), [(f"`{name}`", said) for name, said in _ALERTS.items()])
    events = table(("type", "says that"), [(f"`{name}`", said) for name, said in SETTLEMENT_EVENT_TYPES.items()])
    return page(
        "Settlement: batches, alerts and events",
        "`schemas/settlement_batches.py` and `schemas/settlement_events.py`",
        _INTRODUCTION,
        "## States of a batch",
        states,
        "## Alerts",
        alerts,
        _EVENTS,
        events,
    )
