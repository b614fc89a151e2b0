"""The topic of alerts: the last word on each, and what analysts say back on `fraud-feedback`."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from ops import ordering
from ops.errors import OperationError
from ops.fraud.documents import mistakes
from ops.reading import TopicReader
from schemas.fraud_alerts import Alert, decode_alert
from schemas.fraud_events import FEEDBACK_REFUSED, FraudEvent, decode_fraud_event
from schemas.fraud_feedback import read_feedback
from schemas.topics import FRAUD_ALERTS, FRAUD_EVENTS, FRAUD_FEEDBACK


async def read_alerts(reader: TopicReader, partitions: Iterable[int] | None = None) -> dict[str, Alert]:
    """Id -> alert as it was told last, oldest first.

    Raises:
        OperationError: the topic is missing or cannot be read.
    """
    found: dict[str, Alert] = {}
    async for records in reader.read(FRAUD_ALERTS, None if partitions is None else list(partitions)):
        for record in records:
            alert = decode_alert(record.value or b"")
            found[alert.alert_id] = alert
    return dict(sorted(found.items(), key=lambda named: (named[1].first_seen, named[0])))


def alert_of(alerts: dict[str, Alert], given: str) -> Alert:
    """The alert of an id, or of its beginning.

    Raises:
        OperationError: there is none, or several begin so.
    """
    found = [alert for alert_id, alert in alerts.items() if alert_id.startswith(given)]
    if len(found) == 1:
        return found[0]
    why = "no alert" if not found else f"{len(found)} alerts"
    raise OperationError(f"{why} whose id begins with {given!r}; `walletstream fraud alerts` lists them")


async def say(reader: TopicReader, subject: str, value: bytes) -> None:
    """Write a record of `fraud-feedback` on a subject, and wait until the role has taken it.

    Raises:
        OperationError: it does not fit its contract, was refused, or was not taken in time.
    """
    try:
        read_feedback(value)
    except ValidationError as error:
        raise OperationError(f"this cannot be said: {'; '.join(mistakes(error))}") from None
    except ValueError as error:
        raise OperationError(f"this cannot be said: {error}") from None

    def answer(raw: bytes, offset: int) -> FraudEvent | None:
        event = decode_fraud_event(raw)
        if (event.cause.topic, event.cause.offset) != (FRAUD_FEEDBACK, offset):
            return None
        if event.type == FEEDBACK_REFUSED:
            raise OperationError(f"it was refused: {event.message}")
        return event

    ordered = ordering.Ordered(FRAUD_FEEDBACK, FRAUD_EVENTS, subject, value)
    if await ordering.order(reader, ordered, answer) is not None:
        return
    raise OperationError("it is written, but no worker of the fraud role has taken it yet: is `worker fraud` running?")
