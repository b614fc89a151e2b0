"""`walletstream settlement batches|show|position|forecast|alerts`: what is there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, get_args

import click
import msgspec

from ops.amounts import Amounts
from ops.cli.fraud_rules import as_json_option, with_reader
from ops.cli.running import print_json, print_line
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.reference_records import read_amounts, read_contents
from ops.settlement.forecast import ForecastRow, forecast, moments_of
from ops.settlement.told import Told, by_terms, read_told
from schemas.rails import Rail
from schemas.settlement_batches import BatchRecord, BatchState
from schemas.topics import RAILS
from streams.settings import Settings

_rail = click.option("--rail", help="Only those of this rail.")


async def _read(reader: TopicReader, _settings: Settings) -> tuple[Told, Amounts]:
    return await read_told(reader), await read_amounts(reader)


async def _read_by_terms(reader: TopicReader, settings: Settings) -> tuple[Told, Amounts, dict[str, Rail]]:
    """With the rails as they are now, and positions by their terms."""
    told, amounts = await _read(reader, settings)
    rails = dict((await read_contents(reader, RAILS)).reference.rails)
    told.positions = {key: by_terms(one, rails.get(key[0])) for key, one in told.positions.items()}
    return told, amounts, rails


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as what stands in them, numbers to the right."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        cells = [
            cell.rjust(width) if head in _RIGHT else cell.ljust(width)
            for head, cell, width in zip(heads, row, widths, strict=True)
        ]
        print_line("  ".join(cells).rstrip())


_RIGHT = frozenset(
    {"payments", "amount", "settled", "failed", "returned", "fee", "funded", "set aside", "reserve", "free", "waiting"}
    | {"out", "in", "position", "missing", "expected"}
)


@click.command("batches")
@_rail
@click.option("--state", type=click.Choice(get_args(BatchState)), help="Only those in this state.")
@click.option("--open", "only_open", is_flag=True, help="Only those of which more is expected.")
@click.option("--last", type=click.IntRange(min=1), help="Only so many, the latest.")
@as_json_option
def batches(rail: str | None, state: str | None, only_open: bool, last: int | None, as_json: bool) -> None:
    """List batches, oldest first, each as it was told last."""
    told, amounts = with_reader(_read)
    found = [
        batch
        for batch in told.batches.values()
        if rail in (None, batch.rail) and state in (None, batch.state) and not (only_open and batch.is_final)
    ]
    found = found if last is None else found[-last:]
    if as_json:
        print_json([_as_json(batch) for batch in found])
        return
    rows = [
        (
            batch.batch_id[:12],
            batch.opened_at,
            batch.rail,
            batch.direction,
            _state_of(batch),
            str(batch.transactions),
            amounts.amount(batch.amount_minor, batch.asset),
            amounts.number(batch.settled_minor, batch.asset),
            amounts.number(batch.failed_minor, batch.asset),
        )
        for batch in found
    ]
    _print_table(("batch", "opened", "rail", "way", "state", "payments", "amount", "settled", "failed"), rows)
    print_line(f"{len(found)} batches", err=True)


def _state_of(batch: BatchRecord) -> str:
    if batch.state == "ready" and batch.attempt:
        waits = "" if batch.to_send is not None else f", again at {batch.next_attempt_at}"
        return f"ready, attempt {batch.attempt}{waits}"
    return batch.state + (f", {batch.contradictions} contradictions" if batch.contradictions else "")


def _as_json(batch: BatchRecord) -> Any:
    shown = msgspec.to_builtins(batch)
    shown.pop("to_send", None)
    return shown


@click.command("show")
@click.argument("batch_id", metavar="BATCH")
@as_json_option
def show(batch_id: str, as_json: bool) -> None:
    """Show BATCH: its times, what became of each instruction, and the transactions in it.

    The beginning of its id will do.
    """

    async def read(reader: TopicReader, settings: Settings) -> tuple[BatchRecord, Told, Amounts]:
        told, amounts = await _read(reader, settings)
        return told.batch(batch_id), told, amounts

    batch, told, amounts = with_reader(read)
    instructions = {one.end_to_end_id: one for one in told.instructions.get(batch.batch_id, ())}
    if as_json:
        print_json({**_as_json(batch), "instructions": [msgspec.to_builtins(one) for one in instructions.values()]})
        return
    asset = batch.asset
    for name, value in (
        ("batch", batch.batch_id),
        ("rail", f"{batch.rail}, {batch.direction}, {'netted by beneficiary' if batch.netted else 'gross'}"),
        ("state", _state_of(batch)),
        ("amount", f"{amounts.amount(batch.amount_minor, asset)} in {batch.transactions} transactions"),
        ("settled", amounts.amount(batch.settled_minor, asset)),
        ("failed", amounts.amount(batch.failed_minor, asset)),
        ("returned", amounts.amount(batch.returned_minor, asset)),
        ("fees", amounts.amount(batch.fee_minor, asset)),
        ("execution", batch.execution_date),
        ("opened", batch.opened_at),
        ("closes", batch.closes_at),
        ("closed", batch.closed_at),
        ("submitted", batch.submitted_at),
        ("finished", batch.finished_at),
        ("message", batch.message),
    ):
        if value is not None:
            print_line(f"{name:<10} {value}")
    results = {one.end_to_end_id: one for one in batch.results}
    # Of many instructions the topic says what became of them only once the batch is over.
    untold = "told once the batch is over" if batch.state == "acknowledged" and not results else "pending"
    for end_to_end_id, one in instructions.items():
        result = results.get(end_to_end_id)
        said = untold if result is None else result.state
        settled = (
            "" if result is None or not result.settled_minor else f" {amounts.number(result.settled_minor, asset)}"
        )
        why = "" if result is None or result.code is None else f" ({result.code})"
        reference = "" if result is None or result.rail_reference is None else f", {result.rail_reference}"
        amount = amounts.amount(one.amount_minor, asset)
        print_line(f"  {end_to_end_id}  {amount} to {one.beneficiary}: {said}{settled}{why}{reference}")
        for transaction_id in one.transaction_ids:
            print_line(f"      {transaction_id}   (walletstream tx show {transaction_id})")


@click.command("position")
@_rail
@as_json_option
def position(rail: str | None, as_json: bool) -> None:
    """Show what lies with each rail, what batches have set aside of it, and what waits for it."""
    told, amounts, _ = with_reader(_read_by_terms)
    found = [one for _, one in sorted(told.positions.items()) if rail in (None, one.rail)]
    if as_json:
        print_json([msgspec.to_builtins(one) for one in found])
        return
    rows = [
        (
            one.rail,
            one.asset,
            amounts.number(one.funded_minor, one.asset),
            amounts.number(one.committed_minor, one.asset),
            amounts.number(one.minimum_reserve_minor, one.asset),
            amounts.number(one.free_minor, one.asset) if one.prefunded else "not prefunded",
            amounts.number(one.incoming_minor, one.asset),
            amounts.number(one.waiting_minor, one.asset),
            "" if not one.waiting else f"{one.waiting} payouts: {one.reason or 'next'}",
        )
        for one in found
    ]
    _print_table(("rail", "asset", "funded", "set aside", "reserve", "free", "expected", "waiting", "why"), rows)


@click.command("forecast")
@_rail
@click.option("--cut-offs", type=click.IntRange(1, 100), default=5, show_default=True, help="How many to look ahead.")
@as_json_option
def forecast_command(rail: str | None, cut_offs: int, as_json: bool) -> None:
    """Say what will lie with each rail after its next cut-offs, from what is pending now.

    It assumes that what is under way is settled in full and that nothing new comes. `missing` is what has to be put
    there for all that waits.
    """

    told, amounts, rails = with_reader(_read_by_terms)
    if rail is not None and rail not in rails:
        raise click.ClickException(f"there is no rail {rail!r}; `walletstream reference ls rails` lists them")
    rows = _forecasts(told, rails, rail, cut_offs)
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    shown = [
        (
            row.rail,
            row.asset,
            row.at,
            row.day or "",
            amounts.number(row.outgoing_minor, row.asset),
            amounts.number(row.incoming_minor, row.asset),
            amounts.number(row.position_minor, row.asset),
            amounts.number(row.free_minor, row.asset),
            amounts.number(row.waiting_minor, row.asset),
            amounts.number(row.missing_minor, row.asset),
        )
        for row in rows
    ]
    heads = ("rail", "asset", "cut-off", "business day", "out", "in", "position", "free", "waiting", "missing")
    _print_table(heads, shown)


def _forecasts(told: Told, rails: dict[str, Rail], only: str | None, count: int) -> list[ForecastRow]:
    now_ms = time.time_ns() // 1_000_000
    rows: list[ForecastRow] = []
    for (name, _), one in sorted(told.positions.items()):
        terms = rails.get(name)
        if only not in (None, name) or terms is None or terms.adapter is None:
            continue
        try:
            rows += forecast(one, told.batches.values(), moments_of(terms, now_ms, count), terms)
        except (ValueError, OverflowError) as error:
            raise OperationError(f"rail {name}: {error}") from error
    return rows


@click.command("alerts")
@_rail
@as_json_option
def alerts(rail: str | None, as_json: bool) -> None:
    """List what waits and somebody should know of, and what can be done about it."""
    told, _ = with_reader(_read)
    found = [one for one in told.alerts.values() if rail in (None, one.rail)]
    if as_json:
        print_json([msgspec.to_builtins(one) for one in found])
        return
    for one in sorted(found, key=lambda alert: alert.recorded_at):
        print_line(f"{one.recorded_at} {one.code:<17} {one.rail}: {one.message}")
    print_line(f"{len(found)} alerts", err=True)
