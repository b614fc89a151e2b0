"""How commands run."""

from __future__ import annotations

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError

from ops.cli.running import run
from streams import closed_connections
from tests.streams.test_closed_connections import send_to_a_closed_one


def test_a_broker_that_dies_between_two_requests_is_no_bug_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_lookup(_connection: object) -> None:
        """Whoever listens is no broker."""

    monkeypatch.setattr(AIOKafkaConnection, "send", closed_connections._send)
    monkeypatch.setattr(AIOKafkaConnection, "_do_version_lookup", no_lookup)
    with pytest.raises(KafkaConnectionError, match="is closed"):
        run(send_to_a_closed_one())
