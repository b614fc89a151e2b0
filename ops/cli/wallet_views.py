"""`walletstream wallet statement`, `balance-at`, `pending`, and `show --view`: a wallet as the views have it."""

from __future__ import annotations

from typing import Any

import click

from agents.views.queries.pending import KINDS, Pending, pending_of
from agents.views.queries.statements import AccountStatement, balances_at, statement_of
from agents.views.queries.wallets import BalanceView, WalletView, balances_of
from ops.cli.asking import (
    FOREVER_MS,
    Column,
    Moment,
    asking,
    print_as_of,
    print_table,
    refuse_where_behind,
    warn_where_behind,
)
from ops.cli.running import print_json, print_line, read_settings
from ops.cli.texts import Utf8
from ops.freshness import Freshness
from schemas.clock import rfc3339
from streams.settings import Settings

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def show_view(settings: Settings, wallet_id: str, as_json: bool) -> None:
    """Print a wallet's facts and balances from the views."""
    with asking(settings) as asked:
        wallet, fresh = asked.wallet(wallet_id)
        balances = balances_of(asked.connection, wallet_id)
    warn_where_behind([fresh])
    if as_json:
        print_json(_wallet_json(wallet, balances, fresh))
        return
    print_line(f"wallet      {wallet.wallet_id}  ({wallet.kind}, owner {wallet.owner_ref})")
    click.echo(f"state       {wallet.state}{', under quarantine' if wallet.quarantined else ''}")
    click.echo(f"opened      {rfc3339(wallet.opened_at_ms)}")
    click.echo(f"assets      {', '.join(wallet.assets)}")
    click.echo(f"sub-wallets {', '.join(f'{sub.sub_wallet} ({sub.kind})' for sub in wallet.sub_wallets)}")
    click.echo("balances, minor units:" if balances else "balances: none yet: no money was ever posted to it")
    for balance in balances:
        click.echo(f"  {balance.account:<40} {balance.balance_minor:>20} {balance.asset}")
    print_as_of([fresh])


def _wallet_json(wallet: WalletView, balances: list[BalanceView], fresh: Freshness) -> dict[str, Any]:
    return {
        "wallet_id": wallet.wallet_id,
        "owner_ref": wallet.owner_ref,
        "kind": wallet.kind,
        "state": wallet.state,
        "quarantined": wallet.quarantined,
        "opened_at": rfc3339(wallet.opened_at_ms),
        "assets": wallet.assets,
        "sub_wallets": {sub.sub_wallet: sub.kind for sub in wallet.sub_wallets},
        "balances": [
            {
                "account": one.account,
                "bucket": one.bucket,
                "asset": one.asset,
                "balance_minor": one.balance_minor,
                "ledger_offset": one.ledger_offset,
            }
            for one in balances
        ],
        "reflects": [fresh.as_json()],
    }


@click.command()
@click.argument("wallet_id", type=Utf8())
@click.option("--from", "from_ms", type=Moment(), default=0, help="First moment of the period; default: the beginning.")
@click.option(
    "--to", "to_ms", type=Moment(), default=FOREVER_MS, help="First moment after it; default: all that there is."
)
@_json
def statement(wallet_id: str, from_ms: int, to_ms: int, as_json: bool) -> None:
    """Show the entries of a wallet in a period, with each account's opening and closing balance.

    From the views. Times are days (their beginning in UTC) or RFC 3339; the period is [--from, --to), by the ledger's
    `recorded_at`: January is --from 2026-01-01 --to 2026-02-01. While the views do not reach --to it is refused.
    Amounts are in minor units.
    """
    if from_ms > to_ms:
        raise click.UsageError("--from is later than --to")
    with asking(read_settings()) as asked:
        _, fresh = asked.wallet(wallet_id)
        if to_ms < FOREVER_MS:
            refuse_where_behind(fresh, to_ms)
        else:
            warn_where_behind([fresh])
        found = statement_of(asked.connection, wallet_id, from_ms, to_ms)
    if as_json:
        period = {"from": rfc3339(from_ms), "to": rfc3339(to_ms) if to_ms < FOREVER_MS else None}
        accounts = [_statement_json(one) for one in found]
        print_json({"wallet_id": wallet_id, **period, "accounts": accounts, "reflects": [fresh.as_json()]})
        return
    for one in found:
        _print_statement(one)
    if not found:
        click.echo(f"no entries of {wallet_id} until then")
    print_as_of([fresh])


