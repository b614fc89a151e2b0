"""How clients of Kafka connect: the one place that says what each of them is made with.

Every client is made with `**client_arguments(brokers)` and names no address, certificate or password itself; a test
walks the sources for it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from streams.connection_settings import PREFIX, SASL_FIELDS, TLS_FIELDS, ConnectionSettings
from streams.credentials import Credentials, Tls, context_of, read_files, resolve_at_each_handshake

#: Where to connect to; an address alone is a broker that is spoken to in plain, such as an embedded one.
Brokers: TypeAlias = ConnectionSettings | str


def client_arguments(brokers: Brokers) -> dict[str, Any]:
    """What a client of aiokafka is made with, beside what it is made for.

    Raises:
        UnusableFile: a certificate or key that is named cannot be read or is none.
    """
    if isinstance(brokers, str):
        return {"bootstrap_servers": brokers}
    return {"bootstrap_servers": brokers.bootstrap_servers, **security_arguments(brokers)}


def security_arguments(brokers: Brokers) -> dict[str, Any]:
    """Those of `client_arguments` that say how, and not where; none for a broker that is spoken to in plain.

    Raises:
        UnusableFile: see `client_arguments`.
    """
    if isinstance(brokers, str) or brokers.security_protocol == "PLAINTEXT":
        return {}
    arguments: dict[str, Any] = {"security_protocol": brokers.security_protocol}
    if brokers.speaks_tls:
        arguments["ssl_context"] = context_of(_tls(brokers))
    if brokers.logs_in:
        resolve_at_each_handshake()
        arguments["sasl_mechanism"] = brokers.sasl_mechanism
        arguments["sasl_plain_username"] = arguments["sasl_plain_password"] = _credentials(brokers)
    return arguments


def unusable_files(settings: ConnectionSettings) -> list[str]:
    """What is wrong with the files that are named: absent, not ours to read, not what they should be."""
    return read_files(
        _tls(settings) if settings.speaks_tls else None, _credentials(settings) if settings.logs_in else None
    )


def address_of(brokers: Brokers) -> str:
    """`host:port` separated by commas, for people."""
    return brokers if isinstance(brokers, str) else brokers.bootstrap_servers


def plain_environment() -> dict[str, str]:
    """Variables that take back all that is set of security, for processes beside a broker that has none."""
    return {f"{PREFIX}{name.upper()}": "" for name in ("security_protocol", *SASL_FIELDS, *TLS_FIELDS)}


def plain_settings(address: str) -> dict[str, Any]:
    """The settings of a connection to a broker without security, by their names in `Settings`."""
    plain = ConnectionSettings(bootstrap_servers=address)
    return {name: getattr(plain, name) for name in ConnectionSettings.model_fields}


def _tls(settings: ConnectionSettings) -> Tls:
    return Tls(
        settings.tls_ca_file,
        settings.tls_certificate_file,
        settings.tls_key_file,
        settings.tls_key_password,
        settings.tls_key_password_file,
        settings.tls_check_hostname,
    )


def _credentials(settings: ConnectionSettings) -> Credentials:
    return Credentials(
        settings.sasl_username, settings.sasl_username_file, settings.sasl_password, settings.sasl_password_file
    )
