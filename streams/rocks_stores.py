"""Where a worker keeps the local state of its partitions: opening, replacing and cleaning up RocksDB directories."""

from __future__ import annotations

import fcntl
import logging
import secrets
import shutil
from pathlib import Path

from streams.errors import StoreError
from streams.rocks import RocksStore, is_corrupt, is_damage
from streams.rocks_memory import StoreMemory

log = logging.getLogger(__name__)


class RocksStores:
    """Opens the stores of one worker below `DATA_DIR/<worker id>` (a `Stores`)."""

    def __init__(self, data_dir: Path, worker_id: str, memory: StoreMemory):
        """Deletes what earlier processes left in directories of their own (`<partition>~<random>`).

        Raises:
            StoreError: the directory cannot be made or read.
        """
        self._folder = data_dir / worker_id
        self._memory = memory
        #: This process's own directory of each partition whose usual one another process holds.
        self._own: dict[int, Path] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in self._folder.glob("*~*"):
                if not _is_locked(path):
                    shutil.rmtree(path, ignore_errors=True)
        except OSError as error:
            raise StoreError(f"{self._folder} cannot be used: {error}; set WALLETSTREAM_DATA_DIR") from error

    def open(self, partition: int) -> RocksStore:
        """The partition's store, as it was left; empty where that is torn, corrupt or held by another process.

        Raises:
            StoreError: it cannot be opened.
        """
        path = self._folder / str(partition)
        try:
            return self._open_usable(partition, path)
        except StoreError as error:
            if not is_locked_elsewhere(error):
                raise
        log.warning("another process holds %s: partition %d gets a directory of its own", path, partition)
        return self._open_usable(partition, self._own_path(partition))

    def _open_usable(self, partition: int, path: Path) -> RocksStore:
        """The store at `path` as it was left, or an empty one."""
        if is_corrupt(path):
            reason = "it was found corrupt"
        else:
            try:
                store = RocksStore(path, self._memory)
            except StoreError as error:
                if not is_damage(error):
                    raise
                reason = str(error)
            else:
                found = _fault_of(store)
                if found is None:
                    return store
                reason = found
        log.warning("the state at %s cannot be used and is rebuilt from the event log: %s", path, reason)
        return self.open_empty(partition)

    def open_empty(self, partition: int) -> RocksStore:
        """An empty store for the partition; what was there is deleted."""
        path = self._folder / str(partition)
        try:
            if _is_locked(path):
                path = self._own_path(partition)
            _delete(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be deleted: {error}; delete it by hand") from error
        return RocksStore(path, self._memory)

    def _own_path(self, partition: int) -> Path:
        return self._own.setdefault(partition, self._folder / f"{partition}~{secrets.token_hex(4)}")


def _delete(path: Path) -> None:
    """Delete a store, of which a crash leaves nothing under its name: what is left of it is deleted at the next start.

    Raises:
        OSError: it cannot be deleted.
    """
    if path.exists():
        doomed = path.rename(path.with_name(f"{path.name}~{secrets.token_hex(4)}"))
        shutil.rmtree(doomed)


def _fault_of(store: RocksStore) -> str | None:
    """Why an open store cannot be used, which is then closed; None where it can.

    Raises:
        StoreError: it cannot be read, for a reason that a rebuild does not mend.
    """
    try:
        if not store.is_torn():
            return None
    except StoreError as error:
        store.close()
        if not is_damage(error):
            raise
        return str(error)
    store.close()
    return "its tables are not at the same seal"


def is_locked_elsewhere(error: StoreError) -> bool:
    """True where another process has the store open; within one process that is a bug and an error."""
    return "While lock file" in str(error)


def _is_locked(path: Path) -> bool:
    """True where another process holds RocksDB's lock on the directory.

    Only for directories that this process does not have open: closing the file would drop its own lock.
    """
    try:
        with (path / "LOCK").open("r+b") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
    except FileNotFoundError:
        pass
    return False
