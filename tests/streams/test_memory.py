"""The C library's allocator and the garbage collector as a worker has them."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Makes threads that allocate at the same time, and prints what malloc has made for them.
_THREADS = """
import ctypes
import threading
from streams.memory import keep_freed_memory

assert {keeps} or keep_freed_memory()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
together = threading.Barrier(6)


def allocate() -> None:
    together.wait()
    libc.malloc(10_000)
    together.wait()


threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
@pytest.mark.parametrize("is_untuned", [True, False])
def test_all_threads_but_the_main_one_share_a_heap(is_untuned: bool) -> None:
    code = _THREADS.format(keeps=is_untuned)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert (told.count("<heap nr=") > 2) is is_untuned


#: Makes more objects than the collector lets pass unseen, and one cycle in their middle that then nobody has.
_CYCLE = """
import gc
import weakref
from streams.memory import collect_all, collect_once


class Node:
    pass


collect_once()
collect_once()
assert len(gc.callbacks) == 1
node = Node()
node.itself = node
seen = weakref.ref(node)
kept = [[] for _ in range(300_000)]
in_sight = len(gc.get_objects())
assert in_sight < 200_000, in_sight
del node
gc.collect(1)
assert seen() is not None, "what was looked at once is out of sight"
{collect}
assert seen() is None
assert len(gc.get_objects()) < 200_000, "and is so again"
"""


@pytest.mark.parametrize("collect", ["collect_all()", "gc.collect()"])
def test_what_was_looked_at_once_is_looked_at_with_all(collect: str) -> None:
    code = _CYCLE.format(collect=collect)
    subprocess.run([sys.executable, "-c", code], check=True)
