"""`walletstream fraud rules|publish|pause|remove`: the rules on the stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar, cast, get_args

import click

from ops.cli.running import print_json, read_settings, run
from ops.fraud.live_alerts import read_alerts
from ops.fraud.live_rules import (
    HeldRule,
    PublishedRules,
    check_not_paused,
    pauses_of,
    publish,
    read_published,
    read_rule_file,
    remove,
    set_state,
)
from ops.reading import TopicReader, open_reader
from ops.records import printable
from schemas.fraud_alerts import Alert
from schemas.fraud_rules import RuleState
from streams.settings import Settings

T = TypeVar("T")

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def with_reader(work: Callable[[TopicReader, Settings], Awaitable[T]]) -> T:
    """Do some work on the topics of the namespace."""
    settings = read_settings()

    async def go() -> T:
        async with open_reader(settings, settings.namespace) as reader:
            return await work(reader, settings)

    return run(go())


@click.command("rules")
@as_json_option
def rules(as_json: bool) -> None:
    """List the rules on the stream; those that the circuit breaker has paused, and what workers pass over, say why."""

    async def read(reader: TopicReader, settings: Settings) -> tuple[PublishedRules, dict[tuple[str, int], Alert]]:
        return await read_published(reader, settings.fraud_retention_s), pauses_of(await read_alerts(reader))

    published, paused = with_reader(read)
    held = [published.held[rule_id] for rule_id in sorted(published.held)]
    if as_json:
        print_json([published.as_json(one, _pause_of(one, paused)) for one in held])
        return
    for one in held:
        rule = one.rule
        if rule is None:
            click.echo(f"{printable(one.rule_id) or '-':<28} -")
        else:
            key = "+".join(rule.key)
            click.echo(
                f"{rule.rule_id:<28} v{rule.version:<4} {rule.state:<7} {rule.severity:<9} {rule.action:<8} by {key}"
            )
        pause = _pause_of(one, paused)
        if pause is not None:
            click.echo(f"    {printable(pause.sentence)}")
        if one.problem is not None:
            what = "its latest record" if one.is_known else "it"
            click.echo(f"    workers pass {what} over: {printable(one.problem)}")
        for name in one.missing_lists:
            click.echo(f"    it asks the list {printable(name)}, which is not there")
        for rule_id in one.missing_rules:
            click.echo(f"    it adds up {printable(rule_id)}, which is not there, and goes on without it")
    click.echo(f"{len(held)} rules", err=True)


def _pause_of(one: HeldRule, paused: dict[tuple[str, int], Alert]) -> Alert | None:
    return None if one.rule is None else paused.get((one.rule.rule_id, one.rule.version))


@click.command("publish")
@click.argument("file", type=click.Path(path_type=Path))
@as_json_option
def publish_command(file: Path, as_json: bool) -> None:
    """Publish the rules of FILE: one, a list of them, {"rules": [..]}, or one in each line.

    Each is checked first as workers check it, by its contract and against the rules and lists that are there; where
    one is refused none is published. Workers go by them within two seconds. Whoever changes a rule gives it a higher
    version; a new one is best published in `shadow` first, or tried on history by `walletstream fraud backtest`.
    """

    async def work(reader: TopicReader, settings: Settings) -> list[str]:
        found = read_rule_file(file)
        await check_not_paused(reader, found)
        await publish(reader, found, settings.fraud_retention_s)
        return [f"{rule.rule_id} version {rule.version}, {rule.state}" for rule in found]

    done = with_reader(work)
    if as_json:
        print_json({"published": done})
        return
    for line in done:
        click.echo(f"published {line}")


@click.command("pause")
@click.argument("rule_id")
@click.option(
    "--state",
    type=click.Choice(get_args(RuleState)),
    default="paused",
    show_default=True,
    help="Another state: `active` goes on, `shadow` raises alerts that nobody acts on.",
)
def pause(rule_id: str, state: str) -> None:
    """Pause RULE_ID, or put it into another state. Its version stays, and so do its histories and alerts.

    One that the circuit breaker has paused goes on under a higher version only: publish that.
    """
    rule = with_reader(
        lambda reader, settings: set_state(reader, rule_id, cast("RuleState", state), settings.fraud_retention_s)
    )
    click.echo(f"{rule.rule_id} version {rule.version} is {rule.state}")


@click.command("remove")
@click.argument("rule_id")
def remove_command(rule_id: str) -> None:
    """Remove RULE_ID. Its alerts stay; combinations go on without it."""
    with_reader(lambda reader, settings: remove(reader, rule_id, settings.fraud_retention_s))
    click.echo(f"{rule_id} is removed")
