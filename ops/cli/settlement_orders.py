"""`walletstream settlement fund|withdraw|retry|abandon|release`: what operators order."""

from __future__ import annotations

from typing import Any

import click

from ops.cli.fraud_rules import with_reader
from ops.cli.signing import signed_by
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.reference_records import read_amounts, read_contents
from ops.settlement.ordering import order
from ops.settlement.told import read_told
from schemas.assets import parse_minor
from schemas.settlement_events import RELEASE_PASSED_ON
from schemas.topics import ASSETS, RAILS
from streams.settings import Settings

_by = signed_by("orders it")
_reason = click.option("--reason", required=True, help="Why.")
_reference = click.option("--reference", help="Reference of the bank transfer.")


def _move(kind: str, rail: str, asset: str, amount: str, reference: str | None, by: str, reason: str) -> None:
    async def work(reader: TopicReader, _settings: Settings) -> str:
        if rail not in (await read_contents(reader, RAILS)).reference.rails:
            raise OperationError(f"there is no rail {rail!r}; `walletstream reference ls rails` lists them")
        known = (await read_contents(reader, ASSETS)).reference.assets.get(asset)
        if known is None:
            raise OperationError(f"there is no asset {asset!r}: neither in ISO 4217 nor registered")
        try:
            amount_minor = parse_minor(amount, known)
        except ValueError as error:
            raise OperationError(str(error)) from error
        if amount_minor <= 0:
            raise OperationError("AMOUNT must be more than 0; `fund` and `withdraw` say which way it goes")
        await order(reader, rail, by, reason, kind=kind, asset=asset, amount_minor=amount_minor, reference=reference)
        position = (await read_told(reader)).positions.get((rail, asset))
        amounts = await read_amounts(reader)
        lies = "" if position is None else f"; {amounts.amount(position.funded_minor, asset)} lie there now"
        verb = "put at the disposal of" if kind == "fund" else "taken back from"
        return f"{amounts.amount(amount_minor, asset)} {verb} {rail}{lies}"

    click.echo(with_reader(work))


@click.command("fund")
@click.argument("rail")
@click.argument("asset")
@click.argument("amount")
@_reference
@click.option("--reason", default="prefunding", show_default=True, help="Why.")
@_by
def fund(rail: str, asset: str, amount: str, reference: str | None, reason: str, by: str) -> None:
    """Say that AMOUNT of ASSET (whole units, such as 1500.00) was put at RAIL's disposal: what waits for it goes on."""
    _move("fund", rail, asset, amount, reference, by, reason)


@click.command("withdraw")
@click.argument("rail")
@click.argument("asset")
@click.argument("amount")
@_reference
@_reason
@_by
def withdraw(rail: str, asset: str, amount: str, reference: str | None, reason: str, by: str) -> None:
    """Say that AMOUNT of ASSET (whole units) was taken back from RAIL; refused where batches or the reserve need it."""
    _move("withdraw", rail, asset, amount, reference, by, reason)


def _order_on_batch(kind: str, batch_id: str, by: str, reason: str) -> str:
    async def work(reader: TopicReader, _settings: Settings) -> str:
        batch = (await read_told(reader)).batch(batch_id)
        await order(reader, batch.rail, by, reason, kind=kind, batch_id=batch.batch_id)
        return batch.batch_id

    return with_reader(work)


@click.command("retry")
@click.argument("batch_id", metavar="BATCH")
@click.option("--reason", default="tried again by hand", show_default=True, help="Why.")
@_by
def retry(batch_id: str, reason: str, by: str) -> None:
    """Try BATCH again now, which waits for its next attempt. The rail is asked for its status before anything is sent.

    The beginning of its id will do.
    """
    click.echo(f"{_order_on_batch('retry', batch_id, by, reason)} is tried again")


@click.command("abandon")
@click.argument("batch_id", metavar="BATCH")
@_reason
@_by
def abandon(batch_id: str, reason: str, by: str) -> None:
    """Give BATCH up, which no attempt can have brought to its rail: its transactions fail, and the money goes back.

    Refused where the rail may have it. The beginning of its id will do.
    """
    click.echo(f"{_order_on_batch('abandon', batch_id, by, reason)} is given up; its transactions fail")


@click.command("release")
@click.argument("rail")
@click.argument("transaction_id", metavar="TRANSACTION")
@_reason
@_by
def release(rail: str, transaction_id: str, reason: str, by: str) -> None:
    """Let TRANSACTION go over RAIL, which is above its payout limit, or kept back by a merchant's reserve."""

    async def work(reader: TopicReader, _settings: Settings) -> Any:
        return await order(reader, rail, by, reason, kind="release", transaction_id=transaction_id)

    event = with_reader(work)
    passed_on = event.type == RELEASE_PASSED_ON
    click.echo(
        f"{transaction_id} is not held here; if a merchant's reserve keeps it back, it goes on now"
        if passed_on
        else f"{transaction_id} is let go"
    )
