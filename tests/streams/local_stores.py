"""Local stores as the tests of them need them."""

from __future__ import annotations

from pathlib import Path

from streams.ports import Mark
from streams.rocks_memory import StoreMemory
from streams.rocks_stores import RocksStores

MEMORY = StoreMemory(8, 4)


def stores_in(folder: Path) -> RocksStores:
    return RocksStores(folder, "worker-1", MEMORY)


def filled(folder: Path, partition: int = 0) -> RocksStores:
    """Stores with one closed store of two tables in it."""
    stores = stores_in(folder)
    store = stores.open(partition)
    store.write({"wallets": {"b": b"2", "a": b"1"}, "keys@7": {"ü": b"x"}}, Mark(3, b"seal-3"))
    store.close()
    return stores
