"""`walletstream fraud attacks`: generated attacks among honest traffic, to try rules on."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli.running import print_json
from ops.errors import OperationError
from ops.fraud.attacks.files import LABEL, Written, write_attacks
from ops.fraud.attacks.generated import Size
from ops.fraud.attacks.kinds import KINDS


@click.command("attacks")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where to write."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed writes the same files.")
@click.option("--people", type=click.IntRange(100, 100_000), default=200, show_default=True, help="Honest wallets.")
@click.option("--days", type=click.IntRange(35, 365), default=40, show_default=True, help="Days of traffic.")
@click.option(
    "--attacks", type=click.IntRange(1, 5), default=5, show_default=True, help="Attacks of the kind in each table."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def fraud_attacks(out: Path, seed: int, people: int, days: int, attacks: int, as_json: bool) -> None:
    """Write labelled attacks among honest traffic, as tables for `fraud backtest`.

    Of each kind of attack there are three tables: as it happened, with a fifth of the rows up to two hours late, and
    with a fifth of them a second time. The column `attack` names the attack that a row is part of, `label` is 1 for
    those by which it can be told. Beside them stand the rules that each is made for, one mapping, and lists. honest.csv
    has no attack in it: what fires there is wrong.

    \b
    walletstream fraud attacks --seed 7 --out attacks
    cd attacks
    walletstream fraud backtest --rules burst.rules.json --transactions burst.csv --mapping mapping.json \\
        --lists lists.json --labels label --unique transaction_id
    """
    try:
        written = write_attacks(out, seed, Size(people, days, attacks))
    except OperationError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        print_json([_as_json(each) for each in written])
        return
    click.echo(f"{'table':<26} {'rows':>8} {'attacks':>8} {LABEL:>8}  rule")
    for each in written:
        click.echo(f"{each.table.name:<26} {each.rows:>8,} {each.attacks:>8} {each.labelled:>8,}  {_made_for(each)}")


def _made_for(written: Written) -> str:
    kind = written.table.name.split(".")[0]
    return KINDS[kind].rule_id if kind in KINDS else "none is to fire"


def _as_json(written: Written) -> dict[str, object]:
    return written._asdict() | {"table": str(written.table), "rules": str(written.rules), "for": _made_for(written)}
