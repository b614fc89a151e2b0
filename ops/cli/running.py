"""How every command runs: its settings, its event loop, its errors and its JSON."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from itertools import islice
from typing import Any, Final, TypeVar

import click
import uvloop
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from ops.errors import OperationError
from ops.records import printable
from streams.closed_connections import tell_apart_closed_connections
from streams.connection import unusable_files
from streams.settings import Settings

T = TypeVar("T")
#: So many pieces of JSON, a value or a name each, are printed at once.
_PIECES: Final = 10_000


def read_settings() -> Settings:
    """The settings from the environment.

    Raises:
        click.ClickException: a variable has a value that is not allowed, or names a file that cannot be used; every
            such variable or file is named.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise click.ClickException("\n".join(setting_errors(error))) from error
    if unusable := unusable_files(settings):
        raise click.ClickException("\n".join(f"settings of the connection to Kafka: {what}" for what in unusable))
    return settings


def setting_errors(error: ValidationError) -> list[str]:
    """One line for each setting that is not allowed; settings that contradict each other name themselves."""
    return [
        f"WALLETSTREAM_{'_'.join(map(str, e['loc'])).upper()}={e['input']}: {e['msg']}"
        if e["loc"]
        else e["msg"].removeprefix("Value error, ")
        for e in error.errors(include_url=False)
    ]


def prepare_clients() -> None:
    """Before a command speaks to brokers: what their client logs where one is away, it says in its own words."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    tell_apart_closed_connections()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end.

    Raises:
        click.ClickException: instead of an `OperationError`, with its message.
    """
    prepare_clients()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.get_loop().set_exception_handler(_told_otherwise)
            return runner.run(main)
    except OperationError as error:
        # Messages name what stands in files and on topics.
        raise click.ClickException("\n".join(map(printable, str(error).split("\n")))) from error


def _told_otherwise(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Of all that fails with a transaction the client library raises one, which the command tells; it leaves the others
    to nobody, and the loop would print each with its traceback."""
    if not isinstance(context.get("exception"), KafkaError):
        loop.default_exception_handler(context)


def print_line(line: str, *, err: bool = False) -> None:
    """One line for people, on standard output or error; what others have written in it cannot steer the terminal."""
    click.echo(printable(line), err=err)


def warn_held_up(held_up: str) -> None:
    """Say on standard error that a transaction of somebody hides a part of what is shown (for `open_reader`)."""
    print_line(f"Warning: {held_up}; it is not among what is shown", err=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output, piece by piece: a statement may be of hundreds of megabytes."""
    pieces = json.JSONEncoder(indent=2, default=str).iterencode(value)
    while piece := "".join(islice(pieces, _PIECES)):
        click.echo(piece, nl=False)
    click.echo()
