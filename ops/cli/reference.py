"""`walletstream reference`: the reference data that decisions ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import BinaryIO, TypeVar

import click

from ops.cli.running import print_json, read_settings, run
from ops.cli.texts import counted
from ops.errors import OperationError
from ops.reading import TopicReader, open_reader
from ops.records import text
from ops.reference_records import Line, check_adapters, put, read_contents, read_lines, remove
from schemas.clock import rfc3339
from schemas.topics import RAILS, REFERENCE_DATA

T = TypeVar("T")

_topic = click.argument("topic", type=click.Choice(REFERENCE_DATA))
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


@click.group()
def reference() -> None:
    """List, put and remove reference data: assets, rails, tiers, fee schedules and exchange rates.

    Running workers hear of it at once, and go by it from their next batch on.
    """


@reference.command("ls")
@_topic
@_json
def list_command(topic: str, as_json: bool) -> None:
    """List the latest record of each key, and what workers pass over, with the reason."""
    contents = _with_reader(lambda reader: read_contents(reader, topic))
    held = [contents.held[key] for key in sorted(contents.held)]
    if as_json:
        print_json([one.as_json() for one in held])
        return
    if not held:
        click.echo(f"no records on {topic}")
    for one in held:
        click.echo(f"{text(one.key.encode()):<24} {rfc3339(one.record.timestamp)} {text(one.record.value)}")
        if one.problem is not None:
            click.echo(f"    workers pass it over: {one.problem}")


@reference.command("put")
@_topic
@click.argument("file", type=click.File("rb"))
@_json
def put_command(topic: str, file: BinaryIO, as_json: bool) -> None:
    """Write the records of FILE, a JSON object in each line; `-` is standard input.

    The record's own field is its key. Every line is checked, by the contract and against what the topic says, before
    the first is written; all are written in one transaction.
    """
    try:
        lines: list[Line] = read_lines(file, topic)
        if topic == RAILS:
            check_adapters(lines, read_settings().rail_adapters)
    except OperationError as error:
        raise click.ClickException(f"{file.name}, {error}") from error
    except OSError as error:
        raise click.ClickException(
            f"cannot read {file.name}: {error.strerror or error}; nothing was written"
        ) from error
    if lines:
        _with_reader(lambda reader: put(reader, topic, lines))
    if as_json:
        print_json({"written": [line.key for line in lines]})
    else:
        click.echo(f"{counted(len(lines), 'record')} written to {topic}")


@reference.command("rm")
@_topic
@click.argument("key")
def remove_command(topic: str, key: str) -> None:
    """Remove what is said of KEY. What was decided by it stays as it is."""
    _with_reader(lambda reader: remove(reader, topic, key))
    click.echo(f"{key} removed from {topic}")


def _with_reader(work: Callable[[TopicReader], Awaitable[T]]) -> T:
    settings = read_settings()

    async def go() -> T:
        async with open_reader(settings, settings.namespace) as reader:
            return await work(reader)

    return run(go())
