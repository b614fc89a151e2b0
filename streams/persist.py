"""Step 5 of the commit protocol: what an overlay has to write, and which buckets may go."""

from __future__ import annotations

from collections.abc import Mapping

from streams.bucketed_view import BucketedView
from streams.overlay import Overlay
from streams.ports import Changes, Store


def changes_of(state: Overlay) -> Changes:
    """All changes of a batch, by table; valid until the overlay is changed or settled."""
    changes: dict[str, Mapping[str, bytes | None]] = {}
    for view in state.views:
        table = view.table
        if isinstance(view, BucketedView):
            # As they are: they were encoded when they were put.
            changes.update((table.bucket_name(bucket), rows) for bucket, rows in view.changes.items())
        elif rows := view.encoded_changes():
            changes[table.name] = rows
    return changes


def load_buckets(state: Overlay, store: Store) -> None:
    """Tell each bucketed view which buckets the store holds."""
    for view in state.views:
        if isinstance(view, BucketedView):
            prefix = view.table.name + "@"
            view.buckets = sorted((int(t[len(prefix) :]) for t in store.tables() if t.startswith(prefix)), reverse=True)


def forget_old_buckets(state: Overlay, store: Store, now_ms: int) -> int:
    """Drop every bucket past its retention at `now_ms`, whole; returns how many. Lookups ignore them already."""
    dropped = 0
    for view in state.views:
        if isinstance(view, BucketedView) and view.buckets:
            oldest = view.table.oldest_bucket(now_ms)
            while view.buckets and view.buckets[-1] < oldest:
                store.drop_table(view.table.bucket_name(view.buckets.pop()))
                dropped += 1
    return dropped
