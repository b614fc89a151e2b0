"""`docs/reference/cli.md`: every command as it explains itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from ops.cli import main
from ops.reference.markdown import fenced, page, table

_WIDTH = 100
_INTRODUCTION = """
`make setup` puts the command at `.venv/bin/walletstream`. It takes its settings from
[environment variables](settings.md).

- Exit code 0: it did what was asked.
- 1: it could not, or what it checked does not hold; a message says what to do.
- 2: the command line was wrong; for a worker, the cluster or a setting is. Of `verify`, `fraud backtest` and those of
  `reconcile` whose help says so also: it could not be told.
- 3: `reconcile import` has refused a file.
- 74: there was no room for what it had to say, such as on the disk to which standard output goes.
- 130: Ctrl-C ended it before it was done; of `verify` 2.

`--json` writes JSON for programs to read: standard output has one document, of `tail` an object a line, or nothing. An
error is JSON too then, the last line of standard error:
`{"error": "no Kafka broker answers at ...", "exit_code": 1}`.
"""


def cli_page() -> str:
    """The page."""
    commands = list(_commands(main, click.Context(main, info_name="walletstream")))
    overview = table(
        ("command", "does"),
        [(f"[`{path}`](#{_anchor(path)})", _first_line(command)) for path, command, _ in commands],
    )
    sections = [f"## {path}\n\n{fenced(_help(context))}" for path, _, context in commands]
    return page("Command line", "the commands' own help", _INTRODUCTION, overview, *sections)


def _commands(
    command: click.Command, context: click.Context, path: str = "walletstream"
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command below `command`, groups before their members, with the context that its help is made in."""
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        its_path = f"{path} {name}"
        settings = {**context.command.context_settings, **below.context_settings}
        its_context = click.Context(
            below,
            parent=context,
            info_name=name,
            terminal_width=_WIDTH,
            max_content_width=_WIDTH,
            help_option_names=settings.get("help_option_names"),
        )
        yield its_path, below, its_context
        yield from _commands(below, its_context, its_path)


def _help(context: click.Context) -> str:
    # A default that is this machine's, such as a folder, has no place in a page for all.
    return re.sub(r" +\n", "\n", context.get_help())


def _first_line(command: click.Command) -> str:
    return command.get_short_help_str(limit=120)


def _anchor(path: str) -> str:
    return path.replace(" ", "-")
