"""A bucketed table as the decisions of a batch see it: found in the newest of its buckets, forgotten with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from streams.table_views import ABSENT, Undo
from streams.tables import Reads, Table

V = TypeVar("V")


class BucketedView(Generic[V]):
    """A bucketed table as the decisions of a batch see it.

    A value is encoded as it is put, for it is hardly ever read again within its batch. A key that is put again, at
    a later time, is found in the newest of its buckets; what is left of it in an older one goes with that.
    """

    __slots__ = ("_ahead", "_bucket_ms", "_changes", "_encode", "_prefix", "_reads", "_undo", "buckets", "table")

    def __init__(self, table: Table[V], reads: Reads):
        self.table = table
        self._prefix = table.bucket_name("")
        self._bucket_ms, self._encode = table.bucket_ms, table.encode
        self._reads = reads
        #: As in `TableView`.
        self._undo: Undo | None = None
        #: Numbers of the buckets that hold anything, newest first; kept by the runtime.
        self.buckets: list[int] = []
        #: Bucket -> key -> encoded value, as time goes on. Nearly always one bucket.
        self._changes: dict[int, dict[str, Any]] = {}
        #: Key -> bucket and bytes that the store has of it, None where it has none; of the keys read ahead.
        self._ahead: dict[str, Any] = {}

    def get(self, key: str, now_ms: int) -> V | None:
        """The value under `key` if its bucket is still remembered at `now_ms`, else None."""
        table = self.table
        oldest = (now_ms - table.retained_ms) // self._bucket_ms
        for bucket, rows in reversed(self._changes.items()):
            changed = rows.get(key)
            if changed is not None and bucket >= oldest:
                return table.decode(changed)
        found = self._ahead.get(key, ABSENT)
        if found is None:
            return None
        if found is not ABSENT:
            bucket, stored = found
            return table.decode(stored) if bucket >= oldest else None
        read = self._reads.get
        for bucket in self.buckets:
            if bucket < oldest:
                break
            stored = read(f"{self._prefix}{bucket}", key)
            if stored is not None:
                return table.decode(stored)
        return None

    def read_ahead(self, keys: Iterable[str], now_ms: int) -> None:
        """Read at once what the store has under these keys, from `now_ms` on; it is known until the batch ends."""
        unknown = [key for key in dict.fromkeys(keys) if key not in self._ahead]
        found: dict[str, Any] = dict.fromkeys(unknown)
        oldest = self.table.oldest_bucket(now_ms)
        for bucket in self.buckets:
            if bucket < oldest or not unknown:
                break
            stored = self._reads.get_many(f"{self._prefix}{bucket}", unknown)
            if stored.count(None) < len(stored):
                found.update((key, (bucket, row)) for key, row in zip(unknown, stored, strict=True) if row is not None)
                unknown = [key for key in unknown if found[key] is None]
        # Only now: of a key that could not be read nobody may think that it is absent.
        self._ahead.update(found)

    def put(self, key: str, value: V, at_ms: int) -> None:
        """Set the value under `key` in the bucket of `at_ms`."""
        bucket = at_ms // self._bucket_ms
        rows = self._changes.get(bucket)
        if rows is None:
            rows = self._changes[bucket] = {}
        if self._undo is not None:
            self._undo.append((rows, key, rows.get(key, ABSENT)))
        rows[key] = self._encode(value)

    @property
    def changes(self) -> Mapping[int, Mapping[str, bytes]]:
        """What the batch has written so far: bucket -> key -> encoded value."""
        return {bucket: rows for bucket, rows in self._changes.items() if rows}

    def forget(self) -> None:
        """Undo all that the batch has changed."""
        self._changes.clear()
        self._ahead = {}

    def settle(self) -> None:
        """The changes are in the store now: start afresh."""
        new = self.changes.keys() - self.buckets
        if new:
            self.buckets = sorted((*self.buckets, *new), reverse=True)
        self._changes.clear()
        self._ahead = {}
