"""Tables of each kind, and a store of them that counts what is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streams.overlay import Overlay
from streams.tables import IN_ORDER, Table


def _encode(value: int) -> bytes:
    return b"%d" % value


PLAIN: Table[int] = Table("plain", _encode, int)
UNCACHED: Table[int] = Table("uncached", _encode, int, cached=False)
WALKED: Table[int] = Table(f"walked{IN_ORDER}", _encode, int)
KEYS: Table[int] = Table("keys", _encode, int, bucket_ms=100, retained_ms=250)


class Rows:
    """A store that counts what is read."""

    def __init__(self, **tables: dict[str, bytes]):
        self.tables = tables
        self.reads: list[tuple[str, str]] = []

    def get(self, table: str, key: str) -> bytes | None:
        self.reads.append((table, key))
        return self.tables.get(table, {}).get(key)

    def get_many(self, table: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [self.get(table, key) for key in keys]

    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
        yield from sorted(pair for pair in self.tables.get(table, {}).items() if pair[0] >= start)


def overlay(rows: Rows, cache_entries: int = 10) -> Overlay:
    return Overlay((PLAIN, UNCACHED, KEYS), rows, cache_entries)
