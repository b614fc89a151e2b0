"""Who pays what over which rail, and how the rails are funded. Amounts in cents."""

from __future__ import annotations

from typing import Any, Final

from schemas.topics import OPERATOR_COMMANDS, TRANSACTION_REQUESTS

ASSET: Final = "EUR"
CUSTOMERS: Final = ("ada", "bela", "carlo", "dora", "emil", "fay")
#: Who looks after rails and exceptions; neither approves what the same person has asked for.
PROPOSER: Final = "ines"
APPROVER: Final = "omar"
SEPA: Final = "sepa"
#: The rail that is down when the payouts are asked for.
ACH: Final = "ach"
RAILS: Final = (SEPA, ACH)
TOP_UP_MINOR: Final = 1_000_000
#: What is put at the disposal of each rail.
FUNDING_MINOR: Final = 1_000_000

_RETRY: Final = {"first_ms": 100, "longest_ms": 500, "poll_ms": 100, "breaker_open_ms": 300, "timeout_ms": 2_000}

Command = tuple[str, str, dict[str, Any]]


def rail_record(name: str) -> dict[str, Any]:
    """A rail's record: deferred, simulated, batches of four or of what has come within a second."""
    adapter = {"kind": "simulated", "settings": {"answer_min_ms": 20, "answer_max_ms": 200}}
    batches = {"max_transactions": 4, "max_age_s": 1}
    return {"name": name, "settlement": "deferred", "batches": batches, "retry": _RETRY, "adapter": adapter}


def payouts() -> list[Command]:
    """Wallets are opened and topped up, and each pays out over both rails: (topic, key, command) in order."""
    return [
        (TRANSACTION_REQUESTS, customer, {"wallet_id": customer, **command})
        for number, customer in enumerate(CUSTOMERS)
        for command in _of_customer(number, customer)
    ]


def _of_customer(number: int, customer: str) -> list[dict[str, Any]]:
    opened = {"operation": "open_wallet", "idempotency_key": "open", "owner_ref": customer, "assets": [ASSET]}
    top_up = {"operation": "credit", "idempotency_key": "top-up", "amount_minor": TOP_UP_MINOR, "asset": ASSET}
    paid = [
        {
            "operation": "debit",
            "idempotency_key": f"out-{rail}",
            # Each amount is there once: a bank that repeats no reference of ours leaves nothing else to go by.
            "amount_minor": 10_000 + 1_000 * number + position,
            "asset": ASSET,
            "rail": rail,
            "instrument_ref": f"account of {customer}",
        }
        for position, rail in enumerate(RAILS)
    ]
    return [opened, top_up, *paid]


def funding() -> list[Command]:
    """What operators book when they send money to the rails: from the instant one, which has the customers' top-ups."""
    wallet_id = CUSTOMERS[0]
    signed = {"requested_by": PROPOSER, "approved_by": APPROVER, "reason_code": "prefunding"}
    return [
        (
            OPERATOR_COMMANDS,
            wallet_id,
            {
                "operation": "adjust",
                "idempotency_key": f"fund-{rail}",
                "wallet_id": wallet_id,
                "from_account": f"system/rail:{rail}",
                "to_account": "system/rail:instant",
                "amount_minor": FUNDING_MINOR,
                "asset": ASSET,
                **signed,
            },
        )
        for rail in RAILS
    ]
