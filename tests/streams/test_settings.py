"""Settings that contradict each other are refused where they are read."""

from __future__ import annotations

import pytest
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
    "servers", ["kafka", "k-1:9092, k-2:9092,", "10.0.0.1:1", "[::1]:9092", "[::1]", "::1", "a_b:65535"]
)
def test_addresses_of_brokers(servers: str) -> None:
    assert Settings(bootstrap_servers=servers).bootstrap_servers == servers


@pytest.mark.parametrize(
    "servers", ["", " ,", "kafka:abc", "kafka:", "kafka:0", "k:65536", "k-1:9092 k-2:9092", "kafka://k:9092"]
)
def test_what_is_no_address_of_a_broker_is_refused(servers: str) -> None:
    with pytest.raises(ValidationError, match="is no address: write host:port"):
        Settings(bootstrap_servers=servers)
