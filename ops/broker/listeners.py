"""Further listeners of the embedded broker, such as ones with TLS or a login, beside the plain one on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Listener:
    """One listener for clients.

    Args:
        name: upper-case letters.
        protocol: how clients speak to it.
        settings: Kafka's settings of this listener, such as `ssl.keystore.location`, without its name before them.
        port: where it listens; 0: a free port, kept from the first start on.
    """

    name: str
    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = 0


def with_listeners(
    settings: Mapping[str, str], host: str, listeners: Sequence[Listener], ports: Sequence[int]
) -> dict[str, str]:
    """Kafka settings of a node that has these listeners too; each listens on `host` and its port."""
    places = [f"{one.name}://{host}:{port}" for one, port in zip(listeners, ports, strict=True)]
    protocols = [f"{one.name}:{one.protocol}" for one in listeners]
    joined = {
        "listeners": places,
        "advertised.listeners": places,
        "listener.security.protocol.map": protocols,
    }
    found = {name: ",".join([settings[name], *more]) for name, more in joined.items()}
    return {**settings, **found, **dict(_own(listeners))}


def _own(listeners: Sequence[Listener]) -> Iterator[tuple[str, str]]:
    for one in listeners:
        for name, value in one.settings.items():
            yield f"listener.name.{one.name.lower()}.{name}", value
