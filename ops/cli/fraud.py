"""`walletstream fraud`: what fraud analysts do at the command line."""

from __future__ import annotations

from typing import Final

import click

from ops.cli.lazy import LazyGroup

#: Command -> module and attribute: rules on the stream; their alerts; rules that are not
#: there yet. Imported on first use: a backtest needs nothing of Kafka.
_COMMANDS: Final = {
    "rules": ("ops.cli.fraud_rules", "rules"),
    "publish": ("ops.cli.fraud_rules", "publish_command"),
    "pause": ("ops.cli.fraud_rules", "pause"),
    "remove": ("ops.cli.fraud_rules", "remove_command"),
    "alerts": ("ops.cli.fraud_alerts", "alerts"),
    "explain": ("ops.cli.fraud_alerts", "explain"),
    "label": ("ops.cli.fraud_alerts", "label"),
    "verdict": ("ops.cli.fraud_alerts", "verdict"),
    "snooze": ("ops.cli.fraud_alerts", "snooze"),
    "stats": ("ops.cli.fraud_alerts", "stats"),
    "library": ("ops.cli.fraud_library", "fraud_library"),
    "history": ("ops.cli.fraud_history", "history"),
    "backtest": ("ops.cli.fraud_backtest", "backtest"),
    "attacks": ("ops.cli.fraud_attacks", "fraud_attacks"),
    "amlsim": ("ops.cli.fraud_amlsim", "fraud_amlsim"),
}


@click.group(cls=LazyGroup, places=dict(sorted(_COMMANDS.items())))
def fraud() -> None:
    """Find fraud rules, try them on history, publish them, look at what they say, and say what came of it."""
