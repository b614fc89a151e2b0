"""`walletstream worker`: one worker in the foreground."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import click

from ops.cli.running import read_settings
from streams.settings import Settings


def _ledger(settings: Settings) -> int:
    from agents.ledger.agent import LEDGER
    from streams.worker import run_worker

    return run_worker(LEDGER, settings)


def _views(settings: Settings) -> int:
    from agents.views.agent import run_views

    return run_views(settings)


def _fraud(settings: Settings) -> int:
    from agents.fraud.agent import run_fraud

    return run_fraud(settings)


#: Role -> what runs it and returns its exit code.
ROLES: Final[dict[str, Callable[[Settings], int]]] = {"ledger": _ledger, "views": _views, "fraud": _fraud}


@click.command()
@click.argument("role", type=click.Choice(list(ROLES)))
def worker(role: str) -> None:
    """Run one worker of ROLE until SIGTERM or Ctrl-C; it stops in order and loses nothing.

    `ledger` decides requests; `views` keeps the SQL tables that statements and balances are asked from; `fraud`
    shows transactions to the rules on `fraud-rules` and tells alerts.

    Exit codes: 0 after a signal; 1 where the worker had to end and may be started again; 2 where somebody has to act
    first: the cluster or the settings are not as they must be, or going on would risk money, such as on a topic that
    was recreated or an event log with a gap.
    """
    sys.exit(ROLES[role](read_settings()))
