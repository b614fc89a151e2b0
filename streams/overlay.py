"""The state while a batch is decided: changes in memory over what the store holds.

A table is read through two layers: what is known, which is the batch's own changes and a bounded cache of decoded
values, and the store. Values are immutable by agreement: to change one, put another. What a batch changes can be
forgotten as a whole; while the overlay is `careful` it can be rolled back to a savepoint too, which costs more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from streams.bucketed_view import BucketedView
from streams.table_views import ABSENT, GroupedView, OrderedView, TableView, Undo
from streams.tables import IN_ORDER, Reads, Table

V = TypeVar("V")


class Overlay:
    """All tables of a state, with at most one savepoint at a time."""

    def __init__(self, tables: tuple[Table[Any], ...], reads: Reads, cache_entries: int = 10_000):
        self._undo: Undo | None = None
        self._views: dict[str, TableView[Any] | BucketedView[Any] | GroupedView] = {}
        for table in tables:
            if table.grouped:
                self._views[table.name] = GroupedView(table, reads)
            elif table.bucket_ms:
                self._views[table.name] = BucketedView(table, reads)
            else:
                view = OrderedView if table.name.endswith(IN_ORDER) else TableView
                self._views[table.name] = view(table, reads, cache_entries)
        #: A place for the machine to keep its own typed wrapper of this overlay.
        self.typed: Any = None

    def table(self, table: Table[V]) -> TableView[V]:
        """The view of a plain table."""
        view = self._views[table.name]
        assert isinstance(view, TableView)
        return view

    def bucketed(self, table: Table[V]) -> BucketedView[V]:
        """The view of a bucketed table."""
        view = self._views[table.name]
        assert isinstance(view, BucketedView)
        return view

    def grouped(self, table: Table[bytes]) -> GroupedView:
        """The view of a grouped table."""
        view = self._views[table.name]
        assert isinstance(view, GroupedView)
        return view

    @property
    def is_careful(self) -> bool:
        """Whether there are savepoints: what a record has done may be rolled back alone."""
        return self._undo is not None

    @property
    def views(self) -> Iterator[TableView[Any] | BucketedView[Any] | GroupedView]:
        """The views of all tables."""
        return iter(self._views.values())

    def forget(self) -> None:
        """Undo all that the batch has changed."""
        for view in self._views.values():
            view.forget()

    @contextmanager
    def careful(self) -> Iterator[None]:
        """Within it there are savepoints: one at the beginning, and each that is made replaces the one before."""
        self._note([])
        try:
            yield
        finally:
            self._note(None)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """All that is changed within it is undone at its end: to see what something would lead to."""
        outer = self._undo
        self._note([])
        try:
            yield
        finally:
            self.roll_back()
            self._note(outer)

    def _note(self, undo: Undo | None) -> None:
        self._undo = undo
        for view in self._views.values():
            view._undo = undo

    def savepoint(self) -> None:
        """Keep everything so far; `roll_back` returns to here."""
        assert self._undo is not None, "there are savepoints only while the overlay is careful"
        self._undo.clear()

    def roll_back(self) -> None:
        """Undo every change since the savepoint."""
        assert self._undo is not None, "there are savepoints only while the overlay is careful"
        for changes, key, before in reversed(self._undo):
            if before is ABSENT:
                changes.pop(key, None)
            else:
                changes[key] = before
        self._undo.clear()

    def settle(self) -> None:
        """The batch is in the store: its changes become what is read, and the next batch starts."""
        for view in self._views.values():
            view.settle()
