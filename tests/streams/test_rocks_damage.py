"""Stores that cannot be read or written: corrupt files, a full disk."""

from __future__ import annotations

import errno
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rocksdict import Rdict

from streams.errors import StoreError
from streams.ports import Mark
from streams.rocks import RocksStore
from streams.rocks_stores import RocksStores
from tests.streams.local_stores import filled, stores_in


def assert_made_anew(stores: RocksStores) -> None:
    """The store opens empty, and keeps what is written from then on."""
    store = stores.open(0)
    assert store.mark() is None
    store.write({"a": {"k": b"v"}}, Mark(1, b"seal-1"))
    store.close()
    store = stores.open(0)
    assert store.mark() == Mark(1, b"seal-1")
    store.close()


def test_corruption_is_thrown_away(tmp_path: Path) -> None:
    stores = filled(tmp_path)
    manifest = next((tmp_path / "worker-1" / "0").glob("MANIFEST-*"))
    manifest.write_bytes(b"\x00garbage" * 100)
    store = stores.open(0)
    assert store.mark() is None
    store.close()


def test_a_store_without_its_manifest_is_thrown_away(tmp_path: Path) -> None:
    stores = filled(tmp_path)
    next((tmp_path / "worker-1" / "0").glob("MANIFEST-*")).unlink()
    assert_made_anew(stores)


@pytest.mark.parametrize("lost", ["MANIFEST-*", "CURRENT", "*"])
def test_a_store_whose_deletion_a_crash_broke_off_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    class Killed(BaseException):
        pass

    def delete_some(path: Path) -> None:
        for file in path.glob(lost):
            file.unlink()
        raise Killed

    stores = filled(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("streams.rocks_stores.shutil", SimpleNamespace(rmtree=delete_some))
        with pytest.raises(Killed):
            stores.open_empty(0)
    stores = stores_in(tmp_path)
    store = stores.open(0)
    assert store.mark() is None
    store.close()
    assert [path.name for path in (tmp_path / "worker-1").iterdir()] == ["0"]


def flip_bytes(folder: Path) -> None:
    """Let the disk return garbage for half of the largest table file."""
    path = max(folder.glob("*.sst"), key=lambda path: path.stat().st_size)
    data = bytearray(path.read_bytes())
    for at in range(5_000, len(data) // 2):
        data[at] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("reads", ["get", "get_many", "scan"])
def test_a_table_file_found_corrupt_is_thrown_away(tmp_path: Path, reads: str) -> None:
    stores = stores_in(tmp_path)
    store = stores.open(0)
    keys = [f"k{i:05}" for i in range(3_000)]
    store.write({"a": {key: random.randbytes(300) for key in keys}}, Mark(3, b"seal-3"))
    store.close()
    flip_bytes(store.path)
    store = stores.open(0)
    assert store.mark() == Mark(3, b"seal-3")
    read: dict[str, Callable[[], object]] = {
        "get": lambda: [store.get("a", key) for key in keys],
        "get_many": lambda: store.get_many("a", keys),
        "scan": lambda: list(store.scan("a")),
    }
    with pytest.raises(StoreError, match=r"Corruption.* is rebuilt from the event log"):
        read[reads]()
    store.close()
    assert_made_anew(stores)


@pytest.mark.parametrize(("says", "heals"), [("Corruption: block checksum mismatch", True), ("IO error", False)])
def test_an_open_store_that_cannot_say_whether_it_is_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, heals: bool
) -> None:
    class Broken:
        def get(self, _key: bytes) -> bytes:
            raise Exception(says)

    def enter(self: RocksStore, name: str) -> None:
        self._families[name] = cast(Rdict, Broken())

    stores = filled(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(RocksStore, "_enter", enter)
        if heals:
            store = stores.open(0)
            assert store.mark() is None
            store.close()
        else:
            with pytest.raises(StoreError, match="IO error"):
                stores.open(0)
    store = stores.open(0)
    assert store.mark() == (None if heals else Mark(3, b"seal-3"))
    store.close()


@pytest.mark.slow
def test_a_full_disk_is_an_error_with_advice(tmp_path: Path) -> None:
    """A limit on file sizes stands in for the full disk: the flush of a memtable fails."""
    code = f"""
import resource, signal
from pathlib import Path
from streams.errors import StoreError
from streams.ports import Mark
from streams.rocks_memory import StoreMemory
from streams.rocks_stores import RocksStores
import random
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = RocksStores(Path({str(tmp_path)!r}), "worker-1", StoreMemory(8, 1)).open(0)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    for i in range(200):
        store.write({{"a": {{f"{{i}}-{{j}}": random.randbytes(2_000) for j in range(50)}}}}, Mark(i, b"seal"))
except StoreError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "cannot write the store at" in ended.stdout
    assert str(tmp_path) in ended.stdout
    assert "File too large" in ended.stdout


def test_a_write_that_would_wait_for_the_disk_is_an_error_in_time(tmp_path: Path) -> None:
    """As RocksDB would have it wait for as long as the disk is full, and the whole worker with it."""
    code = f"""
import os
from pathlib import Path
from rocksdict import DBCompactionStyle, UniversalCompactOptions
from streams import rocks
from streams.errors import StoreError
from streams.ports import Mark
from streams.rocks_memory import StoreMemory
from streams.rocks_stores import RocksStores

class Stalling(StoreMemory):
    def options(self, **how):
        options = super().options(**how)
        # Files gather and are never merged: the second one is more than there may be.
        rarely = UniversalCompactOptions()
        rarely.min_merge_width, rarely.max_size_amplification_percent = 1_000, 1_000_000
        options.set_compaction_style(DBCompactionStyle.universal())
        options.set_universal_compaction_options(rarely)
        options.set_level_zero_file_num_compaction_trigger(1)
        options.set_level_zero_slowdown_writes_trigger(1)
        options.set_level_zero_stop_writes_trigger(1)
        return options

rocks._STALLED_S = 0.2
store = RocksStores(Path({str(tmp_path)!r}), "worker-1", Stalling(8, 1)).open(0)
try:
    for i in range(100):
        store.write({{"a": {{"k": bytes(500_000)}}}}, Mark(i, b"seal"))
except StoreError as error:
    print(i - store.mark().seal_offset, error, flush=True)
os._exit(0)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "1 cannot write the store at" in ended.stdout, ended.stderr
    assert "RocksDB has brought nothing to disk for 0.2 s" in ended.stdout


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("IO error: No space left on device", "free disk space"),
        ("[Errno 30] Read-only file system: '/data/0'", "see the disk's health and mount it for writing"),
        ("IO error: Permission denied: /data/0/LOCK", "let this user write there"),
    ],
)
def test_what_the_disk_refuses_says_what_to_do(said: str, advice: str) -> None:
    from streams.rocks import _failure

    error = _failure("write", Path("/data/0"), Exception(said))
    assert f"cannot write the store at /data/0: {said}; {advice}" in str(error)
    assert str(error).endswith("move WALLETSTREAM_DATA_DIR: the state continues from the event log")


def test_a_store_on_a_disk_that_became_read_only_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = filled(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StoreError, match=r"/0 cannot be deleted: .*Read-only file system"):
        stores.open_empty(0)
