"""Settings that contradict each other are refused where they are read."""

from __future__ import annotations

import pytest
from aiokafka.conn import collect_hosts
from pydantic import ValidationError

from streams.settings import Settings


def test_the_defaults_stand() -> None:
    assert Settings().commit_deadline_s * 1000 < Settings().transaction_timeout_ms


@pytest.mark.parametrize("deadline_s", [10.0, 60.0])
def test_a_deadline_must_be_below_the_time_limit_of_the_transaction(deadline_s: float) -> None:
    with pytest.raises(ValidationError, match="must be below"):
        Settings(commit_deadline_s=deadline_s, transaction_timeout_ms=10_000)


def test_a_position_that_only_moved_is_sealed_daily_at_least() -> None:
    assert Settings(seal_interval_s=86_400.0).seal_interval_s == 86_400
    with pytest.raises(ValidationError, match="seal_interval_s"):
        Settings(seal_interval_s=86_401.0)


def test_a_group_session_is_at_most_10_s() -> None:
    assert Settings(session_timeout_s=10.0).session_timeout_s == 10
    with pytest.raises(ValidationError, match="session_timeout_s"):
        Settings(session_timeout_s=10.1)


def test_transactions_are_kept_as_long_as_their_keys() -> None:
    with pytest.raises(ValidationError, match=r"TRANSACTION_RETENTION_S .* must not be below"):
        Settings(idempotency_retention_s=7_200, transaction_retention_s=7_199)
    assert Settings(idempotency_retention_s=7_200, transaction_retention_s=7_200).transaction_retention_s == 7_200


@pytest.mark.parametrize(
    "servers", ["kafka", "k-1:9092,k-2:9092", "10.0.0.1:1", "[::1]:9092", "[::1]", "::1", "a_b:65535"]
)
def test_addresses_of_brokers(servers: str) -> None:
    assert Settings(bootstrap_servers=servers).bootstrap_servers == servers


@pytest.mark.parametrize("servers", ["k-1:1, k-2:2,", ",k-1:1,,k-2:2", " k-1:1 , k-2:2 , "])
def test_nothing_between_commas_is_no_broker(servers: str) -> None:
    """The client library takes it for port 9092 of this machine, and asks whatever cluster is there."""
    named = Settings(bootstrap_servers=servers).bootstrap_servers
    assert [(host, port) for host, port, _ in collect_hosts(named, randomize=False)] == [("k-1", 1), ("k-2", 2)]


@pytest.mark.parametrize(
    "servers", ["", " ,", "kafka:abc", "kafka:", "kafka:0", "k:65536", "k-1:9092 k-2:9092", "kafka://k:9092"]
)
def test_what_is_no_address_of_a_broker_is_refused(servers: str) -> None:
    with pytest.raises(ValidationError, match="is no address: write host:port"):
        Settings(bootstrap_servers=servers)


@pytest.mark.parametrize("host", ["", " "])
def test_an_address_to_listen_on_is_never_empty(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """To a socket it would mean every address of the machine; what is served has no authentication."""
    monkeypatch.setenv("WALLETSTREAM_WEB_HOST", host)
    with pytest.raises(ValidationError, match="web_host"):
        Settings()


def test_a_data_directory_is_never_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would mean the directory that the process happens to be in."""
    monkeypatch.setenv("WALLETSTREAM_DATA_DIR", "")
    with pytest.raises(ValidationError, match="data_dir"):
        Settings()


def test_an_empty_directory_of_rails_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the other settings without a default: files of payments must not go to where the process happens to be."""
    monkeypatch.setenv("WALLETSTREAM_RAILS_DIR", "")
    assert Settings().rails_dir is None


@pytest.mark.parametrize("name", [".", ".."])
def test_a_worker_is_not_named_like_a_directory_that_is_there(name: str) -> None:
    with pytest.raises(ValidationError, match="worker_id"):
        Settings(worker_id=name)
