"""`walletstream fraud history`: the ledger's own transactions as a table, to try rules on."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli.fraud_rules import as_json_option, with_reader
from ops.cli.running import print_json
from ops.fraud.ledger_history import Written, write_history
from ops.reading import TopicReader
from streams.settings import Settings


@click.command("history")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where to write."
)
@as_json_option
def history(out: Path, as_json: bool) -> None:
    """Write the transactions of the ledger as a table, and a mapping, for `fraud backtest`.

    Each row is what rules see of one transaction on the stream: its first decision, at the time at which it occurred.
    Rows name their place on the stream, so that alerts found in the table have the ids that they have there.

    \b
    walletstream fraud history --out history
    walletstream fraud backtest --rules R.json --transactions history/history.csv --mapping history/mapping.json
    """

    async def write(reader: TopicReader, settings: Settings) -> Written:
        return await write_history(reader, out, settings.fraud_lateness_s * 1000)

    written = with_reader(write)
    if as_json:
        print_json({"table": str(written.table), "mapping": str(written.mapping), "rows": written.rows})
        return
    click.echo(f"{written.rows:,} transactions: {written.table}, with {written.mapping}")
