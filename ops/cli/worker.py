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


def _reconciliation(settings: Settings) -> int:
    from agents.reconciliation.agent import run_reconciliation
    from ops.reconcile.proving_role import ProofsCompanion

    return run_reconciliation(settings, [ProofsCompanion(settings)])


def _settlement(settings: Settings) -> int:
    from agents.settlement.agent import run_settlement

    return run_settlement(settings)


#: Role -> what runs it and returns its exit code.
ROLES: Final[dict[str, Callable[[Settings], int]]] = {
    "ledger": _ledger,
    "views": _views,
    "fraud": _fraud,
    "reconciliation": _reconciliation,
    "settlement": _settlement,
}


@click.command()
@click.argument("role", type=click.Choice(list(ROLES)))
def worker(role: str) -> None:
    """Run one worker of ROLE until SIGTERM or Ctrl-C; it stops in order and loses nothing.

    `ledger` decides requests; `views` keeps the SQL tables that statements and balances are asked from; `fraud`
    shows transactions to the rules on `fraud-rules` and tells alerts; `settlement` brings transactions in batches to
    payment rails and tells the ledger what they answer; `reconciliation` matches the ledger with what partners and
    banks report, leads what does not match through exceptions, and proves each day that the money is there.

    Exit codes: 0 after a signal; 1 where the worker had to end and may be started again; 2 where somebody has to act
    first: the cluster or the settings are not as they must be, or going on would risk money, such as on a topic that
    was recreated or an event log with a gap.
    """
    try:
        settings = read_settings()
    except click.ClickException as error:
        from streams.foreground import EXIT_MISCONFIGURED

        # Whoever starts a worker again goes by it: a restart mends no setting.
        error.exit_code = EXIT_MISCONFIGURED
        raise
    sys.exit(ROLES[role](settings))
