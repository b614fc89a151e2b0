"""Restore, parts 4 and 5: compare the local state with the event log, then fold what it misses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from streams.batch import Progress
from streams.errors import ChainBroken, HeldUp, Refused, StoreError
from streams.machine import Machine
from streams.overlay import Overlay
from streams.persist import changes_of, forget_old_buckets, load_buckets
from streams.ports import LogReader, Mark, Store, Stores
from streams.seal import Seal, chain_hash, decode_seal, is_seal, unhashed_bytes

#: Events folded between two writes of the store, to the next seal. All partitions fold at once, and what they hold in
#: memory until then sets a worker's peak, which it keeps.
_WRITE_EVERY_EVENTS = 5_000


def progress_at(mark: Mark, unix_ms: Callable[[str], int]) -> Progress:
    """What a seal says, as the state that the next batch continues."""
    seal = decode_seal(mark.seal)
    return Progress(
        sequence=seal.sequence,
        hash=seal.hash,
        time_ms=unix_ms(seal.partition_time),
        positions={topic: span.to for topic, span in seal.inputs.items()},
        seal_offset=mark.seal_offset,
        next_offset=mark.seal_offset + 1,
    )


class Restored(NamedTuple):
    """The store, its overlay, how far it is, and whether the local state had to be thrown away."""

    store: Store
    state: Overlay
    progress: Progress
    rebuilt: bool


class Restorer:
    """Brings one partition's local state to the end of its event log."""

    def __init__(
        self,
        machine: Machine,
        partition: int,
        partitions: int,
        unix_ms: Callable[[str], int],
        cache_entries: int,
        on_progress: Callable[[int, int], None] = lambda _done, _of: None,
    ):
        self._machine = machine
        self._partition = partition
        self._partitions = partitions
        self._unix_ms = unix_ms
        self._cache_entries = cache_entries
        self._on_progress = on_progress

    async def restore(self, stores: Stores, reader: LogReader) -> Restored:
        """Open the local state, compare it with the log, and fold what it misses.

        Raises:
            HeldUp: what was committed last cannot be read yet.
            ChainBroken: the event log itself has a gap, a wrong hash or no seal at its end.
            Refused: the event log was written with another partition count, or holds what this version cannot fold.
            StoreError: the local state cannot be opened or written.
        """
        # Asked first: what is committed in between only makes the other one larger.
        high_watermark = await reader.high_watermark()
        bounds = await reader.bounds()
        if bounds.end < high_watermark:
            # A transaction of ours is over once the writer has fenced. Folding up to here would decide again what the
            # owner before has committed since.
            raise HeldUp(
                f"the event log of partition {self._partition} can be read up to {bounds.end} only, of "
                f"{high_watermark}: somebody has a transaction open on it, and has to end it"
            )
        store, rebuilt = stores.open(self._partition), False
        try:
            mark = store.mark()
            agrees = mark is None or (
                self._knows(store.tables()) and await reader.record_at(mark.seal_offset) == mark.seal
            )
            if bounds.start > 0 and (mark is None or not agrees or mark.seal_offset < bounds.start):
                raise ChainBroken(
                    f"ledger events 0 to {bounds.start - 1} of partition {self._partition} were deleted from the log: "
                    "the event log must be kept for ever (retention.ms=-1, cleanup.policy=delete); restore it from a "
                    "backup"
                )
            if not agrees:
                store.close()
                store, mark, rebuilt = stores.open_empty(self._partition), None, True
            progress = Progress() if mark is None else progress_at(mark, self._unix_ms)
            if mark is not None:
                self._check_partitions(decode_seal(mark.seal))
            state = Overlay(self._machine.tables, store, self._cache_entries)
            load_buckets(state, store)
            await self._fold(reader, store, state, progress, bounds.end)
        except BaseException:
            store.close()
            raise
        return Restored(store, state, progress, rebuilt)

    def _knows(self, tables: Iterable[str]) -> bool:
        """Whether all that a store holds is in tables of the machine; another version's have other names."""
        return {name.partition("@")[0] for name in tables} <= {table.name for table in self._machine.tables}

    def _check_partitions(self, seal: Seal) -> None:
        if seal.partitions != self._partitions:
            raise Refused(
                f"the event log was written with {seal.partitions} partitions, now there are {self._partitions}: "
                "wallets would move to other partitions; set WALLETSTREAM_PARTITIONS back or migrate"
            )

    async def _fold(self, reader: LogReader, store: Store, state: Overlay, progress: Progress, end: int) -> None:
        """Fold every sealed batch from `progress` to `end`, writing the store at seals."""
        pending: list[bytes] = []
        unwritten = 0
        mark: Mark | None = None
        async for chunk in reader.read(progress.next_offset, end):
            for offset, value in chunk:
                if not is_seal(value):
                    pending.append(value)
                    continue
                self._fold_batch(state, progress, pending, value, offset)
                unwritten += len(pending) + 1
                pending = []
                mark = Mark(offset, value)
                if unwritten >= _WRITE_EVERY_EVENTS:
                    self._write(store, state, mark, progress)
                    unwritten, mark = 0, None
            self._on_progress(progress.next_offset, end)
        if pending:
            raise ChainBroken(
                f"the event log of partition {self._partition} ends with {len(pending)} events without a seal "
                f"after sequence {progress.sequence}: somebody else wrote to it"
            )
        if mark is not None:
            self._write(store, state, mark, progress)

    def _fold_batch(self, state: Overlay, progress: Progress, values: list[bytes], sealed: bytes, offset: int) -> None:
        """Check one sealed batch against the chain, then apply its events."""
        where = f"partition {self._partition}, seal at offset {offset}"
        try:
            seal = decode_seal(sealed)
        except ValueError as error:
            raise ChainBroken(f"{where}: this version cannot read it: {error}; run the one that wrote it") from error
        self._check_partitions(seal)
        if seal.first_sequence != progress.sequence + 1:
            raise ChainBroken(f"{where}: sequence {seal.first_sequence} does not follow {progress.sequence}")
        if seal.sequence != seal.first_sequence + len(values):
            raise ChainBroken(
                f"{where}: {len(values)} events are there, it seals {seal.sequence - seal.first_sequence}: "
                "events were lost or added"
            )
        if seal.hash != chain_hash(progress.hash, values, unhashed_bytes(sealed)):
            raise ChainBroken(f"{where}: the hash does not match the events it seals")
        self._fold_events(state, seal.first_sequence, values)
        progress.sequence = seal.sequence
        progress.hash = seal.hash
        progress.time_ms = self._unix_ms(seal.partition_time)
        progress.positions = {topic: span.to for topic, span in seal.inputs.items()}
        progress.seal_offset = offset
        progress.next_offset = offset + 1

    def _fold_events(self, state: Overlay, sequence: int, values: list[bytes]) -> None:
        fold = self._machine.fold
        try:
            for value in values:
                fold(state, value)
                sequence += 1
        except (Refused, StoreError, MemoryError):
            raise
        except Exception as error:
            # To go on without it, or to try again, would help nobody: the books would be others than the log's.
            raise Refused(
                f"partition {self._partition}, sequence {sequence} of the event log: this version cannot fold the "
                f"event ({type(error).__name__}: {error}); run the version that has written it, or a newer one, on "
                "this worker; if that is this one, see what `walletstream verify` says of the log"
            ) from error

    def _write(self, store: Store, state: Overlay, mark: Mark, progress: Progress) -> None:
        store.write(changes_of(state), mark)
        state.settle()
        forget_old_buckets(state, store, progress.time_ms)
