"""What stands in for Kafka's records and for RocksDB where the ledger runs in memory: benchmarks and the story."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from streams.machine import Headers
from streams.ports import Changes


class FetchedRecord(NamedTuple):
    """A record as a processor takes it from an input topic."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class DictStore:
    """What an overlay reads, in dictionaries."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, bytes]] = {}

    def get(self, table: str, key: str) -> bytes | None:
        """The value under a key, or None."""
        rows = self._tables.get(table)
        return None if rows is None else rows.get(key)

    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
        """Pairs of a table in key order, from `start` on."""
        return iter(sorted(pair for pair in self._tables.get(table, {}).items() if pair[0] >= start))

    def write(self, changes: Changes) -> None:
        """Keep the changes of a batch."""
        for table, changed in changes.items():
            rows = self._tables.setdefault(table, {})
            for key, value in changed.items():
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value
