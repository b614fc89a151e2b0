"""The topic of alerts: the last word on each, and what analysts say back on `fraud-feedback`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import msgspec
from pydantic import ValidationError

from agents.fraud.screening import verdict_key
from ops import ordering
from ops.errors import OperationError
from ops.fraud.documents import mistakes
from ops.reading import TopicReader
from schemas.clock import unix_ms
from schemas.fraud_alerts import Alert, decode_alert
from schemas.fraud_events import FEEDBACK_REFUSED, FraudEvent, decode_fraud_event
from schemas.fraud_feedback import read_feedback
from schemas.partitioning import partition_of
from schemas.topics import FRAUD_ALERTS, FRAUD_EVENTS, FRAUD_FEEDBACK, TRANSACTION_OUTCOMES


class _Answer(msgspec.Struct):
    """Of an outcome."""

    kind: str
    status: str | None = None
    code: str | None = None
    message: str | None = None
    idempotency_key: str | None = None


_decode_answer: Final = msgspec.json.Decoder(_Answer).decode


async def read_alerts(reader: TopicReader, partitions: Iterable[int] | None = None) -> dict[str, Alert]:
    """Id -> alert as it was told last, oldest first. What is no alert was written by somebody else, and is passed over.

    Raises:
        OperationError: the topic is missing or cannot be read.
    """
    found: dict[str, Alert] = {}
    async for records in reader.read(FRAUD_ALERTS, None if partitions is None else list(partitions)):
        for record in records:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                alert = decode_alert(record.value or b"")
                found[alert.alert_id] = alert
    told = (named for named in found.items() if _is_time(named[1].first_seen))
    return dict(sorted(told, key=lambda named: (named[1].first_seen, named[0])))


def _is_time(text: str) -> bool:
    try:
        unix_ms(text)
    except ValueError:
        return False
    return True


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


async def judge(reader: TopicReader, wallet_id: str, transaction_id: str, value: bytes) -> None:
    """Say whether a payment of a wallet may go, and wait until the ledger has taken it.

    Raises:
        OperationError: see `say`; or the ledger refuses it, or has not answered in time.
    """
    home = partition_of(wallet_id, await reader.partition_count(TRANSACTION_OUTCOMES))
    begin = (await reader.bounds(TRANSACTION_OUTCOMES, [home]))[home].end
    cause = (await say(reader, wallet_id, value)).cause
    key = verdict_key(transaction_id, cause.topic, cause.partition, cause.offset)

    def answer(raw: bytes) -> _Answer | None:
        outcome = _decode_answer(raw)
        return outcome if outcome.kind == "answer" and outcome.idempotency_key == key else None

    found = await ordering.first_answer(reader, TRANSACTION_OUTCOMES, (home, begin), answer)
    if found is None:
        raise OperationError("the ledger was told, and has not answered yet: is `worker ledger` running?")
    if found.status != "accepted":
        raise OperationError(f"the ledger refuses it ({found.code}): {found.message}")


async def say(reader: TopicReader, subject: str, value: bytes) -> FraudEvent:
    """Write a record of `fraud-feedback` on a subject, and wait until the role has taken it; the event that says so.

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
    event = await ordering.order(reader, ordered, answer)
    if event is not None:
        return event
    raise OperationError("it is written, but no worker of the fraud role has taken it yet: is `worker fraud` running?")
