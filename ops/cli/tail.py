"""`walletstream tail`: records of a topic as they are committed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import click
import msgspec

from ops.cli.running import read_settings, run, warn_held_up
from ops.cli.texts import Utf8
from ops.consuming import Record
from ops.reading import TopicReader, open_reader
from ops.records import as_json, as_line
from schemas.catalogue import TOPICS
from schemas.topics import LEDGER_EVENTS
from streams.settings import Settings


@click.command()
@click.argument("topic", type=click.Choice([topic.name for topic in TOPICS]), metavar="TOPIC")
@click.option("--from-start", is_flag=True, help="Begin at the first record instead of at the end.")
@click.option("-n", "count", type=click.IntRange(min=1), help="Show the last N records (with --from-start the first).")
@click.option("--follow/--no-follow", default=None, help="Go on with what arrives; default: unless -n is given.")
@click.option("--partition", type=click.IntRange(min=0), help="Only this partition.")
@click.option("--wallet", type=Utf8(), help="Only records of this wallet.")
@click.option("--json", "as_lines", is_flag=True, help="Print one JSON object a line.")
def tail(
    topic: str,
    from_start: bool,
    count: int | None,
    follow: bool | None,
    partition: int | None,
    wallet: str | None,
    as_lines: bool,
) -> None:
    """Show the records of TOPIC, by its short name, as they are committed; Ctrl-C ends it.

    Names of topics are such as `ledger-events` or `transaction-outcomes`; `docs/reference/topics.md` lists them.
    Only committed records are shown: what is not committed has not happened.
    """
    shown = _Tail(topic, partition, wallet, as_lines)
    goes_on = count is None if follow is None else follow
    with suppress(KeyboardInterrupt):
        run(shown.run(read_settings(), from_start, count, goes_on))


class _Tail:
    """One run of the command."""

    def __init__(self, topic: str, partition: int | None, wallet: str | None, as_lines: bool):
        self._topic = topic
        self._partitions = None if partition is None else [partition]
        self._wallet = None if wallet is None else wallet.encode()
        self._as_lines = as_lines
        #: Partition -> offset that was seen last, so that following shows nothing twice.
        self._seen: dict[int, int] = {}

    async def run(self, settings: Settings, from_start: bool, count: int | None, goes_on: bool) -> None:
        async with open_reader(settings, settings.namespace, warn_held_up) as reader:
            bounds = await reader.bounds(self._topic, self._partitions)
            ends = {partition: found.end for partition, found in bounds.items()}
            if from_start and count is None and not goes_on:
                await self._all(reader)
            elif from_start and count is None:
                ends = {partition: found.start for partition, found in bounds.items()}
            elif count is not None:
                await self._some(reader, count, from_start)
            if goes_on:
                async for records in reader.follow(self._topic, ends):
                    self._show(records)

    async def _all(self, reader: TopicReader) -> None:
        async for records in reader.read(self._topic, self._partitions):
            self._show(records)

    async def _some(self, reader: TopicReader, count: int, first: bool) -> None:
        """The first or the last `count` records over all partitions, by time."""
        kept: list[_Timed] = []
        latest: dict[int, int] = {}
        if self._wallet is None and not first:
            for place in await reader.places(self._topic, self._partitions):
                kept += _timed(await reader.last(self._topic, place.partition, count), latest)
        else:
            async for records in reader.read(self._topic, self._partitions):
                kept += [timed for timed in _timed(records, latest) if self._is_wanted(timed.record)]
                if len(kept) > 10_000 + 2 * count:
                    kept = _by_time(kept)[:count] if first else _by_time(kept)[-count:]
        kept = _by_time(kept)
        self._show([timed.record for timed in (kept[:count] if first else kept[-count:])])

    def _show(self, records: Sequence[Record]) -> None:
        for record in records:
            is_new = record.offset > self._seen.get(record.partition, -1)
            if is_new and self._is_wanted(record):
                self._seen[record.partition] = record.offset
                if self._as_lines:
                    click.echo(msgspec.json.encode(as_json(record, self._topic)))
                else:
                    click.echo(as_line(record, self._topic))

    def _is_wanted(self, record: Record) -> bool:
        """Its key is the wallet, or an event of the log posts to it."""
        wallet = self._wallet
        if wallet is None or record.key == wallet:
            return True
        return self._topic == LEDGER_EVENTS and b'"' + wallet + b"/" in (record.value or b"")


class _Timed(NamedTuple):
    """A record, and the latest time of it and of those before it in its partition.

    Who wrote it may have said when, by a clock of its own: the order within a partition is that of the offsets.
    """

    at_ms: int
    record: Record


def _timed(records: Sequence[Record], latest: dict[int, int]) -> list[_Timed]:
    """Records of one partition in order; `latest` is what was said before, by partition."""
    timed = []
    for record in records:
        latest[record.partition] = max(latest.get(record.partition, 0), record.timestamp)
        timed.append(_Timed(latest[record.partition], record))
    return timed


def _by_time(kept: list[_Timed]) -> list[_Timed]:
    return sorted(kept, key=lambda timed: (timed.at_ms, timed.record.partition, timed.record.offset))
