"""`docs/reference/outcomes.md`: the answers on `transaction-outcomes`."""

from __future__ import annotations

from typing import Final

from ops.reference.events import NESTED_FIELDS
from ops.reference.markdown import page
from ops.reference.structs import field_table
from schemas.events import AccountBalance, LimitFacts, Source
from schemas.outcomes import Outcome, WalletBalances

_INTRODUCTION = """
**Read `transaction-outcomes` with `isolation.level=read_committed`.** A consumer that reads uncommitted records sees
answers of transactions that may still be aborted; nothing it sees is promised.

Each command record gets exactly one outcome of kind `answer`, in the Kafka transaction that decides it. A transaction
that changes later - a transfer whose payee lives in another partition settles or fails - gets an outcome of kind
`update` for each change, under the requester's wallet as key and with the requester's `source`. Find your request by
`source` (where you wrote it), or by `wallet_id` and `idempotency_key`.
"""

OUTCOME_FIELDS: Final[dict[str, str]] = {
    "kind": "`answer` to a command record, or `update` of its transaction.",
    "request_id": "As the requester gave it, else the `ce_id` header.",
    "idempotency_key": "As the requester gave it.",
    "wallet_id": "The wallet of the command.",
    "transaction_id": "The transaction, where there is one.",
    "operation": "The command's operation.",
    "status": "`accepted` or `rejected`.",
    "code": "[Outcome code](codes.md).",
    "message": "For people; not to be parsed.",
    "field": "Field of the command that the code is about.",
    "state": "State that the transaction has reached; see [life cycles](lifecycle.md).",
    "replayed": "The command had been answered before; this is that answer once more.",
    "current_state": "With `replayed`: the transaction's state now.",
    "current_code": "With `replayed`: the transaction's code now.",
    "balances": "Balances after it, of the requester's own accounts that were touched.",
    "limit": "The limit that would be exceeded: its name, value and use, and when it frees up.",
    "source": "The command record: where it first arrived.",
    "recorded_at": "Partition time, RFC 3339 in UTC with milliseconds.",
}

BALANCES_FIELDS: Final[dict[str, str]] = {
    "wallet_id": "The wallet; for a shard of a system account its name, `system/<name>`.",
    "partition": "Partition that it lives in.",
    "sequence": "Sequence of the last event that the balances include.",
    "accounts": "All accounts with their balances.",
    "recorded_at": "Partition time, RFC 3339 in UTC with milliseconds.",
}


def outcomes_page() -> str:
    """The page."""
    nested = [
        f"### {one.__name__}\n\n{field_table(one, NESTED_FIELDS[one])}" for one in (AccountBalance, LimitFacts, Source)
    ]
    return page(
        "Outcomes and balances",
        "`schemas/outcomes.py`",
        _INTRODUCTION,
        "## Outcome",
        field_table(Outcome, OUTCOME_FIELDS),
        "## Balances\n\n`wallet-balances` is compacted: the latest record of each key counts.",
        field_table(WalletBalances, BALANCES_FIELDS),
        *nested,
    )
