from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rocksdict import Rdict

from streams.errors import StoreError
from streams.ports import Mark
from streams.rocks import RocksStore
from streams.tables import IN_ORDER
from tests.streams.local_stores import MEMORY, filled, stores_in


def test_a_written_batch_is_read_again_after_a_reopen(tmp_path: Path) -> None:
    store = filled(tmp_path).open(0)
    assert store.get("wallets", "a") == b"1"
    assert store.get("keys@7", "ü") == b"x"
    assert store.get("wallets", "c") is None
    assert store.get("unknown", "a") is None
    assert list(store.scan("wallets")) == [("a", b"1"), ("b", b"2")]
    assert sorted(store.tables()) == ["keys@7", "wallets"]
    assert store.mark() == Mark(3, b"seal-3")
    store.close()


def test_an_empty_store_has_no_mark(tmp_path: Path) -> None:
    store = stores_in(tmp_path).open(1)
    assert store.mark() is None
    assert list(store.tables()) == []
    assert list(store.scan("wallets")) == []
    store.close()


def test_removal_and_overwriting(tmp_path: Path) -> None:
    store = filled(tmp_path).open(0)
    store.write({"wallets": {"a": None, "b": b"3"}}, Mark(9, b"seal-9"))
    assert list(store.scan("wallets")) == [("b", b"3")]
    assert store.mark() == Mark(9, b"seal-9")
    store.close()


def test_many_keys_are_read_in_their_order_in_memory_and_on_disk(tmp_path: Path) -> None:
    stores = stores_in(tmp_path)
    store = stores.open(0)
    store.write({"wallets": {f"k{number}": b"%d" % number for number in range(0, 2_000, 2)}}, Mark(3, b"seal-3"))
    keys = [f"k{number}" for number in (1_998, 3, 0, 0, 1_000, 2_000)]
    for _ in range(2):
        assert store.get_many("wallets", keys) == [b"1998", None, b"0", b"0", b"1000", None]
        assert store.get_many("wallets", []) == []
        assert store.get_many("none", keys) == [None] * 6
        store.close()
        store = stores.open(0)
    store.close()


@pytest.mark.parametrize("table", ["t", f"t{IN_ORDER}"])
def test_a_scan_is_in_order_of_all_keys_in_memory_and_on_disk(tmp_path: Path, table: str) -> None:
    """Memtables are hash tables by the first 128 bytes: more keys than that tells apart, and two versions of some."""
    long = "x" * 200
    keys = [f"{long}{number:04d}" for number in range(1_000)] + [f"{number:04d}" for number in range(1_000)]
    shuffled = random.Random(1).sample(keys, len(keys))
    store = stores_in(tmp_path).open(0)
    store.write({table: dict.fromkeys(shuffled[:1_500], b"1")}, Mark(1, b"seal-1"))
    store.flush()
    store.write({table: dict.fromkeys(shuffled[1_000:], b"2")}, Mark(2, b"seal-2"))
    expected = dict.fromkeys(shuffled, b"1") | dict.fromkeys(shuffled[1_000:], b"2")
    assert list(store.scan(table)) == sorted(expected.items())
    assert list(store.scan(table, "0500")) == sorted(pair for pair in expected.items() if pair[0] >= "0500")
    store.close()
    store = stores_in(tmp_path).open(0)
    assert next(iter(store.scan(table, f"{long}05"))) == (f"{long}0500", expected[f"{long}0500"])
    assert all(store.get(table, key) == value for key, value in expected.items())
    assert store.get(table, f"{long}1000") is None
    store.close()


def test_a_dropped_table_stays_dropped_and_does_not_look_torn(tmp_path: Path) -> None:
    stores = filled(tmp_path)
    store = stores.open(0)
    store.drop_table("keys@7")
    store.drop_table("never-there")
    assert store.get("keys@7", "ü") is None
    store.close()
    store = stores.open(0)
    assert list(store.tables()) == ["wallets"]
    assert store.mark() == Mark(3, b"seal-3")
    store.close()


def test_a_failed_write_leaves_all_as_it_was(tmp_path: Path) -> None:
    store = filled(tmp_path).open(0)
    with pytest.raises(StoreError, match="cannot write the store at"):
        store.write({"wallets": {"a": b"new", "b": "no bytes"}}, Mark(4, b"seal-4"))  # type: ignore[dict-item]
    assert store.get("wallets", "a") == b"1"
    assert store.mark() == Mark(3, b"seal-3")
    store.close()


def test_a_closed_store_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    store = filled(tmp_path).open(0)
    store.close()
    store.close()
    for use in (
        lambda: store.get("wallets", "a"),
        lambda: store.get_many("wallets", ["a"]),
        store.mark,
        lambda: list(store.scan("wallets")),
    ):
        with pytest.raises(StoreError, match="is closed"):
            use()
    with pytest.raises(StoreError):
        store.write({}, Mark(4, b"seal-4"))


