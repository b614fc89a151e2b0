"""Local state in RocksDB: one directory for each partition, one column family for each table.

The write-ahead log is off, for the event log is one already: what a crash takes from the memtables is folded again
from there. Instead every flush is atomic over all families, so that what is on disk is always the state at one
seal. Because a single family can be flushed by itself (closing its handle does), each batch also stamps the
families it touches; a store whose stamps do not agree with its mark is torn and counts as empty. So does one that
was once found corrupt: what RocksDB cannot read today it cannot read tomorrow.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from rocksdict import Checkpoint, ColumnFamily, Options, Rdict, ReadOptions, WriteBatch, WriteOptions

from streams.errors import StoreError
from streams.ports import Changes, Mark
from streams.rocks_memory import StoreMemory
from streams.tables import IN_ORDER

log = logging.getLogger(__name__)

_DEFAULT: Final = "default"
_MARK: Final = b"mark"
_STAMP_OF: Final = b"stamp:"
#: Not valid UTF-8, so no key of a table can be the same.
_STAMP: Final = b"\xff"
#: A file in the store's directory, left when something in it was corrupt.
_CORRUPT: Final = "CORRUPT"
#: How long a write may wait until RocksDB has brought full memtables to disk, and how often it looks.
_STALLED_S: Final = 5.0
_STALL_PAUSE_S: Final = 0.005
#: What the operating system says of a disk -> what to do.
_ADVICE: Final = {
    "No space left": "free disk space there or move WALLETSTREAM_DATA_DIR",
    "Disk quota": "free disk space there or move WALLETSTREAM_DATA_DIR",
    "Read-only file system": "see the disk's health and mount it for writing, or move WALLETSTREAM_DATA_DIR",
    "Permission denied": "let this user write there or move WALLETSTREAM_DATA_DIR",
}


class _Closed:
    """Stands in for the families of a closed store: nobody may take "closed" for "absent"."""

    def __init__(self, path: Path):
        self._path = path

    def get(self, _table: str) -> NoReturn:
        raise StoreError(f"the store at {self._path} is closed")


class RocksStore:
    """The state of one partition (a `Store`). Not safe for use by several threads."""

    def __init__(self, path: Path, memory: StoreMemory):
        """Open or create the store at `path`.

        Raises:
            StoreError: it cannot be opened.
        """
        self.path = path
        self._memory = memory
        self._unlogged = WriteOptions()
        self._unlogged.disable_wal = True  # type: ignore[assignment,method-assign]
        # RocksDB would hold a write for as long as a full disk stays full, and with it the whole process.
        self._unlogged.no_slowdown = True
        self._in_order = ReadOptions()
        self._in_order.set_total_order_seek(True)
        try:
            path.mkdir(parents=True, exist_ok=True)
            names = self._existing_families()
            newest = _newest_buckets(names)
            families = {
                name: memory.options(is_written="@" not in name or name in newest, is_walked=name.endswith(IN_ORDER))
                for name in (_DEFAULT, *names)
            }
            self._db = Rdict(str(path), memory.options(), column_families=families)
        except Exception as error:
            raise _failure("open", path, error) from error
        self._families: dict[str, Rdict] = {}
        self._handles: dict[str, ColumnFamily] = {}
        self._gets: dict[str, Callable[[bytes], Any]] | _Closed = {}
        for name in names:
            self._enter(name)

    def _existing_families(self) -> list[str]:
        if not (self.path / "CURRENT").exists():
            return []
        return [name for name in Rdict.list_cf(str(self.path), Options(raw_mode=True)) if name != _DEFAULT]

    def _enter(self, name: str) -> ColumnFamily:
        family = self._db.get_column_family(name)
        handle = self._db.get_column_family_handle(name)
        self._families[name] = family
        self._handles[name] = handle
        assert not isinstance(self._gets, _Closed)
        self._gets[name] = family.get
        return handle

    def get(self, table: str, key: str) -> bytes | None:
        """The stored bytes under `key`, or None.

        Raises:
            StoreError: the store cannot be read, or is closed.
        """
        get = self._gets.get(table)
        if get is None:
            return None
        raw = key.encode()
        try:
            return get(raw)  # type: ignore[no-any-return]
        except Exception as error:
            raise self._failed("read", error) from error

    def get_many(self, table: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        """The stored bytes under each key, or None, in their order: a third of the time that `get` takes for each.

        Raises:
            StoreError: the store cannot be read, or is closed.
        """
        get = self._gets.get(table)
        if get is None or not keys:
            return [None] * len(keys)
        try:
            return get([key.encode() for key in keys])  # type: ignore[no-any-return,arg-type]
        except Exception as error:
            raise self._failed("read", error) from error

    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
        """Pairs of a table from `start` on, in the order of their keys' UTF-8 bytes.

        Raises:
            StoreError: the store cannot be read to the table's end.
        """
        if self._gets.get(table) is None:
            return
        try:
            rows = self._families[table].iter(self._in_order)
            rows.seek(start.encode())
            while rows.valid():
                if (key := rows.key()) != _STAMP:
                    yield cast("bytes", key).decode(), rows.value()
                rows.next()
            # An iterator stops at what it cannot read as if there were no more.
            rows.status()
        except Exception as error:
            raise self._failed("read", error) from error

    def tables(self) -> Sequence[str]:
        """Names of the tables that exist."""
        return list(self._families)

    def drop_table(self, table: str) -> None:
        """Forget a table and all that is in it."""
        if table not in self._families:
            return
        assert not isinstance(self._gets, _Closed)
        del self._gets[table], self._handles[table], self._families[table]
        try:
            self._db.drop_column_family(table)
        except Exception as error:
            raise self._failed("write", error) from error

    def mark(self) -> Mark | None:
        """How far this store has come; None where it is empty."""
        stored = self._get_default(_MARK)
        return None if stored is None else Mark(int.from_bytes(stored[:8], "big"), stored[8:])

    def write(self, changes: Changes, mark: Mark) -> None:
        """Write changes and the mark: all or nothing.

        Raises:
            StoreError: nothing was written.
        """
        try:
            for table in changes.keys() - self._handles.keys():
                self._db.create_column_family(table, self._memory.options(is_walked=table.endswith(IN_ORDER)))
                self._enter(table)
            deadline = time.monotonic() + _STALLED_S
            while not self._try_write(self._batch(changes, mark)):
                if time.monotonic() > deadline:
                    raise StoreError(f"RocksDB has brought nothing to disk for {_STALLED_S:g} s: No space left on it?")
                time.sleep(_STALL_PAUSE_S)
        except Exception as error:
            raise self._failed("write", error) from error

    def _batch(self, changes: Changes, mark: Mark) -> WriteBatch:
        batch = WriteBatch(raw_mode=True)
        stamp = mark.seal_offset.to_bytes(8, "big")
        for table in changes:
            batch.put(_STAMP_OF + table.encode(), stamp)
        batch.put(_MARK, stamp + mark.seal)
        for table, rows in changes.items():
            # Naming the family with each row costs a quarter more.
            batch.set_default_column_family(self._handles[table])
            batch[_STAMP] = stamp
            for key, value in rows.items():
                if value is None:
                    del batch[key.encode()]
                else:
                    batch[key.encode()] = value
        return batch

    def _try_write(self, batch: WriteBatch) -> bool:
        """Write a batch, which is used up by it; False where RocksDB would make the writer wait."""
        try:
            self._db.write(batch, self._unlogged)
        except Exception as error:
            if "Write stall" in str(error):
                return False
            raise
        return True

    def is_torn(self) -> bool:
        """True where a family is not at the seal at which the mark says it was written last.

        Raises:
            StoreError: the store cannot be read.
        """
        try:
            stamps = {name: family.get(_STAMP) for name, family in self._families.items()}
        except Exception as error:
            raise self._failed("read", error) from error
        return any(stamp != self._get_default(_STAMP_OF + name.encode()) for name, stamp in stamps.items())

    def _get_default(self, key: bytes) -> bytes | None:
        if isinstance(self._gets, _Closed):
            self._gets.get(_DEFAULT)
        try:
            return self._db.get(key)
        except Exception as error:
            raise self._failed("read", error) from error

    def _failed(self, action: str, error: Exception) -> StoreError:
        """The error to raise; after a corruption the directory is marked, so that the next open starts anew."""
        if "Corruption" in str(error):
            with contextlib.suppress(OSError):
                (self.path / _CORRUPT).touch()
        return _failure(action, self.path, error)

    def flush(self) -> None:
        """Bring all families to disk, atomically.

        RocksDB's flush of a handle takes that family only and would tear the state; a checkpoint takes them all.

        Raises:
            StoreError: the disk takes no more; what was there before is untouched.
        """
        folder = self.path / "checkpoint"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            Checkpoint(self._db).create_checkpoint(str(folder))
        except Exception as error:
            raise self._failed("write", error) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Flush and close the handle; the files stay. Closing twice does nothing."""
        if isinstance(self._gets, _Closed):
            return
        try:
            self.flush()
        except StoreError as error:
            log.warning("closing without a flush, the rest is folded from the event log next time: %s", error)
        self._gets = _Closed(self.path)
        self._handles.clear()
        for family in (*self._families.values(), self._db):
            with contextlib.suppress(Exception):
                family.close()
        self._families.clear()
        # The lock on the directory goes with the last reference.
        del self._db


def is_corrupt(path: Path) -> bool:
    """True where a store in this directory was found corrupt: it is only a copy, to be made anew."""
    return (path / _CORRUPT).exists()


def is_damage(error: Exception) -> bool:
    """True where a store's files are not what RocksDB has written, or its list of them (the manifest) is gone."""
    return "Corruption" in str(error) or ("No such file" in str(error) and "/MANIFEST-" in str(error))


def _newest_buckets(names: Sequence[str]) -> set[str]:
    """The newest bucket of each bucketed table among family names such as `idempotency@123`."""
    newest: dict[str, int] = {}
    for name in names:
        table, at, bucket = name.partition("@")
        if at:
            newest[table] = max(newest.get(table, 0), int(bucket))
    return {f"{table}@{bucket}" for table, bucket in newest.items()}


def _failure(action: str, path: Path, error: Exception) -> StoreError:
    text = str(error)
    advice = next((advice for said, advice in _ADVICE.items() if said in text), None)
    if advice is not None:
        text += f"; {advice}: the state continues from the event log"
    elif is_damage(error):
        text += "; it is only a copy and is rebuilt from the event log; look at the disk's health"
    return StoreError(f"cannot {action} the store at {path}: {text}")
