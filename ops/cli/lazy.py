"""A group of commands that are imported when they are called, so that the others' libraries are not loaded."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final

import click

#: Libraries that commands import and that an extra brings, such as the image of the workers does without.
_EXTRAS: Final = {"psutil": "broker"}


class LazyGroup(click.Group):
    """A click group whose commands are imported on first use.

    Args:
        places: name of a command -> module and attribute; in the order in which help lists them.
        given: what a group of click takes.
    """

    def __init__(self, *, places: Mapping[str, tuple[str, str]], **given: Any):
        super().__init__(**given)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._places:
            return None
        module, attribute = self._places[cmd_name]
        try:
            command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            if error.name not in _EXTRAS:
                raise
            extra = _EXTRAS[error.name]
            raise click.ClickException(f"{error.name} is not installed: pip install 'walletstream[{extra}]'") from error
        assert isinstance(command, click.Command)
        return command
