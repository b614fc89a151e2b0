"""`walletstream doctor` on secured connections: what is wrong is told apart, and what this user may do."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ops.access import ACCESS
from ops.cli.topics import apply_topics
from ops.doctor import Finding, Level, diagnose
from ops.doctor.security import certificate_finding, check_protocol
from streams.settings import Settings
from tests.broker import new_namespace
from tests.security.acls import Grant, grant, grants_of
from tests.security.secured import USERS, Secured


def findings(settings: Settings, area: str = "", *, read_only: bool = True) -> list[Finding]:
    found = asyncio.run(diagnose(settings, {}, read_only=read_only))
    assert not [secret for secret in USERS.values() if secret in json.dumps(found)]
    return [one for one in found if area in ("", one.area)]


@pytest.fixture(scope="module")
def namespace(secured_kafka: Secured) -> str:
    name = new_namespace()
    asyncio.run(apply_topics(secured_kafka.tls_and_login(namespace=name, partitions=2)))
    return name


@pytest.mark.kafka
def test_an_administrator_may_do_all(secured_kafka: Secured, namespace: str) -> None:
    found = findings(secured_kafka.tls_and_login(namespace=namespace, partitions=2), read_only=False)
    assert [one for one in found if one.level is Level.PROBLEM] == []
    said = {one.what for one in found if one.area in ("security", "access")}
    assert "SASL_SSL, user admin by SCRAM-SHA-512" in said
    assert f"the certificate of {secured_kafka.broker.address_of('LOGIN')} is good for 30 days" in said
    assert "this user may do what these roles need: ledger, views, fraud, settlement, reconciliation" in said


@pytest.mark.kafka
def test_what_a_role_lacks(secured_kafka: Secured, namespace: str) -> None:
    left_out = {
        Grant("topic", f"{namespace}wallet-balances.v1", "Write"),
        Grant("topic", f"{namespace}assets.v1", "Read"),
    }
    grants = set(grants_of(ACCESS["ledger"], namespace))
    assert left_out < grants
    asyncio.run(grant(secured_kafka.broker.bootstrap_servers, "CN=half", grants - left_out))
    settings = secured_kafka.mutual("half", namespace=namespace, partitions=2)
    access = findings(settings, "access")
    ledger = next(one for one in access if "role ledger" in one.what)
    assert ledger.what == (
        f"role ledger lacks Read on topic {namespace}assets.v1; Write on topic {namespace}wallet-balances.v1"
    )
    assert ledger.level is Level.WARNING
    assert ledger.mend is not None
    assert "docs/reference/access.md" in ledger.mend
    views = next(one for one in access if "role views" in one.what)
    assert f"Read on group {namespace}views" in views.what
    settlement = next(one for one in access if "role settlement" in one.what)
    assert "and " in settlement.what
    (topics,) = findings(settings, "topics")
    assert "this user may not use topic" in topics.what

    asyncio.run(grant(secured_kafka.broker.bootstrap_servers, "CN=half", left_out))
    access = findings(settings, "access")
    assert access[0] == Finding("access", Level.OK, "this user may do what these roles need: ledger")
    assert {one.level for one in access[1:]} == {Level.NOTE}


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("values", "what", "mend"),
    [
        ({"sasl_password": "x"}, "refuses the login of user admin", "user and password"),
        ({"tls_ca_file": None}, "is not trusted", "WALLETSTREAM_TLS_CA_FILE"),
        ({"tls_ca_file": "/absent"}, "/absent cannot be read", "mend the file"),
    ],
)
def test_brokers_that_do_not_let_us_in(secured_kafka: Secured, values: dict[str, Any], what: str, mend: str) -> None:
    found = findings(secured_kafka.tls_and_login(**values), "security")
    (problem,) = [one for one in found if one.level is Level.PROBLEM]
    assert what in problem.what
    assert problem.mend is not None
    assert mend in problem.mend


@pytest.mark.kafka
def test_plain_where_tls_is_spoken(secured_kafka: Secured) -> None:
    (problem,) = findings(secured_kafka.settings("TLS"), "security")
    assert problem.level is Level.PROBLEM
    assert "speaks TLS" in problem.what


def test_nothing_is_said_of_a_connection_in_plain() -> None:
    assert list(check_protocol(Settings())) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"security_protocol": "SASL_PLAINTEXT"}, "read and change all that is sent"),
        ({"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"}, "and read the password"),
        ({"tls_check_hostname": False}, "can pose as a broker"),
        ({}, "a password stands in the environment"),
    ],
)
def test_what_is_worth_a_word(values: dict[str, Any], said: str) -> None:
    login: dict[str, Any] = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": "u",
        "sasl_password": "p",
    }
    found = list(check_protocol(Settings(**login | values)))
    assert any(said in one.what and one.mend for one in found)
    assert found[-1].level is Level.OK


def test_a_password_in_a_file_is_not_worth_a_word(tmp_path: Path) -> None:
    login: dict[str, Any] = {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "u"}
    (found,) = check_protocol(Settings(**login, sasl_password_file=tmp_path))
    assert found == Finding("security", Level.OK, "SASL_SSL, user u by SCRAM-SHA-512")


@pytest.mark.parametrize(("days", "level"), [(1, Level.WARNING), (13.9, Level.WARNING), (14.1, Level.OK)])
def test_a_certificate_that_ends_soon(days: float, level: Level) -> None:
    assert certificate_finding("k:1", days * 86_400).level is level
