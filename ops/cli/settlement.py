"""`walletstream settlement`: what treasury and operators do at the command line."""

from __future__ import annotations

import click

from ops.cli.settlement_orders import abandon, fund, release, retry, withdraw
from ops.cli.settlement_readiness import readiness
from ops.cli.settlement_shown import alerts, batches, forecast_command, position, show


@click.group()
def settlement() -> None:
    """Look at batches, positions and alerts of payment rails, fund rails, and try batches again."""


_SHOWN = (batches, show, position, forecast_command, alerts, readiness)
for _command in (*_SHOWN, *(fund, withdraw, retry, abandon, release)):
    settlement.add_command(_command)
