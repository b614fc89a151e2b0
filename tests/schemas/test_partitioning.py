from __future__ import annotations

from collections import Counter

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as of_aiokafka
from hypothesis import given
from hypothesis import strategies as st

from schemas.partitioning import murmur2, partition_of

#: From Kafka's own `UtilsTest.testMurmur2`; Java's results are signed.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("data", JAVA)
def test_the_vectors_of_the_java_client(data: bytes) -> None:
    assert murmur2(data) == JAVA[data] & 0xFFFFFFFF


@given(st.binary(max_size=100))
def test_it_hashes_as_aiokafka_does(data: bytes) -> None:
    assert murmur2(data) == of_aiokafka(data) & 0xFFFFFFFF


@given(st.text(max_size=64), st.integers(1, 64))
def test_it_partitions_as_aiokafkas_default_partitioner_does(wallet_id: str, partitions: int) -> None:
    everywhere = list(range(partitions))
    assert partition_of(wallet_id, partitions) == DefaultPartitioner()(wallet_id.encode(), everywhere, everywhere)


def test_wallets_spread_evenly() -> None:
    counts = Counter(partition_of(f"w-{number}", 8) for number in range(8_000))
    assert set(counts) == set(range(8))
    assert max(counts.values()) < 1_150
