"""`walletstream tx show`: one transaction with all its events, in every partition that had a part in it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

import click

from ops.amounts import Amounts
from ops.cli.progress import progress_bar
from ops.cli.running import print_json, print_line, read_settings, run, warn_held_up
from ops.consuming import place_of
from ops.errors import OperationError
from ops.event_facts import facts_of
from ops.history import Logged, concerns, family, in_order
from ops.reading import OnProgress, TopicReader, open_reader
from ops.reference_records import read_amounts
from schemas.events import LedgerEvent, decode_event
from schemas.topics import LEDGER_EVENTS, full_name
from streams.settings import Settings

_ID = re.compile(r"[0-9a-f]{32}")
_TRANSIT = "system/transit"


@click.group()
def tx() -> None:
    """Look at transactions."""


@tx.command()
@click.argument("transaction_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def show(transaction_id: str, as_json: bool) -> None:
    """Show all events of a transaction as a ledger: of a transfer between partitions, both sides.

    The id is the `transaction_id` of an outcome, 32 hexadecimal digits. All of `ledger-events` is read, and once more
    where the transaction reached another partition. With it come the captures, refunds, disputes and reversals of it,
    which are transactions of their own. Amounts are in whole units of the assets that are known; as JSON they are in
    minor units.
    """
    if not _ID.fullmatch(transaction_id):
        raise click.UsageError(f"{transaction_id!r} is no transaction id: 32 hexadecimal digits, as outcomes name it")
    settings = read_settings()
    with progress_bar(f"reading {LEDGER_EVENTS}") as on_progress:
        found, amounts = run(_find(settings, transaction_id, on_progress))
    if not found:
        raise click.ClickException(
            f"no transaction {transaction_id} in {full_name(settings.namespace, LEDGER_EVENTS)}: rejected requests "
            "have none; look for the wallet with `walletstream wallet show`"
        )
    if as_json:
        print_json(_as_json(transaction_id, found))
        return
    _print_head(transaction_id, found, amounts)
    for logged in found:
        _print(transaction_id, logged, amounts)


async def _find(settings: Settings, transaction_id: str, on_progress: OnProgress) -> tuple[list[Logged], Amounts]:
    async with open_reader(settings, settings.namespace, warn_held_up) as reader:
        found = [
            one async for one in _events(reader, [transaction_id], on_progress) if concerns(one.event, transaction_id)
        ]
        # What a child has led to in another partition names the child alone.
        if children := _left_the_partition(found) - {transaction_id}:
            known = {logged[:2] for logged in found}
            found += [
                one
                async for one in _events(reader, children, on_progress)
                if one[:2] not in known and one.event.transaction_id in children
            ]
        return in_order(found), await read_amounts(reader)


def _left_the_partition(found: Sequence[Logged]) -> set[str]:
    """Ids of the transactions whose money is, or was, on its way to another partition."""
    return {
        event.transaction_id
        for _, _, event in found
        if event.transaction_id is not None and any(entry.account == _TRANSIT for entry in event.entries)
    }


async def _events(
    reader: TopicReader, transaction_ids: Collection[str], on_progress: OnProgress
) -> AsyncIterator[Logged]:
    """All events in which one of the ids stands, whatever as."""
    wanted = [transaction_id.encode() for transaction_id in transaction_ids]
    async for records in reader.read(LEDGER_EVENTS, on_progress=on_progress):
        for record in records:
            value = record.value
            if value is not None and any(one in value for one in wanted):
                try:
                    yield Logged(record.partition, record.offset, decode_event(value))
                except ValueError as error:
                    place = place_of(record)
                    raise OperationError(f"{place} is no event ({error}); run `walletstream verify`") from error


def _as_json(transaction_id: str, found: list[Logged]) -> dict[str, Any]:
    parent, children = family(transaction_id, found)
    return {
        "transaction_id": transaction_id,
        "parent_transaction_id": parent,
        "children": [child._asdict() for child in children],
        "events": [logged.as_json() for logged in found],
    }


def _print_head(transaction_id: str, found: list[Logged], amounts: Amounts) -> None:
    own = [logged.event for logged in found if logged.event.transaction_id == transaction_id] or [found[0].event]
    first: LedgerEvent = own[0]
    states = [event.to_state for event in own if event.leg is None and event.to_state is not None]
    payee = first.counterparty
    click.echo(f"transaction {transaction_id}")
    amount = "" if first.amount_minor is None else f" of {amounts.amount(first.amount_minor, first.asset)}"
    to = "" if payee is None else f" to {payee.wallet_id}/{payee.sub_wallet}"
    click.echo(
        f"{first.operation}{amount}, wallet {first.wallet_id}/{first.sub_wallet}{to}: {states[-1] if states else '-'}"
    )
    if first.cause is not None:
        cause, request_id = first.cause.origin or first.cause, first.cause.request_id
        click.echo(
            f"asked by {cause.topic}/{cause.partition} offset {cause.offset}, key {first.cause.idempotency_key!r}"
            + ("" if request_id is None else f", request {request_id!r}")
        )
    parent, children = family(transaction_id, found)
    if parent is not None:
        click.echo(f"parent {parent}")
    for child in children:
        minor = child.amount_minor
        amount = "" if minor is None else f" of {amounts.amount(minor, child.asset)}"
        click.echo(f"child {child.transaction_id}: {child.operation}{amount}, {child.state}")


def _print(transaction_id: str, logged: Logged, amounts: Amounts) -> None:
    event = logged.event
    click.echo()
    of = "" if event.transaction_id == transaction_id else f" of child {event.transaction_id}"
    click.echo(
        f"{event.recorded_at}  {event.type}{f' ({event.leg} leg)' if event.leg else ''}{of}  "
        f"partition {logged.partition} offset {logged.offset} sequence {event.sequence}"
    )
    if event.path:
        click.echo(f"  {' -> '.join(event.path)}{' (forced)' if event.forced else ''}  {event.code or ''}")
    if event.message:
        print_line(f"  {event.code}: {event.message}")
    for fact in facts_of(event, amounts):
        print_line(f"  {fact}")
    after = {(balance.account, balance.asset): balance.balance_minor for balance in event.balances}
    if event.entries:
        click.echo(f"  {'account':<40} {'debit':>16} {'credit':>16} {'balance after':>20}")
    for entry in event.entries:
        sides = [amounts.number(m, entry.asset) if m else "" for m in (entry.debit_minor, entry.credit_minor)]
        key = (entry.account, entry.asset)
        balance = amounts.number(after[key], entry.asset) if key in after else ""
        click.echo(f"  {entry.account:<40} {sides[0]:>16} {sides[1]:>16} {balance:>20} {entry.asset}")
