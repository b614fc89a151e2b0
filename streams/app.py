"""The Faust app of a role: one agent over all inputs that posts fetched batches to the partitions' processors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any, cast

import faust
from aiokafka.conn import collect_hosts
from faust.app.base import BootStrategy
from faust.types import TP
from yarl import URL

from schemas.topics import full_name
from streams.box import Box
from streams.commit import Limits
from streams.kafka_group import KafkaGroup, KafkaInputs
from streams.kafka_log import KafkaLogs
from streams.observer import Observer
from streams.ports import Ports, Stores
from streams.processor import PartitionProcessor
from streams.prometheus_observer import StepTimer
from streams.reference_data import ReferenceData
from streams.rocks_memory import StoreMemory
from streams.rocks_stores import RocksStores
from streams.role import Role
from streams.settings import Settings
from streams.supervisor import Supervisor
from streams.transport import BatchConsumer, BatchTransport, TransportOptions

#: How long after the group disowned a processor the rebalance may take that gives its partition to somebody.
_ORPHAN_GRACE_S = 45.0
_CHECK_GROUP_S = 1.0


class WorkerClock:
    """The worker's own clock."""

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000


class _WithoutProducer(BootStrategy):
    """Faust's producer is not used: each partition has a transactional one of its own."""

    enable_kafka_producer = False
    enable_web = False


class RoleApp(faust.App):
    """A Faust app that supervises partition processors."""

    BootStrategy = _WithoutProducer
    #: Set by `create_app`.
    processors: Supervisor
    #: When a broker had answered last by the wall's clock, and since when that is known, by one that nobody sets.
    _answered: tuple[int | None, float] = (-1, 0.0)

    def _create_directories(self) -> None:
        """Faust keeps nothing on disk here."""

    def silence_s(self) -> float:
        """Seconds since a broker last answered; where none has for these partitions, since this was first asked."""
        answered_at_ms, now_s = cast(BatchConsumer, self.consumer).thread.answered_at_ms(), time.monotonic()
        if answered_at_ms != self._answered[0]:
            self._answered = answered_at_ms, now_s
        by_clock_s = 0.0 if answered_at_ms is None else time.time() - answered_at_ms / 1000
        # A clock that is set back would have it that the last answer is yet to come.
        return max(by_clock_s, now_s - self._answered[1])

    def held_up(self) -> dict[tuple[str, int], int]:
        """(Short name of an input, partition) -> where a producer's open transaction holds up all that is behind."""
        consumer = cast(BatchConsumer, self.consumer)
        short_name = cast(BatchTransport, self.transport).options.short_name
        return {(short_name(tp.topic), tp.partition): offset for tp, offset in consumer.thread.held_up().items()}

    async def until_refused(self) -> None:
        """Look, until the first assignment, whether the group refuses this member; then wait for ever.

        Faust waits for the group without a limit, and nobody asks aiokafka for records before it has admitted us.

        Raises:
            Refused: it takes no session as long as the settings ask for.
            KafkaError: it refuses for good, such as for want of a permission.
        """
        while not self.processors.assignments:
            await asyncio.sleep(_CHECK_GROUP_S)
            thread = cast(BatchConsumer, self.consumer).thread
            if thread.thread_loop.is_running():
                await thread.run(thread.check_group(), _ORPHAN_GRACE_S)
        await asyncio.get_running_loop().create_future()


def limits_of(settings: Settings) -> Limits:
    """A processor's bounds as the settings have them."""
    return Limits(
        batch_max_records=settings.batch_max_records,
        batch_max_bytes=settings.batch_max_bytes,
        commit_deadline_s=settings.commit_deadline_s,
        clock_tolerance_ms=int(settings.clock_tolerance_s * 1000),
        seal_interval_ms=int(settings.seal_interval_s * 1000),
        max_failures=settings.max_failures,
        cache_entries=settings.state_cache_entries,
    )


def create_app(
    settings: Settings, role: Role, observer: Observer | None = None, reference: ReferenceData | None = None
) -> RoleApp:
    """The app of one worker, to be made within the event loop that runs it.

    Args:
        settings: of this worker.
        role: what it runs.
        observer: is told what processors do.
        reference: teaches the machines what reference data says.

    Raises:
        StoreError: the data directory cannot be used.
    """
    addresses = collect_hosts(settings.bootstrap_servers, randomize=False)
    app = RoleApp(
        role.group_id(settings),
        broker=[URL.build(scheme="kafka", host=host, port=port) for host, port, _ in addresses],
        autodiscover=False,
        broker_check_crcs=True,
        broker_heartbeat_interval=settings.session_timeout_s / 10,
        broker_max_poll_interval=60.0,
        broker_request_timeout=20.0,
        broker_session_timeout=settings.session_timeout_s,
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        store="memory://",
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        value_serializer="raw",
        web_enabled=False,
        web_tables_enabled=False,
    )
    names = role.input_names(settings)
    short_names = {full: short for short, full in names.items()}
    transport = BatchTransport(app.conf.broker_consumer, app)
    transport.options = TransportOptions(settings, short_names.__getitem__)
    app.transport = transport
    stores = RocksStores(
        settings.data_dir,
        f"{settings.worker_id}/{role.folder}",
        StoreMemory(settings.store_cache_mb, settings.store_write_buffer_mb),
    )
    reference = reference or ReferenceData(lambda: role.machine(settings))
    app.processors = Supervisor(
        _processor_factory(app, settings, role, stores, observer or Observer(), reference),
        names,
        role.owner_input,
        revoke_grace_s=Limits().revoke_grace_s,
        orphan_grace_s=_ORPHAN_GRACE_S,
    )
    _connect(app, names.values())
    return app


def _processor_factory(
    app: RoleApp, settings: Settings, role: Role, stores: Stores, observer: Observer, reference: ReferenceData
) -> Callable[[int], PartitionProcessor]:
    names = role.input_names(settings)
    logs = KafkaLogs(settings, role.name, role.event_log, lambda short: full_name(settings.namespace, short))
    limits = limits_of(settings)

    def make(partition: int) -> PartitionProcessor:
        consumer = app.consumer
        assert isinstance(consumer, BatchConsumer)
        inputs = KafkaInputs(consumer.thread, partition, names)
        machine = role.machine(settings)
        reference.teach(machine)
        ports = Ports(stores, logs, KafkaGroup(consumer.thread, names), inputs, WorkerClock())
        return PartitionProcessor(
            partition,
            settings.partitions,
            machine,
            role.event_log,
            Box(role.inputs, settings.box_max_records, settings.box_max_bytes),
            ports,
            limits,
            observer,
            at_step=StepTimer(),
            logs=role.logs,
        )

    return make


def _connect(app: RoleApp, topics: Collection[str]) -> None:
    """The agent and the callbacks of rebalances; all of them only post."""
    processors = app.processors

    async def deliver(stream: faust.StreamT[Any]) -> None:
        async for event in cast("faust.Stream[Any]", stream).noack().events():
            processors.deliver(cast("Any", event.message.value))

    async def on_revoked(*_args: Any, **_kwargs: Any) -> None:
        processors.revoked()

    async def on_assigned(_app: Any, *args: Any, **_kwargs: Any) -> None:
        assigned: Collection[TP] = args[0]
        processors.assigned(assigned)

    inputs = app.topic(*topics, key_type=None, value_type=None, allow_empty=True)
    app.agent(inputs, name="deliver")(deliver)
    app.on_partitions_revoked.connect(on_revoked)
    app.on_partitions_assigned.connect(cast("Any", on_assigned))
