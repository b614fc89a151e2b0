"""Settings of secured connections: what contradicts itself is refused, secrets are in no text, files are read anew."""

from __future__ import annotations

import logging
import re
import traceback
from pathlib import Path
from typing import Any

import pytest
from aiokafka.protocol.admin import SaslAuthenticateRequest_v1
from pydantic import ValidationError

from streams.connection import client_arguments, plain_environment, plain_settings, unusable_files
from streams.credentials import Credentials, read_secret
from streams.settings import Settings

SECRET = "Tr0ub4dor&3"
LOGIN: dict[str, Any] = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "SCRAM-SHA-512",
    "sasl_username": "ledger",
    "sasl_password": SECRET,
}


def refused(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Settings(**values)
    return str(caught.value)


def test_in_plain_a_client_is_made_as_ever() -> None:
    assert client_arguments("k:1") == {"bootstrap_servers": "k:1"}
    assert client_arguments(Settings(bootstrap_servers="k:1")) == {"bootstrap_servers": "k:1"}


def test_a_login_over_tls() -> None:
    arguments = client_arguments(Settings(bootstrap_servers="k:1", **LOGIN))
    context, credentials = arguments.pop("ssl_context"), arguments.pop("sasl_plain_password")
    assert arguments.pop("sasl_plain_username") is credentials
    assert arguments == {
        "bootstrap_servers": "k:1",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
    }
    assert credentials.read() == ("ledger", SECRET)
    assert context is client_arguments(Settings(bootstrap_servers="other:1", **LOGIN))["ssl_context"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sasl_username": "x"}, "SASL_USERNAME would have no effect, because .*SECURITY_PROTOCOL is PLAINTEXT"),
        ({"sasl_mechanism": "PLAIN"}, "set that to SASL_SSL"),
        ({"security_protocol": "SSL", "sasl_password": "x"}, "SASL_PASSWORD would have no effect"),
        ({"tls_ca_file": "ca"}, "TLS_CA_FILE would have no effect"),
        ({"tls_check_hostname": False}, "TLS_CHECK_HOSTNAME would have no effect"),
        (LOGIN | {"security_protocol": "SASL_PLAINTEXT", "tls_ca_file": "ca"}, "set that to SSL or SASL_SSL"),
        (LOGIN | {"sasl_mechanism": None}, "set WALLETSTREAM_SASL_MECHANISM to what the brokers have enabled"),
        (LOGIN | {"sasl_username": ""}, "set WALLETSTREAM_SASL_USERNAME or WALLETSTREAM_SASL_USERNAME_FILE"),
        (LOGIN | {"sasl_username_file": "u"}, "set only one of WALLETSTREAM_SASL_USERNAME and"),
        (LOGIN | {"sasl_password": None}, "set WALLETSTREAM_SASL_PASSWORD or WALLETSTREAM_SASL_PASSWORD_FILE"),
        (LOGIN | {"sasl_password_file": "p"}, "set only one of WALLETSTREAM_SASL_PASSWORD and"),
        ({"security_protocol": "SSL", "tls_key_file": "k"}, "TLS_KEY_FILE: a key needs its certificate"),
        ({"security_protocol": "SSL", "tls_key_password": "k"}, "TLS_KEY_PASSWORD: a key needs its certificate"),
        (
            {
                "security_protocol": "SSL",
                "tls_certificate_file": "c",
                "tls_key_password": "k",
                "tls_key_password_file": "f",
            },
            "set only one of WALLETSTREAM_TLS_KEY_PASSWORD and",
        ),
        (LOGIN | {"sasl_mechanism": "GSSAPI"}, "GSSAPI is not spoken here.*create a SCRAM user"),
        (LOGIN | {"sasl_mechanism": "OAUTHBEARER"}, "OAUTHBEARER is not spoken here"),
        (LOGIN | {"sasl_mechanism": "MD5"}, "SCRAM-SHA-256"),
        ({"security_protocol": "TLS"}, "SASL_PLAINTEXT"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(values: dict[str, Any], said: str) -> None:
    text = refused(**values)
    assert re.search(said, text), text
    assert SECRET not in text


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = refused(security_protocol="SASL_SSL", tls_key_file="k")
    assert all(name in text for name in ("SASL_MECHANISM", "SASL_USERNAME", "SASL_PASSWORD", "TLS_CERTIFICATE_FILE"))


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in plain_environment().items():
        monkeypatch.setenv(name, value)
    assert Settings().model_copy(update=plain_settings("k:1")) == Settings(bootstrap_servers="k:1")
    assert Settings().security_protocol == "PLAINTEXT"


def test_a_demo_takes_back_all_that_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = LOGIN | {"tls_check_hostname": "false", "tls_ca_file": "/ca"}
    for name, value in values.items():
        monkeypatch.setenv(f"WALLETSTREAM_{name.upper()}", value)
    secured = Settings()
    assert client_arguments(secured.model_copy(update=plain_settings("k:1"))) == {"bootstrap_servers": "k:1"}
    for name, value in plain_environment().items():
        monkeypatch.setenv(name, value)
    assert client_arguments(Settings(bootstrap_servers="k:1")) == {"bootstrap_servers": "k:1"}


def test_secrets_are_in_no_text() -> None:
    settings = Settings(**LOGIN, tls_certificate_file="/absent", tls_key_password=SECRET + "!")
    credentials = client_arguments(Settings(**LOGIN))["sasl_plain_password"]
    texts = [str(settings), repr(settings), f"{settings.model_dump()}", settings.model_dump_json(), repr(credentials)]
    texts += unusable_files(settings)
    try:
        Settings(**LOGIN, security_protocol_typo="x", sasl_username_file="u")
    except ValidationError:
        texts.append(traceback.format_exc())
    assert len(texts) == 7
    assert not [text for text in texts if SECRET in text]


# ---- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n"])
def test_the_line_end_behind_a_secret_is_none_of_it(tmp_path: Path, written: str) -> None:
    (tmp_path / "secret").write_bytes(written.encode())
    assert read_secret(tmp_path / "secret") == SECRET


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is no UTF-8 text"),
        (b"x" * 70_000, "that is no secret"),
        (f"{SECRET}\nmore\n".encode(), "more than one line"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_secret(tmp_path: Path, written: bytes | None, said: str) -> None:
    path = tmp_path / "secret"
    if written is not None:
        path.write_bytes(written)
    (found,) = unusable_files(Settings(**LOGIN | {"sasl_password": None, "sasl_password_file": path}))
    assert str(path) in found
    assert said in found
    assert SECRET not in found


def test_a_secret_is_read_when_it_is_needed(tmp_path: Path) -> None:
    user, password = tmp_path / "user", tmp_path / "password"
    user.write_text("ledger\n")
    password.write_text("old\n")
    names = {"sasl_username": "", "sasl_username_file": user, "sasl_password": None, "sasl_password_file": password}
    credentials: Credentials = client_arguments(Settings(**LOGIN | names))["sasl_plain_password"]
    assert credentials.read() == ("ledger", "old")
    password.write_text("new\n")
    assert credentials.read() == ("ledger", "new")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tls_ca_file", None, "cannot be read: No such file"),
        ("tls_ca_file", "no certificate", "holds no certificates in PEM"),
        ("tls_certificate_file", None, "cannot be read: No such file"),
        ("tls_certificate_file", "no certificate", "are no certificate and key in PEM that belong together"),
    ],
)
def test_files_that_are_no_certificates(tmp_path: Path, name: str, content: str | None, said: str) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content)
    values: dict[str, Any] = {"security_protocol": "SSL", name: path}
    (found,) = unusable_files(Settings(**values))
    assert str(path) in found
    assert said in found


# ---- logs ------------------------------------------------------------------------------------------


def test_the_client_library_does_not_log_the_login(caplog: pytest.LogCaptureFixture) -> None:
    client_arguments(Settings(**LOGIN))
    caplog.set_level(logging.DEBUG, logger="aiokafka.conn")  # commands silence what is above it
    log = logging.getLogger("aiokafka.conn")
    log.debug("Request to %s:%d %d: %s", "k", 1, 3, SaslAuthenticateRequest_v1(f"\0ledger\0{SECRET}".encode()))
    log.debug("Request to %s:%d %d: %s", "k", 1, 4, "another")
    assert SECRET not in caplog.text
    assert "another" in caplog.text
