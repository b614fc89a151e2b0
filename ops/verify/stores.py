"""Workers' local states, read without disturbing a worker that has them open.

RocksDB is opened read-only, which takes no lock. What is there is the state at the last flush, one seal of the log;
the audit compares it at that seal. A state that a flush tore is counted as none, as a worker counts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

import msgspec
from rocksdict import AccessType, Options, Rdict

from ops.verify.chain import decode_seal

_DEFAULT: Final = "default"
_BALANCES: Final = "balances"
_MARK: Final = b"mark"
_STAMP: Final = b"\xff"
_STAMP_OF: Final = b"stamp:"
_decode_minor: Final = msgspec.msgpack.Decoder(int).decode


class NothingFlushed(ValueError):
    """The store holds no state: its worker has not flushed any, or has just begun anew."""


class RocksCopy:
    """One partition's balances as a worker keeps them; a `StoreCopy`."""

    def __init__(self, path: Path):
        """Open the store at `path`.

        Raises:
            NothingFlushed: it holds no state.
            ValueError: it is torn, or is just being replaced; the message says which.
        """
        self.place = str(path)
        try:
            families = {name: _options() for name in Rdict.list_cf(str(path), _options())}
            self._db = Rdict(str(path), _options(), column_families=families, access_type=AccessType.read_only())
            self._read_mark()
            torn = [name for name in families if name != _DEFAULT and not self._is_stamped(name)]
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        if torn:
            self.close()
            raise ValueError(f"{path} is torn ({', '.join(torn)}): its worker will rebuild it from the log")

    def _read_mark(self) -> None:
        mark = cast("bytes | None", self._db.get(_MARK))
        if mark is None:
            self.close()
            raise NothingFlushed(self.place)
        self.seal_offset = int.from_bytes(mark[:8], "big")
        self.seal = mark[8:]
        self.sequence = decode_seal(self.seal).sequence

    def _is_stamped(self, family: str) -> bool:
        stamp = self._db.get_column_family(family).get(_STAMP)
        return bool(stamp == self._db.get(_STAMP_OF + family.encode()))

    def balances(self) -> Iterator[tuple[str, int]]:
        """All balances: `<account> <asset>` and minor units."""
        try:
            family = self._db.get_column_family(_BALANCES)
        except Exception:  # a state without any posting has no such family
            return
        for key, value in family.items():
            if key != _STAMP:
                yield cast("bytes", key).decode(), _decode_minor(value)

    def close(self) -> None:
        """Close the handle; closing twice does nothing."""
        with suppress(Exception):
            self._db.close()


def find_copies(data_dir: Path, partitions: int) -> tuple[dict[int, list[RocksCopy]], list[str]]:
    """All local states below `data_dir`, by partition, and notes on those that cannot be compared.

    They lie at `<worker id>/<partition>`, or `<partition>~<random>` where the former was held by another process.
    """
    copies: dict[int, list[RocksCopy]] = {}
    notes, empty = [], 0
    for current in sorted(data_dir.glob("*/*/CURRENT")):
        path = current.parent
        number = path.name.partition("~")[0]
        if not number.isdigit():
            continue
        if int(number) >= partitions:
            notes.append(f"not compared: {path} is of a partition that this ledger does not have")
            continue
        try:
            copies.setdefault(int(number), []).append(RocksCopy(path))
        except NothingFlushed:
            empty += 1
        except ValueError as error:
            notes.append(f"not compared: {error}")
    if empty:
        notes.append(f"not compared: {empty} local states under {data_dir} of which nothing is flushed to disk yet")
    return copies, notes


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(False)
    return options