def _statement_json(found: AccountStatement) -> dict[str, Any]:
    lines = [{**line._asdict(), "recorded_at": rfc3339(line.recorded_at_ms)} for line in found.lines]
    for line in lines:
        del line["recorded_at_ms"]
    return {**found._asdict(), "lines": lines}


def _print_statement(found: AccountStatement) -> None:
    click.echo(f"{found.account} in {found.asset}, minor units:")
    columns = [
        Column("recorded at", 24),
        Column("operation", 20),
        Column("debit", 16, True),
        Column("credit", 16, True),
    ]
    columns += [Column("balance", 20, True), Column("transaction", 32)]
    opening = ("", "opening", "", "", found.opening_minor, "")
    lines = [
        (
            rfc3339(line.recorded_at_ms),
            line.operation,
            line.debit_minor or "",
            line.credit_minor or "",
            line.balance_after_minor,
            line.transaction_id,
        )
        for line in found.lines
    ]
    print_table(columns, [opening, *lines, ("", "closing", "", "", found.closing_minor, "")])


@click.command("balance-at")
@click.argument("wallet_id", type=Utf8())
@click.argument("at_ms", metavar="TIME", type=Moment())
@_json
def balance_at(wallet_id: str, at_ms: int, as_json: bool) -> None:
    """Show the balances of a wallet after all that the ledger had recorded until TIME, that moment included.

    From the views. TIME is a day (its beginning in UTC) or an RFC 3339 time. It is refused while the views do not
    reach it. Amounts are in minor units.
    """
    with asking(read_settings()) as asked:
        _, fresh = asked.wallet(wallet_id)
        refuse_where_behind(fresh, at_ms + 1)
        found = balances_at(asked.connection, wallet_id, at_ms)
    if as_json:
        balances = [{**one._asdict(), "recorded_at": rfc3339(one.recorded_at_ms)} for one in found]
        for balance in balances:
            del balance["recorded_at_ms"]
        print_json({"wallet_id": wallet_id, "at": rfc3339(at_ms), "balances": balances, "reflects": [fresh.as_json()]})
        return
    click.echo(f"wallet      {wallet_id} at {rfc3339(at_ms)}, minor units:")
    for one in found:
        click.echo(f"  {one.account:<40} {one.balance_minor:>20} {one.asset}")
    if not found:
        click.echo("  nothing: no money had been posted to it")
    print_as_of([fresh])


@click.command()
@click.argument("wallet_id", type=Utf8())
@_json
def pending(wallet_id: str, as_json: bool) -> None:
    """Show what is still to come of a wallet: holds, disputes, schedules, deferred rails, transfers under way.

    From the views. Amounts are in minor units.
    """
    with asking(read_settings()) as asked:
        _, fresh = asked.wallet(wallet_id)
        found = pending_of(asked.connection, wallet_id)
    warn_where_behind([fresh])
    if as_json:
        print_json(
            {"wallet_id": wallet_id, "pending": [_pending_json(one) for one in found], "reflects": [fresh.as_json()]}
        )
        return
    for one in found:
        _print_pending(one)
    if not found:
        click.echo(f"nothing of {wallet_id} is pending")
    print_as_of([fresh])


def _pending_json(found: Pending) -> dict[str, Any]:
    fields = found._asdict()
    for name in ("due_at_ms", "opened_at_ms", "changed_at_ms"):
        at_ms = fields.pop(name)
        fields[name.removesuffix("_ms")] = None if at_ms is None else rfc3339(at_ms)
    return fields


def _print_pending(found: Pending) -> None:
    of = "" if found.remaining_minor is None else f"{found.remaining_minor} of "
    amount = "" if found.amount_minor is None else f"  {of}{found.amount_minor} {found.asset}"
    click.echo(f"{found.kind:<10}  {found.operation}{amount}, {found.sub_wallet}  {found.transaction_id}")
    click.echo(f"            {KINDS[found.kind]}")
    if found.due_at_ms is not None:
        click.echo(f"            due {rfc3339(found.due_at_ms)}")
    if found.rail is not None:
        handed = "not handed to it yet" if found.batch_id is None else f"in batch {found.batch_id}"
        print_line(f"            rail {found.rail}, {handed}")
    if found.counterparty_wallet_id is not None:
        click.echo(f"            other wallet {found.counterparty_wallet_id}")
