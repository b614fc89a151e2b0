"""What a demo stands on: its folder, the settings of its processes, and the process that verifies the ledger."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ops.broker.spawn import spawn_leashed
from streams.connection import plain_environment
from streams.settings import Settings

PARTITIONS: Final = 4
_NAMESPACE: Final = "demo."
#: A dead worker is noticed after this; sooner than by default, so that the demo need not wait, yet late enough for the
#: new process to be there by then.
_SESSION_S: Final = "6"


@contextmanager
def folder(keep: bool) -> Iterator[Path]:
    """A folder for everything that the demo writes, removed at the end unless it is to be kept."""
    path = Path(tempfile.mkdtemp(prefix="walletstream-demo-"))
    try:
        yield path
    finally:
        if not keep:
            shutil.rmtree(path, ignore_errors=True)


def environment_of(path: Path, bootstrap_servers: str, namespace: str = _NAMESPACE) -> dict[str, str]:
    """The settings that every process of the demo runs with."""
    return {
        **plain_environment(),
        "WALLETSTREAM_BOOTSTRAP_SERVERS": bootstrap_servers,
        "WALLETSTREAM_NAMESPACE": namespace,
        "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
        "WALLETSTREAM_DATA_DIR": str(path / f"{namespace}data"),
        "WALLETSTREAM_DURABILITY": "embedded",
        "WALLETSTREAM_SESSION_TIMEOUT_S": _SESSION_S,
    }


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The same settings in this process."""
    return Settings.model_validate(
        {name.removeprefix("WALLETSTREAM_").lower(): value for name, value in environment.items()}
    )


async def verify(path: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run `walletstream verify` in a process of its own: its exit code and the last line that it says."""
    said = path / f"{environment['WALLETSTREAM_NAMESPACE']}verify.log"
    env = shutil.which("env") or "/usr/bin/env"
    pairs = [f"{name}={value}" for name, value in environment.items()]
    with said.open("wb") as output:
        command = [env, *pairs, sys.executable, "-P", "-m", "ops", "verify"]
        process = spawn_leashed(command, output=output, cwd=path)
    try:
        code = await asyncio.to_thread(process.wait)
    finally:
        process.kill()
    lines = [line for line in said.read_text(errors="replace").splitlines() if line.strip()]
    return code, lines[-1] if lines else f"verify said nothing and ended with exit code {code}"
