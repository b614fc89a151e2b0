"""`walletstream tx show`: one transaction with all its events, in every partition that had a part in it."""

from __future__ import annotations

import re

import click

from ops.cli.progress import progress_bar
from ops.cli.running import print_json, read_settings, run
from ops.errors import OperationError
from ops.history import Logged, concerns, in_order
from ops.reading import OnProgress, open_reader
from schemas.events import LedgerEvent, decode_event
from schemas.topics import LEDGER_EVENTS, full_name
from streams.settings import Settings

_ID = re.compile(r"[0-9a-f]{32}")


@click.group()
def tx() -> None:
    """Look at transactions."""


@tx.command()
@click.argument("transaction_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def show(transaction_id: str, as_json: bool) -> None:
    """Show all events of a transaction as a ledger: of a transfer between partitions, both sides.

    The id is the `transaction_id` of an outcome, 32 hexadecimal digits. All of `ledger-events` is read. Amounts are in
    minor units.
    """
    if not _ID.fullmatch(transaction_id):
        raise click.UsageError(f"{transaction_id!r} is no transaction id: 32 hexadecimal digits, as outcomes name it")
    settings = read_settings()
    with progress_bar(f"reading {LEDGER_EVENTS}") as on_progress:
        found = run(_find(settings, transaction_id, on_progress))
    if not found:
        raise click.ClickException(
            f"no transaction {transaction_id} in {full_name(settings.namespace, LEDGER_EVENTS)}: rejected requests "
            "have none; look for the wallet with `walletstream wallet show`"
        )
    if as_json:
        print_json({"transaction_id": transaction_id, "events": [logged.as_json() for logged in found]})
        return
    _print_head(transaction_id, found)
    for logged in found:
        _print(logged)


async def _find(settings: Settings, transaction_id: str, on_progress: OnProgress) -> list[Logged]:
    wanted = transaction_id.encode()
    found = []
    async with open_reader(settings.bootstrap_servers, settings.namespace) as reader:
        async for records in reader.read(LEDGER_EVENTS, on_progress=on_progress):
            for record in records:
                if record.value is not None and wanted in record.value:
                    try:
                        event = decode_event(record.value)
                    except ValueError as error:
                        place = f"{record.topic}/{record.partition} offset {record.offset}"
                        raise OperationError(f"{place} is no event ({error}); run `walletstream verify`") from error
                    if concerns(event, transaction_id):
                        found.append(Logged(record.partition, record.offset, event))
    return in_order(found)


def _print_head(transaction_id: str, found: list[Logged]) -> None:
    first: LedgerEvent = found[0].event
    states = [x.event.to_state for x in found if x.event.leg is None and x.event.to_state is not None]
    payee = first.counterparty
    click.echo(f"transaction {transaction_id}")
    amount = "" if first.amount_minor is None else f" of {first.amount_minor} {first.asset}"
    to = "" if payee is None else f" to {payee.wallet_id}/{payee.sub_wallet}"
    click.echo(
        f"{first.operation}{amount}, wallet {first.wallet_id}/{first.sub_wallet}{to}: {states[-1] if states else '-'}"
    )
    if first.cause is not None:
        cause = first.cause.origin or first.cause
        click.echo(
            f"asked by {cause.topic}/{cause.partition} offset {cause.offset}, key {first.cause.idempotency_key!r}, "
            f"request {first.cause.request_id!r}"
        )


def _print(logged: Logged) -> None:
    event = logged.event
    click.echo()
    click.echo(
        f"{event.recorded_at}  {event.type}{f' ({event.leg} leg)' if event.leg else ''}  "
        f"partition {logged.partition} offset {logged.offset} sequence {event.sequence}"
    )
    if event.path:
        click.echo(f"  {' -> '.join(event.path)}{' (forced)' if event.forced else ''}  {event.code or ''}")
    if event.message:
        click.echo(f"  {event.code}: {event.message}")
    after = {(balance.account, balance.asset): balance.balance_minor for balance in event.balances}
    if event.entries:
        click.echo(f"  {'account':<40} {'debit':>16} {'credit':>16} {'balance after':>20}")
    for entry in event.entries:
        debit = entry.debit_minor or ""
        credit = entry.credit_minor or ""
        balance = after.get((entry.account, entry.asset), "")
        click.echo(f"  {entry.account:<40} {debit:>16} {credit:>16} {balance:>20} {entry.asset}")
