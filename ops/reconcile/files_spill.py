"""Records by share, in memory while they are few and else on disk: so large tables are matched share by share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

T = TypeVar("T")

#: Records that are written as one block.
_BLOCK: Final = 256
#: Records of one kind that stay in memory, beside less than a block of each share.
MOST_KEPT: Final = 10_000
_LENGTH_BYTES: Final = 4


class Spill(Generic[T]):
    """Records of one type by share.

    Args:
        folder: where files are put; it is there.
        name: begins their names.
        shares: how many shares there are.
        kind: type of the records.
    """

    def __init__(self, folder: Path, name: str, shares: int, kind: type[T]):
        self._paths = [folder / f"{name}-{share}" for share in range(shares)]
        #: What is in memory, oldest first: blocks that stay there, and what is not a block yet.
        self._kept: list[list[T]] = [[] for _ in range(shares)]
        self._waiting: list[list[T]] = [[] for _ in range(shares)]
        self._room = MOST_KEPT
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[kind]).decode  # type: ignore[valid-type]

    def add(self, share: int, record: T) -> None:
        """Keep a record."""
        waiting = self._waiting[share]
        waiting.append(record)
        if len(waiting) == _BLOCK:
            self._put_away(share)

    def _put_away(self, share: int) -> None:
        waiting = self._waiting[share]
        if self._room > 0:
            self._room -= len(waiting)
            self._kept[share] += waiting
        else:
            value = self._encode(waiting)
            # Opened for each block, for there may be many shares and only so many open files.
            with self._paths[share].open("ab") as file:
                file.write(len(value).to_bytes(_LENGTH_BYTES))
                file.write(value)
        waiting.clear()

    def read(self, share: int) -> Iterator[T]:
        """The records of a share, as they were added."""
        yield from self._kept[share]
        if self._paths[share].exists():
            with self._paths[share].open("rb") as file:
                while length := file.read(_LENGTH_BYTES):
                    yield from self._decode(file.read(int.from_bytes(length)))
        yield from self._waiting[share]

    def read_all(self) -> Iterator[T]:
        """All records."""
        for share in range(len(self._paths)):
            yield from self.read(share)

    def take(self, share: int) -> list[T]:
        """The records of a share, for the last time."""
        records = list(self.read(share))
        self._kept[share] = []
        self._waiting[share] = []
        self._paths[share].unlink(missing_ok=True)
        return records
