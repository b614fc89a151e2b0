"""What the consumer's thread does with what was fetched, step by step; on a real Kafka it is in `test_transport`."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError, KafkaError
from faust.types import TP

from streams import consumer_thread
from streams.consumer_thread import MAX_RECORDS, MAX_RECORDS_AT_ONCE, BatchThread, Fetched
from streams.fetch import Drained, Undecodable
from streams.transport import BatchConsumer

PLACE = TP("requests", 0)


class Fetcher:
    """A fetcher that has fetched something of one partition."""

    def __init__(self, chunk: Any = None):
        self._records: dict[TP, Any] = {PLACE: chunk}
        self._wait_consume_future: Any = None
        self.notified = 0

    def _notify(self, _future: Any) -> None:
        self.notified += 1


class Consumer:
    def __init__(self, fetcher: Fetcher | None = None):
        self._fetcher = fetcher or Fetcher()


class Thread(BatchThread):
    """The thread's own methods without a thread."""

    def __init__(self, incarnations: dict[TP, int]):
        self._incarnations = incarnations
        self._expected = {PLACE: 7}
        self._paused: set[TP] = set()
        self.log = cast(Any, logging.getLogger(__name__))


def test_what_a_seek_has_overtaken_while_it_was_read_leniently_is_not_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be delivered as the old incarnation's, and the new one would find a hole."""
    drained: list[Drained | Exception] = [Undecodable("?"), Drained(7, 9, [])]

    def drain(*_: Any) -> Drained:
        found = drained.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def leniently(*_: Any) -> None:
        thread._incarnations[PLACE] = 2

    monkeypatch.setattr(consumer_thread, "drain", drain)
    monkeypatch.setattr(consumer_thread, "fetch_leniently", leniently)
    thread = Thread({PLACE: 1})
    assert asyncio.run(thread._drain_all(Consumer())) == []
    assert len(drained) == 1, "what the new one has fetched waits for it"


@pytest.mark.parametrize("paused", [False, True])
def test_what_is_kept_of_one_partition_delays_no_fetch_of_the_others(paused: bool) -> None:
    """Of one that nobody has positioned yet, or that is paused: aiokafka asks a broker for nothing more meanwhile."""
    chunk = FetchResult(PLACE, assignment=SimpleNamespace(), partition_records=SimpleNamespace(), backoff=3.0)
    fetcher, thread = Fetcher(chunk), Thread({PLACE: 1} if paused else {})
    thread._paused = {PLACE} if paused else set()
    assert asyncio.run(thread._drain_all(Consumer(fetcher))) == []
    assert fetcher._records == {PLACE: chunk}
    assert (chunk._backoff, fetcher.notified) == (0, 1)


def test_partitions_with_much_to_read_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call takes no more than decodes in a moment; who got nothing of it is the first of the next."""
    places = [TP("requests", partition) for partition in range(6)]
    fetcher, thread = Fetcher(), Thread(dict.fromkeys(places, 1))
    fetcher._records = OrderedDict.fromkeys(places)
    thread._expected = dict.fromkeys(places, 7)
    monkeypatch.setattr(consumer_thread, "drain", lambda *_: Drained(7, 7, cast(Any, range(MAX_RECORDS))))

    def drained() -> list[int]:
        return [one.tp.partition for one in asyncio.run(thread._drain_all(Consumer(fetcher)))]

    assert (MAX_RECORDS, MAX_RECORDS_AT_ONCE) == (1_000, 4_000)
    assert drained() == [0, 1, 2, 3]
    assert drained() == [4, 5, 0, 1]


@pytest.mark.parametrize("error", [GroupAuthorizationFailedError("toy"), GroupCoordinatorNotAvailableError("?")])
def test_only_what_the_group_refuses_for_good_ends_the_thread(error: KafkaError) -> None:
    def check_errors() -> None:
        raise error

    consumer = SimpleNamespace(_coordinator=SimpleNamespace(check_errors=check_errors))
    if error.retriable:
        Thread({})._check_group(consumer)
    else:
        with pytest.raises(type(error)):
            Thread({})._check_group(consumer)


def test_faust_s_own_offsets_commits_and_seeks_do_nothing() -> None:
    """They would not even find what they work on: nothing of Faust's consumer was made here."""

    async def main() -> None:
        consumer = BatchConsumer.__new__(BatchConsumer)
        message = SimpleNamespace(acked=False, tp=PLACE, offset=8, topic=PLACE.topic)
        assert consumer.ack(message)
        assert message.acked
        assert await consumer.commit() is False
        assert await consumer.commit({PLACE}, start_new_transaction=False) is False
        await consumer.perform_seek()
        assert await consumer.seek_to_committed() == {}
        await consumer._add_gap(PLACE, 3, 8)
        assert consumer._new_offset(PLACE) is None

    asyncio.run(main())


def test_what_was_fetched_before_a_seek_keeps_the_number_it_was_fetched_under() -> None:
    """It reaches the box after the seek, and nothing else tells it from what the seek has brought."""

    async def main() -> None:
        consumer = BatchConsumer.__new__(BatchConsumer)
        consumer.app = cast(Any, SimpleNamespace(consumer_generation_id=5))
        options = SimpleNamespace(short_name=lambda _full: "short")
        consumer.transport = cast(Any, SimpleNamespace(options=options))
        consumer._thread = Thread({PLACE: 1})
        fetched = Fetched(PLACE, 1, Drained(7, 9, []))
        consumer._thread._incarnations[PLACE] = 2
        batch = consumer._message(fetched).value
        assert (batch.topic, batch.partition, batch.start, batch.end, batch.incarnation) == ("short", 0, 7, 9, 1)

    asyncio.run(main())


class Flowing(BatchConsumer):
    """A consumer whose flow stops while a fetch is under way."""

    def __init__(self) -> None:
        self.flow_active = True
        self.can_resume_flow = asyncio.Event()
        self.delivered: list[Any] = []
        self.asked = 0
        self.app = cast(Any, SimpleNamespace(should_stop=True))

    @property
    def should_stop(self) -> bool:
        return self.asked > 2

    async def wait(self, *coros: Any, timeout: Any = None) -> Any:
        await coros[0].wait()
        self.flow_active = True

    async def callback(self, message: Any) -> None:
        self.delivered.append(message)

    def _ask(self) -> asyncio.Future[Any]:
        self.asked += 1
        self.flow_active = self.asked != 2
        return asyncio.ensure_future(asyncio.sleep(0, [f"fetched {self.asked}"]))

    def _message(self, fetched: Any) -> Any:
        return fetched


def test_while_a_rebalance_stops_the_flow_nothing_is_delivered() -> None:
    """The streams' queues are suspended then: whoever puts something into one stands still."""

    async def main() -> None:
        consumer = Flowing()
        consumer.flow_active = False
        draining = asyncio.ensure_future(consumer._drain_messages(cast(Any, SimpleNamespace(should_stop=False))))
        await asyncio.sleep(0.05)
        assert consumer.asked == 0
        consumer.can_resume_flow.set()
        await draining
        assert consumer.delivered == ["fetched 2"]

    asyncio.run(main())
