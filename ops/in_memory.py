"""What stands in for Kafka's records and for RocksDB where the ledger runs in memory: benchmarks and the story."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from streams.machine import Headers
from streams.ports import Changes
from streams.tables import IN_ORDER


class FetchedRecord(NamedTuple):
    """A record as a processor takes it from an input topic."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class DictStore:
    """What an overlay reads, in dictionaries; of tables that are walked in order the keys in a sorted list too."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, bytes]] = {}
        self._ordered: dict[str, list[str]] = {}

    def get(self, table: str, key: str) -> bytes | None:
        """The value under a key, or None."""
        rows = self._tables.get(table)
        return None if rows is None else rows.get(key)

    def get_many(self, table: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        """The same of several keys, in their order."""
        return [self.get(table, key) for key in keys]

    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
        """Pairs of a table in key order, from `start` on."""
        rows, keys = self._tables.get(table, {}), self._ordered.get(table)
        if keys is None:
            keys = sorted(rows)
        return ((key, rows[key]) for key in islice(keys, bisect_left(keys, start), None))

    def write(self, changes: Changes) -> None:
        """Keep the changes of a batch."""
        for table, changed in changes.items():
            rows = self._tables.setdefault(table, {})
            keys = self._ordered.setdefault(table, []) if table.endswith(IN_ORDER) else None
            for key, value in changed.items():
                if keys is not None and (value is None) == (key in rows):
                    _turn(keys, key)
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value


def _turn(keys: list[str], key: str) -> None:
    """Put a key into a sorted list, or take it out where it is in there."""
    at = bisect_left(keys, key)
    if at < len(keys) and keys[at] == key:
        del keys[at]
    else:
        keys.insert(at, key)
