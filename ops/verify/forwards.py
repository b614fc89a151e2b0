"""Records that arrived in the wrong partition: each is decided once, by the owner of its wallet."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ops.verify.findings import Check, Finding, Findings, Here
from ops.verify.parked import key_of_parked
from schemas.events import REQUEST_FORWARDED, LedgerEvent
from schemas.topics import INTERNAL_COMMANDS, LEDGER_EVENTS

_Source = tuple[str, int, int]


class _Word(NamedTuple):
    """One partition's word on a forwarded record."""

    partition: int
    offset: int | None
    sequence: int | None
    recorded_at: str
    forwarded_to: int | None
    identity: tuple[str | None, str | None]


class Forwards:
    """Forwarded records of all partitions whose two events have not met yet."""

    def __init__(self, findings: Findings):
        self._findings = findings
        self._sent: dict[_Source, _Word] = {}
        self._arrived: dict[_Source, _Word] = {}
        #: Hashes of records' bytes, as they were sent or as they arrived, until the other is read.
        self._values: dict[_Source, int] = {}

    def event(self, event: LedgerEvent, here: Here) -> None:
        """`request.forwarded`, or the event of a record that was."""
        cause = event.cause
        if cause is None:
            return
        identity = (event.wallet_id, cause.idempotency_key if event.parked is None else key_of_parked(event.parked))
        word = _Word(here.partition, here.offset, here.sequence, event.recorded_at, event.forwarded_to, identity)
        if event.type == REQUEST_FORWARDED:
            self._meet((cause.topic, cause.partition, cause.offset), self._sent, self._arrived, word)
        elif cause.origin is not None and cause.origin.topic != INTERNAL_COMMANDS:
            origin = cause.origin
            self._meet((origin.topic, origin.partition, origin.offset), self._arrived, self._sent, word)

    def _meet(self, source: _Source, mine: dict[_Source, _Word], others: dict[_Source, _Word], word: _Word) -> None:
        other = others.pop(source, None)
        if other is None:
            if source in mine:
                self._report(Check.FORWARD_UNFOUNDED, word, f"{_name(source)} is forwarded or arrives a second time")
            mine[source] = word
            return
        sent, arrived = (word, other) if mine is self._sent else (other, word)
        if sent.forwarded_to != arrived.partition:
            self._report(
                Check.FORWARD_UNFOUNDED,
                arrived,
                f"{_name(source)} was forwarded to partition {sent.forwarded_to} and is decided in {arrived.partition}",
            )
        if sent.identity != arrived.identity:
            self._report(
                Check.FORWARD_UNFOUNDED,
                arrived,
                f"{_name(source)} was forwarded as {sent.identity} and is decided as {arrived.identity}",
            )

    def value(self, source: _Source, value: bytes, here: Here, topic: str, offset: int) -> None:
        """Bytes of a forwarded record, from where it was sent or where it arrived: `offset` of `topic`."""
        mine = hash(value)
        other = self._values.pop(source, None)
        if other is None:
            self._values[source] = mine
        elif other != mine:
            sentence = f"{_name(source)} arrived with other bytes than it was sent with"
            here.report_at(Check.FORWARD_UNFOUNDED, sentence, topic, offset)

    def finish(self, is_idle: bool, time_of: Callable[[int], str]) -> int:
        """All logs have been read; returns how many forwarded records are under way. See `Sagas.finish`."""
        for source, word in self._sent.items():
            if is_idle:
                self._report(Check.FORWARD_LOST, word, f"{_name(source)} was forwarded, but nobody decided it")
        for source, word in self._arrived.items():
            if is_idle or word.recorded_at < time_of(source[1]):
                self._report(Check.FORWARD_UNFOUNDED, word, f"{_name(source)} is decided here, but was not forwarded")
        return len(self._sent)

    def waits_for(self) -> set[int]:
        """Partitions that must have forwarded a record, but have not."""
        return {source[1] for source in self._arrived}

    def _report(self, check: Check, word: _Word, sentence: str) -> None:
        self._findings.add(Finding(check, sentence, LEDGER_EVENTS, word.partition, word.offset, word.sequence))


def _name(source: _Source) -> str:
    return f"{source[0]}/{source[1]} offset {source[2]}"
