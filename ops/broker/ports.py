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


def in_url(host: str) -> str:
    """The address as it stands before a colon and a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _family_of(host: str) -> socket.AddressFamily:
    """
    Raises:
        BrokerError: the name leads to no address.
    """
    try:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except (OSError, UnicodeError) as error:
        raise BrokerError(f"{host} is no address of this machine: {error}") from error


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
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
    family = _family_of(host)
    try:
        _bind(family, host, port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BrokerError(
                f"port {port} on {host} is in use; stop what listens there (`ss -ltnp` names it) or choose another port"
            ) from error
        raise BrokerError(f"cannot listen on {in_url(host)}:{port}: {error.strerror or error}") from error


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
    last_port, family = _last_port(), _family_of(host)
    reason = "all that were tried are in use"
    with ExitStack() as held:
        ports: list[int] = []
        for _ in range(200):
            port = random.randint(_FIRST_PORT, last_port) if last_port > _FIRST_PORT + 100 else 0
            try:
                sock = held.enter_context(_bind(family, host, port))
            except OSError as error:
                reason = error.strerror or str(error)
                continue
            # Two sockets that do not listen may have the same port, as SO_REUSEADDR goes.
            if sock.getsockname()[1] not in ports:
                ports.append(sock.getsockname()[1])
            if len(ports) == count:
                return ports
    raise BrokerError(f"no port is to be had on {host}: {reason}")