def test_options_survive_a_reopen(tmp_path: Path) -> None:
    filled(tmp_path).open(0).close()
    written = max((tmp_path / "worker-1" / "0").glob("OPTIONS-*"), key=lambda path: path.name).read_text()
    families = written.split("[CFOptions ")[1:]
    assert len(families) == 3
    assert all("memtable_factory={id=HashLinkListRepFactory;" in family for family in families)
    assert written.count("prefix_extractor=max_len\n") == written.count("memtable_factory={") == 3
    assert all("compression=kLZ4Compression" in family for family in families)
    assert written.count("filter_policy=bloomfilter\n") == 3
    assert written.count(" block_size=16384\n") == written.count(" index_block_restart_interval=16\n") == 3


def test_open_empty_forgets_everything(tmp_path: Path) -> None:
    store = filled(tmp_path).open_empty(0)
    assert store.mark() is None
    assert list(store.tables()) == []
    store.close()


def test_a_store_flushed_in_parts_counts_as_empty(tmp_path: Path) -> None:
    """What `Rdict.flush` and a process killed while its handles close leave behind: tables ahead of the mark."""
    code = f"""
import os, signal
from pathlib import Path
from streams.ports import Mark
from streams.rocks_stores import RocksStores
from streams.rocks_memory import StoreMemory
store = RocksStores(Path({str(tmp_path)!r}), "worker-1", StoreMemory(8, 4)).open(0)
store.write({{"wallets": {{"a": b"1"}}, "keys": {{"k": b"1"}}}}, Mark(1, b"seal-1"))
store.flush()
store.write({{"wallets": {{"a": b"2"}}, "keys": {{"k": b"2"}}}}, Mark(2, b"seal-2"))
store._families["wallets"].flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    torn = RocksStore(tmp_path / "worker-1" / "0", MEMORY)
    assert torn.is_torn()
    assert torn.get("wallets", "a") == b"2"
    assert torn.mark() == Mark(1, b"seal-1")
    torn.close()
    store = stores_in(tmp_path).open(0)
    assert store.mark() is None
    store.close()


def test_a_flush_brings_all_tables_to_disk_at_the_same_seal(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from streams.ports import Mark
from streams.rocks_stores import RocksStores
from streams.rocks_memory import StoreMemory
store = RocksStores(Path({str(tmp_path)!r}), "worker-1", StoreMemory(8, 4)).open(0)
store.write({{"wallets": {{"a": b"1"}}, "keys": {{"k": b"1"}}}}, Mark(1, b"seal-1"))
store.flush()
store.write({{"wallets": {{"a": b"2"}}, "keys": {{"k": b"2"}}}}, Mark(2, b"seal-2"))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    store = stores_in(tmp_path).open(0)
    assert store.mark() == Mark(1, b"seal-1")
    assert (store.get("wallets", "a"), store.get("keys", "k")) == (b"1", b"1")
    store.close()


_WRITER = """
import sys
from pathlib import Path
from streams.ports import Mark
from streams.rocks_memory import StoreMemory
from streams.rocks_stores import RocksStores
store = RocksStores(Path(sys.argv[1]), "worker-1", StoreMemory(8, 1)).open(0)
i = store.mark().seal_offset if store.mark() else 0
print(i, flush=True)
while True:
    i += 1
    store.write(
        {"a": {f"k{i % 97}": b"%d" % i}, "b": {f"k{i % 89}": b"%d" % i}, f"c@{i // 5000}": {f"k{i}": bytes(200)}},
        Mark(i, b"seal-%d" % i),
    )
    if i % 5000 == 4999 and i > 10000:
        store.drop_table(f"c@{i // 5000 - 2}")
"""


@pytest.mark.slow
def test_kill_9_leaves_the_state_at_one_seal(tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    reached: list[int] = []
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        started_at = int(writer.stdout.readline())
        assert started_at == (reached[-1] if reached else 0)
        time.sleep(rng.uniform(0.1, 0.8))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        store = stores_in(tmp_path).open(0)
        mark = store.mark()
        at = mark.seal_offset if mark else 0
        reached.append(at)
        for table, keys in (("a", 97), ("b", 89)):
            expected = {f"k{i % keys}": b"%d" % i for i in range(1, at + 1)}
            assert dict(store.scan(table)) == expected
        assert len(list(store.scan(f"c@{at // 5000}"))) == at - max(1, at // 5000 * 5000) + 1
        store.close()
    assert reached[-1] > 0, "the writer was never fast enough to fill a memtable"


def test_the_raw_database_shows_that_nothing_is_logged_twice(tmp_path: Path) -> None:
    """The write-ahead log stays empty: the event log is one already."""
    store = stores_in(tmp_path).open(0)
    store.write({"a": {"k": bytes(10_000)}}, Mark(1, b"seal"))
    assert sum(path.stat().st_size for path in store.path.glob("*.log")) == 0
    store.close()
    assert Rdict.list_cf(str(store.path))
