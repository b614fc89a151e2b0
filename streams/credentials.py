"""What proves who we are and who the brokers are: files of certificates, keys and passwords, as they are now.

A mounted secret changes under a process that runs for months. So files are read when a connection is made, not when
the client is: the next connection takes what is there.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import SaslAuthenticationFailed
from pydantic import SecretStr

log = logging.getLogger(__name__)

_MOST_BYTES: Final = 1 << 16
_handshake: Final = AIOKafkaConnection._do_sasl_handshake


class UnusableFile(OSError):
    """A file of certificates, keys or secrets cannot be read, or is not what it should be; the message names it."""


class Tls(NamedTuple):
    """Whom we trust, and our own certificate."""

    ca_file: Path | None
    certificate_file: Path | None
    key_file: Path | None
    key_password: SecretStr | None
    key_password_file: Path | None
    check_hostname: bool

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that a context is made of."""
        named = (self.ca_file, self.certificate_file, self.key_file, self.key_password_file)
        return tuple(path for path in named if path is not None)


class Credentials(NamedTuple):
    """User and password, each as it is or as the file that holds it."""

    username: str
    username_file: Path | None
    password: SecretStr | None
    password_file: Path | None

    def read(self) -> tuple[str, str]:
        """User and password as they are now.

        Raises:
            UnusableFile: a file cannot be read, or holds nothing.
        """
        username = self.username if self.username_file is None else read_secret(self.username_file)
        if self.password_file is not None:
            return username, read_secret(self.password_file)
        return username, "" if self.password is None else self.password.get_secret_value()


def read_secret(path: Path) -> str:
    """What a file holds, without the line end behind it. No error shows any of it.

    Raises:
        UnusableFile: it cannot be read, is no text, too long for a secret, or empty.
    """
    raw = _read(path)
    if len(raw) > _MOST_BYTES:
        raise UnusableFile(f"{path} has more than {_MOST_BYTES} bytes: that is no secret")
    try:
        secret = raw.decode()
    except UnicodeDecodeError:
        raise UnusableFile(f"{path} is no UTF-8 text") from None
    secret = secret.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise UnusableFile(f"{path} is empty")
    if "\0" in secret or "\n" in secret:
        raise UnusableFile(f"{path} holds more than one line")
    return secret


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read: {error.strerror or error}") from None


def new_context(tls: Tls) -> ssl.SSLContext:
    """A context for connections to brokers, of the files as they are now.

    Raises:
        UnusableFile: a file cannot be read or is not what it should be; the message names it.
    """
    for path in tls.files:
        _read(path)  # OpenSSL does not say which it misses
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.ca_file)
    except ssl.SSLError as error:
        raise UnusableFile(f"{tls.ca_file} holds no certificates in PEM ({error.reason})") from None
    context.check_hostname = tls.check_hostname
    if tls.certificate_file is not None:
        _load_certificate(context, tls, tls.certificate_file)
    return context


def _load_certificate(context: ssl.SSLContext, tls: Tls, certificate_file: Path) -> None:
    password = "" if tls.key_password is None else tls.key_password.get_secret_value()
    if tls.key_password_file is not None:
        password = read_secret(tls.key_password_file)
    key_file = tls.key_file or certificate_file
    try:
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate_file, key_file, lambda: password)
    except ssl.SSLError as error:
        raise UnusableFile(
            f"{certificate_file} and {key_file} are no certificate and key in PEM that belong together, or the key has "
            f"another password ({error.reason or 'not PEM'})"
        ) from None
    except ValueError:  # longer than OpenSSL takes
        raise UnusableFile(f"the password of {key_file} is longer than OpenSSL takes") from None


class _Renewed(ssl.SSLContext):
    """Makes each connection with what the files hold then; where that cannot be used, with what they held before."""

    _tls: Tls
    _made: ssl.SSLContext
    _seen: tuple[object, ...]
    _lock: threading.Lock

    @classmethod
    def of(cls, tls: Tls) -> _Renewed:
        """
        Raises:
            UnusableFile: see `new_context`.
        """
        renewed = cls(ssl.PROTOCOL_TLS_CLIENT)
        renewed._tls, renewed._lock = tls, threading.Lock()
        renewed._seen = _stamps(tls)
        renewed._made = new_context(tls)
        return renewed

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Called by the event loop for each connection."""
        return self._current().wrap_bio(*args, **kwargs)

    def _current(self) -> ssl.SSLContext:
        with self._lock:
            stamps = _stamps(self._tls)
            if stamps != self._seen:
                self._seen = stamps
                try:
                    self._made = new_context(self._tls)
                except UnusableFile as error:
                    log.warning("certificates have changed and cannot be used, going on with those before: %s", error)
            return self._made


def _stamps(tls: Tls) -> tuple[object, ...]:
    """What changes when a file does; a secret that Kubernetes mounts changes as a link to another folder."""

    def stamp(path: Path) -> object:
        try:
            found = path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    return tuple(map(stamp, tls.files))


@lru_cache(maxsize=16)
def context_of(tls: Tls) -> ssl.SSLContext:
    """The context of all connections that are made so, renewed when files change.

    Raises:
        UnusableFile: see `new_context`.
    """
    return _Renewed.of(tls)


def read_files(tls: Tls | None, credentials: Credentials | None) -> list[str]:
    """Read all that a connection reads; says what cannot be used."""

    def tried(what: Callable[[], object]) -> Iterator[str]:
        try:
            what()
        except UnusableFile as error:
            yield str(error)

    found: list[str] = []
    if tls is not None:
        found += tried(lambda: context_of(tls))
    if credentials is not None:
        found += tried(credentials.read)
    return found


# ---- aiokafka --------------------------------------------------------------------------------------


async def _log_in(connection: Any) -> None:
    """`AIOKafkaConnection._do_sasl_handshake`, with the credentials as they are now.

    Raises:
        UnusableFile: a file of them cannot be read.
        KafkaError: the broker refuses them.
    """
    credentials = connection._sasl_plain_password
    if isinstance(credentials, Credentials):
        connection._sasl_plain_username, connection._sasl_plain_password = credentials.read()
    try:
        await _handshake(connection)
    except (ValueError, KeyError, AssertionError):
        # What it raises where the other side does not prove that it knows the password, and takes for a fault of its
        # own: whoever waits for a connection would wait for ever.
        raise SaslAuthenticationFailed("the broker does not prove that it knows the password") from None


class _WithoutSecrets(logging.Filter):
    """With log level `debug` aiokafka tells all that it sends, the password among it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """False for requests and answers of a login."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        return not any(type(one).__name__.startswith("SaslAuthenticate") for one in arguments)


def resolve_at_each_handshake() -> None:
    """Make connections of aiokafka in this process read `Credentials`. Calling it again does nothing more."""
    if AIOKafkaConnection._do_sasl_handshake is not _log_in:
        AIOKafkaConnection._do_sasl_handshake = _log_in
        logging.getLogger("aiokafka.conn").addFilter(_WithoutSecrets())
