"""The event log of a role on Kafka (the port `Logs`)."""

from __future__ import annotations

from collections.abc import Callable

from streams.kafka_reader import KafkaReader
from streams.kafka_writer import KafkaWriter
from streams.settings import Settings


class KafkaLogs:
    """Makes the writers and readers of a role's event log (a `Logs`)."""

    def __init__(self, settings: Settings, role: str, event_log: str, full_name: Callable[[str], str]):
        """
        Args:
            settings: brokers, namespace and time limits.
            role: name of the role; with the namespace it makes the transactional ids.
            event_log: short name of the event log.
            full_name: the full name of a topic for its short one.
        """
        self._settings = settings
        self._role = role
        self._event_log = event_log
        self._full_name = full_name

    def writer(self, partition: int) -> KafkaWriter:
        """A new, unfenced writer; its transactional id is namespace, role and partition, whoever the worker is."""
        transactional_id = f"{self._settings.namespace}{self._role}-{partition}"
        return KafkaWriter(self._settings, (self._event_log, partition), transactional_id, self._full_name)

    def reader(self, partition: int) -> KafkaReader:
        """A new reader."""
        return KafkaReader(self._settings, self._full_name(self._event_log), partition)
