"""`walletstream fraud`: what fraud analysts do at the command line."""

from __future__ import annotations

import click

from ops.cli.fraud_alerts import alerts, explain, label, snooze, stats
from ops.cli.fraud_backtest import backtest
from ops.cli.fraud_rules import pause, publish_command, remove_command, rules


@click.group()
def fraud() -> None:
    """Publish fraud rules, look at what they say, and say what came of it; try them on history."""


for _command in (rules, publish_command, pause, remove_command, alerts, explain, label, snooze, stats, backtest):
    fraud.add_command(_command)
