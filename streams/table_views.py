"""One table as the decisions of a batch see it: its own changes over what is known over what the store holds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from streams.tables import Reads, Table

V = TypeVar("V")


ABSENT: Final[Any] = object()


#: Changes that can be undone: where, under which key, and what was there before.
Undo = list[tuple[dict[str, Any], str, Any]]


class _Known(dict[str, Any]):
    """Values of a table by key, None where there is none; one that is asked for the first time is read."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[str], Any]):
        super().__init__()
        self._read = read

    def __missing__(self, key: str) -> Any:
        value = self[key] = self._read(key)
        return value


class TableView(Generic[V]):
    """One table as the decisions of a batch see it."""

    __slots__ = ("_cache_entries", "_changed", "_known", "_reads", "_undo", "get", "has_forgotten", "table")

    #: The value under a key, or None. The look-up of a dictionary itself: most of them find what is known already.
    get: Callable[[str], V | None]

    def __init__(self, table: Table[V], reads: Reads, cache_entries: int):
        self.table = table
        self._reads = reads
        #: Where to note what a change replaces; None where nobody will ask.
        self._undo: Undo | None = None
        #: What the batch has put and what it or one before has read, oldest first.
        self._known = _Known(self._read)
        #: Keys of what the batch has put or removed.
        self._changed: dict[str, None] = {}
        self._cache_entries = cache_entries if table.cached else 0
        #: Whether anything that was known had to be forgotten: what was read once need not be known still.
        self.has_forgotten = False
        self.get = self._known.__getitem__

    def _read(self, key: str) -> V | None:
        table = self.table
        stored = self._reads.get(table.name, key)
        return None if stored is None else table.decode(stored)

    def read_ahead(self, keys: Iterable[str]) -> list[str]:
        """Read at once what is not known yet of these keys; returns them, each once."""
        known, table = self._known, self.table
        unknown = [key for key in keys if key not in known]
        if unknown:
            unknown, decode = list(dict.fromkeys(unknown)), table.decode
            for key, stored in zip(unknown, self._reads.get_many(table.name, unknown), strict=True):
                known[key] = None if stored is None else decode(stored)
        return unknown

    def put(self, key: str, value: V | None) -> None:
        """Set the value under `key`; None removes it."""
        known, changed, undo = self._known, self._changed, self._undo
        if undo is not None:
            undo.append((known, key, known.get(key, ABSENT)))
            if key not in changed:
                undo.append((changed, key, ABSENT))
        changed[key] = None
        known[key] = value

    def delete(self, key: str) -> None:
        """Remove `key`."""
        self.put(key, None)

    def scan(self, start: str = "", end: str = "") -> Iterator[tuple[str, V]]:
        """Pairs in key order, this batch's changes included, from `start` on and before `end` where one is given.

        Costs a look at what is walked, and of a table that is not kept in order at all that the batch has changed.
        Keys must be ASCII for the order to be the store's; nothing may be put meanwhile.
        """
        known, changed, decode = self._known, self._changed, self.table.decode
        own = self._changed_within(start, end)
        at = 0
        for key, raw in self._reads.scan(self.table.name, start):
            if end and key >= end:
                break
            while at < len(own) and own[at] <= key:
                if (value := known[own[at]]) is not None:
                    yield own[at], value
                at += 1
            if key not in changed:
                yield key, decode(raw)
        for key in own[at:]:
            if (value := known[key]) is not None:
                yield key, value

    def _changed_within(self, start: str, end: str) -> list[str]:
        """Keys of what the batch has changed, in order."""
        return sorted([key for key in self._changed if key >= start and (not end or key < end)])

    @property
    def changes(self) -> Mapping[str, V | None]:
        """What the batch has changed so far; None stands for removed."""
        known = self._known
        return {key: known[key] for key in self._changed}

    def encoded_changes(self) -> dict[str, bytes | None]:
        """The same as it is stored."""
        known, encode = self._known, self.table.encode
        return {key: None if (value := known[key]) is None else encode(value) for key in self._changed}

    @property
    def changed_keys(self) -> Iterable[str]:
        """Keys of what the batch has changed so far, in order of their first change."""
        return self._changed

    def forget(self) -> None:
        """Undo all that the batch has changed."""
        for key in self._changed:
            del self._known[key]
        self._changed.clear()

    def settle(self) -> None:
        """The changes are in the store now: forget the oldest values beyond those that fit, and start afresh."""
        known = self._known
        self._changed.clear()
        excess = len(known) - self._cache_entries
        if excess > 0:
            self.has_forgotten = True
            for key in list(islice(known, excess)):
                del known[key]


