"""Files of statements on disk: read within a limit, and kept under their SHA-256, whatever becomes of them."""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from agents.statements.reading import ReadFile, Reading, read_statements, refused, too_large
from agents.statements.refusal import Refusal
from ops.errors import OperationError
from schemas.external_statements import RefusedFile, StatementSource

#: Larger ones are not even hashed.
_MOST_HASHED_BYTES: Final = 8 << 30
_CHUNK_BYTES: Final = 1 << 20


def read_file(path: Path, reading: Reading) -> tuple[ReadFile | RefusedFile, bytes | None]:
    """Read and prove a file; with its bytes, or None where it is too large to be read.

    Raises:
        OperationError: it cannot be read, is no regular file, or is larger than what is hashed.
    """
    try:
        # Without waiting for a writer, should it be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise OperationError(f"{path} cannot be read: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OperationError(f"{path} is no regular file")
        if status.st_size > reading.max_bytes:
            return _too_large(path, descriptor, status.st_size, reading), None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(reading.max_bytes + 1)
    except OSError as error:
        raise OperationError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(data) > reading.max_bytes:
        raise OperationError(f"{path} grows while it is read: import it once it is whole")
    return read_statements(_name(path), data, reading), data


def _name(path: Path) -> str:
    """Base name of a file; bytes of it that are no text are told by their numbers."""
    return os.fsencode(path.name).decode(errors="backslashreplace")


def _too_large(path: Path, descriptor: int, size_bytes: int, reading: Reading) -> RefusedFile:
    if size_bytes > _MOST_HASHED_BYTES:
        raise OperationError(f"{path} has {size_bytes:,} bytes: no statement has so many")
    digest = sha256()
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        digest.update(chunk)
    source = StatementSource(file=_name(path), sha256=digest.hexdigest(), size_bytes=size_bytes)
    return refused(Refusal("too_large", too_large(size_bytes, reading.max_bytes)), source, reading, kept=False)


def kept_path(data_dir: Path, file_sha256: str) -> Path:
    """Where the bytes of a file are kept."""
    return data_dir / "statements" / file_sha256[:2] / file_sha256


def keep(data_dir: Path, file_sha256: str, data: bytes) -> Path:
    """Keep a file: whole and on disk when this returns, or not at all. Keeping it again changes nothing.

    Raises:
        OperationError: the disk does not take it.
    """
    path = kept_path(data_dir, file_sha256)
    try:
        if path.is_file() and path.stat().st_size == len(data):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OperationError(f"{path} cannot be written, so that nothing was imported: {error.strerror}") from error
    return path


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
