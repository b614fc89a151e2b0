"""Keeps freed memory in the process.

A batch of a few megabytes is built and freed a dozen times a second. By default glibc hands the freed top of its
heap back to the kernel each time and asks for it again, page by page, zeroed: with that a fifth of the worker's CPU
was spent in the kernel, without it 4 % (decision 10). Collections of the garbage collector, which finds nothing here,
take some more.

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
    gc.collect()
    gc.freeze()
    gc.set_threshold(70_000, 20, 50)
