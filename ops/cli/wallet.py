"""`walletstream wallet`: one wallet as the ledger has it, and, in `wallet_views`, as the views have it."""

from __future__ import annotations

from typing import Any

import click

from ops.amounts import Amounts
from ops.buckets import bucket_table, by_bucket
from ops.cli.progress import progress_bar
from ops.cli.running import print_json, print_line, read_settings, run, warn_held_up
from ops.cli.texts import Utf8
from ops.cli.wallet_views import balance_at, pending, show_view, statement
from ops.errors import OperationError
from ops.history import Logged, WalletHistory
from ops.reading import OnProgress, TopicReader, open_reader
from ops.reference_records import read_amounts
from schemas.events import LedgerEvent, decode_event
from schemas.outcomes import WalletBalances, decode_balances
from schemas.partitioning import partition_of
from schemas.topics import LEDGER_EVENTS, WALLET_BALANCES, full_name
from streams.settings import Settings


@click.group()
def wallet() -> None:
    """Look at wallets."""


for _command in (statement, balance_at, pending):
    wallet.add_command(_command)


@wallet.command()
@click.argument("wallet_id", type=Utf8())
@click.option("-n", "count", type=click.IntRange(min=0), default=10, show_default=True, help="Last movements to show.")
@click.option("--view", is_flag=True, help="Ask the views: at once, without movements, as fresh as they are.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def show(wallet_id: str, count: int, view: bool, as_json: bool) -> None:
    """Show a wallet: its facts, balances and last movements.

    Facts and movements come from `ledger-events`, whose partition of the wallet is read from the start, balances from
    `wallet-balances`: the truth, and as slow as the log is long. Amounts are in whole units of the assets that are
    known; as JSON they are in minor units.
    """
    settings = read_settings()
    if view:
        show_view(settings, wallet_id, as_json)
        return
    with progress_bar(f"reading {LEDGER_EVENTS}") as on_progress:
        history, balances, amounts = run(_read(settings, wallet_id, on_progress))
    if not history.is_open:
        raise click.ClickException(
            f"no wallet {wallet_id!r} in {full_name(settings.namespace, LEDGER_EVENTS)}; ids are case-sensitive"
        )
    last = history.movements[-count:] if count else []
    if as_json:
        print_json(_as_json(history, balances, last))
    else:
        _print(history, balances, last, amounts)


async def _read(
    settings: Settings, wallet_id: str, on_progress: OnProgress
) -> tuple[WalletHistory, WalletBalances | None, Amounts]:
    async with open_reader(settings, settings.namespace, warn_held_up) as reader:
        partition = partition_of(wallet_id, await reader.partition_count(LEDGER_EVENTS))
        history = await _history(reader, wallet_id, partition, on_progress)
        return history, await _balances(reader, wallet_id, partition), await read_amounts(reader)


async def _history(reader: TopicReader, wallet_id: str, partition: int, on_progress: OnProgress) -> WalletHistory:
    history = WalletHistory(wallet_id)
    async for records in reader.read(LEDGER_EVENTS, [partition], on_progress=on_progress):
        for record in records:
            if record.value is not None and history.speaks_of(record.value):
                try:
                    history.take(Logged(partition, record.offset, decode_event(record.value)))
                except ValueError as error:
                    raise OperationError(
                        f"{record.topic}/{partition} offset {record.offset} is no event ({error}); "
                        "run `walletstream verify`"
                    ) from error
    return history


async def _balances(reader: TopicReader, wallet_id: str, partition: int) -> WalletBalances | None:
    last: bytes | None = None
    async for records in reader.read(WALLET_BALANCES, [partition]):
        for record in records:
            if record.key == wallet_id.encode():
                last = record.value
    return None if last is None else decode_balances(last)


def _as_json(history: WalletHistory, balances: WalletBalances | None, last: list[Logged]) -> dict[str, Any]:
    accounts = () if balances is None else balances.accounts
    return {
        "wallet_id": history.wallet_id,
        "owner_ref": history.owner_ref,
        "kind": history.kind,
        "state": history.state,
        "state_from": None if history.state_from is None else history.state_from._asdict(),
        "step_up": None if history.step_up is None else history.step_up._asdict(),
        "quarantined": history.quarantined,
        "opened_at": history.opened_at,
        "assets": history.assets,
        "sub_wallets": history.sub_wallets,
        "balances": [{"account": a.account, "asset": a.asset, "balance_minor": a.balance_minor} for a in accounts],
        "balances_sequence": None if balances is None else balances.sequence,
        "movements": [logged.as_json() for logged in last],
    }


def _print(history: WalletHistory, balances: WalletBalances | None, last: list[Logged], amounts: Amounts) -> None:
    print_line(f"wallet      {history.wallet_id}  ({history.kind}, owner {history.owner_ref})")
    click.echo(f"state       {history.state}{', under quarantine' if history.quarantined else ''}")
    if history.state_from is not None:
        print_line(f"by          {history.state_from}")
    if history.step_up is not None:
        print_line(f"step-up     {history.step_up}")
    click.echo(f"opened      {history.opened_at}")
    click.echo(f"assets      {', '.join(history.assets)}")
    click.echo(f"sub-wallets {', '.join(f'{name} ({kind})' for name, kind in history.sub_wallets.items())}")
    click.echo("balances:")
    if balances is None:
        click.echo("  none yet: no money was ever posted to it")
    else:
        held = {(one.account, one.asset): one.balance_minor for one in balances.accounts}
        for line in bucket_table(by_bucket(held, [history.wallet_id]), amounts, indent=2):
            click.echo(line)
    if last:
        click.echo(f"last {len(last)} of {len(history.movements)} movements:")
    for logged in last:
        print_line(_movement(history, logged.event, amounts))


def _movement(history: WalletHistory, event: LedgerEvent, amounts: Amounts) -> str:
    changes = ", ".join(amounts.signed(minor, asset) for asset, minor in history.change_minor(event).items())
    other = "" if event.counterparty is None else f" {event.counterparty.wallet_id}"
    what = f"{event.operation or '-'}{other}{f' ({event.command})' if event.command else ''}"
    code = "" if event.code in (None, "ok") else f" {event.code}"
    return (
        f"  {event.recorded_at}  {event.type:<22} {what:<24} {changes or '-':>18}{code}  {event.transaction_id or ''}"
    )
