"""The C library's allocator and the garbage collector as a worker has them."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from streams.memory import keep_freed_memory

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


@pytest.mark.parametrize("refused", [None, -8])
def test_large_batches_come_from_the_heap_and_its_top_is_kept(
    monkeypatch: pytest.MonkeyPatch, refused: int | None
) -> None:
    """By the numbers of `mallopt(3)`."""
    asked: dict[int, int] = {}

    def mallopt(parameter: int, value: int) -> int:
        asked[parameter] = value
        return int(parameter != refused)

    monkeypatch.setattr("streams.memory.ctypes", SimpleNamespace(CDLL=lambda _name: SimpleNamespace(mallopt=mallopt)))
    monkeypatch.setattr("streams.memory.sys", SimpleNamespace(platform="linux"))
    assert keep_freed_memory() is (refused is None)
    trim, pad, mmap, arenas = -1, -2, -3, -8
    assert asked[trim] >= 256 << 20
    assert asked[pad] == 16 << 20
    assert asked[mmap] >= 256 << 20, "what is mapped is given back at once, and asked for again"
    assert asked[arenas] == 2


#: Makes more objects than the collector lets pass unseen, and one cycle in their middle that then nobody has.
_CYCLE = """
import gc
import weakref
from streams import memory

looks = []
gc.callbacks.append(lambda phase, found: looks.append(found["generation"]) if phase == "stop" else None)


class Node:
    pass


def cycle():
    node = Node()
    node.itself = node
    return node


{before}
memory.collect_once()
looks.clear()
node = cycle()
seen = weakref.ref(node)
kept = [[] for _ in range(300_000)]
assert len(looks) >= 20, "they are looked at a few at a time"
{after}
"""

_ONCE = """
assert set(looks) == {0}, "and each once"
del node
kept.append([[] for _ in range(50_000)])
gc.collect(0)
assert seen() is not None, "what was looked at once is out of sight"
"""

_AT_LAST = """
assert 1 in looks and 2 in looks, looks
del node
kept.append([[] for _ in range(300_000)])
assert seen() is None, "what was in use when it was looked at is looked at again"
"""


@pytest.mark.parametrize("collect", ["memory.collect_all()", "gc.collect()"])
def test_what_was_looked_at_once_is_looked_at_with_all(collect: str) -> None:
    _run(_CYCLE.format(before="", after=f"{_ONCE}\n{collect}\nassert seen() is None"))


def test_after_a_long_time_all_is_looked_at_unasked() -> None:
    before = "young, times, _ = memory._ONCE\nmemory._ONCE = young, 2, 1"
    _run(_CYCLE.format(before=before, after=_AT_LAST))


@pytest.mark.parametrize("collect", ["collect_rarely", "collect_once"])
def test_what_was_in_cycles_before_is_freed_and_the_rest_is_out_of_sight(collect: str) -> None:
    """What is out of sight is never freed: it must not be garbage."""
    _run(_BEFORE.format(collect=collect))


_BEFORE = """
import gc
import weakref
from streams import memory

gc.disable()


class Node:
    pass


node = Node()
node.itself = node
seen = weakref.ref(node)
del node
memory.{collect}()
assert seen() is None
assert gc.get_freeze_count() > 1_000
gc.enable()
looks = []
gc.callbacks.append(lambda phase, found: looks.append(found["generation"]) if phase == "stop" else None)
kept = [[] for _ in range(500_000)]
if memory.{collect} is memory.collect_rarely:
    assert 1 <= len(looks) < 10, looks
assert set(looks) == {{0}}, looks
"""


def test_who_keeps_little_is_left_to_the_collector() -> None:
    _run("import gc\nfrom streams import memory\nmemory.collect_rarely()\n" + _COUNTED)


_COUNTED = """
looks = []
gc.callbacks.append(lambda phase, found: looks.append(phase))
memory.collect_all()
assert not looks
memory.collect_once()
memory.collect_all()
assert looks
"""


def _run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)
