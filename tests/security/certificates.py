"""Authorities and certificates for tests, made by `openssl`."""

from __future__ import annotations

import subprocess
from pathlib import Path


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str):
        self._folder = folder
        self._name = name
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        _new_key(self._key)
        _openssl(
            *("req", "-x509", "-new", "-key", self._key, "-out", self.certificate, "-days", "30"),
            *("-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE"),
        )

    def issue(self, name: str, alternative_names: str = "", days: int = 30) -> tuple[Path, Path]:
        """Certificate and key (PKCS#8), for a subject with this common name."""
        key, request = self._folder / f"{name}.key", self._folder / f"{name}.csr"
        certificate, extensions = self._folder / f"{name}.pem", self._folder / f"{name}.ext"
        _new_key(key)
        _openssl("req", "-new", "-key", key, "-out", request, "-subj", f"/CN={name}")
        extensions.write_text(f"subjectAltName={alternative_names or f'DNS:{name}'}\nbasicConstraints=CA:FALSE\n")
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial"),
            *("-out", certificate, "-days", str(days), "-extfile", extensions),
        )
        return certificate, key


def _new_key(path: Path) -> None:
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)


def encrypt_key(key: Path, encrypted: Path, password: str) -> None:
    """Write the key once more, under a password."""
    _openssl("pkcs8", "-topk8", "-in", key, "-out", encrypted, "-v2", "aes-256-cbc", "-passout", f"pass:{password}")


def keystore(certificate: Path, key: Path, path: Path) -> Path:
    """Key and certificate in one file, as Kafka reads it."""
    path.write_text(key.read_text() + certificate.read_text())
    return path
