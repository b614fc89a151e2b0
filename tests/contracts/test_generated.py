"""The schemas that are checked in say what the code says, and the last release still holds."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from ops.contracts.gate import read_base, verdicts
from ops.contracts.generate import GENERATED, RELEASED, out_of_date
from ops.contracts.sources import SOURCES
from schemas.catalogue import TOPICS
from tests.contracts.codecs import SCHEMAS

pytestmark = pytest.mark.slow


def test_the_generated_files_are_up_to_date() -> None:
    assert out_of_date(GENERATED) == [], "run `make contracts` and check the files in"


def test_every_topic_with_a_contract_has_a_schema() -> None:
    assert list(SCHEMAS) == [topic.name for topic in TOPICS if topic.has_schema]
    assert set(SOURCES) == {topic.name for topic in TOPICS if topic.has_schema}


def test_the_schemas_are_valid_and_named() -> None:
    for topic, schema in SCHEMAS.items():
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"wallet.{topic}.v1"


def test_nothing_breaks_the_last_release() -> None:
    answers = verdicts(read_base(str(RELEASED)), SCHEMAS)
    refused = [answer for answer in answers if not answer.allowed]
    assert refused == [], "`make contracts` says why; docs/operating/testing.md how a release changes the base"


def test_every_field_of_an_input_contract_is_described() -> None:
    for topic in (topic for topic in TOPICS if topic.strict and topic.has_schema):
        schema = SCHEMAS[topic.name]
        for variant in [schema, *schema.get("$defs", {}).values()]:
            for name, field in variant.get("properties", {}).items():
                described = "description" in field or any("description" in one for one in field.get("anyOf", ()))
                assert described or name == "operation", f"{topic.name}: {variant['title']}.{name}"
