"""`walletstream fraud`: what fraud analysts do at the command line."""

from __future__ import annotations

import click

from ops.cli.fraud_backtest import backtest


@click.group()
def fraud() -> None:
    """Try fraud rules on history before they see the stream."""


fraud.add_command(backtest)
