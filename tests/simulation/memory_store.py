"""In-memory local stores that forget as RocksDB without a write-ahead log does: a crash loses what was not flushed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from streams.errors import StoreError
from streams.ports import Changes, Mark


class Files:
    """What is on disk for one partition of one worker, and what is only in memory yet."""

    def __init__(self, partition: int = 0) -> None:
        self.partition = partition
        self.tables: dict[str, dict[str, bytes]] = {}
        self.mark: Mark | None = None
        self._flushed: tuple[dict[str, dict[str, bytes]], Mark | None] = ({}, None)
        #: Who holds the lock.
        self.held_by: object | None = None

    def write(self, changes: Changes) -> None:
        """Apply changes in memory."""
        for table, changed in changes.items():
            rows = self.tables.setdefault(table, {})
            for key, value in changed.items():
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value

    def flush(self) -> None:
        """All tables together, with the mark, reach the disk."""
        self._flushed = ({name: dict(rows) for name, rows in self.tables.items()}, self.mark)

    def crash(self) -> None:
        """The process dies: what was not flushed is gone, and so is the lock."""
        tables, self.mark = self._flushed
        self.tables = {name: dict(rows) for name, rows in tables.items()}
        self.held_by = None

    def wipe(self) -> None:
        """The disk is replaced by an empty one."""
        self.tables, self.mark, self._flushed = {}, None, ({}, None)


class MemoryStore:
    """A handle on `Files`; implements `streams.ports.Store`."""

    def __init__(self, files: Files, fault: Callable[[str], None], flushes: Callable[[], bool]):
        self.files = files
        self._fault = fault
        self._flushes = flushes
        self.closed = False

    def get(self, table: str, key: str) -> bytes | None:
        self._check("store.read")
        rows = self.files.tables.get(table)
        return None if rows is None else rows.get(key)

    def get_many(self, table: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [self.get(table, key) for key in keys]

    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
        self._check("store.read")
        yield from sorted(pair for pair in self.files.tables.get(table, {}).items() if pair[0] >= start)

    def tables(self) -> Sequence[str]:
        return sorted(self.files.tables)

    def drop_table(self, table: str) -> None:
        self._check("store.drop")
        self.files.tables.pop(table, None)

    def mark(self) -> Mark | None:
        return self.files.mark

    def write(self, changes: Changes, mark: Mark) -> None:
        self._check("store.write")
        self.files.write(changes)
        self.files.mark = mark
        if self._flushes():
            self.files.flush()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.files.flush()
            self.files.held_by = None

    def _check(self, what: str) -> None:
        if self.closed:
            raise StoreError("the handle is closed")
        self._fault(what)


class MemoryStores:
    """The stores of one process; implements `streams.ports.Stores`. `files` outlive the process."""

    def __init__(
        self,
        files: dict[int, Files],
        owner: object,
        fault: Callable[[str], None] = lambda _what: None,
        flushes: Callable[[], bool] = lambda: True,
        leaked: Callable[[str], None] = lambda _what: None,
    ):
        self._files = files
        self._owner = owner
        self._fault = fault
        self._flushes = flushes
        self._leaked = leaked
        self.opened: list[Files] = []

    def open(self, partition: int) -> MemoryStore:
        self._fault("store.open")
        files = self._files.setdefault(partition, Files(partition))
        self._check_released(files)
        if files.held_by is not None:
            files = self._files[partition] = Files(partition)
        files.held_by = self._owner
        self.opened.append(files)
        return MemoryStore(files, self._fault, self._flushes)

    def open_empty(self, partition: int) -> MemoryStore:
        files = self._files.pop(partition, None)
        if files is not None:
            self._check_released(files)
        return self.open(partition)

    def _check_released(self, files: Files) -> None:
        if files.held_by is self._owner:
            self._leaked(f"the store of partition {files.partition} is opened while an older handle is still open")
