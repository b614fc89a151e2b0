"""The courier as a companion of a settlement worker: reference data, Kafka and desks together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, cast

from agents.settlement.rails.courier.clock import WallClock
from agents.settlement.rails.courier.courier import Courier
from agents.settlement.rails.courier.observing import CourierMetrics
from agents.settlement.rails.courier.on_kafka import BatchesFollower, KafkaReports
from agents.settlement.rails.courier.ports import CourierObserver
from agents.settlement.rails.port import RailMisconfigured
from agents.settlement.rails.registry import registry_of
from schemas.assets import AssetRegistry
from schemas.reference import Reference
from schemas.topics import ASSETS, RAILS
from streams.errors import Refused
from streams.kafka_reference import ReferenceFollower
from streams.machine import Machine
from streams.reference_data import ReferenceData
from streams.settings import Settings

_REFERENCE: Final = (ASSETS, RAILS)
_LOOK_EVERY_S: Final = 0.25


class _Known:
    """Reference data as the courier knows it: the part of a `Machine` that hears of it."""

    def __init__(self) -> None:
        self.reference = Reference()

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        """
        Raises:
            ValueError: the record is bad.
        """
        self.reference = self.reference.with_record(topic, key, value)


class CourierCompanion:
    """Runs the courier of one worker until it is asked to end."""

    def __init__(self, settings: Settings, observer: CourierObserver | None = None):
        self._settings = settings
        self._observer = observer or CourierMetrics()
        self._known = _Known()

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until `stopped`; then calls under way are left to whoever comes next.

        Raises:
            Refused: an adapter's module cannot be loaded, or the log is not as it must be.
            KafkaError: the brokers refuse.
        """
        settings = self._settings
        try:
            registry = registry_of(settings.rail_adapters)
        except RailMisconfigured as error:
            raise Refused(str(error)) from error
        data = ReferenceData(lambda: cast(Machine, _Known()))
        data.teach(cast(Machine, self._known))
        reference = ReferenceFollower(settings, _REFERENCE, data)
        reports = KafkaReports(settings)
        folder = settings.rails_dir or settings.data_dir / "rails"
        courier = Courier(registry, reports, WallClock(), folder, settings.partitions, self._observer, self._assets)
        try:
            await reference.load()
            courier.configure(self._known.reference.rails)
            batches = BatchesFollower(settings, courier)
            await _until_one_ends(batches.run(stopped), reference.follow(), self._configure(courier))
        finally:
            await courier.close()
            await reports.close()
            await reference.close()

    def _assets(self) -> AssetRegistry:
        return self._known.reference.assets

    async def _configure(self, courier: Courier) -> None:
        """Tell the courier of the rails' records, for ever."""
        while True:
            courier.configure(self._known.reference.rails)
            await asyncio.sleep(_LOOK_EVERY_S)


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Until one of them has ended or raised; then all have ended."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
