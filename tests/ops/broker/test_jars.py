"""The jar cache: fetched once, checked at every use, mended where it is damaged, safe between processes."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest

from ops.broker import BrokerError
from ops.broker.jars import LOCK_FILE, LockedJar, cache_dir, classpath, fetch_with_jgo, locked_jars
from ops.broker.locks import FileLock
from ops.broker.relock import resolve_lock

CONTENT = {f"org/example/{name}/1.0/{name}-1.0.jar": name.encode() * 1000 for name in ("alpha", "beta", "gamma")}
JARS = [LockedJar(PurePosixPath(path), hashlib.sha256(body).hexdigest()) for path, body in CONTENT.items()]


class FakeRepository:
    """Serves `CONTENT`; counts what is asked; can be told what to serve next instead."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.instead: dict[str, list[bytes | Exception]] = {}

    def fetch(self, jar: LockedJar, repository: Path) -> Path:
        path = str(jar.path)
        self.asked.append(path)
        answer: bytes | Exception = CONTENT[path]
        if self.instead.get(path):
            answer = self.instead[path].pop(0)
        if isinstance(answer, Exception):
            raise answer
        target = repository / path
        target.parent.mkdir(parents=True)
        target.write_bytes(answer)
        return target


@pytest.fixture
def remote() -> FakeRepository:
    return FakeRepository()


def resolve(cache: Path, remote: FakeRepository, lines: list[str] | None = None) -> list[Path]:
    announce = (lambda _line: None) if lines is None else lines.append
    return classpath(cache, jars=JARS, fetch=remote.fetch, announce=announce)


def test_the_lock_names_kafka_and_one_logging_backend() -> None:
    jars = locked_jars()
    coordinates = {jar.coordinate for jar in jars}
    assert len(jars) == len(coordinates) == 46
    assert ("org.apache.kafka", "kafka_2.13", "4.1.1") in coordinates
    assert ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3") in coordinates
    kafka_versions = {version for group, _, version in coordinates if group == "org.apache.kafka"}
    assert kafka_versions == {"4.1.1"}, "jars of several Kafka versions on one class path do not work"
    assert LOCK_FILE.read_text() == "".join(f"{jar.sha256}  {jar.path}\n" for jar in jars)


@pytest.mark.parametrize("line", ["", "abc  a/b/c/d.jar", "0" * 64 + " a/b/1/d.jar", "0" * 64 + "  ../b/1/d/x.zip"])
def test_a_bad_line_of_the_lock_is_named(tmp_path: Path, line: str) -> None:
    lock = tmp_path / "jars.sha256"
    lock.write_text("0" * 64 + f"  org/example/a/1/a-1.jar\n{line}\n")
    with pytest.raises(BrokerError, match="line 2"):
        locked_jars(lock)


def test_a_cold_cache_is_filled_and_a_warm_one_asks_for_nothing(tmp_path: Path, remote: FakeRepository) -> None:
    lines: list[str] = []
    first = resolve(tmp_path / "not" / "there", remote, lines)
    assert [path.read_bytes() for path in first] == list(CONTENT.values())
    assert sorted(remote.asked) == sorted(CONTENT)
    assert "3 jars" in lines[0]
    assert resolve(tmp_path / "not" / "there", remote, lines) == first
    assert len(remote.asked) == 3
    assert len(lines) == 1


@pytest.mark.parametrize("damage", [b"", b"alpha" * 999, b"ALPHA" * 1000])
def test_a_truncated_or_exchanged_jar_is_fetched_again_and_no_other(
    tmp_path: Path, remote: FakeRepository, damage: bytes
) -> None:
    paths = resolve(tmp_path, remote)
    modified = paths[0].stat().st_mtime_ns
    paths[0].write_bytes(damage)
    os.utime(paths[0], ns=(modified, modified))
    lines: list[str] = []
    remote.asked.clear()
    assert resolve(tmp_path, remote, lines) == paths
    assert remote.asked == [str(JARS[0].path)]
    assert paths[0].read_bytes() == b"alpha" * 1000
    assert "alpha-1.0.jar" in lines[0]
    assert "damaged" in lines[0]


def test_a_truncated_download_is_tried_once_more(tmp_path: Path, remote: FakeRepository) -> None:
    remote.instead[str(JARS[1].path)] = [b"beta"]
    assert resolve(tmp_path, remote)[1].read_bytes() == b"beta" * 1000
    assert remote.asked.count(str(JARS[1].path)) == 2


def test_a_failed_download_is_tried_once_more(tmp_path: Path, remote: FakeRepository) -> None:
    remote.instead[str(JARS[1].path)] = [ConnectionError("reset")]
    assert resolve(tmp_path, remote)[1].read_bytes() == b"beta" * 1000


@pytest.mark.parametrize(
    ("answer", "said"), [(b"evil", "another SHA-256"), (ConnectionError("no route"), "ConnectionError: no route")]
)
def test_a_download_that_fails_twice_is_an_error_and_leaves_no_file(
    tmp_path: Path, remote: FakeRepository, answer: bytes | Exception, said: str
) -> None:
    remote.instead[str(JARS[1].path)] = [answer, answer]
    with pytest.raises(BrokerError, match=said) as raised:
        resolve(tmp_path, remote)
    assert "beta-1.0.jar" in str(raised.value)
    assert not list(tmp_path.rglob("beta-1.0.jar"))
    assert not list(tmp_path.glob(".fetch-*"))
    remote.asked.clear()
    resolve(tmp_path, remote)
    assert remote.asked == [str(JARS[1].path)], "what had arrived is kept"


