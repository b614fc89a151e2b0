"""Whose a directory of a local store is, and what becomes of one that nobody holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.errors import StoreError
from streams.ports import Mark
from tests.streams.local_stores import filled, stores_in


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[None]:
    """Another process has the store of partition 0 open."""
    code = (
        "import sys, time; from rocksdict import Rdict; db = Rdict(sys.argv[1]);"
        "print('open', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "worker-1" / "0")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"open\n"
        yield
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_each_partition_of_a_worker_has_a_directory_of_its_own(tmp_path: Path) -> None:
    stores = stores_in(tmp_path)
    opened = {partition: stores.open(partition) for partition in (0, 1, 2, 10)}
    assert {p: store.path for p, store in opened.items()} == {p: tmp_path / "worker-1" / str(p) for p in opened}
    for store in opened.values():
        store.close()


def test_a_data_directory_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/worker-1 cannot be used: .*; set WALLETSTREAM_DATA_DIR"):
        stores_in(tmp_path / "file")


def test_a_directory_held_by_another_process_is_not_waited_for(tmp_path: Path) -> None:
    filled(tmp_path).open(0).close()
    with held_elsewhere(tmp_path):
        stores = stores_in(tmp_path)
        store = stores.open(0)
        assert store.mark() is None
        assert store.path.name.startswith("0~")
        store.write({"wallets": {"a": b"1"}}, Mark(1, b"seal-1"))
        store.close()
        assert stores.open_empty(0).path.name.startswith("0~")


def test_a_directory_of_its_own_is_kept_while_the_usual_one_is_held(tmp_path: Path) -> None:
    filled(tmp_path).open(0).close()
    with held_elsewhere(tmp_path):
        stores = stores_in(tmp_path)
        for number in range(3):
            store = stores.open(0)
            assert store.mark() == (Mark(number - 1, b"seal") if number else None)
            store.write({"wallets": {"a": b"1"}}, Mark(number, b"seal"))
            store.close()
        store = stores.open_empty(0)
        assert store.mark() is None
        store.close()
        assert len(list((tmp_path / "worker-1").glob("0~*"))) == 1
    store = stores.open(0)
    assert store.mark() == Mark(3, b"seal-3")
    store.close()


def test_directories_of_earlier_processes_are_deleted_unless_held(tmp_path: Path) -> None:
    folder = tmp_path / "worker-1"
    held, left = folder / "0~aa", folder / "1~bb"
    code = (
        "import sys, time; from rocksdict import Rdict; Rdict(sys.argv[2]).close(); db = Rdict(sys.argv[1]);"
        "print('open', flush=True); time.sleep(60)"
    )
    folder.mkdir()
    holder = subprocess.Popen([sys.executable, "-c", code, str(held), str(left)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"open\n"
        assert left.exists()
        stores_in(tmp_path)
        assert held.exists()
        assert not left.exists()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    stores_in(tmp_path)
    assert not held.exists()
