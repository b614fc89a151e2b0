"""The role's metrics, fed from what a batch has committed."""

from __future__ import annotations

from typing import Final

from schemas import settlement_events as ev
from schemas.clock import unix_ms
from schemas.settlement_batches import AlertRecord, BatchRecord, PositionRecord, decode_settlement_record
from schemas.settlement_events import SettlementEvent, decode_settlement_event
from schemas.topics import SETTLEMENT_BATCHES, SETTLEMENT_EVENTS
from streams import metrics
from streams.batch import Batch
from streams.observer import Observer
from streams.seal import is_seal

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
    """Counts payouts, batches, attempts, answers and alerts, and shows positions."""

    def committed(self, partition: int, batch: Batch) -> None:
        """A batch is committed and persisted."""
        del partition
        for (topic, _), records in batch.messages.by_target.items():
            if topic == SETTLEMENT_EVENTS:
                for _, value, _ in records:
                    if value is not None and not is_seal(value):
                        _count(decode_settlement_event(value))
            elif topic == SETTLEMENT_BATCHES:
                for _, value, _ in records:
                    if value is not None:
                        _show(decode_settlement_record(value))


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
