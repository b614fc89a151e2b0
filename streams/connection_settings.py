"""Settings of where the brokers are and how they are connected to, and which of them contradict each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

#: A name or an IPv4 address, an IPv6 address in brackets or without a port; where there is no port it is 9092.
_ADDRESS: Final = re.compile(
    r"(?:[^\s:/\[\]]+|\[[0-9A-Fa-f:.%]+\])(?::(?P<port>[0-9]{1,5}))?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
)
PREFIX: Final = "WALLETSTREAM_"
#: Names of the settings of a login, and of those of TLS.
SASL_FIELDS: Final = (
    "sasl_mechanism",
    "sasl_username",
    "sasl_username_file",
    "sasl_password",
    "sasl_password_file",
)
TLS_FIELDS: Final = (
    "tls_ca_file",
    "tls_certificate_file",
    "tls_key_file",
    "tls_key_password",
    "tls_key_password_file",
    "tls_check_hostname",
)
_NEED_OTHERS: Final = ("GSSAPI", "OAUTHBEARER")


class ConnectionSettings(BaseModel):
    """The brokers of one cluster, and what is needed to connect to them. Secrets are in no text made of it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, `host:port` separated by commas.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT",
        description="How brokers are spoken to: `SSL` encrypts by TLS, `SASL_` logs in with user and password.",
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="How user and password are proved to the brokers, with `SASL_SSL` and `SASL_PLAINTEXT`."
    )
    sasl_username: str = Field("", description="Kafka user to log in as.")
    sasl_username_file: Path | None = Field(
        None, description="File that holds the user instead, read at every connection."
    )
    sasl_password: SecretStr | None = Field(
        None, description="Its password. Better a file: who may look at the process sees its environment."
    )
    sasl_password_file: Path | None = Field(
        None,
        description="File that holds the password instead, such as a mounted secret. Read at every connection; a line "
        "end behind it is not taken for part of it.",
    )
    tls_ca_file: Path | None = Field(
        None,
        description="PEM file with the authorities that brokers' certificates are trusted by. Default: those of the "
        "machine.",
    )
    tls_certificate_file: Path | None = Field(
        None, description="PEM file with our own certificate and its chain, where brokers ask for one (mutual TLS)."
    )
    tls_key_file: Path | None = Field(
        None, description="PEM file with the private key of our certificate. Default: it is in the certificate's file."
    )
    tls_key_password: SecretStr | None = Field(None, description="Password of the private key, where it has one.")
    tls_key_password_file: Path | None = Field(None, description="File that holds the password of the key instead.")
    tls_check_hostname: bool = Field(
        True, description="Whether a broker's certificate must be made out to the address that we connect to."
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_addresses(cls, servers: str) -> str:
        # The client library fails in its own words on some of these and asks the wrong host for others.
        addresses = [address.strip() for address in servers.split(",") if address.strip()]
        wrong = [address for address in addresses if not _is_address(address)]
        if wrong or not addresses:
            raise ValueError(
                f"{wrong[0] if wrong else 'nothing'!r} is no address: write host:port, separated by commas"
            )
        # It takes nothing between commas for port 9092 of this machine, where another cluster may be.
        return ",".join(addresses)

    @field_validator("security_protocol", *SASL_FIELDS, *TLS_FIELDS, mode="before")
    @classmethod
    def _empty_is_none(cls, value: object, info: ValidationInfo) -> object:
        # What docker compose and Helm write for a variable that has no value.
        if isinstance(value, str) and not value.strip():
            return ConnectionSettings.model_fields[str(info.field_name)].default
        return value

    @field_validator("sasl_mechanism", mode="before")
    @classmethod
    def _is_one_of_ours(cls, mechanism: object) -> object:
        if mechanism in _NEED_OTHERS:
            raise ValueError(
                f"{mechanism} is not spoken here, for it takes more than a user and a password: create a SCRAM user on "
                "the brokers, or let them know us by our certificate (WALLETSTREAM_SECURITY_PROTOCOL=SSL with "
                "WALLETSTREAM_TLS_CERTIFICATE_FILE)"
            )
        return mechanism

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if faults := [*self._unused(), *self._wrong_sasl(), *self._wrong_key()]:
            raise ValueError("\n".join(faults))
        return self

    @property
    def speaks_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.security_protocol.endswith("SSL")

    @property
    def logs_in(self) -> bool:
        """Whether user and password are proved."""
        return self.security_protocol.startswith("SASL")

    def _is_set(self, name: str) -> bool:
        return bool(getattr(self, name) != ConnectionSettings.model_fields[name].default)

    def _unused(self) -> list[str]:
        """What is set and would have no effect: somebody believes that it has."""
        found = []
        for has_effect, names, wanted in (
            (self.logs_in, SASL_FIELDS, "SASL_SSL (or SASL_PLAINTEXT, which encrypts nothing)"),
            (self.speaks_tls, TLS_FIELDS, "SSL or SASL_SSL"),
        ):
            useless = [] if has_effect else [f"{PREFIX}{name.upper()}" for name in names if self._is_set(name)]
            if useless:
                found.append(
                    f"{' and '.join(useless)} would have no effect, because {PREFIX}SECURITY_PROTOCOL is "
                    f"{self.security_protocol}: set that to {wanted}, or remove them"
                )
        return found

    def _wrong_sasl(self) -> list[str]:
        if not self.logs_in:
            return []
        found = []
        if self.sasl_mechanism is None:
            found.append(
                f"{PREFIX}SECURITY_PROTOCOL is {self.security_protocol}: set {PREFIX}SASL_MECHANISM to what the "
                "brokers have enabled, PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
            )
        for name in ("sasl_username", "sasl_password"):
            direct, file = self._is_set(name), self._is_set(f"{name}_file")
            if direct == file:
                short = f"{PREFIX}{name.upper()}"
                what = f"only one of {short} and {short}_FILE" if direct else f"{short} or {short}_FILE"
                found.append(f"{PREFIX}SECURITY_PROTOCOL is {self.security_protocol}: set {what}")
        return found

    def _wrong_key(self) -> list[str]:
        if not self.speaks_tls:
            return []
        found = []
        if self.tls_certificate_file is None:
            useless = [
                name for name in ("tls_key_file", "tls_key_password", "tls_key_password_file") if self._is_set(name)
            ]
            if useless:
                named = " and ".join(f"{PREFIX}{name.upper()}" for name in useless)
                found.append(f"{named}: a key needs its certificate, set {PREFIX}TLS_CERTIFICATE_FILE or remove it")
        if self.tls_key_password is not None and self.tls_key_password_file is not None:
            found.append(f"set only one of {PREFIX}TLS_KEY_PASSWORD and {PREFIX}TLS_KEY_PASSWORD_FILE")
        return found


def _is_address(address: str) -> bool:
    found = _ADDRESS.fullmatch(address)
    return found is not None and 1 <= int(found["port"] or 9092) <= 65_535
