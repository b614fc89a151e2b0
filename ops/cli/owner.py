"""`walletstream owner show`: all that an owner has, in one asset, from the views."""

from __future__ import annotations

import time
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

import click
import msgspec

from agents.views.queries.owners import Holding, OwnerBalance, owner_balance
from agents.views.rates import Converted, Rate, Rates
from ops.cli.asking import Column, asking, print_as_of, print_table, warn_where_behind
from ops.cli.running import print_json, print_line, read_settings, run
from ops.cli.texts import Utf8
from ops.ledger_rates import LedgerRates, read_ledger_rates
from schemas.clock import rfc3339
from schemas.topics import FX_RATES


class _RateRow(msgspec.Struct, forbid_unknown_fields=True, rename={"from_asset": "from", "to_asset": "to"}):
    """One rate as the file has it."""

    from_asset: str
    to_asset: str
    numerator: int
    denominator: int
    rate_id: str


def read_rates(path: Path | None) -> Rates:
    """The rates of a file; without one there are none.

    Raises:
        click.ClickException: it cannot be read, or is no list of rates.
    """
    if path is None:
        return Rates()
    try:
        rows = msgspec.json.decode(path.read_bytes().removeprefix(BOM_UTF8), type=list[_RateRow])
        return Rates(Rate(*msgspec.structs.astuple(row)) for row in rows)
    except (OSError, ValueError) as error:
        example = '[{"from": "POINTS", "to": "EUR", "numerator": 1, "denominator": 100, "rate_id": "p-7"}]'
        raise click.ClickException(f"{path} is no list of rates: {error}; write {example}") from error


class _RatesInTurn:
    """Those of the file first, then the ledger's, if they are known."""

    def __init__(self, given: Rates, ledgers: LedgerRates | None):
        self._given, self._ledgers = given, ledgers

    def convert(self, amount_minor: int, from_asset: str, to_asset: str) -> Converted | None:
        converted = self._given.convert(amount_minor, from_asset, to_asset)
        if converted is None and self._ledgers is not None:
            return self._ledgers.convert(amount_minor, from_asset, to_asset)
        return converted


@click.group()
def owner() -> None:
    """Look at owners: what they have in all their wallets."""


@owner.command()
@click.argument("owner_ref", metavar="OWNER", type=Utf8())
@click.option("--in", "asset", required=True, help="Asset to express everything in, such as EUR.")
@click.option(
    "--rates",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file of rates that go before the ledger's: a list of objects with from, to, numerator, denominator, "
    "rate_id.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def show(owner_ref: str, asset: str, path: Path | None, as_json: bool) -> None:
    """Show cash, points and vouchers of all wallets of OWNER as one balance.

    From the views. OWNER is the `owner_ref` that wallets were opened with. Each account is converted exactly, by what
    an exchange would give now at the rates on `fx-rates`, or what is owed would cost, and floored. A rate of a file
    says minor units of `to` for one minor unit of `from`, as a fraction. What no rate leads from is listed as not
    converted and is in no sum. Amounts are in minor units.
    """
    given, settings = read_rates(path), read_settings()
    ledgers = run(read_ledger_rates(settings, time.time_ns() // 1_000_000))
    with asking(settings) as asked:
        found = owner_balance(asked.connection, owner_ref, asset, _RatesInTurn(given, ledgers))
        if found is None:
            doubts = [doubt for fresh in asked.all_freshness() if (doubt := fresh.doubt())]
            why = "; ".join(doubts) or "owner_refs are case-sensitive"
            raise click.ClickException(f"no wallet of {owner_ref!r} in the views; {why}")
        fresh = [asked.freshness(one.partition) for one in found.reflects]
    warn_where_behind(fresh)
    rates_at = None if ledgers is None else rfc3339(ledgers.at_ms)
    if rates_at is None:
        click.echo(f"Warning: nothing is converted by {FX_RATES}: Kafka or the topic does not answer", err=True)
    if as_json:
        print_json({**_as_json(found), "fx_rates_at": rates_at, "reflects": [one.as_json() for one in fresh]})
        return
    _print(found)
    if rates_at is not None:
        click.echo(f"rates       those on {FX_RATES}, as valid at {rates_at}")
    print_as_of(fresh)


def _as_json(found: OwnerBalance) -> dict[str, Any]:
    return {
        "owner_ref": found.owner_ref,
        "in": found.asset,
        "wallet_ids": found.wallet_ids,
        "total_minor": found.total_minor,
        "available_minor": found.available_minor,
        "not_converted": found.not_converted,
        "holdings": [_holding_json(one) for one in found.holdings],
    }


def _holding_json(found: Holding) -> dict[str, Any]:
    balance = found.balance
    return {
        "wallet_id": balance.wallet_id,
        "account": balance.account,
        "bucket": balance.bucket,
        "asset": balance.asset,
        "balance_minor": balance.balance_minor,
        "converted_minor": found.converted_minor,
        "rate_id": found.rate_id,
        "partition": balance.partition,
        "ledger_offset": balance.ledger_offset,
    }


def _print(found: OwnerBalance) -> None:
    print_line(f"owner       {found.owner_ref}, wallets {', '.join(found.wallet_ids)}")
    print_line(f"total       {found.total_minor} {found.asset}, {found.available_minor} of it available; minor units")
    columns = [Column("account", 40), Column("asset", 16), Column("balance", 20, True)]
    columns += [Column(f"in {found.asset}", 20, True), Column("rate", 16)]
    rows = [
        (
            one.balance.account,
            one.balance.asset,
            one.balance.balance_minor,
            "not converted" if one.converted_minor is None else one.converted_minor,
            one.rate_id,
        )
        for one in found.holdings
    ]
    print_table(columns, rows)
    if found.not_converted:
        without = ", ".join(found.not_converted)
        print_line(f"no rate to {found.asset} from {without}: put one on {FX_RATES}, or give it with --rates")
