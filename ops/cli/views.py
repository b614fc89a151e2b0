"""`walletstream views`: how far the views are, and making them anew."""

from __future__ import annotations

import click

from agents.views.database import ViewsError, shown, url_of
from agents.views.store import ViewStore, open_store
from ops.cli.asking import Column, asking, print_table, warn_where_behind
from ops.cli.progress import progress_bar
from ops.cli.running import print_json, read_settings, run
from ops.reading import OnProgress, open_reader
from ops.rebuild import Rebuilt
from ops.rebuild import rebuild as rebuild_views
from schemas.clock import rfc3339
from schemas.topics import LEDGER_EVENTS
from streams.settings import Settings


@click.group()
def views() -> None:
    """Look after the views: SQL tables that are a fold of the ledger."""


@views.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def status(as_json: bool) -> None:
    """Show what the views reflect and how far they are behind, by partition.

    Offsets are of `ledger-events`. Exit code 0 also where they are behind.
    """
    settings = read_settings()
    with asking(settings) as asked:
        found = asked.all_freshness()
    where = shown(url_of(settings))
    if as_json:
        print_json({"url": where, "partitions": [fresh.as_json() for fresh in found]})
        return
    click.echo(f"views at    {where}")
    columns = [
        Column("partition", 9, True),
        Column("offset", 12, True),
        Column("end", 12, True),
        Column("lag", 12, True),
    ]
    columns += [Column("recorded at", 24), Column("applied at", 24)]
    rows = []
    for fresh in found:
        times = fresh.reflects.recorded_at_ms, fresh.reflects.applied_at_ms
        end, lag = ("?", "?") if fresh.end is None else (fresh.end, fresh.lag)
        shown_times = [rfc3339(at_ms) if at_ms else "-" for at_ms in times]
        rows.append((fresh.reflects.partition, fresh.reflects.next_offset, end, lag, *shown_times))
    print_table(columns, rows)
    if found and found[0].end is None:
        click.echo(f"Warning: no Kafka broker answers at {settings.bootstrap_servers}: the lag is not known", err=True)
    warn_where_behind(found)


@views.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def rebuild(as_json: bool) -> None:
    """Drop the views and make them anew from the ledger, up to its end.

    Workers of the views may run on: they notice, read their position anew and help. Until it is done, questions are
    answered from what is there and say how far behind that is. Nothing is dropped unless the whole log is there.
    """
    settings = read_settings()
    try:
        store = open_store(settings)
    except ViewsError as error:
        raise click.ClickException(str(error)) from error
    try:
        with progress_bar(f"folding {LEDGER_EVENTS}") as on_progress:
            done = run(_rebuild(settings, store, on_progress))
    finally:
        store.close()
    speed = round(done.records / done.seconds) if done.seconds else 0
    if as_json:
        print_json({**done._asdict(), "records_per_second": speed})
        return
    click.echo(
        f"views at {shown(store.url)} rebuilt: {done.records:,} records of {done.partitions} partitions in "
        f"{done.seconds:.1f} s, {speed:,} a second"
    )


async def _rebuild(settings: Settings, store: ViewStore, on_progress: OnProgress) -> Rebuilt:
    async with open_reader(settings, settings.namespace) as reader:
        return await rebuild_views(reader, store, on_progress)
