"""Golden examples of topics below `schemas/examples`, taken from records that machines write in short stories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

EXAMPLES = Path(__file__).resolve().parents[1] / "schemas" / "examples"


def first_of_each(named: Iterable[tuple[str, str, bytes]]) -> dict[str, bytes]:
    """Path below `schemas/examples` -> content, from topics, names and records: the first of each name."""
    found: dict[str, bytes] = {}
    for topic, name, value in named:
        pretty = orjson.dumps(orjson.loads(value), option=orjson.OPT_INDENT_2) + b"\n"
        found.setdefault(f"{topic}.v1/{name}.json", pretty)
    return found


def write(topics: Iterable[str], examples: Mapping[str, bytes]) -> None:
    """Write all of them, and leave nothing else of these topics."""
    for topic in topics:
        folder = EXAMPLES / f"{topic}.v1"
        folder.mkdir(exist_ok=True)
        for path in folder.glob("*.json"):
            path.unlink()
    for name, content in examples.items():
        (EXAMPLES / name).write_bytes(content)