def test_a_full_disk_is_named(tmp_path: Path, remote: FakeRepository) -> None:
    remote.instead[str(JARS[0].path)] = [OSError(errno.ENOSPC, "No space left on device")]
    with pytest.raises(BrokerError, match="No space left on device; make room"):
        resolve(tmp_path, remote)


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path, remote: FakeRepository) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BrokerError, match="WALLETSTREAM_CACHE_DIR"):
        resolve(tmp_path / "file", remote)


def test_a_path_with_a_separator_is_refused(tmp_path: Path, remote: FakeRepository) -> None:
    with pytest.raises(BrokerError, match="class path"):
        resolve(tmp_path / f"a{os.pathsep}b", remote)


def test_left_overs_of_a_killed_download_are_removed(tmp_path: Path, remote: FakeRepository) -> None:
    (tmp_path / ".fetch-dead" / "org").mkdir(parents=True)
    resolve(tmp_path, remote)
    assert not (tmp_path / ".fetch-dead").exists()


def test_who_waits_for_the_lock_uses_what_the_other_fetched(tmp_path: Path, remote: FakeRepository) -> None:
    repository = resolve(tmp_path, remote)[0].parents[4]
    parked = tmp_path / "parked"
    repository.rename(parked)
    remote.asked.clear()
    with FileLock(tmp_path / "lock"):
        waiting = threading.Thread(target=resolve, args=(tmp_path, remote))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive(), "it did not wait for the lock"
        assert remote.asked == []
        repository.rmdir()  # made by the one that waits
        parked.rename(repository)
    waiting.join(10)
    assert not waiting.is_alive()
    assert remote.asked == []


def test_the_lock_holds_between_processes_and_dies_with_its_holder(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from ops.broker.locks import FileLock; "
        "FileLock(pathlib.Path(sys.argv[1])).acquire(wait=True); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        mine = FileLock(tmp_path / "lock")
        assert not mine.acquire(wait=False)
        holder.kill()
        holder.wait(10)
        assert mine.acquire(wait=False)
        mine.release()
    finally:
        holder.kill()
        holder.communicate()


@pytest.mark.kafka
def test_a_warm_start_imports_no_jgo() -> None:
    script = (
        "import sys; from ops.broker import EmbeddedBroker; from ops.broker.jars import classpath; classpath(); "
        "print([name for name in sys.modules if name.split('.')[0] in ('jgo', 'requests', 'faust', 'aiokafka')])"
    )
    classpath()
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_cache_is_where_the_user_says_or_where_it_can_be_written(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert cache_dir(home | {"WALLETSTREAM_CACHE_DIR": "/a/b", "XDG_CACHE_HOME": "/x"}) == Path("/a/b")
    assert cache_dir(home | {"XDG_CACHE_HOME": "/x"}) == Path("/x/walletstream")
    assert cache_dir(home) == tmp_path / ".cache" / "walletstream"
    for odd_home in ({}, {"HOME": ""}, {"HOME": "/nonexistent"}, {"HOME": "relative"}):
        assert cache_dir(odd_home) == Path(sys.prefix) / "cache" / "walletstream"


@pytest.mark.slow
class TestJgo:
    """The real jgo against a Maven repository served on loopback."""

    POM = (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>org.example</groupId><artifactId>{name}</artifactId><version>1.0</version>"
        "<dependencies>{dependencies}</dependencies></project>"
    )
    DEPENDENCY = (
        "<dependency><groupId>org.example</groupId><artifactId>{name}</artifactId><version>1.0</version>"
        "<scope>{scope}</scope></dependency>"
    )

    @pytest.fixture
    def address(self, tmp_path: Path) -> object:
        root = tmp_path / "served"
        needs = {"alpha": [("beta", "runtime"), ("gamma", "test")], "beta": [], "gamma": []}
        for path, body in CONTENT.items():
            jar = root / path
            jar.parent.mkdir(parents=True)
            jar.write_bytes(body)
            name = jar.parent.parent.name
            dependencies = "".join(self.DEPENDENCY.format(name=n, scope=s) for n, s in needs[name])
            jar.with_suffix(".pom").write_text(self.POM.format(name=name, dependencies=dependencies))
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root)))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
        server.server_close()

    def test_jars_come_from_the_mirror(self, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WALLETSTREAM_MAVEN_MIRROR", address + "/")
        monkeypatch.setenv("HOME", "/nonexistent")
        paths = classpath(tmp_path / "cache", jars=JARS, fetch=fetch_with_jgo)
        assert [path.read_bytes() for path in paths] == list(CONTENT.values())

    def test_a_jar_that_is_not_there_is_named(
        self, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WALLETSTREAM_MAVEN_MIRROR", address)
        missing = LockedJar(PurePosixPath("org/example/delta/1.0/delta-1.0.jar"), "0" * 64)
        with pytest.raises(BrokerError, match=r"cannot download delta-1\.0\.jar"):
            classpath(tmp_path / "cache", jars=[missing], fetch=fetch_with_jgo)

    def test_the_lock_holds_what_is_needed_at_run_time(self, address: str) -> None:
        text = resolve_lock("org.example:alpha:1.0", {"local": address})
        assert text == "".join(f"{jar.sha256}  {jar.path}\n" for jar in JARS[:2])


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass
