"""How commands run."""

from __future__ import annotations

import pytest
from aiokafka.errors import KafkaConnectionError

from ops.cli.running import run
from tests.streams.test_closed_connections import not_told_apart_yet, send_to_a_closed_one


def test_a_broker_that_dies_between_two_requests_is_no_bug_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    not_told_apart_yet(monkeypatch)
    with pytest.raises(KafkaConnectionError, match="is closed"):
        run(send_to_a_closed_one())
