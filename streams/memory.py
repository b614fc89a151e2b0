"""Keeps freed memory in the process.

A batch of a few megabytes is built and freed a dozen times a second. By default glibc hands the freed top of its
heap back to the kernel each time and asks for it again, page by page, zeroed: with that a fifth of the worker's CPU
was spent in the kernel, without it 4 % (decision 10).

Collections of the garbage collector, which finds next to nothing here, take some more; and where a role keeps much in
memory, looking at all of it stops a worker for a second. Of such a role each object is looked at once, while it is in
the processor's cache (decision 43).

The C library also gives each thread a heap of its own, of which none takes from what another has freed. All of
RocksDB's threads, which sort and write the same amounts in turn, share one: what they free is what they take next.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_TOP_PAD: Final = -2
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_TRIM_BYTES: Final = 256 << 20
_PAD_BYTES: Final = 16 << 20
_MMAP_BYTES: Final = 256 << 20
#: The main thread's heap, and one for all others.
_ARENAS: Final = 2

#: After so many new objects the collector looks at the young; after so many times also at those that were young then;
#: and after so many times of that at all.
_RARELY: Final = (70_000, 20, 50)
#: After so many new objects at these alone; after so many times, an hour of a busy worker or more, at all that came
#: since the last time; after so many times of that at all.
_ONCE: Final = (10_000, 100_000, 10)


def keep_freed_memory() -> bool:
    """Tune the C library's allocator of this process (`mallopt(3)`); False where it is not glibc's."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = (
        (_M_TRIM_THRESHOLD, _TRIM_BYTES),
        (_M_TOP_PAD, _PAD_BYTES),
        (_M_MMAP_THRESHOLD, _MMAP_BYTES),
        (_M_ARENA_MAX, _ARENAS),
    )
    return all(mallopt(parameter, value) for parameter, value in settings)


def collect_rarely() -> None:
    """Take what exists out of the collector's sight, and let it look at the rest a hundred times less often."""
    _look_at_what_comes(_RARELY)


def collect_once() -> None:
    """Take what exists out of the collector's sight; it looks at the rest once while young, and hardly ever again."""
    _look_at_what_comes(_ONCE)


def _look_at_what_comes(thresholds: tuple[int, int, int]) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds)


def collect_all() -> None:
    """Free what is in cycles, such as the state of a partition that is gone; takes up to a second for each GB.

    Does nothing but after `collect_once`: elsewhere the collector comes to it by itself.
    """
    if gc.get_threshold() == _ONCE:
        gc.collect()
