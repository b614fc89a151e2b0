"""A local store of one partition as plain dictionaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streams.ports import Changes, Mark


class DictStore:
    """Implements `streams.ports.Store`; `rows` is table -> key -> bytes."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, bytes]] = {}
        self._mark: Mark | None = None

    def get(self, table: str, key: str) -> bytes | None:
        return self.rows.get(table, {}).get(key)

    def get_many(self, table: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [self.get(table, key) for key in keys]

    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
        return iter(sorted(pair for pair in self.rows.get(table, {}).items() if pair[0] >= start))

    def tables(self) -> Sequence[str]:
        return sorted(self.rows)

    def drop_table(self, table: str) -> None:
        self.rows.pop(table, None)

    def mark(self) -> Mark | None:
        return self._mark

    def write(self, changes: Changes, mark: Mark) -> None:
        for table, changed in changes.items():
            rows = self.rows.setdefault(table, {})
            for key, value in changed.items():
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value
        self._mark = mark

    def close(self) -> None:
        """Nothing is held."""
