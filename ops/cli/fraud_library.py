"""`walletstream fraud library`: the shipped rules, and rules of one's own that are made of them."""

from __future__ import annotations

from typing import Any

import click

from ops.cli.running import print_json
from ops.errors import OperationError
from ops.fraud.library.shipped import COMMON, Shipped, fields_of, library, shipped, wire
from schemas.fraud_rules import Rule


@click.group("library")
def fraud_library() -> None:
    """Look at the shipped rules, and make rules of them.

    Nothing here is in force until it is published. Rules come in state `shadow`: they raise alerts that nobody acts on.
    """


@fraud_library.command("ls")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def list_command(as_json: bool) -> None:
    """List the shipped rules, group by group."""
    if as_json:
        print_json([_as_json(each) for each in library().values()])
        return
    group = ""
    for each in library().values():
        if each.group != group:
            click.echo(f"{chr(10) if group else ''}{each.group}")
            group = each.group
        rule = each.rule
        click.echo(f"  {rule.rule_id:<22} {rule.severity:<9} {'+'.join(rule.key):<24} {rule.description}")


@fraud_library.command("show")
@click.argument("rules", nargs=-1, metavar="RULE...")
@click.option("--all", "take_all", is_flag=True, help="All shipped rules.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a parameter; of one rule only.")
@click.option("--json", "as_json", is_flag=True, help="Print the rule as it is published; of several an array.")
def show_command(rules: tuple[str, ...], take_all: bool, settings: tuple[str, ...], as_json: bool) -> None:
    """Show shipped rules: what they are against, their parameters and sources, and the rule itself.

    Every rule has the fields rule_id, version, state, severity, score, cooldown_s, action, actions_per_hour,
    alerts_per_hour and shadow_max_bps as parameters too. What comes of --set is checked as a published rule is.

    \b
    walletstream fraud library show velocity-out --set payments=5 --set state=active --json >rule.json
    walletstream fraud library show --all --json >rules.json
    """
    if take_all == bool(rules):
        raise click.UsageError("name rules, or give --all; `walletstream fraud library ls` lists them")
    if settings and len(rules) != 1:
        raise click.UsageError("--set is about one rule: name it alone")
    try:
        chosen = list(library().values()) if take_all else [shipped(name) for name in dict.fromkeys(rules)]
        made = [each.with_settings(settings) for each in chosen]
    except OperationError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        wires = [wire(rule) for rule in made]
        print_json(wires[0] if len(wires) == 1 and not take_all else wires)
        return
    for number, (each, rule) in enumerate(zip(chosen, made, strict=True)):
        click.echo("\n" if number else "", nl=False)
        _explain(each, rule)


def _explain(each: Shipped, rule: Rule) -> None:
    click.echo(f"{rule.rule_id} ({each.group}, {rule.severity}, score {rule.score})\n")
    click.echo(click.wrap_text(each.about, width=100))
    click.echo(f"\nlooks at {', '.join(fields_of(rule))}; key {', '.join(rule.key)}\n\nparameters")
    for name, parameter in each.parameters.items():
        click.echo(f"  {name:<15} {each.default(name)!s:<10} {parameter.unit}: {parameter.description}")
    click.echo(f"  also {', '.join(COMMON)}\n\nsources")
    for source, part in each.citations:
        click.echo(f"  {source.by}: {source.title}, {source.year}{f'; {part}' if part else ''}")
    click.echo("\nrule")
    print_json(wire(rule))


def _as_json(each: Shipped) -> dict[str, Any]:
    return {
        "rule_id": each.rule.rule_id,
        "group": each.group,
        "description": each.rule.description,
        "about": each.about,
        "fields": fields_of(each.rule),
        "parameters": {
            name: {"default": each.default(name), "unit": parameter.unit, "description": parameter.description}
            for name, parameter in each.parameters.items()
        },
        "sources": [source.model_dump() | {"part": part} for source, part in each.citations],
        "rule": wire(each.rule),
    }
