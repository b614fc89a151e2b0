"""What operators order on `settlement-commands`: written, and waited for until the role has taken it."""

from __future__ import annotations

import json
import uuid
from typing import Any

from ops import ordering
from ops.errors import OperationError
from ops.reading import TopicReader
from schemas.settlement_commands import read_settlement_command
from schemas.settlement_events import COMMAND_REFUSED, SettlementEvent, decode_settlement_event
from schemas.topics import SETTLEMENT_COMMANDS, SETTLEMENT_EVENTS


async def order(reader: TopicReader, rail: str, by: str, reason: str, **fields: Any) -> SettlementEvent:
    """Write a command, and wait for the event that says what became of it.

    Raises:
        OperationError: it does not fit its contract, was refused, or was not taken in time.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    command = {"rail": rail, "command_id": uuid.uuid4().hex, "by": by, "reason": reason, **given}
    value = json.dumps(command).encode()
    try:
        read_settlement_command(value)
    except ValueError as error:
        raise OperationError(f"this is no command: {error}") from error

    def answer(raw: bytes, _offset: int) -> SettlementEvent | None:
        event = decode_settlement_event(raw)
        if event.command_id != command["command_id"]:
            return None
        if event.type == COMMAND_REFUSED:
            raise OperationError(f"it was refused: {event.message}")
        return event

    event = await ordering.order(reader, ordering.Ordered(SETTLEMENT_COMMANDS, SETTLEMENT_EVENTS, rail, value), answer)
    if event is not None:
        return event
    raise OperationError(
        "it is written, but no worker of settlement has taken it yet: is `worker settlement` running? It is done once "
        "one does; do not order it again"
    )
