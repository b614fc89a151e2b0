"""`walletstream worker`: one worker in the foreground."""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from ops.cli.running import read_settings

#: Role -> the module that wires it, and its name there.
ROLES: Final = {"ledger": ("agents.ledger.agent", "LEDGER")}


@click.command()
@click.argument("role", type=click.Choice(list(ROLES)))
def worker(role: str) -> None:
    """Run one worker of ROLE until SIGTERM or Ctrl-C; it stops in order and loses nothing.

    Exit codes: 0 after a signal; 1 where the worker had to end and may be started again; 2 where somebody has to act
    first: the cluster or the settings are not as they must be, or going on would risk money, such as on a topic that
    was recreated or an event log with a gap.
    """
    settings = read_settings()
    from streams.worker import run_worker

    module, name = ROLES[role]
    sys.exit(run_worker(getattr(importlib.import_module(module), name), settings))
