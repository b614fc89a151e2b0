"""Sends commands to an honest ledger and names their transactions, as those do who tell stories of it."""

from __future__ import annotations

from typing import Any, Final, get_args

import orjson

from schemas import topics
from schemas.commands import REQUESTS
from tests.ops.verify.honest import Ledger

TOPIC_OF: Final[dict[str, str]] = {
    get_args(model.model_fields["operation"].annotation)[0]: topic
    for topic, models in REQUESTS.items()
    for model in models
}
_OPERATORS: Final = {"requested_by": "ines", "approved_by": "omar", "reason_code": "case"}


class Teller:
    """One command after the other; each is decided, with all that it leads to, before the next one."""

    def __init__(self, ledger: Ledger):
        self.ledger = ledger
        self._count = 0

    def __call__(
        self, operation: str, wallet_id: str, of: str | None = None, *, partition: int | None = None, **fields: Any
    ) -> str:
        """Send a command and let it be decided; returns the id of its transaction, or nothing where it has none."""
        key = self.send(operation, wallet_id, of, partition=partition, **fields)
        self.ledger.run()
        answers = [
            outcome
            for records in self.ledger.topics[topics.TRANSACTION_OUTCOMES]
            for record in records
            if (outcome := orjson.loads(record.value or b"")).get("idempotency_key") == key
            and outcome["kind"] == "answer"
        ]
        return str(answers[0].get("transaction_id", "")) if answers else ""

    def send(
        self, operation: str, wallet_id: str, of: str | None = None, *, partition: int | None = None, **fields: Any
    ) -> str:
        """Send a command; returns its idempotency key."""
        self._count += 1
        topic = TOPIC_OF[operation]
        if topic == topics.OPERATOR_COMMANDS:
            fields = {**_OPERATORS, **fields}
        if of is not None:
            fields["transaction_id"] = of
        key = str(fields.setdefault("idempotency_key", f"t{self._count}"))
        self.ledger.send(topic, partition=partition, operation=operation, wallet_id=wallet_id, **fields)
        return key

    def tick(self, partition: int) -> None:
        """Time has come to what is due next."""
        due_at_ms = self.ledger.machine.due_at_ms(self.ledger.overlays[partition])
        assert due_at_ms is not None
        self.ledger.now_ms = max(self.ledger.now_ms, due_at_ms)
        tick = self.ledger.machine.tick(due_at_ms, partition)
        self.ledger.append(tick.topic, tick.partition, tick.key, tick.value)
        self.ledger.run()
