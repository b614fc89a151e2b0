"""Every consumer reads with `read_committed`: what is not committed may never have happened."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("streams", "ops", "agents")


def consumers(source: str) -> Iterator[ast.Call]:
    """Calls that make a consumer, by whatever name aiokafka's class goes."""
    if "AIOKafkaConsumer" not in source:
        # To read all that there is takes seconds.
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "AIOKafkaConsumer":
                yield node


def keywords_of(call: ast.Call) -> dict[str, object]:
    """Keywords of a call that are constants."""
    return {one.arg: one.value.value for one in call.keywords if one.arg and isinstance(one.value, ast.Constant)}


def found() -> list[tuple[str, ast.Call]]:
    """Every consumer that is made, with where."""
    paths = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return [(f"{p.relative_to(ROOT)}:{c.lineno}", c) for p in paths for c in consumers(p.read_text())]


@pytest.mark.parametrize(("where", "call"), [pytest.param(*one, id=one[0]) for one in found()])
def test_it_reads_committed_records_and_commits_nothing_by_itself(where: str, call: ast.Call) -> None:
    keywords = keywords_of(call)
    assert keywords.get("isolation_level") == "read_committed", where
    assert keywords.get("enable_auto_commit") is False, where


def test_the_consumers_of_workers_and_tools_are_among_them() -> None:
    files = {where.partition(":")[0] for where, _ in found()}
    assert {"streams/consumer_thread.py", "streams/kafka_reader.py", "ops/consuming.py", "ops/outcomes.py"} <= files


def test_nobody_takes_the_class_by_another_name() -> None:
    """An alias or a subclass would escape the test above."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            source = path.read_text()
            for node in ast.walk(ast.parse(source)) if "AIOKafkaConsumer" in source else ():
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aiokafka"):
                    assert not [a.name for a in node.names if a.name == "AIOKafkaConsumer" and a.asname], path
                elif isinstance(node, ast.ClassDef):
                    assert "AIOKafkaConsumer" not in [ast.unparse(base).split(".")[-1] for base in node.bases], path
