"""The broker's configuration files, as text. Pure: no file is read or written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.broker.errors import BrokerError
from ops.broker.listeners import Listener, with_listeners
from ops.broker.ports import in_url

#: What every single-node broker of ours runs with, embedded or in a container; all else is Kafka's default.
SINGLE_NODE: dict[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    # A topic that nobody applied is an error to be seen, not to be papered over.
    "auto.create.topics.enable": "false",
    # There is one node. Few partitions: creating 50 of each, as Kafka does, costs seconds at the first commit
    # and the first transaction; 8 transaction partitions still keep 8 ledger partitions' coordinators apart.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # The first member of a group need not wait for others; sessions may be as short as a test wants them.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A transaction whose producer died is aborted within a second of its time limit, not within ten.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # A broker killed by -9 is let back in once its session is over: in 5 s instead of Kafka's 12, and still
    # six missed heartbeats before a starved machine fences it.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # Default of topics that set none: room for a dead letter of two records of Kafka's default size and more.
    "message.max.bytes": str(8 << 20),
    # Kafka takes 128 MiB of the heap for compaction at start; this is enough for 600,000 keys a pass.
    "log.cleaner.dedupe.buffer.size": str(16 << 20),
}

#: Warnings and worse, and the one line of KafkaRaftServer that says the broker is ready.
LOG4J = """\
status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %m (%c{1})%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
"""

READY_LINE = "Kafka Server started"


def escape_value(value: str) -> str:
    r"""A value as `java.util.Properties.load` reads it back: backslashes doubled, all but ASCII as `\uXXXX`."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    escaped = []
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = high << 8 | low
        escaped.append(chr(code) if 0x20 <= code < 0x7F else f"\\u{code:04x}")
    text = "".join(escaped)
    return f"\\{text}" if text.startswith(" ") else text


def server_properties(
    *,
    host: str,
    port: int,
    controller_port: int,
    log_dir: Path,
    overrides: Mapping[str, str] | None = None,
    listeners: Sequence[Listener] = (),
    listener_ports: Sequence[int] = (),
) -> str:
    """`server.properties` of one KRaft node that is broker and controller.

    Args:
        host: address that both listeners bind and that clients are told.
        port: clients' port.
        controller_port: the controller's port; the quorum is static (KIP-595), so it may change between starts.
        log_dir: where the log is kept.
        overrides: settings that replace or join ours.
        listeners: further ones.
        listener_ports: their ports, in the same order.

    Raises:
        BrokerError: `log_dir` has a comma, which Kafka would read as two folders.
    """
    if "," in str(log_dir):
        raise BrokerError(f"{log_dir} has a comma in its path, which Kafka reads as two folders; choose another")
    host = in_url(host)
    settings = SINGLE_NODE | {
        "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "controller.quorum.voters": f"1@{host}:{controller_port}",
        "log.dirs": str(log_dir),
    }
    settings = with_listeners(settings, host, listeners, listener_ports) | dict(overrides or {})
    return "".join(f"{name}={escape_value(value)}\n" for name, value in settings.items())


def container_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Kafka settings as variables of the `apache/kafka` image: `node.id` is `KAFKA_NODE_ID`."""
    return {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in settings.items()}
