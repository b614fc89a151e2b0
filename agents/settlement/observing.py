"""The role's metrics, fed from what a batch has committed."""

from __future__ import annotations

import logging
from typing import Final

from agents.settlement.state import POSITIONS, QUEUES, PositionRow, QueueRow
from schemas import settlement_events as ev
from schemas.clock import unix_ms
from schemas.settlement_batches import AlertRecord, BatchRecord, PositionRecord, decode_settlement_record
from schemas.settlement_events import SettlementEvent, decode_settlement_event
from schemas.topics import SETTLEMENT_BATCHES, SETTLEMENT_EVENTS
from streams import metrics
from streams.batch import Batch
from streams.errors import StoreError
from streams.observer import Observer
from streams.seal import is_seal
from streams.tables import Reads

log = logging.getLogger(__name__)

#: How the queues of payouts that wait for money end; those of collections wait for none.
_OUT: Final = " out"

_PAYOUTS: Final = {
    ev.PAYOUT_QUEUED: "queued",
    ev.PAYOUT_BATCHED: "batched",
    ev.PAYOUT_HELD: "held",
    ev.PAYOUT_KEPT_BACK: "kept_back",
    ev.PAYOUT_LEFT: "left",
    ev.PAYOUT_DROPPED: "dropped",
}
_BATCHES: Final = {
    ev.BATCH_OPENED: "open",
    ev.BATCH_CLOSED: "closed",
    ev.BATCH_READY: "ready",
    ev.BATCH_EMPTY: "empty",
    ev.BATCH_ABANDONED: "failed",
}
_ANSWERS: Final = {ev.ANSWER_TAKEN: "taken", ev.ANSWER_REPEATED: "repeated", ev.ANSWER_UNKNOWN: "unknown"}
_REFUSED: Final = {ev.COMMAND_REFUSED: "command", ev.RECORD_FAILED: "record"}


class SettlementMetrics(Observer):
    """Counts payouts, batches, attempts, answers and alerts, and shows positions of the partitions that are owned."""

    def __init__(self) -> None:
        #: Partition -> rail and asset of what is shown of it.
        self._shown: dict[int, set[tuple[str, str]]] = {}

    def loaded(self, partition: int, store: Reads) -> None:
        """The local state as a restore leaves it: who waited before goes on waiting."""
        self.ended(partition)
        try:
            positions = {name: POSITIONS.decode(row) for name, row in store.scan(POSITIONS.name)}
            queues = {name: QUEUES.decode(row) for name, row in store.scan(QUEUES.name)}
        except StoreError as error:
            log.warning("positions are not shown until they move: %s", error)
            return
        waiting = {name.removesuffix(_OUT): row for name, row in queues.items() if name.endswith(_OUT)}
        for name in positions.keys() | waiting.keys():
            rail, _, asset = name.partition(" ")
            position, queue = positions.get(name, PositionRow()), waiting.get(name, QueueRow())
            self._of(partition, rail, asset)
            metrics.SETTLEMENT_WAITING.labels(rail, asset).set(queue.waiting)
            metrics.SETTLEMENT_POSITION.labels(rail, asset, "funded").set(position.funded_minor)
            metrics.SETTLEMENT_POSITION.labels(rail, asset, "committed").set(position.committed_minor)
            metrics.SETTLEMENT_POSITION.labels(rail, asset, "waiting").set(queue.waiting_minor)

    def ended(self, partition: int) -> None:
        """The processor has ended: its positions are another worker's to show."""
        for rail, asset in self._shown.pop(partition, ()):
            metrics.SETTLEMENT_WAITING.remove(rail, asset)
            for part in ("funded", "committed", "free", "waiting"):
                metrics.SETTLEMENT_POSITION.remove(rail, asset, part)

    def _of(self, partition: int, rail: str, asset: str) -> None:
        self._shown.setdefault(partition, set()).add((rail, asset))

    def committed(self, partition: int, batch: Batch) -> None:
        """A batch is committed and persisted."""
        for (topic, _), records in batch.messages.by_target.items():
            if topic == SETTLEMENT_EVENTS:
                for _, value, _ in records:
                    if value is not None and not is_seal(value):
                        _count(decode_settlement_event(value))
            elif topic == SETTLEMENT_BATCHES:
                for _, value, _ in records:
                    if value is not None:
                        record = decode_settlement_record(value)
                        if isinstance(record, PositionRecord):
                            self._of(partition, record.rail, record.asset)
                        _show(record)


def _count(event: SettlementEvent) -> None:
    rail, type_ = event.rail or "", event.type
    if type_ in _PAYOUTS:
        metrics.SETTLEMENT_PAYOUTS.labels(rail, _PAYOUTS[type_]).inc()
    elif type_ in _BATCHES:
        metrics.SETTLEMENT_BATCHES.labels(rail, _BATCHES[type_]).inc()
    elif type_ == ev.ATTEMPT_FAILED:
        metrics.SETTLEMENT_ATTEMPTS_FAILED.labels(rail).inc()
    elif type_ in _REFUSED:
        metrics.SETTLEMENT_REFUSED.labels(_REFUSED[type_]).inc()
    elif type_ in _ANSWERS:
        metrics.SETTLEMENT_ANSWERS.labels(rail, _ANSWERS[type_]).inc()
        if event.contradictions:
            metrics.SETTLEMENT_CONTRADICTIONS.labels(rail).inc(event.contradictions)


def _show(record: BatchRecord | PositionRecord | AlertRecord) -> None:
    if isinstance(record, PositionRecord):
        of = (record.rail, record.asset)
        metrics.SETTLEMENT_WAITING.labels(*of).set(record.waiting)
        metrics.SETTLEMENT_POSITION.labels(*of, "funded").set(record.funded_minor)
        metrics.SETTLEMENT_POSITION.labels(*of, "committed").set(record.committed_minor)
        metrics.SETTLEMENT_POSITION.labels(*of, "free").set(record.free_minor)
        metrics.SETTLEMENT_POSITION.labels(*of, "waiting").set(record.waiting_minor)
    elif isinstance(record, AlertRecord):
        if record.state == "open":
            metrics.SETTLEMENT_ALERTS.labels(record.rail, record.code).inc()
    elif record.submitted_at is not None:
        # A batch that is finished is told once, or again where something contradicts it.
        if record.finished_at == record.recorded_at:
            took_ms = unix_ms(record.finished_at) - unix_ms(record.opened_at)
            metrics.SETTLEMENT_SECONDS.labels(record.rail).observe(took_ms / 1000)
        metrics.SETTLEMENT_BATCHES.labels(record.rail, record.state).inc()
