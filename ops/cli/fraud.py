"""`walletstream fraud`: what fraud analysts do at the command line."""

from __future__ import annotations

import click

from ops.cli.fraud_amlsim import fraud_amlsim
from ops.cli.fraud_attacks import fraud_attacks
from ops.cli.fraud_backtest import backtest
from ops.cli.fraud_library import fraud_library


@click.group()
def fraud() -> None:
    """Find fraud rules in the library, and try them on history before they see the stream."""


fraud.add_command(backtest)
fraud.add_command(fraud_library)
fraud.add_command(fraud_attacks)
fraud.add_command(fraud_amlsim)
