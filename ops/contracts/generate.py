"""`python -m ops.contracts.generate [--check]`: writes `schemas/generated/`, or says what there is out of date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click
import orjson

from ops.contracts.sources import JsonSchema, schemas

SCHEMAS: Final = Path(__file__).resolve().parents[2] / "schemas"
GENERATED: Final = SCHEMAS / "generated"
RELEASED: Final = SCHEMAS / "released"


def file_name(topic: str) -> str:
    """Name of a topic's schema file."""
    return f"{topic}.v1.json"


def document(schema: JsonSchema) -> bytes:
    """A schema as it is written to its file."""
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def out_of_date(folder: Path = GENERATED) -> list[str]:
    """Names of the files in `folder` that are missing, differ from the code, or belong to no topic."""
    expected = {file_name(topic): document(schema) for topic, schema in schemas().items()}
    found = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def generate(folder: Path = GENERATED) -> list[str]:
    """Bring `folder` up to date; returns the names of the files that changed."""
    changed = out_of_date(folder)
    expected = {file_name(topic): document(schema) for topic, schema in schemas().items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in expected:
            (folder / name).write_bytes(expected[name])
        else:
            (folder / name).unlink()
    return changed


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where a file is out of date.")
def main(check: bool) -> None:
    """Write the JSON Schema of every contract into schemas/generated."""
    changed = out_of_date() if check else generate()
    for name in changed:
        click.echo(f"{'out of date' if check else 'written'}: schemas/generated/{name}")
    if check and changed:
        click.echo("run `make contracts` and check the files in", err=True)
        sys.exit(1)
    if not changed:
        click.echo("schemas/generated is up to date")


if __name__ == "__main__":
    main()
