"""Why brokers that are there do not let us in. The client library says of every cause that it could not connect."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.admin import SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams.connection import Brokers, address_of, security_arguments
from streams.connection_settings import ConnectionSettings
from streams.credentials import UnusableFile

_TIMEOUT_S: Final = 5.0
#: OpenSSL's numbers of what is wrong with a certificate.
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_OTHER_HOST: Final = (62, 64)

_PROTOCOL: Final = "WALLETSTREAM_SECURITY_PROTOCOL"
_GRANT: Final = "let an administrator grant it; docs/operating/security.md lists what each role needs"


class Refusal(NamedTuple):
    """What a broker does not take, and how to mend it."""

    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what}; {self.mend}"


async def why_refused(brokers: Brokers) -> Refusal | None:
    """Ask each address once, at most a few seconds; None where one lets us in, or where none answers at all."""
    refusal: Refusal | None = None
    for host, port, _ in collect_hosts(address_of(brokers), randomize=False):
        found = await _Door(brokers, host, port).try_it()
        if found is None:
            continue
        if found.what == "":
            return None
        refusal = refusal or found
    return refusal


def refusal_of(error: BaseException) -> Refusal | None:
    """What an error of the client library means that is about permissions; None for any other."""
    named = ", ".join(map(str, _named(error)))
    match error:
        case TopicAuthorizationFailedError():
            return Refusal(f"this user may not use topic {named}".rstrip(), _GRANT)
        case GroupAuthorizationFailedError():
            return Refusal(f"this user may not use consumer group {named}".rstrip(), _GRANT)
        case TransactionalIdAuthorizationFailed():
            return Refusal(f"this user may not use transactional id {named}".rstrip(), _GRANT)
        case ClusterAuthorizationFailedError():
            return Refusal("this user may write no topic, or may not do that with the cluster", _GRANT)
    return None


def said(error: BaseException) -> str:
    """An error of the client library for people: what is to be done about it, where it is about permissions."""
    return str(refusal_of(error) or repr(error))


def _named(error: BaseException) -> Iterator[object]:
    for one in error.args:
        if isinstance(one, set | frozenset | list | tuple):
            yield from sorted(one)
        else:
            yield one


_OPEN: Final = Refusal("", "")


class _Door:
    """One address of a broker."""

    def __init__(self, brokers: Brokers, host: str, port: int):
        self._brokers = brokers
        self._host = host
        self._port = port
        self._settings = ConnectionSettings(bootstrap_servers=brokers) if isinstance(brokers, str) else brokers

    async def try_it(self) -> Refusal | None:
        """`_OPEN` where we get in, None where nobody answers."""
        try:
            async with asyncio.timeout(2 * _TIMEOUT_S):
                connection = await self._connect(self._brokers)
                try:
                    # A listener that wants a login answers nothing else.
                    await connection.send(MetadataRequest([]))
                finally:
                    connection.close()
            return _OPEN
        except UnusableFile as error:
            return Refusal(str(error), "mend the file, or name another one")
        except (KafkaError, OSError, TimeoutError) as error:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(2 * _TIMEOUT_S):
                    return await self._why(error)
            return None

    async def _connect(self, brokers: Brokers) -> Any:
        return await create_conn(
            self._host,
            self._port,
            client_id="walletstream-door",
            request_timeout_ms=int(_TIMEOUT_S * 1000),
            **security_arguments(brokers),
        )

    async def _why(self, error: BaseException) -> Refusal | None:
        settings, at = self._settings, f"{self._host}:{self._port}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return _certificate_refusal(error, at)
        if isinstance(error, SaslAuthenticationFailed):
            return Refusal(
                f"{at} refuses the login of user {_user(settings)}: {error.args[0] if error.args else error}",
                "see whether user and password are the brokers', and whether the user is one of mechanism "
                f"{settings.sasl_mechanism}: each SCRAM mechanism has passwords of its own",
            )
        if isinstance(error, UnsupportedSaslMechanismError):
            return Refusal(
                f"{at} takes no login by {settings.sasl_mechanism}",
                f"set WALLETSTREAM_SASL_MECHANISM to one that it has enabled: {await self._mechanisms()}",
            )
        if isinstance(error, IllegalSaslStateError):
            wanted = "SSL" if settings.speaks_tls else "PLAINTEXT"
            return Refusal(
                f"{at} takes no logins",
                f"connect to the port of its listener for logins, or set {_PROTOCOL}={wanted}",
            )
        cause = error if isinstance(error, ssl.SSLError) else error.__cause__
        if isinstance(cause, ssl.SSLError) and "ALERT" in str(cause):
            return self._alert(cause, at)
        if not isinstance(error, KafkaConnectionError | ConnectionResetError | ssl.SSLError):
            return None
        return await self._other_protocol(at)

    def _alert(self, alert: ssl.SSLError, at: str) -> Refusal:
        said = str(alert.reason or alert).lower().replace("_", " ")
        if self._settings.tls_certificate_file is None:
            return Refusal(
                f"{at} wants a certificate of ours ({said})",
                "set WALLETSTREAM_TLS_CERTIFICATE_FILE and WALLETSTREAM_TLS_KEY_FILE",
            )
        return Refusal(
            f"{at} does not accept our certificate {self._settings.tls_certificate_file} ({said})",
            "see whether it has expired, and whether an authority that the brokers trust has issued it",
        )

    async def _other_protocol(self, at: str) -> Refusal | None:
        """It hangs up without a word: see whether it would speak to somebody who comes in another way."""
        settings, login = self._settings, "SASL_" if self._settings.logs_in else ""
        if settings.speaks_tls and not await self._speaks_tls():
            (await self._connect(address_of(self._brokers))).close()
            wanted = f"{login}PLAINTEXT"
            return Refusal(
                f"{at} does not speak TLS, and {_PROTOCOL} is {settings.security_protocol}",
                f"connect to its listener for TLS; only where the network is trusted set {_PROTOCOL}={wanted}",
            )
        if not settings.speaks_tls and await self._speaks_tls():
            return Refusal(
                f"{at} speaks TLS, and {_PROTOCOL} is {settings.security_protocol}",
                f"set {_PROTOCOL}={login}SSL, and WALLETSTREAM_TLS_CA_FILE where its authority is not the machine's",
            )
        if not settings.logs_in and (mechanisms := await self._mechanisms()):
            wanted = "SASL_SSL" if settings.speaks_tls else "SASL_PLAINTEXT"
            return Refusal(
                f"{at} wants a login, by {mechanisms}",
                f"set {_PROTOCOL}={wanted}, WALLETSTREAM_SASL_MECHANISM, WALLETSTREAM_SASL_USERNAME and "
                "WALLETSTREAM_SASL_PASSWORD_FILE",
            )
        return None

    async def _speaks_tls(self) -> bool:
        """Whether it answers a greeting of TLS, whoever it may be: nothing else is said to it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                _, writer = await asyncio.open_connection(self._host, self._port, ssl=context)
        except ssl.SSLError as error:
            return "ALERT" in str(error)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    async def _mechanisms(self) -> str:
        """What logins the listener takes, by its own word; empty where it takes none."""
        protocol = "SSL" if self._settings.speaks_tls else "PLAINTEXT"
        connection = await self._connect(self._settings.model_copy(update={"security_protocol": protocol}))
        try:
            answer = await connection.send(SaslHandShakeRequest("NONE"))
        finally:
            connection.close()
        return ", ".join(sorted(answer.enabled_mechanisms))


def _certificate_refusal(error: ssl.SSLCertVerificationError, at: str) -> Refusal:
    if error.verify_code == _EXPIRED:
        return Refusal(f"the certificate of {at} has expired", "renew it on the broker; see whether our clock is right")
    if error.verify_code == _NOT_YET_VALID:
        return Refusal(f"the certificate of {at} is not valid yet", "see whether our clock is right")
    if error.verify_code in _OTHER_HOST:
        return Refusal(
            f"the certificate of {at} is made out to others: {error.verify_message.rstrip('.')}",
            "name brokers as their certificates do, in WALLETSTREAM_BOOTSTRAP_SERVERS and in advertised.listeners, or "
            "have certificates issued for these names",
        )
    return Refusal(
        f"the certificate of {at} is not trusted: {error.verify_message}",
        "set WALLETSTREAM_TLS_CA_FILE to the certificate of the authority that has issued it",
    )


def _user(settings: ConnectionSettings) -> str:
    if settings.sasl_username_file is not None:
        return f"in {settings.sasl_username_file}"
    return settings.sasl_username
