"""`docs/reference/commands.md`: what all commands have in common."""

from __future__ import annotations

from ops.reference.fields import model_fields
from ops.reference.markdown import listed, page
from schemas.contract import NOT_FINGERPRINTED, Command, OnTransaction, OperatorCommand
from schemas.fraud_commands import FraudCommand

_INTRODUCTION = """
A command is one JSON object in UTF-8, the value of a Kafka record whose key is its `wallet_id`. Contracts are strict
and closed: no coercion (`"10"` and `10.0` are not integers), no unknown field. What does not fit is answered
`malformed` and kept in `dead-letters`. Amounts are integers of minor units: 1999 is 19.99 EUR, 1999 JPY or 1.999 KWD.

Send with `acks=all` and the idempotent producer, and partition by murmur2 of the key. Java's client and aiokafka do;
for clients of librdkafka set `partitioner=murmur2_random`, or the ledger has to forward each request, which takes
longer. CloudEvents headers (`ce_*`) and `traceparent` are optional; a `ce_type` that is there must be
`wallet.<topic>.v1`.

What may be asked for, with the fields of each operation: [operations](operations/README.md).
"""

_ON_TRANSACTION = """
A transaction is named by its id, which the outcome that accepted it has told. The command is put under the wallet that
the transaction belongs to; what gives money back that a transfer has moved is put under the payee's.
"""


def commands_page() -> str:
    """The page."""
    fingerprint = (
        "The same `idempotency_key` with the same command is answered with its first answer. "
        f"{listed(NOT_FINGERPRINTED)} say nothing of what is asked for and may differ; every other field may not."
    )
    return page(
        "Commands",
        "`schemas/contract.py`",
        _INTRODUCTION,
        "## Fields of every command",
        fingerprint,
        model_fields(Command) or "",
        "## Fields of every command on a transaction",
        _ON_TRANSACTION,
        model_fields(OnTransaction, Command.model_fields.keys() - {"sub_wallet"}) or "",
        "## Fields of every operator command",
        model_fields(OperatorCommand, Command.model_fields) or "",
        "## Fields of every fraud command",
        model_fields(FraudCommand, Command.model_fields) or "",
    )
