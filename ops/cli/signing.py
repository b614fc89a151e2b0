"""Who orders, decides or says something, for the record."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def signed_by(does: str) -> Callable[[F], F]:
    """The option `--by`: who does it, such as "decides it"; whoever is logged in unless another name is given."""
    return person("--by", f"Who {does}, for the record.")


def person(option: str, help_: str) -> Callable[[F], F]:
    """An option that names somebody."""
    return click.option(
        option, default=getpass.getuser, show_default="your user name", callback=_required_name, help=help_
    )


def _required_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if not name.strip():
        raise click.BadParameter("a name is needed: it is kept with what was done")
    return name
