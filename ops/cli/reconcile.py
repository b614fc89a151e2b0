"""`walletstream reconcile`: what reconciliation operators and auditors do at the command line."""

from __future__ import annotations

import click

from ops.cli.reconcile_exceptions import exceptions, show, status
from ops.cli.reconcile_files import files
from ops.cli.reconcile_gl import gl
from ops.cli.reconcile_import import import_command
from ops.cli.reconcile_orders import approve, assign, comment, hold, propose, reject, unmatch
from ops.cli.reconcile_planted import planted
from ops.cli.reconcile_prove import prove
from ops.cli.reconcile_report import report
from ops.cli.reconcile_rules import rules


@click.group()
def reconcile() -> None:
    """Match what we have written with what partners and banks say, report on it, and prove where the money is."""


for _command in (
    *(files, planted),
    *(import_command, report, prove, gl),
    *(status, exceptions, show),
    *(assign, comment, hold, propose, approve, reject, unmatch),
    rules,
):
    reconcile.add_command(_command)
