"""`docker-compose.yml`: valid, and in step with the settings, the image and the embedded broker.

`compose-spec.json` is the Compose Specification's own JSON Schema (github.com/compose-spec/compose-spec, copyright
2013-2018 Docker, Inc., Apache-2.0), unchanged as the package check-jsonschema 0.39.0 ships it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ops.broker.jars import KAFKA_VERSION
from ops.broker.properties import SINGLE_NODE, container_environment
from streams.settings import Settings

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).with_name("compose-spec.json")
WORKERS = ("ledger-1", "ledger-2")
#: Workers of the other roles.
OTHERS = {f"{role}-1": role for role in ("fraud", "settlement", "reconciliation", "views")}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def faults(compose: dict[str, Any]) -> list[str]:
    schema = json.loads(SCHEMA.read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose)]


def test_it_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    assert faults(compose) == []


def test_the_schema_finds_faults(compose: dict[str, Any]) -> None:
    broken = json.loads(json.dumps(compose))
    broken["services"]["kafka"]["helthcheck"] = {}
    broken["services"]["ledger-1"]["depends_on"] = {"kafka": {"condition": "sometime"}}
    found = "\n".join(faults(broken))
    assert "'helthcheck' was unexpected" in found
    assert "$.services['ledger-1'].depends_on" in found


def test_every_variable_is_a_setting_with_a_value_that_it_takes(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {f"WALLETSTREAM_{field.upper()}" for field in Settings.model_fields}
    for name in ("topics", *WORKERS, *OTHERS):
        environment = compose["services"][name]["environment"]
        assert set(environment) <= fields, name
        for variable, value in environment.items():
            monkeypatch.setenv(variable, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)))
        assert Settings().bootstrap_servers == "kafka:9092"


def test_workers_differ_in_name_and_data_and_share_the_rest(compose: dict[str, Any]) -> None:
    first, second = (compose["services"][name] for name in WORKERS)
    for key in ("command", "image", "depends_on", "healthcheck", "restart"):
        assert first[key] == second[key]
    for key in ("ports", "volumes"):
        assert not set(first[key]) & set(second[key])
    ids = [worker["environment"]["WALLETSTREAM_WORKER_ID"] for worker in (first, second)]
    assert ids == list(WORKERS)


@pytest.mark.parametrize(("name", "role"), OTHERS.items())
def test_the_other_roles_run_beside_them(compose: dict[str, Any], name: str, role: str) -> None:
    other, ledger = compose["services"][name], compose["services"][WORKERS[0]]
    assert other["command"] == ["worker", role]
    assert other["environment"]["WALLETSTREAM_WORKER_ID"] == name
    for key in ("image", "depends_on", "healthcheck", "restart"):
        assert other[key] == ledger[key]


def test_what_is_depended_on_can_become_what_is_waited_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed]
            else:
                assert services[needed].get("restart", "no") == "no"


def test_named_volumes_are_declared(compose: dict[str, Any]) -> None:
    used = {volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])}
    assert used == set(compose["volumes"])


def test_every_port_is_published_on_loopback_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(ports) == len(set(ports)) == 1 + len(WORKERS) + len(OTHERS)
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_kafka_is_the_embedded_brokers_version_and_settings(compose: dict[str, Any]) -> None:
    kafka = compose["services"]["kafka"]
    assert kafka["image"] == f"apache/kafka:{KAFKA_VERSION}"
    expected = container_environment(SINGLE_NODE)
    protocols = expected.pop("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP").split(",")
    environment = kafka["environment"]
    assert {name: environment.get(name) for name in expected} == expected
    assert set(protocols) < set(environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))


def test_the_image_copies_what_exists_and_the_context_lets_through() -> None:
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {
        source
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
        for source in sources.split()
    }
    assert "ops" in copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in let_through, source
