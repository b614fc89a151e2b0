"""`walletstream doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

import os

import click
from pydantic import ValidationError

from ops.cli.running import print_json, run, setting_errors
from ops.cli.texts import counted
from ops.doctor import Finding, Level, diagnose
from streams.settings import Settings

_MARKS = {
    Level.OK: ("ok", "green"),
    Level.NOTE: ("--", "cyan"),
    Level.WARNING: ("!", "yellow"),
    Level.PROBLEM: ("x", "red"),
}


@click.command()
@click.option("--read-only", is_flag=True, help="Leave out the clock, which takes a topic that is deleted again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def doctor(read_only: bool, as_json: bool) -> None:
    """Look at settings, broker, topics, clock, Java and disk. Exit code 1 where anything is wrong."""
    try:
        settings = Settings()
    except ValidationError as error:
        mend = "docs/reference/settings.md lists what is allowed"
        found = [Finding("settings", Level.PROBLEM, line, mend) for line in setting_errors(error)]
    else:
        found = run(diagnose(settings, os.environ, read_only=read_only))
    wrong = sum(1 for finding in found if finding.level is Level.PROBLEM)
    if as_json:
        print_json({"ok": not wrong, "findings": [finding._asdict() for finding in found]})
    else:
        for finding in found:
            _print(finding)
        warnings = sum(1 for finding in found if finding.level is Level.WARNING)
        click.echo(f"{counted(wrong, 'problem')}, {counted(warnings, 'warning')}")
    if wrong:
        raise click.exceptions.Exit(1)


def _print(finding: Finding) -> None:
    mark, colour = _MARKS[finding.level]
    click.echo(f"{click.style(f'{mark:>2}', fg=colour)} {finding.area:<9} {finding.what}")
    if finding.mend:
        click.echo(f"{'':13}{finding.mend}")
