"""One Apache Kafka node on loopback, run as a child process: no Docker, no ZooKeeper, no installation."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from ops.broker.diagnosis import ADDRESS_IN_USE, explain
from ops.broker.errors import BrokerError
from ops.broker.jars import KAFKA_VERSION, classpath
from ops.broker.java import find_java
from ops.broker.listeners import Listener
from ops.broker.locks import FileLock
from ops.broker.ports import free_ports, in_url, require_free
from ops.broker.properties import LOG4J, READY_LINE, server_properties
from ops.broker.spawn import spawn_leashed

_LEAST_FREE_BYTES = 256 << 20
_KEPT_LOG_BYTES = 16 << 20
#: The quick compiler alone, and no threads for the garbage: the thorough compiler runs for minutes on the cores that
#: workers need, and the broker's own time for a request is less without its barriers (decision 47).
_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_FORMAT_HEAP = "-Xmx256m"


def _silence(_line: str) -> None:
    pass


class EmbeddedBroker:
    """A single KRaft node (broker and controller) of Apache Kafka on one data folder.

    A context manager: entering starts it, leaving stops it. It can be stopped, killed and started again any
    number of times and keeps its port and its data. On Linux it never outlives the process that started it.
    Not safe for use by several threads at once.

    Args:
        data_dir: its folder: `log/` with the data, `broker.log`, configuration. Made where it is missing.
        port: clients' port; 0 chooses a free one at the first start and keeps it.
        host: address to listen on.
        java: a `java` executable; default: see `find_java`.
        heap_mb: the largest Java heap, in MiB.
        jvm_options: further options of the Java process, after its own; another collector needs `-XX:-UseSerialGC` too.
        overrides: further Kafka settings.
        listeners: further listeners: `address_of` says where.
        scram_users: passwords of users that a new data folder is given, for logins by SCRAM.
        cache: the folder of the jars; default: see `cache_dir`.
        announce: gets a line where something takes long, such as the first download.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        java: str | Path | None = None,
        heap_mb: int = 512,
        jvm_options: Sequence[str] = (),
        overrides: Mapping[str, str] | None = None,
        listeners: Sequence[Listener] = (),
        scram_users: Mapping[str, str] | None = None,
        cache: Path | None = None,
        announce: Callable[[str], None] = _silence,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.host = host
        self.port = port
        self.log_path = self.data_dir / "broker.log"
        self._java = java
        self._jvm_options = (*_JVM, f"-Xmx{heap_mb}m", *jvm_options)
        self._overrides = dict(overrides or {})
        self._listeners = tuple(listeners)
        self._listener_ports: tuple[int, ...] = ()
        self._scram_users = dict(scram_users or {})
        self._cache = cache
        self._announce = announce
        self._process: subprocess.Popen[bytes] | None = None
        self._claim = FileLock(self.data_dir / ".claim")
        self._start_of_log = 0

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients; known after the first start where the port was chosen."""
        return f"{in_url(self.host)}:{self.port}"

    def address_of(self, listener: str) -> str:
        """`host:port` of a further listener by its name; known after the first start."""
        ports = dict(zip((one.name for one in self._listeners), self._listener_ports, strict=True))
        return f"{in_url(self.host)}:{ports[listener]}"

    @property
    def running(self) -> bool:
        """Whether the Java process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the Java process.

        Raises:
            BrokerError: it does not run.
        """
        if self._process is None or not self.running:
            raise BrokerError("the broker does not run")
        return self._process.pid

    def start(self, timeout_s: float = 60.0) -> None:
        """Start the node and return when it serves clients.

        Raises:
            BrokerError: it runs already; no Java; the jars cannot be had; the port is in use; the folder is
                another broker's, not writable or nearly full; it died, with the last lines of its log; it was
                not ready within `timeout_s` seconds.
        """
        if self.running:
            raise BrokerError(f"the broker runs already, as process {self.pid}")
        self.kill()  # lets go of one that died by itself
        java = find_java(self._java)
        jars = classpath(self._cache, announce=self._announce)
        base = [str(java.path.absolute()), "-cp", os.pathsep.join(map(str, jars))]
        self._claim_data_dir()
        try:
            chosen_port, chosen_others = self.port, self._listener_ports
            for attempts_left in (2, 1, 0):
                try:
                    self._start_once(base, time.monotonic() + timeout_s)
                    return
                except BrokerError as error:
                    # Between choosing a free port and listening on it another process may have taken it.
                    if ADDRESS_IN_USE not in str(error) or attempts_left == 0:
                        raise
                    self.port, self._listener_ports = chosen_port, chosen_others
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout_s: float = 20.0) -> None:
        """Stop it in order (SIGTERM), by force (SIGKILL) after `timeout_s` seconds. Does nothing where it is down."""
        if self._process is not None and self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """Kill it as `kill -9` does and wait until it is gone. Does nothing where it is down."""
        if self._process is not None:
            if self._process.poll() is None:
                # A stopped process (SIGSTOP) is killed too: SIGKILL needs no SIGCONT.
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
        self._claim.release()

    def restart(self, timeout_s: float = 60.0) -> None:
        """Stop it in order where it runs, then start it on the same port and data."""
        self.stop()
        self.start(timeout_s)

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait until the Java process ends: its exit code (negative: the signal), None after `timeout_s` seconds.

        Raises:
            BrokerError: it does not run and has not run since the last stop.
        """
        if self._process is None:
            raise BrokerError("the broker does not run")
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def failure(self) -> str:
        """Why the Java process ended, for people: the known cause if there is one, and its last log lines."""
        code = None if self._process is None else self._process.poll()
        return explain(f"the broker ended with exit code {code}", self.log_path, self._start_of_log)

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _claim_data_dir(self) -> None:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.data_dir).free
            if free < _LEAST_FREE_BYTES:
                raise BrokerError(
                    f"only {free >> 20} MiB are free on the disk of {self.data_dir}; the broker wants at least "
                    f"{_LEAST_FREE_BYTES >> 20} MiB: make room or choose another data folder"
                )
            if not self._claim.acquire(wait=False):
                raise BrokerError(f"{self.data_dir} belongs to a broker that runs; stop it or choose another folder")
        except OSError as error:
            raise BrokerError(f"cannot use the data folder {self.data_dir}: {error.strerror or error}") from error

    def _start_once(self, base: list[str], deadline: float) -> None:
        controller_port, free, *others = free_ports(self.host, 2 + len(self._listeners))
        if self.port == 0:
            self.port = free
        else:
            require_free(self.host, self.port)
        for one in self._listeners:
            if one.port:
                require_free(self.host, one.port)
        chosen = (one.port or other for one, other in zip(self._listeners, others, strict=True))
        self._listener_ports = self._listener_ports or tuple(chosen)
        base = [*base, *self._prepare(controller_port)]
        # An earlier start's lines must not be taken for this one's.
        self._start_of_log = self.log_path.stat().st_size if self.log_path.exists() else 0
        self._format(base)
        options = (*self._jvm_options, "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true")
        command = [base[0], *options, *base[1:], "kafka.Kafka", str(self.data_dir / "server.properties")]
        with self.log_path.open("ab") as output:
            self._process = spawn_leashed(command, output=output, cwd=self.data_dir)
        self._await_ready(deadline)

    def _prepare(self, controller_port: int) -> list[str]:
        """Write the configuration files; the Java options that name them."""
        properties = server_properties(
            host=self.host,
            port=self.port,
            controller_port=controller_port,
            log_dir=self.data_dir / "log",
            overrides=self._overrides,
            listeners=self._listeners,
            listener_ports=self._listener_ports,
        )
        # Native libraries are unpacked here: a killed JVM leaves them, and the system's folder would fill up.
        temporary = self.data_dir / "tmp"
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            # Of logins it has the passwords.
            (self.data_dir / "server.properties").touch(mode=0o600)
            (self.data_dir / "server.properties").chmod(0o600)
            (self.data_dir / "server.properties").write_text(properties, encoding="ascii")
            (self.data_dir / "log4j2.properties").write_text(LOG4J, encoding="ascii")
            if self.log_path.exists() and self.log_path.stat().st_size > _KEPT_LOG_BYTES:
                self.log_path.replace(self.log_path.with_suffix(".log.1"))
        except OSError as error:
            raise BrokerError(f"cannot write to {self.data_dir}: {error.strerror or error}") from error
        return [
            f"-Dlog4j2.configurationFile={(self.data_dir / 'log4j2.properties').as_uri()}",
            f"-Djava.io.tmpdir={temporary}",
            "-XX:-UsePerfData",
        ]

    def _format(self, base: list[str]) -> None:
        """Give a new data folder its identity (`kafka-storage format`); an old one keeps what it has."""
        if (self.data_dir / "log" / "meta.properties").exists():
            return
        cluster_id = urlsafe_b64encode(uuid4().bytes).rstrip(b"=").decode()
        # With `=`: an id may begin with a dash.
        arguments = [f"--cluster-id={cluster_id}", "--config", str(self.data_dir / "server.properties")]
        for user, password in self._scram_users.items():
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                arguments += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
        command = [base[0], *_JVM, _FORMAT_HEAP, *base[1:], "kafka.tools.StorageTool", "format", *arguments]
        with self.log_path.open("ab") as output:
            self._process = spawn_leashed(command, output=output, cwd=self.data_dir)
        code = self.wait(60.0)
        if code != 0:
            what = "did not end within 60 s" if code is None else f"ended with exit code {code}"
            raise BrokerError(explain(f"formatting {self.data_dir} {what}", self.log_path, self._start_of_log))

    def _await_ready(self, deadline: float) -> None:
        with self.log_path.open("rb") as log:
            log.seek(self._start_of_log)
            seen = b""
            while True:
                seen += log.read()
                if READY_LINE.encode() in seen:
                    return
                if not self.running:
                    raise BrokerError(self.failure())
                if time.monotonic() > deadline:
                    what = f"Kafka {KAFKA_VERSION} was not ready in time"
                    raise BrokerError(explain(what, self.log_path, self._start_of_log))
                time.sleep(0.02)
