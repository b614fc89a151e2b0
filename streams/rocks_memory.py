"""Memory and options of local stores."""

from __future__ import annotations

from typing import Final

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    MemtableFactory,
    Options,
    SliceTransform,
    WriteBufferManager,
)

#: Memtables of all partitions of a process together, as a multiple of one partition's.
_SHARED_MEMTABLES: Final = 4

#: Hash buckets of a memtable: of 8 bytes each, for some ten thousand rows, and of a family that is written no more.
_BUCKETS: Final = 1 << 15
_FEW_BUCKETS: Final = 1 << 8
#: The longest prefix that RocksDB takes. Longer keys share buckets, which become skip lists where they grow.
_HASHED_BYTES: Final = 128
#: Of a table file: a few hundred thousand of the shortest rows that are looked up.
_FILE_BYTES: Final = 16 << 20


class StoreMemory:
    """Memory that all stores of a process share: one block cache, one bound on all memtables.

    Args:
        cache_mb: the block cache in MiB; index and filter blocks live in it too.
        write_buffer_mb: the largest memtable of one partition in MiB; four times that for all partitions together.
    """

    def __init__(self, cache_mb: int, write_buffer_mb: int):
        self._cache = Cache(cache_mb << 20)
        self._memtables = WriteBufferManager((write_buffer_mb << 20) * _SHARED_MEMTABLES, False)
        self._memtable_bytes = write_buffer_mb << 20

    def options(self, *, is_written: bool = True, is_walked: bool = False) -> Options:
        """Options of one column family, and of the database in the default family.

        They are given again for every family at every open: RocksDB would take its own defaults for the others.
        A family that `is_written` no more, such as a past bucket, gets a small memtable; one that `is_walked` in the
        order of its keys gets a memtable that is in order.
        """
        blocks = BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        # The index of a table file has an entry for each block. As RocksDB has it by default, with whole keys, indexes
        # take most of the cache, and more with each event of the log; larger blocks and shared prefixes halve that. A
        # row in a block that is in the cache takes no longer to read.
        blocks.set_block_size(16 << 10)
        blocks.set_index_block_restart_interval(16)
        blocks.set_bloom_filter(10, False)
        blocks.set_cache_index_and_filter_blocks(True)
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.create_missing_column_families(True)
        options.set_atomic_flush(True)
        options.set_block_based_table_factory(blocks)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_write_buffer_manager(self._memtables)
        options.set_write_buffer_size(self._memtable_bytes if is_written else 1 << 20)
        # Keys are looked up and hardly ever walked: a hash table takes a row, and tells that a key is not there, in
        # a third of a skip list's time. Walks have to ask for the total order.
        if not is_walked:
            options.set_memtable_factory(
                MemtableFactory.hash_link_list(_BUCKETS if is_written else _FEW_BUCKETS)  # type: ignore[call-arg]
            )
            options.set_prefix_extractor(SliceTransform.create_max_len_prefix(_HASHED_BYTES))
        # The cache is made of shards, of 1 MiB where it has 64 MiB, and keeps nothing larger. The filter of a file has
        # 10 bits for each row: in files as large as RocksDB makes them, with a million short rows, it is read and
        # checked anew at each look-up, which then takes ten times as long.
        options.set_target_file_size_base(_FILE_BYTES)
        options.set_allow_concurrent_memtable_write(False)
        options.set_max_open_files(512)
        options.set_max_background_jobs(2)
        options.set_keep_log_file_num(2)
        options.set_max_log_file_size(1 << 20)
        options.set_stats_dump_period_sec(0)
        return options
