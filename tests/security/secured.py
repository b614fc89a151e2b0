"""A broker that is spoken to in every way: TLS, mutual TLS, logins, and certificates that nobody should trust."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ops.broker import EmbeddedBroker
from ops.broker.listeners import Listener
from streams.settings import Settings
from tests.security.certificates import Authority, keystore

#: User -> password. `admin` may do everything, `ledger` and `stranger` what a test allows them.
USERS: Final = {"admin": "Mellon-1", "ledger": "sesame-2", "stranger": "xyzzy-3"}
_HERE: Final = "IP:127.0.0.1,DNS:localhost"
_AUTHORIZER: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    # Who comes by the plain listener, as the node itself does, and our administrator by either way.
    "super.users": "User:ANONYMOUS;User:admin;User:CN=admin",
}


@dataclass(frozen=True)
class Secured:
    """The broker, and the files that clients need."""

    broker: EmbeddedBroker
    folder: Path
    authority: Authority

    def settings(self, listener: str, **values: Any) -> Settings:
        """Settings of a client of one of the listeners."""
        return Settings(**{"bootstrap_servers": self.broker.address_of(listener), **values})

    def tls_and_login(self, user: str = "admin", password: str | None = None, **values: Any) -> Settings:
        """Settings of a client that logs in by SCRAM over TLS."""
        return self.settings(
            "LOGIN",
            **{
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_username": user,
                "sasl_password": password or USERS[user],
                "tls_ca_file": self.authority.certificate,
                **values,
            },
        )

    def mutual(self, user: str = "admin", **values: Any) -> Settings:
        """Settings of a client that the broker knows by its certificate."""
        certificate, key = self.folder / f"{user}.pem", self.folder / f"{user}.key"
        if not certificate.exists():
            self.authority.issue(user)
        return self.settings(
            "MUTUAL",
            **{
                "security_protocol": "SSL",
                "tls_ca_file": self.authority.certificate,
                "tls_certificate_file": certificate,
                "tls_key_file": key,
                **values,
            },
        )

    def environment(self, settings: Settings) -> dict[str, str]:
        """The same settings as variables."""
        found = {}
        for name in Settings.model_fields:
            value = getattr(settings, name)
            if value not in (None, ""):
                secret = getattr(value, "get_secret_value", None)
                found[f"WALLETSTREAM_{name.upper()}"] = str(value if secret is None else secret())
        return found


@contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    """Start it with its data and certificates in `folder`; it is killed at the end."""
    authority = Authority(folder, "authority")
    here = _tls(folder, *authority.issue("here", _HERE))
    trusts = {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(authority.certificate)}
    listeners = [
        Listener("LOGIN", "SASL_SSL", {**here, **_logins()}),
        Listener("MUTUAL", "SSL", {**here, **trusts, "ssl.client.auth": "required"}),
        Listener("TLS", "SSL", here),
        Listener("ONLYPLAIN", "SASL_SSL", {**here, **_logins(), "sasl.enabled.mechanisms": "PLAIN"}),
        Listener("CLEAR", "SASL_PLAINTEXT", _logins()),
        Listener("ELSEWHERE", "SSL", _tls(folder, *authority.issue("elsewhere.example"))),
        Listener("EXPIRED", "SSL", _tls(folder, *authority.issue("expired", _HERE, days=0))),
    ]
    broker = EmbeddedBroker(folder / "broker", listeners=listeners, scram_users=USERS, overrides=_AUTHORIZER)
    try:
        broker.start()
        yield Secured(broker, folder, authority)
    finally:
        broker.kill()


def _tls(folder: Path, certificate: Path, key: Path) -> dict[str, str]:
    store = keystore(certificate, key, folder / f"{certificate.stem}.keystore")
    return {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(store)}


def _logins() -> dict[str, str]:
    security = "org.apache.kafka.common.security"
    users = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
    scram = f"{security}.scram.ScramLoginModule required;"
    return {
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "plain.sasl.jaas.config": f"{security}.plain.PlainLoginModule required {users};",
        "scram-sha-256.sasl.jaas.config": scram,
        "scram-sha-512.sasl.jaas.config": scram,
    }