class OrderedView(TableView[V]):
    """A table that is walked: its changes are kept in order too, for a batch may walk it as often as change it."""

    __slots__ = ("_order",)

    def __init__(self, table: Table[V], reads: Reads, cache_entries: int):
        super().__init__(table, reads, cache_entries)
        #: What the batch has changed, in order, and perhaps what it has rolled back.
        self._order: list[str] = []

    def put(self, key: str, value: V | None) -> None:
        """Set the value under `key`; None removes it."""
        if key not in self._changed:
            order = self._order
            at = bisect_left(order, key)
            if at == len(order) or order[at] != key:
                order.insert(at, key)
        super().put(key, value)

    def _changed_within(self, start: str, end: str) -> list[str]:
        order, changed = self._order, self._changed
        first, behind = bisect_left(order, start), bisect_left(order, end) if end else len(order)
        return [key for key in order[first:behind] if key in changed]

    def forget(self) -> None:
        """Undo all that the batch has changed."""
        super().forget()
        self._order.clear()

    def settle(self) -> None:
        """The changes are in the store now: start afresh."""
        super().settle()
        self._order.clear()


class GroupedView:
    """A grouped table as the decisions of a batch see it.

    Rows are put by the thousand, most of them alone in their group, and walked only where a group is asked for. So they
    are kept as they are stored, and of each group no more than what its keys are.
    """

    __slots__ = ("_keys", "_reads", "_rows", "_undo", "table")

    def __init__(self, table: Table[bytes], reads: Reads):
        self.table = table
        self._reads = reads
        #: As in `TableView`.
        self._undo: Undo | None = None
        #: Group, space, key -> value that the batch has put, None where it is removed.
        self._rows: dict[str, Any] = {}
        #: Group -> the key of its row, or the keys where there are several; some may be undone.
        self._keys: dict[str, str | list[str]] = {}

    def put(self, group: str, key: str, value: bytes | None) -> None:
        """Set the value of a row; None removes it."""
        rows, name = self._rows, f"{group} {key}"
        if name not in rows:
            held = self._keys.get(group)
            if held is None:
                self._keys[group] = key
            elif held.__class__ is str:
                self._keys[group] = [held, key]
            else:
                held.append(key)  # type: ignore[union-attr]
        if self._undo is not None:
            self._undo.append((rows, name, rows.get(name, ABSENT)))
        rows[name] = value

    def get(self, group: str, key: str) -> bytes | None:
        """The value of a row, or None."""
        name = f"{group} {key}"
        found = self._rows.get(name, ABSENT)
        if found is ABSENT:
            return self._reads.get(self.table.name, name)
        value: bytes | None = found
        return value

    def _changed_in(self, group: str) -> dict[str, bytes | None]:
        """What the batch has put into a group, by key."""
        held, rows = self._keys.get(group, ()), self._rows
        keys = (held,) if isinstance(held, str) else held
        return {key: rows[name] for key in keys if (name := f"{group} {key}") in rows}

    def scan(self, group: str, start: str = "", end: str = "") -> Iterator[tuple[str, bytes]]:
        """Keys and values of a group in order, this batch's changes included, from `start` on and before `end`.

        Nothing may be put meanwhile.
        """
        changed = self._changed_in(group)
        own = sorted(key for key in changed if key >= start and (not end or key < end))
        prefix, at = f"{group} ", 0
        for name, stored in self._reads.scan(self.table.name, prefix + start):
            key = name[len(prefix) :]
            if not name.startswith(prefix) or (end and key >= end):
                break
            while at < len(own) and own[at] <= key:
                if (value := changed[own[at]]) is not None:
                    yield own[at], value
                at += 1
            if key not in changed:
                yield key, stored
        for key in own[at:]:
            if (value := changed[key]) is not None:
                yield key, value

    def encoded_changes(self) -> dict[str, bytes | None]:
        """What the batch has changed so far, as it is stored; not to be changed."""
        return self._rows

    def forget(self) -> None:
        """Undo all that the batch has changed."""
        self._rows.clear()
        self._keys.clear()

    def settle(self) -> None:
        """The changes are in the store now: start afresh."""
        self.forget()
