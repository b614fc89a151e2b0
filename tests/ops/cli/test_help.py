"""What `--help` says."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from ops.cli import main
from ops.cli.up import up
from ops.cli.worker import ROLES


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), [pytest.param(*one, id=one[0]) for one in commands(main, "walletstream")])
def test_every_command_and_option_is_explained(path: str, command: click.Command) -> None:
    assert command.help
    assert [o.name for o in command.params if isinstance(o, click.Option) and not o.help] == [], path


@pytest.mark.parametrize(("path", "command"), [pytest.param(*one, id=one[0]) for one in commands(main, "walletstream")])
def test_a_usage_is_read_at_a_glance(path: str, command: click.Command) -> None:
    """It stands before each error of a command line."""
    # A command keeps the help option that its first context gives it, -h too by the settings of `main`.
    above = click.Context(main, **main.context_settings)
    usage = command.get_usage(click.Context(command, parent=above, info_name=path, terminal_width=80))
    assert len(usage.splitlines()) <= 3, usage


@pytest.mark.parametrize("role", ROLES)
def test_up_says_of_every_role_whether_it_runs(role: str) -> None:
    assert role in (up.help or "")
