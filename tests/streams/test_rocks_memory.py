"""How much memory local stores take together, and with which options each table is made and opened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from streams.ports import Mark
from streams.rocks import RocksStore
from streams.rocks_memory import StoreMemory
from streams.rocks_stores import RocksStores
from streams.tables import IN_ORDER
from tests.streams.local_stores import stores_in

_MIB = 1 << 20
#: Files, logs and threads of a store are bounded too.
OF_ALL = {
    "max_open_files": "512",
    "keep_log_file_num": "2",
    "max_log_file_size": str(_MIB),
    "max_background_jobs": "2",
    "atomic_flush": "true",
}


def opened(folder: Path, count: int, memory: StoreMemory) -> list[RocksStore]:
    """Stores of as many partitions of one worker."""
    stores = RocksStores(folder, "worker-1", memory)
    return [stores.open(partition) for partition in range(count)]


def of_all(store: RocksStore, name: str) -> list[int]:
    """A number that RocksDB has for each family."""
    found = [family.property_int_value(f"rocksdb.{name}") for family in (store._db, *store._families.values())]
    return [number for number in found if number is not None]


def options_of(store: RocksStore) -> dict[str, dict[str, str]]:
    """The options that a store has now: by section, such as `DBOptions` or `CFOptions "wallets"`."""
    newest = max(store.path.glob("OPTIONS-*"), key=lambda path: path.name)
    sections: dict[str, dict[str, str]] = {}
    for line in newest.read_text().splitlines():
        if line.startswith("["):
            section = sections[line.strip("[]")] = {}
        elif "=" in line:
            name, _, value = line.strip().partition("=")
            section[name] = value
    return sections


def test_memtables_of_all_partitions_are_bounded_together(tmp_path: Path) -> None:
    """Each may be of 4 MiB, all of them 16, however many partitions a worker is given; and some that are flushed."""
    stores = opened(tmp_path, 8, StoreMemory(8, 4))
    most = 0
    for number in range(30):
        for store in stores:
            rows: dict[str, bytes | None] = {f"{number}-{at}": os.urandom(1_000) for at in range(100)}
            store.write({"a": rows}, Mark(number, b"seal"))
        most = max(most, sum(sum(of_all(store, "cur-size-all-mem-tables")) for store in stores))
    for store in stores:
        store.close()
    assert most < 28 * _MIB, "without the common bound it is 32 MiB"


def test_all_stores_read_through_one_cache(tmp_path: Path) -> None:
    """Blocks of rows, and also indexes and filters, which grow with the log."""
    stores = opened(tmp_path, 3, StoreMemory(8, 4))
    for store in stores:
        rows: dict[str, bytes | None] = {f"{at}": os.urandom(1_000) for at in range(1_000)}
        store.write({"a": rows, f"b{IN_ORDER}": rows}, Mark(1, b"seal"))
        store.flush()
    before = of_all(stores[0], "block-cache-usage")[0]
    for at in range(0, 1_000, 10):
        assert stores[2].get("a", f"{at}") is not None
    seen = {usage for store in stores for usage in of_all(store, "block-cache-usage")}
    assert len(seen) == 1, "what one has read all have read"
    assert seen.pop() > before
    assert {size for store in stores for size in of_all(store, "block-cache-capacity")} == {8 * _MIB}
    for store in stores:
        store.close()


def test_every_table_has_its_options_when_it_is_made_and_when_it_is_opened(tmp_path: Path) -> None:
    stores = stores_in(tmp_path)
    store = stores.open(0)
    tables = ["wallets", "keys@7", "keys@8", f"due{IN_ORDER}"]
    store.write({table: {"k": b"v"} for table in tables}, Mark(1, b"seal"))
    is_reopened = False
    for _ in range(2):
        options = options_of(store)
        assert options["DBOptions"] | OF_ALL == options["DBOptions"]
        for table in ("default", *tables):
            family, blocks = options[f'CFOptions "{table}"'], options[f'TableOptions/BlockBasedTable "{table}"']
            is_past = table == "keys@7" and is_reopened
            assert family["compression"] == "kLZ4Compression"
            assert family["target_file_size_base"] == str(16 * _MIB)
            assert family["write_buffer_size"] == str(_MIB if is_past else 4 * _MIB), table
            assert blocks["cache_index_and_filter_blocks"] == "true"
            assert blocks["pin_l0_filter_and_index_blocks_in_cache"] == "true"
            assert blocks["filter_policy"] == "bloomfilter"
            assert blocks["block_size"] == str(16 << 10)
            memtable = family["memtable_factory"]
            if table.endswith(IN_ORDER):
                assert "SkipList" in memtable
            else:
                assert f"bucket_count={256 if is_past else 32_768};" in memtable
        store.close()
        store, is_reopened = stores.open(0), True
    store.close()


def test_a_process_killed_while_it_closes_a_store_leaves_it_at_one_seal(tmp_path: Path) -> None:
    """Closing a family's handle flushes that family alone: all of them are flushed together before."""
    code = f"""
import os, signal
from pathlib import Path
from streams.ports import Mark
from streams.rocks_stores import RocksStores
from streams.rocks_memory import StoreMemory
store = RocksStores(Path({str(tmp_path)!r}), "worker-1", StoreMemory(8, 4)).open(0)
store.write({{"wallets": {{"a": b"1"}}, "keys": {{"k": b"1"}}}}, Mark(1, b"seal-1"))
first = store._families["wallets"]

class Killed:
    def close(self):
        first.close()
        os.kill(os.getpid(), signal.SIGKILL)

store._families["wallets"] = Killed()
store.close()
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == -signal.SIGKILL
    store = stores_in(tmp_path).open(0)
    assert store.mark() == Mark(1, b"seal-1")
    assert (store.get("wallets", "a"), store.get("keys", "k")) == (b"1", b"1")
    store.close()
