"""Free ports, and ports that are not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ops.broker import BrokerError, ports
from ops.broker.ports import free_ports, require_free


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_a_port_with_a_listener_is_refused_and_a_free_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} on 127.0.0.1 is in use"):
            require_free("127.0.0.1", port)
    require_free("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(BrokerError, match=r"cannot listen on 192\.0\.2\.1:9092"):
        require_free("192.0.2.1", 9092)


def test_free_ports_say_why_there_are_none() -> None:
    with pytest.raises(BrokerError, match=r"no port is to be had on 192\.0\.2\.1: Cannot assign"):
        free_ports("192.0.2.1", 2)
    for find in (lambda host: free_ports(host, 2), lambda host: require_free(host, 9092)):
        with pytest.raises(BrokerError, match=r"no-such-host\.invalid is no address of this machine"):
            find("no-such-host.invalid")


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_ports_of_an_ipv6_address() -> None:
    (port,) = free_ports("::1", 1)
    require_free("::1", port)
    with socket.create_server(("::1", port), family=socket.AF_INET6), pytest.raises(BrokerError, match="is in use"):
        require_free("::1", port)


def test_free_ports_differ_and_lie_below_the_ephemeral_range(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setting = tmp_path / "range"
    setting.write_text("32768\t60999\n")
    monkeypatch.setattr(ports, "_EPHEMERAL_RANGE", setting)
    found = free_ports("127.0.0.1", 20)
    assert len(set(found)) == 20
    assert all(15_000 <= port < 32_768 for port in found)


@pytest.mark.parametrize("text", ["1024 65535", "nonsense", ""])
def test_an_odd_ephemeral_range_still_gives_ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    setting = tmp_path / "range"
    setting.write_text(text)
    monkeypatch.setattr(ports, "_EPHEMERAL_RANGE", setting)
    assert len(set(free_ports("127.0.0.1", 3))) == 3
