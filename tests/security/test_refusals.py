"""Each way in which brokers do not let us in is told apart, with what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops import admin
from ops.errors import OperationError
from streams.connection import Brokers
from streams.refusals import why_refused
from tests.security.certificates import Authority, encrypt_key
from tests.security.secured import USERS, Secured

pytestmark = pytest.mark.kafka
Make = Callable[[Secured], Brokers]


def tls(listener: str, **values: Any) -> Make:
    def make(kafka: Secured) -> Brokers:
        ca = kafka.authority.certificate
        return kafka.settings(listener, **{"security_protocol": "SSL", "tls_ca_file": ca, **values})

    return make


def login(listener: str, **values: Any) -> Make:
    return lambda kafka: kafka.tls_and_login(**values, bootstrap_servers=kafka.broker.address_of(listener))


def in_clear(listener: str) -> Make:
    clear = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"}
    return lambda kafka: kafka.settings(listener, **clear, sasl_username="admin", sasl_password=USERS["admin"])


LET_IN: dict[str, Make] = {
    "plain": lambda kafka: kafka.broker.bootstrap_servers,
    "a login by SCRAM over TLS": login("LOGIN"),
    "by the other SCRAM": login("LOGIN", sasl_mechanism="SCRAM-SHA-256"),
    "by PLAIN": login("LOGIN", sasl_mechanism="PLAIN"),
    "a login in clear": in_clear("CLEAR"),
    "TLS": tls("TLS"),
    "mutual TLS": lambda kafka: kafka.mutual(),
    "another host, which is not looked at": tls("ELSEWHERE", tls_check_hostname=False),
    "one of two": lambda kafka: kafka.tls_and_login(
        bootstrap_servers=f"{kafka.broker.address_of('EXPIRED')},{kafka.broker.address_of('LOGIN')}"
    ),
}

REFUSED: dict[str, tuple[Make, str, str]] = {
    "wrong password": (login("LOGIN", password="x"), "refuses the login of user admin", "user and password"),
    "wrong password, PLAIN": (
        login("LOGIN", password="x", sasl_mechanism="PLAIN"),
        "refuses the login of user admin: Authentication failed: Invalid username or password",
        "user and password",
    ),
    "no such user": (login("LOGIN", user="nobody", password="x"), "refuses the login of user nobody", "mechanism"),
    "expired": (tls("EXPIRED"), "has expired", "renew it"),
    "another host": (tls("ELSEWHERE"), "is made out to others: IP address mismatch", "advertised.listeners"),
    "authorities of the machine": (tls("TLS", tls_ca_file=None), "is not trusted", "WALLETSTREAM_TLS_CA_FILE"),
    "no certificate of ours": (tls("MUTUAL"), "wants a certificate of ours", "WALLETSTREAM_TLS_CERTIFICATE_FILE"),
    "plain to TLS": (
        lambda kafka: kafka.broker.address_of("TLS"),
        "speaks TLS, and WALLETSTREAM_SECURITY_PROTOCOL is PLAINTEXT",
        "WALLETSTREAM_SECURITY_PROTOCOL=SSL",
    ),
    "login in clear to TLS": (in_clear("LOGIN"), "speaks TLS, and", "WALLETSTREAM_SECURITY_PROTOCOL=SASL_SSL"),
    "TLS to plain": (tls("CLEAR"), "does not speak TLS, and", "only where the network is trusted"),
    "plain to a login": (
        lambda kafka: kafka.settings("CLEAR"),
        "wants a login, by PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
        "WALLETSTREAM_SECURITY_PROTOCOL=SASL_PLAINTEXT",
    ),
    "TLS to a login": (tls("LOGIN"), "wants a login, by PLAIN", "WALLETSTREAM_SECURITY_PROTOCOL=SASL_SSL"),
    "login where there is none": (login("TLS"), "takes no logins", "WALLETSTREAM_SECURITY_PROTOCOL=SSL"),
    "a mechanism that is not enabled": (
        login("ONLYPLAIN"),
        "takes no login by SCRAM-SHA-512",
        "one that it has enabled: PLAIN",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", LET_IN)
def test_who_is_let_in(secured_kafka: Secured, way: str) -> None:
    brokers = LET_IN[way](secured_kafka)
    assert asyncio.run(why_refused(brokers)) is None
    assert asyncio.run(cluster_of(brokers)) == 1


async def cluster_of(brokers: Brokers) -> int:
    async with admin.connect(brokers) as connected:
        return len((await connected.cluster()).brokers)


@pytest.mark.parametrize("way", REFUSED)
def test_who_is_not(secured_kafka: Secured, way: str) -> None:
    make, what, mend = REFUSED[way]
    refusal = asyncio.run(why_refused(make(secured_kafka)))
    assert refusal is not None
    assert what in refusal.what
    assert mend in refusal.mend
    assert "Mellon" not in str(refusal)


def test_an_authority_that_is_not_trusted(secured_kafka: Secured, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    refusal = asyncio.run(why_refused(secured_kafka.tls_and_login(tls_ca_file=other.certificate)))
    assert refusal is not None
    assert "is not trusted" in refusal.what
    certificate, key = other.issue("admin")
    refusal = asyncio.run(why_refused(secured_kafka.mutual(tls_certificate_file=certificate, tls_key_file=key)))
    assert refusal is not None
    assert f"does not accept our certificate {certificate}" in refusal.what


def test_a_command_says_it_too(secured_kafka: Secured) -> None:
    with pytest.raises(OperationError, match=r"refuses the login of user admin.*; see whether user and password"):
        asyncio.run(cluster_of(secured_kafka.tls_and_login(password="x")))


def test_who_is_away_refuses_nobody() -> None:
    assert asyncio.run(why_refused("127.0.0.1:1")) is None
    assert asyncio.run(why_refused("no.such.host.invalid:1")) is None


def test_files_are_read_at_the_next_connection(secured_kafka: Secured, tmp_path: Path) -> None:
    """A password and a certificate that are mounted change under a process that runs."""
    password = tmp_path / "password"
    password.write_text("old\n")
    brokers = secured_kafka.tls_and_login(sasl_password=None, sasl_password_file=password)
    assert asyncio.run(why_refused(brokers)) is not None
    password.write_text(USERS["admin"])
    assert asyncio.run(why_refused(brokers)) is None
    password.unlink()
    refusal = asyncio.run(why_refused(brokers))
    assert refusal is not None
    assert "cannot be read: No such file" in refusal.what

    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(Authority(tmp_path, "other").certificate.read_bytes())
    renewed = secured_kafka.tls_and_login(tls_ca_file=trusted)
    assert asyncio.run(why_refused(renewed)) is not None
    trusted.write_text("half")  # while it is written: what was there before counts
    refusal = asyncio.run(why_refused(renewed))
    assert refusal is not None
    assert "is not trusted" in refusal.what
    trusted.write_bytes(secured_kafka.authority.certificate.read_bytes())
    assert asyncio.run(why_refused(renewed)) is None


def test_a_key_with_a_password(secured_kafka: Secured, tmp_path: Path) -> None:
    certificate, key = secured_kafka.authority.issue("admin-too")
    encrypted, password = tmp_path / "encrypted.key", tmp_path / "password"
    encrypt_key(key, encrypted, "open sesame")
    password.write_text("open sesame\n")
    names: dict[str, Any] = {"tls_certificate_file": certificate, "tls_key_file": encrypted}
    assert asyncio.run(why_refused(secured_kafka.mutual(**names, tls_key_password="open sesame"))) is None
    assert asyncio.run(why_refused(secured_kafka.mutual(**names, tls_key_password_file=password))) is None
    refused: list[dict[str, Any]] = [{}, {"tls_key_password": "another"}]
    for values in refused:
        refusal = asyncio.run(why_refused(secured_kafka.mutual(**names, **values)))
        assert refusal is not None
        assert "or the key has another password" in refusal.what
