"""A setting that is not allowed ends a command with a message that names it, before anything is asked of Kafka."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ops.cli import main


@pytest.mark.parametrize(
    ("command", "code"),
    [(["topics", "check"], 1), (["worker", "ledger"], 2), (["worker", "views"], 2)],
    ids=["a command", "a worker", "a worker of the views"],
)
@pytest.mark.parametrize(("name", "value"), [("BOOTSTRAP_SERVERS", "kafka:abc"), ("PARTITIONS", "0")])
def test_a_setting_that_is_not_allowed(command: list[str], code: int, name: str, value: str) -> None:
    result = CliRunner().invoke(main, command, env={f"WALLETSTREAM_{name}": value})
    assert (result.exit_code, result.stdout) == (code, "")
    assert f"WALLETSTREAM_{name}={value}: " in result.stderr
