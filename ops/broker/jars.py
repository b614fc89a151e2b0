"""Apache Kafka's jars: which they are, where they are kept, and that they are what they should be.

`jars.sha256` beside this file is the lock: one line for each jar, its SHA-256 and its path in a Maven repository,
as `sha256sum -c` reads it. `python -m ops.broker lock` writes it anew. What the lock names is downloaded once into
a cache that all processes of a user share. Every start of a broker reads all jars and checks their sums (43 MB,
0.03 s), so a truncated or exchanged jar is never run.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ops.broker.errors import BrokerError
from ops.broker.locks import FileLock

KAFKA_VERSION = "4.1.1"
LOCK_FILE = Path(__file__).with_name("jars.sha256")
_LINE = re.compile(r"([0-9a-f]{64})  ([\w.+-]+(?:/[\w.+-]+){3,}\.jar)")
_DOWNLOADS_AT_ONCE = 8


@dataclass(frozen=True)
class LockedJar:
    """One jar of the lock.

    Attributes:
        path: its path in a Maven repository, `group/with/slashes/artifact/version/file.jar`.
        sha256: the sum of its bytes, in hexadecimal.
    """

    path: PurePosixPath
    sha256: str

    @property
    def coordinate(self) -> tuple[str, str, str]:
        """Maven's group id, artifact id and version."""
        *group, artifact, version, _file = self.path.parts
        return ".".join(group), artifact, version

    def is_intact(self, repository: Path) -> bool:
        """Whether the file below `repository` is there and has the sum of the lock."""
        try:
            with (repository / self.path).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except OSError:
            return False


#: Download one jar into an empty Maven repository folder and say where the file is.
Fetch = Callable[[LockedJar, Path], Path]
#: Show one line to whoever waits.
Announce = Callable[[str], None]


def locked_jars(lock_file: Path = LOCK_FILE) -> list[LockedJar]:
    """The jars of the lock, in its order.

    Raises:
        BrokerError: a line is not `<sha256>  <path>`.
    """
    jars = []
    for number, line in enumerate(lock_file.read_text(encoding="utf-8").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise BrokerError(f"{lock_file}, line {number}: not `<sha256>  <path>.jar`: {line!r}")
        jars.append(LockedJar(PurePosixPath(match.group(2)), match.group(1)))
    return jars


def cache_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where jars are kept: `WALLETSTREAM_CACHE_DIR`, else `walletstream` in the user's cache folder, else,
    where the user has no writable home, a folder of the Python environment."""
    environ = os.environ if environ is None else environ
    if given := environ.get("WALLETSTREAM_CACHE_DIR"):
        return Path(given).absolute()
    if xdg := environ.get("XDG_CACHE_HOME"):
        return Path(xdg).absolute() / "walletstream"
    home = Path(environ.get("HOME") or "/nonexistent")
    if home.is_absolute() and os.access(home, os.W_OK | os.X_OK):
        return home / ".cache" / "walletstream"
    return Path(sys.prefix) / "cache" / "walletstream"


def fetch_with_jgo(jar: LockedJar, repository: Path) -> Path:
    """Download one jar by jgo from Maven Central, or from the mirror that `WALLETSTREAM_MAVEN_MIRROR` names.

    Raises:
        BrokerError: jgo is not installed.
        Exception: whatever jgo and requests raise where the download fails.
    """
    try:
        from jgo.maven import MavenContext
    except ImportError as error:
        raise BrokerError(
            "jgo is not installed, so Apache Kafka cannot be downloaded; install the extra `walletstream[broker]`"
        ) from error
    mirror = os.environ.get("WALLETSTREAM_MAVEN_MIRROR")
    context = MavenContext(repo_cache=repository, remote_repos={"mirror": mirror.rstrip("/")} if mirror else None)
    group, artifact, version = jar.coordinate
    return context.project(group, artifact).at_version(version).artifact().resolve()


def _fetch_intact(jar: LockedJar, repository: Path, fetch: Fetch) -> None:
    """Download `jar` beside `repository` and put it there in one step, so that nobody ever sees half a jar.

    A download that fails or has a wrong sum is thrown away and tried once more.
    """
    reason = ""
    for _attempt in range(2):
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=repository.parent) as staging:
            try:
                fetched = fetch(jar, Path(staging))
            except BrokerError:
                raise
            except Exception as error:
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    raise
                reason = f"{type(error).__name__}: {error}"
                continue
            found = LockedJar(PurePosixPath(fetched.relative_to(staging).as_posix()), jar.sha256)
            if not found.is_intact(Path(staging)):
                reason = f"what arrived ({fetched.stat().st_size} bytes) has another SHA-256 than {LOCK_FILE.name} says"
                continue
            target = repository / jar.path
            target.parent.mkdir(parents=True, exist_ok=True)
            fetched.replace(target)
            return
    raise BrokerError(
        f"cannot download {jar.path.name} of Apache Kafka {KAFKA_VERSION}: {reason}. The broker's jars are fetched "
        "once from Maven Central (or the mirror that WALLETSTREAM_MAVEN_MIRROR names); check the network, or copy "
        f"{repository} from a machine that has it"
    )


def _mend(jars: Sequence[LockedJar], repository: Path, fetch: Fetch, announce: Announce) -> None:
    """Under the cache's lock: throw away what is broken and fetch what is missing."""
    with FileLock(repository.parent / "lock"):
        wanted = [jar for jar in jars if not jar.is_intact(repository)]
        if not wanted:
            return  # another process did it while this one waited for the lock
        for broken in (jar for jar in wanted if (repository / jar.path).exists()):
            announce(f"{broken.path.name} in {repository} is damaged: fetching it again")
            (repository / broken.path).unlink()
        announce(f"fetching Apache Kafka {KAFKA_VERSION}: {len(wanted)} jars, once, into {repository}")
        for left_over in repository.parent.glob(".fetch-*"):  # of a process that was killed; the lock is ours
            shutil.rmtree(left_over, ignore_errors=True)
        with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
            for outcome in [pool.submit(_fetch_intact, jar, repository, fetch) for jar in wanted]:
                outcome.result()


def _ignore(_line: str) -> None:
    pass


def classpath(
    cache: Path | None = None,
    *,
    jars: Sequence[LockedJar] | None = None,
    fetch: Fetch = fetch_with_jgo,
    announce: Announce = _ignore,
) -> list[Path]:
    """All jars of the broker as files whose SHA-256 was just checked, downloading what is missing or damaged.

    Args:
        cache: the folder that keeps them; default `cache_dir()`. Any number of processes may share it.
        jars: which jars; default those of the lock.
        fetch: how one jar is downloaded.
        announce: gets a line where something is downloaded or mended.

    Raises:
        BrokerError: a jar cannot be had, has a wrong sum twice, or the cache cannot be written.
    """
    jars = locked_jars() if jars is None else jars
    cache = cache_dir() if cache is None else cache.absolute()
    repository = cache / f"kafka-{KAFKA_VERSION}"
    if os.pathsep in str(repository):
        raise BrokerError(f"{repository} has a {os.pathsep!r} in its path: a Java class path cannot name it")
    if not all(jar.is_intact(repository) for jar in jars):
        try:
            repository.mkdir(parents=True, exist_ok=True)
            _mend(jars, repository, fetch, announce)
        except OSError as error:
            raise BrokerError(
                f"cannot write the jar cache {cache}: {error.strerror or error}; "
                "make room or rights there, or set WALLETSTREAM_CACHE_DIR to another folder"
            ) from error
    return [repository / jar.path for jar in jars]
