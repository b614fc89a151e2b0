"""`walletstream topics`: the topics that the catalogue asks for, planned, applied and checked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from ops import admin
from ops.cli.running import print_json, read_settings, run
from ops.cli.texts import counted
from ops.topics import Alter, Plan, Wanted, plan, problems, wanted_topics
from streams.settings import Settings
from streams.topic_rules import Problem

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def _wanted(settings: Settings) -> tuple[Wanted, ...]:
    return wanted_topics(settings.namespace, settings.partitions, settings.durability)


async def _plan(settings: Settings) -> Plan:
    wanted = _wanted(settings)
    async with admin.connect(settings) as connected:
        return plan(wanted, await connected.observe([want.name for want in wanted]))


async def apply_topics(settings: Settings) -> Plan:
    """Create what is missing and alter what differs; returns the plan, once what was done can be seen.

    Where anything is refused nothing is done: half of a namespace with another partition count, or
    `min.insync.replicas` above the replicas there are, is worse than none.

    Raises:
        OperationError: no broker answers, or it refused.
    """
    wanted = _wanted(settings)
    async with admin.connect(settings) as connected:
        todo = plan(wanted, await connected.observe([want.name for want in wanted]))
        if not todo.refused:
            await connected.create(todo.create)
            await connected.alter(todo.alter)
            await connected.wait_until_visible({want.name: want.partitions for want in wanted})
        return todo


async def check_topics(settings: Settings) -> list[Problem]:
    """What is wrong with the topics, first what a worker refuses to start on; empty where all is well.

    Raises:
        OperationError: no broker answers.
    """
    wanted = _wanted(settings)
    async with admin.connect(settings) as connected:
        observed = await connected.observe([want.name for want in wanted])
    return problems(settings, observed)


@click.group()
def topics() -> None:
    """Compare the broker's topics with the catalogue, and bring them in line.

    Partition counts are never changed: wallets would move to other partitions.
    """


@topics.command("plan")
@_json
def plan_command(as_json: bool) -> None:
    """Show what `apply` would create and alter. Exit code 1 where it would refuse something."""
    todo = run(_plan(read_settings()))
    _show(todo, as_json, done=False)


@topics.command("apply")
@_json
def apply_command(as_json: bool) -> None:
    """Create missing topics and alter settings that differ; may be repeated.

    Exit code 1, with nothing done, where anything is refused.
    """
    todo = run(apply_topics(read_settings()))
    _show(todo, as_json, done=True)


@topics.command("check")
@_json
def check_command(as_json: bool) -> None:
    """List what is wrong with the topics and how to mend it. Exit code 1 where anything is.

    First what a worker would refuse to start on, in its words, then what else is not as the catalogue asks.
    """
    settings = read_settings()
    found = run(check_topics(settings))
    if as_json:
        print_json({"ok": not found, "problems": [asdict(problem) for problem in found]})
    elif found:
        for problem in found:
            click.echo(f"{problem.topic}: {problem.what}\n    {problem.mend}")
        stopping = sum(problem.stops_workers for problem in found)
        click.echo(f"{counted(len(found), 'problem')}; on {stopping or 'none'} of them no worker starts")
    else:
        click.echo(f"all {len(_wanted(settings))} topics are as they must be")
    if found:
        raise click.exceptions.Exit(1)


def _show(todo: Plan, as_json: bool, *, done: bool) -> None:
    if as_json:
        value: dict[str, Any] = {"applied": done and not todo.refused, **todo.as_json()}
        print_json(value)
    else:
        _show_lines(todo, done)
    if todo.refused:
        raise click.exceptions.Exit(1)


def _show_lines(todo: Plan, done: bool) -> None:
    for new in todo.create:
        click.echo(f"+ {new.name}  {counted(new.partitions, 'partition')}, {counted(new.replicas, 'replica')}")
        click.echo("    " + " ".join(f"{name}={value}" for name, value in sorted(new.config.items())))
    for altered in todo.alter:
        click.echo(f"~ {altered.name}")
        for line in _changes(altered):
            click.echo(f"    {line}")
    for problem in todo.refused:
        click.echo(f"! {problem.topic}: {problem.what}: refused\n    {problem.mend}")
    if todo.nothing_to_do:
        click.echo("nothing to do: every topic is as it must be")
        return
    if done and todo.refused:
        click.echo("nothing was done, for the sake of what was refused")
        return
    created, changed = ("created", "altered") if done else ("to create", "to alter")
    click.echo(f"{len(todo.create)} {created}, {len(todo.alter)} {changed}, {len(todo.refused)} refused")


def _changes(altered: Alter) -> list[str]:
    return [
        f"{name}: {is_now if is_now is not None else 'not set'} -> {must_be}"
        for name, (is_now, must_be) in sorted(altered.changes.items())
    ]
