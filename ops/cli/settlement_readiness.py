"""`walletstream settlement readiness`: what could be handed to rails, as the views have it."""

from __future__ import annotations

import click

from agents.views.queries.pending import Ready, ready_to_settle
from ops.cli.asking import Column, asking, print_as_of, print_table, warn_where_behind
from ops.cli.fraud_rules import as_json_option
from ops.cli.running import print_json, read_settings
from schemas.clock import rfc3339

_COLUMNS = [
    Column("rail", 16),
    Column("operation", 12),
    Column("transactions", 12, True),
    Column("amount", 24, True),
    Column("asset", 8),
    Column("the oldest from", 24),
]


@click.command("readiness")
@click.option("--rail", help="Only those of this rail.")
@as_json_option
def readiness(rail: str | None, as_json: bool) -> None:
    """Show what is processed over deferred rails and not handed to them yet, by rail, operation and asset.

    From the views, over all partitions. Amounts are in minor units. What waits in a batch that the ledger has not
    answered yet is among it; `settlement position` says why payouts wait.
    """
    with asking(read_settings()) as asked:
        fresh = asked.all_freshness()
        found = [one for one in ready_to_settle(asked.connection) if rail in (None, one.rail)]
    warn_where_behind(fresh)
    if as_json:
        print_json({"ready": [_as_json(one) for one in found], "reflects": [one.as_json() for one in fresh]})
        return
    if found:
        print_table(_COLUMNS, [(*one[:2], one.transactions, one.amount_minor, one.asset, _since(one)) for one in found])
    else:
        click.echo("nothing waits to be handed to a rail")
    print_as_of(fresh)


def _since(one: Ready) -> str:
    return rfc3339(one.oldest_opened_at_ms)


def _as_json(one: Ready) -> dict[str, str | int]:
    fields = one._asdict()
    del fields["oldest_opened_at_ms"]
    return {**fields, "oldest_opened_at": _since(one)}
