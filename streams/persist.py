"""Step 5 of the commit protocol: what an overlay has to write, and which buckets may go."""

from __future__ import annotations

from streams.overlay import BucketedView, Overlay
from streams.ports import Store

Changes = list[tuple[str, str, bytes | None]]


def changes_of(state: Overlay) -> Changes:
    """All changes of a batch as (table, key, bytes or None to remove)."""
    changes: Changes = []
    for view in state.views:
        table = view.table
        name, encode = table.name, table.encode
        if isinstance(view, BucketedView):
            changes += [(f"{name}@{bucket}", key, value) for key, (bucket, value) in view.changes.items()]
        else:
            changes += [(name, key, None if v is None else encode(v)) for key, v in view.changes.items()]
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
