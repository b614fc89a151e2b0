"""What the settlement role reads and writes beside the ledger's events."""

from __future__ import annotations

from typing import Final

from schemas.topics import (
    DAY_MS,
    ENVELOPE_MAX_BYTES,
    SETTLEMENT_BATCHES,
    SETTLEMENT_COMMANDS,
    SETTLEMENT_EVENTS,
    SETTLEMENT_INTERNAL,
    Topic,
)

SETTLEMENT_TOPICS: Final = (
    Topic(
        name=SETTLEMENT_INTERNAL,
        description="What one partition of the settlement role tells another, payouts on their way to their rail's "
        "partition among it, and what rails answer.",
        owner="settlement",
        readers=("settlement",),
        key="rail name; none for ticks",
        value="SettlementInternal",
        retention_ms=7 * DAY_MS,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        append_time=True,
        example="settlement-internal.v1/payout.json",
    ),
    Topic(
        name=SETTLEMENT_COMMANDS,
        description="What operators order of settlement: money put at a rail's disposal, batches to try again or to "
        "give up, payouts to let go.",
        owner="operators' tools",
        readers=("settlement",),
        key="rail name",
        value="SettlementCommand",
        strict=True,
        retention_ms=7 * DAY_MS,
        append_time=True,
        example="settlement-commands.v1/fund.json",
    ),
    Topic(
        name=SETTLEMENT_EVENTS,
        description="The settlement role's state log: what waits for which rail, what is in which batch, what rails "
        "have answered, and positions; sealed as the ledger's.",
        owner="settlement",
        readers=("settlement", "operators' tools"),
        key="rail name, or wallet id; empty for seals, none for what is of neither",
        value="SettlementEvent or Seal",
        retention_ms=None,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        example="settlement-events.v1/payout_batched.json",
    ),
    Topic(
        name=SETTLEMENT_BATCHES,
        description="Batches, positions with rails and alerts; the last record of each is what counts.",
        owner="settlement",
        readers=("settlement", "operators' tools"),
        key="rail name",
        value="SettlementRecord",
        retention_ms=400 * DAY_MS,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        example="settlement-batches.v1/ready.json",
    ),
)
