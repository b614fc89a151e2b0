"""A listener with TLS and a login for the embedded broker, to try it out: an authority, a certificate and one user.

Made once, by `openssl`, in a folder below the broker's, and kept with it.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from ops.broker.errors import BrokerError
from ops.broker.listeners import Listener

NAME: Final = "SECURED"
USER: Final = "walletstream"
_DAYS: Final = "3650"
_LOGIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"


class Credentials:
    """The files of the listener, made where they are missing.

    Args:
        folder: where they are; nobody else may look into it.
        host: what the certificate is made out to, beside localhost.
    """

    def __init__(self, folder: Path, host: str):
        self.folder = folder.absolute()
        self.authority = self.folder / "ca.pem"
        self.password_file = self.folder / "password"
        self._host = host
        self._store = self.folder / "broker.pem"

    def make(self) -> None:
        """
        Raises:
            BrokerError: there is no `openssl`, or it fails, or the folder cannot be written.
        """
        if self._store.exists():
            return
        if shutil.which("openssl") is None:
            raise BrokerError("a secured listener needs the program `openssl`, to make its certificate")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(self.password_file, secrets.token_urlsafe(24))
            self._issue()
        except OSError as error:
            raise BrokerError(f"cannot write to {self.folder}: {error.strerror or error}") from error

    def _issue(self) -> None:
        authority_key, key, request = (self.folder / name for name in ("ca.key", "broker.key", "broker.csr"))
        certificate, extensions = self.folder / "certificate.pem", self.folder / "broker.ext"
        for path in (authority_key, key):
            _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
        _openssl(
            *("req", "-x509", "-new", "-key", authority_key, "-out", self.authority, "-days", _DAYS),
            *("-subj", "/CN=walletstream embedded", "-addext", "basicConstraints=critical,CA:TRUE"),
        )
        _openssl("req", "-new", "-key", key, "-out", request, "-subj", "/CN=walletstream broker")
        extensions.write_text(
            f"subjectAltName=DNS:localhost,{_alternative_name(self._host)}\nbasicConstraints=CA:FALSE\n"
        )
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.authority, "-CAkey", authority_key, "-CAcreateserial"),
            *("-out", certificate, "-days", _DAYS, "-extfile", extensions),
        )
        # Last: whoever finds it finds all.
        self._write(self._store, key.read_text() + certificate.read_text())

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text)

    def listener(self, port: int) -> Listener:
        """The listener, once the files are made."""
        login = f'{_LOGIN} required user_{USER}="{self.password_file.read_text()}";'
        settings = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._store),
            "sasl.enabled.mechanisms": "PLAIN",
            "plain.sasl.jaas.config": login,
        }
        return Listener(NAME, "SASL_SSL", settings, port)

    def write_environment(self, address: str) -> Path:
        """A file with the settings of clients of the listener, to be read by a shell."""
        path = self.folder / "client.env"
        settings = {
            "BOOTSTRAP_SERVERS": address,
            "SECURITY_PROTOCOL": "SASL_SSL",
            "SASL_MECHANISM": "PLAIN",
            "SASL_USERNAME": USER,
            "SASL_PASSWORD_FILE": str(self.password_file),
            "TLS_CA_FILE": str(self.authority),
        }
        path.write_text(
            "".join(f"export WALLETSTREAM_{name}={shlex.quote(value)}\n" for name, value in settings.items())
        )
        return path


def _alternative_name(host: str) -> str:
    try:
        return f"IP:{ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _openssl(*arguments: str | os.PathLike[str]) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        raise BrokerError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
