"""What `walletstream fraud backtest` says of what it has found."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

import click
from rich.console import Console

from ops.fraud.against import Difference
from ops.fraud.backtest import Outcome, Plan
from ops.fraud.printed import heading, tables
from ops.fraud.report import MOST_BAD, Report
from ops.fraud.row_facts import not_exchanged
from ops.fraud.rules_file import refused_when_published

#: Most rules and mistakes of one kind that are told.
MOST_TOLD: Final = 20
_1980_MS: Final = 315_532_800_000


class Result(NamedTuple):
    """A plan, and what came of it; differences where it was compared with older rules."""

    plan: Plan
    outcome: Outcome
    report: Report
    differences: list[Difference] | None


def warn(result: Result) -> None:
    """What of the table was not as it should be, on standard error."""
    seen, plan = result.report.seen, result.plan
    for rule_id, fields in result.report.skipped.items():
        click.echo(f"left out: rule {rule_id}, for it looks at {', '.join(fields)}", err=True)
    if seen.bad:
        click.echo(f"bad rows that were passed over: {seen.bad:,}", err=True)
        for line, reason in seen.reasons[:MOST_BAD]:
            click.echo(f"  line {line}: {reason}", err=True)
        if seen.bad > MOST_BAD:
            click.echo(f"  and {seen.bad - MOST_BAD:,} more", err=True)
    if seen.repeated:
        click.echo(f"{seen.repeated:,} rows name a transaction again and were passed over", err=True)
    if seen.too_late:
        click.echo(f"rows that came later than allowed and were left out: {seen.too_late:,}", err=True)
    for asset in not_exchanged(plan.surroundings, plan.rules[0]):
        click.echo(
            f"rates of {asset} are passed over: ISO 4217 does not say how many decimals it has, so rows in it do not "
            "count in other assets",
            err=True,
        )
    table, mapping = plan.open()
    table.close()
    for refused in refused_when_published(plan.rules[0], mapping.kinds)[:MOST_TOLD]:
        click.echo(f"the stream would not take {refused}", err=True)
    if seen.to_ms is not None and seen.to_ms < _1980_MS and not mapping.has_time_unit:
        click.echo(
            "all times are before 1980: numbers were taken for seconds since 1970; if they are others, say so: "
            '{"column": "at", "unit": "hour"}',
            err=True,
        )


def _print_json(found: dict[str, Any]) -> None:
    """One JSON document with a line for each rule: indented, the rows of its alerts would take one each."""
    parts = []
    for name, value in found.items():
        lines = [json.dumps(each) for each in value] if isinstance(value, list) else []
        shown = "[\n    " + ",\n    ".join(lines) + "\n  ]" if lines else json.dumps(value)
        parts.append(f"  {json.dumps(name)}: {shown}")
    click.echo("{\n" + ",\n".join(parts) + "\n}")


def show(result: Result, top: int, *, as_json: bool) -> None:
    """The report, on standard output; of each rule at most so many subjects."""
    if as_json:
        found = result.report.as_json()
        if result.differences is not None:
            found["against"] = [each.as_json() for each in result.differences]
        _print_json(found)
        return
    console = Console()
    if not console.is_terminal:
        # A file or a pipe has no width: nothing need be broken.
        console = Console(width=160)
    console.print(heading(result.report), highlight=False)
    for table in tables(result.report, result.differences, min(top, 5)):
        console.print(table)
