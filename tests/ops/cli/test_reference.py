"""`walletstream reference` on a real broker."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from ops.cli import main
from ops.cli.topics import apply_topics
from schemas.topics import full_name
from streams.settings import Settings
from tests.broker import Kafka
from tests.schemas.reference_records import MILES, OF_TOPIC, RATE, SEPA, TIER


class Run:
    """Runs `walletstream reference` in a namespace."""

    def __init__(self, bootstrap_servers: str, namespace: str, folder: Path):
        self.settings = Settings(bootstrap_servers=bootstrap_servers, namespace=namespace, partitions=1)
        self._folder = folder

    def __call__(self, *arguments: str, file: str | None = None) -> Result:
        environ = {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": self.settings.bootstrap_servers,
            "WALLETSTREAM_NAMESPACE": self.settings.namespace,
        }
        return CliRunner().invoke(main, ["reference", *arguments], env=environ, input=file)

    def put(self, topic: str, *records: dict[str, Any]) -> Result:
        path = self._folder / "records.jsonl"
        path.write_bytes(b"\n".join(map(orjson.dumps, records)))
        return self("put", topic, str(path))

    def held(self, topic: str) -> dict[str, Any]:
        """Key -> value, as `ls` has it."""
        listed = self("ls", topic, "--json")
        assert listed.exit_code == 0, listed.output
        return {one["key"]: one["value"] for one in json.loads(listed.stdout)}


@pytest.fixture
def cli(kafka: Kafka, namespace: str, tmp_path: Path) -> Run:
    """The command in a namespace whose topics are there."""
    run = Run(kafka.bootstrap_servers, namespace, tmp_path)
    asyncio.run(apply_topics(run.settings))
    return run


@pytest.mark.kafka
def test_from_nothing_to_all_topics_and_back(cli: Run) -> None:
    for topic, record in OF_TOPIC.items():
        assert cli.held(topic) == {}
        assert cli("ls", topic).output == f"no records on {topic}\n"
        put = cli.put(topic, record)
        assert (put.exit_code, put.output) == (0, f"1 record written to {topic}\n")
        (key,) = cli.held(topic)
        assert cli.held(topic) == {key: record}
        removed = cli("rm", topic, key)
        assert (removed.exit_code, removed.output) == (0, f"{key} removed from {topic}\n")
        assert cli.held(topic) == {}
        again = cli("rm", topic, key)
        assert again.exit_code == 1
        assert f"{topic} has nothing under {key!r}: `walletstream reference ls {topic}` lists" in again.output


@pytest.mark.kafka
def test_of_a_file_with_a_wrong_line_nothing_is_written(cli: Run) -> None:
    wrong = cli.put("fx-rates", RATE, RATE | {"rate_id": "b", "ask": 1.09})
    assert wrong.exit_code == 1
    assert "records.jsonl, line 2: ask: Input should be a valid string; nothing was written" in wrong.output
    assert cli.held("fx-rates") == {}
    wrong = cli.put("tiers", TIER, TIER | {"limits": {}})
    assert wrong.exit_code == 1
    assert "line 2: version: standard is at version 1; a change needs a higher one than 1" in wrong.output
    assert cli.held("tiers") == {}


@pytest.mark.kafka
def test_what_does_not_fit_what_the_topic_says_is_refused(cli: Run) -> None:
    assert cli.put("assets", MILES, MILES | {"code": "STARS"}).exit_code == 0
    assert cli("rm", "assets", "MILES").exit_code == 0
    for code in ("MILES", "STARS"):
        wrong = cli.put("assets", MILES | {"code": "OTHER"}, MILES | {"code": code, "exponent": 2})
        assert wrong.exit_code == 1
        assert f"line 2: asset {code} " in wrong.output
        assert "use a new code; nothing was written" in wrong.output
    assert set(cli.held("assets")) == {"STARS"}
    kept = cli("rm", "rails", "instant")
    assert kept.exit_code == 1
    assert "the rail instant is built in and cannot be removed" in kept.output


@pytest.mark.kafka
@pytest.mark.parametrize("width", [60, 180])
def test_a_list_that_is_too_long_for_the_topic_is_told_so(cli: Run, width: int) -> None:
    """Of what the client sends the broker refuses it; of more the client does."""
    short = {"name": "short", "version": 1, "purpose": "watch", "entries": ["a"]}
    long = {"name": "long", "version": 1, "purpose": "watch", "entries": [f"{n:0{width}}" for n in range(20_000)]}
    wrong = cli.put("lists", short, long)
    assert wrong.exit_code == 1
    assert "Error: line 2: its " in wrong.output
    assert "bytes are more than the topic takes in one record; put less into it, such as half of a list" in wrong.output
    assert cli.held("lists") == {}


@pytest.mark.kafka
def test_a_list_for_people_shows_what_workers_pass_over(cli: Run) -> None:
    async def write_past_the_command() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=cli.settings.bootstrap_servers)
        await producer.start()
        await producer.send_and_wait(full_name(cli.settings.namespace, "rails"), b"{}", b"worse")
        await producer.stop()

    asyncio.run(write_past_the_command())
    assert cli("put", "rails", "-", file=json.dumps(SEPA) + "\n\n").exit_code == 0
    sepa, worse, why = cli("ls", "rails").output.splitlines()
    assert sepa.startswith("sepa ")
    assert sepa.endswith('{"name":"sepa","settlement":"deferred"}')
    assert worse.startswith("worse ")
    assert why == "    workers pass it over: name: Field required; settlement: Field required"
    assert cli("rm", "rails", "worse").exit_code == 0
    assert set(cli.held("rails")) == {"sepa"}


def test_no_broker_an_empty_file_and_an_unknown_topic(tmp_path: Path) -> None:
    run = Run("127.0.0.1:1", "x.", tmp_path)
    away = run.put("rails", SEPA)
    assert away.exit_code == 1
    assert "no Kafka broker answers at 127.0.0.1:1" in away.output
    nothing = run("put", "rails", "-", "--json", file="\n")
    assert (nothing.exit_code, json.loads(nothing.output)) == (0, {"written": []})
    unknown = run("ls", "ledger-events")
    assert unknown.exit_code == 2
    assert "'assets', 'rails', 'tiers', 'fee-schedules', 'fx-rates'" in unknown.output
