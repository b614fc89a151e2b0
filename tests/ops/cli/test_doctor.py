"""`walletstream doctor`: its exit code and what it prints."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from ops.cli import main
from tests.broker import Kafka


def doctor(*arguments: str, **settings: str) -> Result:
    environ = {f"WALLETSTREAM_{name.upper()}": value for name, value in settings.items()}
    return CliRunner().invoke(main, ["doctor", *arguments], env=environ)


def test_settings_that_are_not_allowed_are_all_named() -> None:
    wrong = doctor("--json", partitions="many", web_port="-1")
    assert wrong.exit_code == 1
    found = json.loads(wrong.stdout)
    assert found["ok"] is False
    assert [f["what"].partition(":")[0] for f in found["findings"]] == [
        "WALLETSTREAM_PARTITIONS=many",
        "WALLETSTREAM_WEB_PORT=-1",
    ]


def test_a_broker_that_is_away_is_a_problem() -> None:
    away = doctor(bootstrap_servers="127.0.0.1:1", data_dir="/tmp")
    assert away.exit_code == 1
    assert " x broker    no Kafka broker answers at 127.0.0.1:1" in away.output
    assert "isolation.level=read_committed" in away.output


@pytest.mark.kafka
def test_where_all_is_well_the_exit_code_is_0(kafka: Kafka, namespace: str) -> None:
    settings = {"bootstrap_servers": kafka.bootstrap_servers, "namespace": namespace}
    environ = {f"WALLETSTREAM_{name.upper()}": value for name, value in settings.items()}
    assert CliRunner().invoke(main, ["topics", "apply"], env=environ).exit_code == 0
    well = doctor(**settings)
    assert well.exit_code == 0, well.output
    assert "0 problems" in well.output
    assert "clock" in well.output
    assert "clock" not in doctor("--read-only", **settings).output
