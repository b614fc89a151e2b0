"""Tables of a state, and what is asked of a store that holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

V = TypeVar("V")

#: A byte with which nothing begins that MessagePack writes: behind it a row stands as JSON.
_AS_JSON: Final = b"\xc1"


#: The end of the name of a table that is walked in the order of its keys; stores keep those for it.
IN_ORDER: Final = "-in-order"


class Reads(Protocol):
    """The part of a store that an overlay reads."""

    def get(self, table: str, key: str) -> bytes | None:
        """The stored bytes, or None.

        Raises:
            StoreError: the store cannot be read.
        """

    def get_many(self, table: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        """The same of several keys, in their order.

        Raises:
            StoreError: the store cannot be read.
        """

    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
        """Pairs of a table in key order, from `start` on; read as they are asked for."""


@dataclass(frozen=True, eq=False)
class Table(Generic[V]):
    """A table of the state: its name in the store and how its values travel to bytes and back.

    A table with `bucket_ms` is a bucketed one: its keys live in buckets of so many milliseconds of partition
    time; a bucket is forgotten as a whole `retained_ms` after its end.

    A `grouped` table holds groups of rows: the key of a row is the name of its group, a space, and its key within it.
    Groups are walked one at a time; the table's name ends in `IN_ORDER`, its values are bytes, and none is cached.

    A table whose name ends in `IN_ORDER` is walked from a key on at little cost, the others at that of all they hold.

    Where the encoding of a table or the width of its buckets changes, its name must: a store with tables that the
    machine does not name is rebuilt from the event log.
    """

    name: str
    encode: Callable[[V], bytes]
    decode: Callable[[bytes], V]
    cached: bool = True
    grouped: bool = False
    bucket_ms: int = 0
    retained_ms: int = 0

    def oldest_bucket(self, now_ms: int) -> int:
        """Number of the oldest bucket that is still remembered at `now_ms`."""
        return (now_ms - self.retained_ms) // self.bucket_ms

    def bucket_name(self, bucket: int | str) -> str:
        """The bucket's table name in the store."""
        return f"{self.name}@{bucket}"


def row_codec(kind: Any) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """How rows of a kind are encoded and decoded. Amounts have 64 bits, and so has MessagePack; sums may have more."""
    pack, write = msgspec.msgpack.Encoder().encode, msgspec.json.Encoder().encode
    unpack, read = msgspec.msgpack.Decoder(kind).decode, msgspec.json.Decoder(kind).decode

    def encode(row: Any) -> bytes:
        try:
            return pack(row)
        except OverflowError:
            return _AS_JSON + write(row)

    def decode(row: bytes) -> Any:
        return read(row[1:]) if row[:1] == _AS_JSON else unpack(row)

    return encode, decode
