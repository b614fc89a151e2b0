"""`walletstream fraud`: what fraud analysts do at the command line."""

from __future__ import annotations

import click

from ops.cli.fraud_alerts import alerts, explain, label, snooze, stats
from ops.cli.fraud_amlsim import fraud_amlsim
from ops.cli.fraud_attacks import fraud_attacks
from ops.cli.fraud_backtest import backtest
from ops.cli.fraud_library import fraud_library
from ops.cli.fraud_rules import pause, publish_command, remove_command, rules


@click.group()
def fraud() -> None:
    """Find fraud rules, try them on history, publish them, look at what they say, and say what came of it."""


#: Rules on the stream; their alerts; rules that are not there yet.
for _command in (
    *(rules, publish_command, pause, remove_command),
    *(alerts, explain, label, snooze, stats),
    *(fraud_library, backtest, fraud_attacks, fraud_amlsim),
):
    fraud.add_command(_command)
