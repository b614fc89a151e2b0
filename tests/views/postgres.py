"""A PostgreSQL server of a test run's own, where the machine has the program: on a socket, without a port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_USER = "postgres"


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`, or None where there is none that can be run."""
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    usable = [folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()]
    if not usable or (os.geteuid() == 0 and not _has_user()):
        return None
    return usable[0]


def _has_user() -> bool:
    """PostgreSQL refuses to run as root."""
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        return False
    return True


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """Runs a server from the programs in `folder`; yields the URL of its database."""
    user = _USER if os.geteuid() == 0 else None
    # Not pytest's folder: the path of a socket is short, and the server's user must be able to go there.
    with tempfile.TemporaryDirectory(prefix="ws-pg-", ignore_cleanup_errors=True) as base:
        if user is not None:
            shutil.chown(base, user)
        data = f"{base}/data"
        initdb = [str(folder / "initdb"), "-D", data, "-U", "views", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, user=user, check=True, capture_output=True, cwd=base)
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "deadlock_timeout=200ms"]
        server = subprocess.Popen(
            [folder / "postgres", "-D", data, "-k", base, *options],
            user=user,
            cwd=base,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_ready(folder, base, server)
            yield f"postgresql://views@/postgres?host={base}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)


def _wait_until_ready(folder: Path, base: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while subprocess.run([folder / "pg_isready", "-q", "-h", base], check=False).returncode:
        assert server.poll() is None, "the server has ended"
        assert time.monotonic() < deadline, "the server is not ready after 30 s"
        time.sleep(0.1)
