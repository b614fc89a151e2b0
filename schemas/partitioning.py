"""Which partition a wallet lives in: murmur2 of its id, as Kafka's Java client partitions keys.

Source: `org.apache.kafka.common.utils.Utils.murmur2` and `BuiltInPartitioner.partitionForKey`.
librdkafka clients use CRC32 unless told otherwise; their records are forwarded by the ledger.
"""

from __future__ import annotations

from functools import lru_cache
from struct import unpack_from

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit murmur2 hash of `data`, unsigned, with the seed that Kafka uses."""
    length = len(data)
    h = 0x9747B28C ^ length
    words = length >> 2
    for word in unpack_from(f"<{words}I", data):
        k = word * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    rest = data[words << 2 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


@lru_cache(maxsize=65_536)
def partition_of(wallet_id: str, partitions: int) -> int:
    """The partition index, 0 to `partitions` - 1, in which the wallet's state lives."""
    return (murmur2(wallet_id.encode()) & 0x7FFFFFFF) % partitions
