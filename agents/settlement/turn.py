"""What deciding one record has at hand. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from agents.settlement.apply import apply
from agents.settlement.state import DAY_MS, SettlementState
from schemas.partitioning import partition_of
from schemas.rail_batches import Direction
from schemas.rails import Rail
from schemas.settlement_batches import AlertRecord, encode_settlement_record
from schemas.settlement_events import SettlementCause, SettlementEvent, encode_settlement_event
from schemas.settlement_internal import SettlementInternal, encode_settlement_internal
from schemas.topics import SETTLEMENT_BATCHES, SETTLEMENT_INTERNAL
from streams.machine import Context, InputRecord, Output


@dataclass(frozen=True, slots=True)
class Limits:
    """What settings say, in ms; see `streams.settings`."""

    #: How long a closed batch waits for the ledger's answers.
    answers_wait_ms: int = 60_000
    #: How long a batch that is finished is remembered.
    retention_ms: int = 180 * DAY_MS


class Turn:
    """State, rails, and where to write."""

    def __init__(self, state: SettlementState, limits: Limits):
        self.state = state
        self.limits = limits
        self.rails: Mapping[str, Rail] = {}
        self.context: Any = None
        self.out: Any = None
        self._record: Any = None

    def begin(self, context: Context, out: Output, record: InputRecord, rails: Mapping[str, Rail]) -> None:
        """A record is decided from here on."""
        self.context, self.out, self._record, self.rails = context, out, record, rails

    @property
    def now_ms(self) -> int:
        """Partition time."""
        now_ms: int = self.context.recorded_at_ms
        return now_ms

    def event(
        self,
        type_: str,
        *,
        rail: str | None = None,
        asset: str | None = None,
        direction: Direction | None = None,
        batch_id: str | None = None,
        transaction_id: str | None = None,
        wallet_id: str | None = None,
    ) -> SettlementEvent:
        """An event that answers the record; what else it says is set by who asks for it."""
        context, record = self.context, self._record
        return SettlementEvent(
            type=type_,
            cause=SettlementCause(context.topic, context.partition, record.offset),
            rail=rail,
            asset=asset,
            direction=direction,
            batch_id=batch_id,
            transaction_id=transaction_id,
            wallet_id=wallet_id,
            recorded_at=context.recorded_at,
        )

    def write(self, event: SettlementEvent) -> None:
        """Apply the next event and write it."""
        event.sequence = self.out.sequence + 1
        apply(self.state, event)
        name = event.rail or event.wallet_id
        key = None if name is None else name.encode()
        self.out.event(key, encode_settlement_event(event), (event.type, event.reason or event.state))

    def tell_rail(self, rail: str, told: SettlementInternal) -> None:
        """Tell the partition in which a rail's batches live."""
        partition = partition_of(rail, self.context.partitions)
        self.out.send(SETTLEMENT_INTERNAL, partition, rail.encode(), encode_settlement_internal(told))

    def alert(self, alert: AlertRecord) -> None:
        """Tell people that something waits, or goes on."""
        partition = partition_of(alert.rail, self.context.partitions)
        told = msgspec.structs.replace(alert, recorded_at=self.context.recorded_at)
        self.out.send(SETTLEMENT_BATCHES, partition, alert.rail.encode(), encode_settlement_record(told))
