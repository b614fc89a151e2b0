"""TCP ports on loopback for a broker."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import ExitStack
from pathlib import Path

from ops.broker.errors import BrokerError

_FIRST_PORT = 15_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def _bind(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # As Java's listeners do: connections of a broker that has just stopped do not count as "in use".
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def require_free(host: str, port: int) -> None:
    """Check that a broker can listen on `host:port`.

    Raises:
        BrokerError: somebody else listens there, or this process may not.
    """
    try:
        _bind(host, port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BrokerError(
                f"port {port} on {host} is in use; stop what listens there (`ss -ltnp` names it) or choose another port"
            ) from error
        raise BrokerError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


def _last_port() -> int:
    """The last port below the kernel's ephemeral range.

    A port inside that range can be handed to any outgoing connection while a broker restarts; a client that
    keeps dialling it can even connect to itself and hold the port for good.
    """
    try:
        return int(_EPHEMERAL_RANGE.read_text().split()[0]) - 1
    except (OSError, ValueError, IndexError):
        return 32_767


def free_ports(host: str, count: int) -> list[int]:
    """`count` different ports that nobody listens on, below the kernel's ephemeral range where that is possible.

    They are free at this moment and not reserved: who starts a listener on one must cope with losing it.

    Raises:
        BrokerError: none is to be had.
    """
    last_port = _last_port()
    with ExitStack() as held:
        ports: list[int] = []
        for _ in range(200):
            port = random.randint(_FIRST_PORT, last_port) if last_port > _FIRST_PORT + 100 else 0
            try:
                sock = held.enter_context(_bind(host, port))
            except OSError:
                continue
            # Two sockets that do not listen may have the same port, as SO_REUSEADDR goes.
            if sock.getsockname()[1] not in ports:
                ports.append(sock.getsockname()[1])
            if len(ports) == count:
                return ports
    raise BrokerError(f"found no {count} free ports on {host}")
