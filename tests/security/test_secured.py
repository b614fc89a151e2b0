"""The whole way through listeners with TLS and logins, as users that may do what their role needs and no more."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ops.access import ACCESS
from ops.processes import WorkerProcess, wait_until_ready
from schemas.topics import full_name
from streams.settings import Settings
from tests.broker import new_namespace
from tests.security.acls import Grant, grant, grants_of
from tests.security.certificates import Authority
from tests.security.secured import USERS, Secured

pytestmark = pytest.mark.kafka

REQUESTS = """\
{"operation":"open_wallet","idempotency_key":"o-1","wallet_id":"alice","owner_ref":"u-1","assets":["EUR"]}
{"operation":"open_wallet","idempotency_key":"o-2","wallet_id":"bob","owner_ref":"u-2","assets":["EUR"]}
{"operation":"credit","idempotency_key":"c-1","wallet_id":"alice","amount_minor":5000,"asset":"EUR"}
"""
TRANSFER = """\
{"operation":"transfer","idempotency_key":"t-1","wallet_id":"alice","to_wallet_id":"bob","amount_minor":1999,"asset":"EUR"}
"""


def shared(namespace: str, folder: Path) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "partitions": 2,
        "data_dir": folder / "data",
        "reconciliation_proofs_interval_s": 1,
        "log_level": "debug",
    }


def walletstream(kafka: Secured, settings: Settings, *arguments: str) -> str:
    """What a command says; it must succeed."""
    done = run(kafka, settings, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(kafka: Secured, settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("WALLETSTREAM_")}
    done = subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        env=environ | kafka.environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not [secret for secret in USERS.values() if secret in done.stdout + done.stderr]
    return done


@contextmanager
def worker(kafka: Secured, settings: Settings, folder: Path, role: str = "ledger") -> Iterator[WorkerProcess]:
    """A worker; no password stands in its log."""
    made = WorkerProcess(f"{role}-1", kafka.environment(settings), folder / f"{role}.log", role=role)
    made.start()
    try:
        yield made
    finally:
        made.stop()
    assert not [secret for secret in USERS.values() if secret in made.log_path.read_text()]


def written(path: Path, secret: str) -> Path:
    path.write_text(f"{secret}\n")
    return path


@pytest.fixture(scope="module")
def namespace() -> str:
    return new_namespace()


@pytest.fixture(scope="module")
def applied(secured_kafka: Secured, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Secured:
    """Topics, applied through the secured listener; the ledger may do what its role needs."""
    folder = tmp_path_factory.mktemp("applied")
    admin = secured_kafka.tls_and_login(**shared(namespace, folder))
    said = walletstream(secured_kafka, admin, "topics", "apply")
    assert full_name(namespace, "ledger-events") in said
    (folder / "one.jsonl").write_text(REQUESTS.splitlines()[0].replace("alice", "carol").replace("o-1", "o-0"))
    walletstream(secured_kafka, admin, "submit", str(folder / "one.jsonl"))
    grants = grants_of(ACCESS["ledger"], namespace)
    asyncio.run(grant(secured_kafka.broker.bootstrap_servers, "ledger", grants))
    return secured_kafka


@pytest.mark.parametrize("way", ["SASL_SSL", "mutual TLS"])
def test_requests_are_decided_told_and_proven(applied: Secured, namespace: str, tmp_path: Path, way: str) -> None:
    kafka, values = applied, shared(namespace, tmp_path)
    password = written(tmp_path / "password", USERS["ledger"])
    # PLAIN sends the password as it is: with debugging, all that is sent stands in the log.
    from_file: dict[str, Any] = {"sasl_password": None, "sasl_password_file": password, "sasl_mechanism": "PLAIN"}
    as_ledger = kafka.tls_and_login("ledger", **values, **from_file)
    as_admin = kafka.tls_and_login(**values) if way == "SASL_SSL" else kafka.mutual(**values)
    if way != "SASL_SSL":
        grants = grants_of(ACCESS["ledger"], namespace)
        asyncio.run(grant(kafka.broker.bootstrap_servers, "CN=ledger", grants))
        as_ledger = kafka.mutual("ledger", **values)
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_text(REQUESTS.replace('"o-', f'"{way}-o-').replace('"c-1', f'"{way}-c-1'))
    second.write_text(TRANSFER.replace("t-1", f"{way}-t-1"))
    with worker(kafka, as_ledger, tmp_path) as ledger:
        wait_until_ready([ledger])
        walletstream(kafka, as_admin, "submit", "--wait", str(first))
        assert "1" in walletstream(kafka, as_admin, "submit", "--wait", str(second))
        assert "19.99" in walletstream(kafka, as_admin, "wallet", "show", "bob")
        assert ledger.stop() == 0
    assert f"{way}-t-1" in walletstream(kafka, as_admin, "tail", "transaction-outcomes", "-n", "20", "--json")
    assert "ok" in walletstream(kafka, as_admin, "verify").lower()


@pytest.mark.parametrize("role", [role for role in ACCESS if role != "ledger"])
def test_each_role_needs_no_more_than_is_listed(applied: Secured, namespace: str, tmp_path: Path, role: str) -> None:
    asyncio.run(grant(applied.broker.bootstrap_servers, f"CN={role}", grants_of(ACCESS[role], namespace)))
    with worker(applied, applied.mutual(role, **shared(namespace, tmp_path)), tmp_path, role) as started:
        wait_until_ready([started])
        time.sleep(3)
        assert started.readiness().ready, started.last_lines()
        assert started.stop() == 0
    assert "Authorization" not in started.log_path.read_text()


# ---- who is not let in -----------------------------------------------------------------------------


def ended(kafka: Secured, settings: Settings, folder: Path) -> tuple[int, str]:
    """Exit code of a worker that ends by itself, and its last line but for what libraries log while they close."""
    with worker(kafka, settings, folder) as started:
        code = started.wait(60)
        lines = started.log_path.read_text().splitlines()
        return code, [line for line in lines if "level=debug logger=aiokafka" not in line][-1]


def test_a_worker_with_a_wrong_password_ends(applied: Secured, namespace: str, tmp_path: Path) -> None:
    code, last = ended(applied, applied.tls_and_login("ledger", "wrong", **shared(namespace, tmp_path)), tmp_path)
    assert code == 2
    assert last.startswith("Kafka does not let ledger in: ")
    assert "refuses the login of user ledger" in last
    assert "see whether user and password are the brokers'" in last


def test_a_worker_that_does_not_trust_the_brokers_ends(applied: Secured, namespace: str, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other").certificate
    values = shared(namespace, tmp_path) | {"tls_ca_file": other}
    code, last = ended(applied, applied.tls_and_login("ledger", **values), tmp_path)
    assert code == 2
    assert "is not trusted" in last
    assert "WALLETSTREAM_TLS_CA_FILE" in last


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sasl_password": None}, "set WALLETSTREAM_SASL_PASSWORD or WALLETSTREAM_SASL_PASSWORD_FILE"),
        ({"tls_ca_file": "/absent/ca.pem"}, "/absent/ca.pem cannot be read: No such file or directory"),
    ],
)
def test_a_worker_with_settings_that_cannot_be_used_ends(
    applied: Secured, tmp_path: Path, settings: dict[str, str | None], said: str
) -> None:
    environ = {**applied.environment(applied.tls_and_login("ledger")), "WALLETSTREAM_LOG_LEVEL": "debug"}
    changed = {f"WALLETSTREAM_{name.upper()}": value or "" for name, value in settings.items()}
    started = WorkerProcess("wrong", environ | changed, tmp_path / "wrong.log")
    started.start()
    assert started.wait(30) == 2
    assert said in started.log_path.read_text()
    assert USERS["ledger"] not in started.log_path.read_text()


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        (Grant("topic", "assets.v1", "Read"), "may not use topic {}assets.v1"),
        (Grant("topic", "assets.v1", "Describe"), "may not use topic {}assets.v1"),
        (Grant("topic", "ledger-events.v1", "Write"), "may not use topic {}ledger-events.v1"),
        (Grant("group", "ledger", "Read"), "may not use consumer group {}ledger"),
        (Grant("transactional-id", "ledger-", "Write"), "may not use transactional id {}ledger-"),
    ],
    ids=lambda value: f"{value.operation}-{value.name}" if isinstance(value, Grant) else "",
)
def test_a_worker_that_lacks_a_permission_ends(
    applied: Secured, namespace: str, tmp_path: Path, left_out: Grant, said: str
) -> None:
    user = f"without-{left_out.operation}-{left_out.name}"
    # Describe is granted with Read and Write, too.
    operations = ("Read", "Write", "Describe") if left_out.operation == "Describe" else (left_out.operation,)
    grants = [
        one
        for one in grants_of(ACCESS["ledger"], namespace)
        if (one.kind, one.name) != (left_out.kind, f"{namespace}{left_out.name}") or one.operation not in operations
    ]
    opening, name = REQUESTS.splitlines()[0], user.replace(".", "-").lower()
    opened = [opening.replace("alice", f"{name}-{n}").replace("o-1", f"o-{name}-{n}") for n in range(4)]
    (tmp_path / "more.jsonl").write_text("\n".join(opened))
    as_admin = applied.tls_and_login(**shared(namespace, tmp_path))
    walletstream(applied, as_admin, "submit", str(tmp_path / "more.jsonl"))
    asyncio.run(grant(applied.broker.bootstrap_servers, f"CN={user}", grants))
    code, last = ended(applied, applied.mutual(user, **shared(namespace, tmp_path)), tmp_path)
    assert code == 2
    assert said.format(namespace) in last
    assert "let an administrator grant it" in last


def test_a_worker_whose_password_is_changed_waits_and_says_so(applied: Secured, namespace: str, tmp_path: Path) -> None:
    password = written(tmp_path / "password", USERS["ledger"])
    values = shared(namespace, tmp_path) | {"sasl_password": None, "sasl_password_file": password}
    with worker(applied, applied.tls_and_login("ledger", **values), tmp_path) as started:
        wait_until_ready([started])
        written(password, "not-any-more")
        applied.broker.restart()
        deadline = time.monotonic() + 60
        while not any("refuses the login of user ledger" in reason for reason in started.readiness().reasons):
            assert started.running, started.last_lines()
            assert time.monotonic() < deadline, started.readiness()
            time.sleep(0.2)
        assert not started.readiness().ready
        written(password, USERS["ledger"])
        wait_until_ready([started])


@pytest.mark.parametrize(
    ("grants", "arguments", "said"),
    [
        ([], ["tail", "ledger-events", "-n", "1"], "this user may not use topic {}ledger-events.v1"),
        ([], ["verify"], "this user may not use topic {}"),
        ([], ["topics", "check"], "this user may not use topic {}"),
        (["Describe"], ["tail", "transaction-requests", "-n", "1"], "may not use topic {}transaction-requests.v1"),
        (["Describe"], ["submit", "FILE"], "cannot write to {}transaction-requests.v1: this user may write no topic"),
        (["Describe"], ["submit", "--wait", "FILE"], "this user may write no topic"),
        (
            ["Describe", "Read"],
            ["reference", "rm", "rails", "sepa"],
            "cannot write alone, as {0}reference: this user may not use transactional id {0}reference",
        ),
    ],
)  # fmt: skip
def test_a_command_that_lacks_a_permission_says_so(
    applied: Secured, namespace: str, tmp_path: Path, grants: list[str], arguments: list[str], said: str
) -> None:
    user = f"user-{'-'.join(grants).lower()}"
    granted = [Grant("topic", namespace, operation, "prefixed") for operation in grants]
    asyncio.run(grant(applied.broker.bootstrap_servers, f"CN={user}", granted))
    requests = tmp_path / "requests.jsonl"
    requests.write_text(REQUESTS)
    named = [str(requests) if one == "FILE" else one for one in arguments]
    done = run(applied, applied.mutual(user, **shared(namespace, tmp_path)), *named)
    # 2: the ledger could not be verified.
    assert done.returncode == (2 if arguments == ["verify"] else 1)
    assert said.format(namespace) in done.stderr
    assert "Traceback" not in done.stderr
