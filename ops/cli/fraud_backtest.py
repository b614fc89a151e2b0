"""`walletstream fraud backtest`: fraud rules on the rows of a table."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ops.cli.fraud_backtest_shown import MOST_TOLD, Result, show, warn
from ops.errors import OperationError
from ops.fraud.against import (
    OldReport,
    before_by_report,
    before_by_rules,
    check_same_table,
    differences,
    read_against,
)
from ops.fraud.alert_files import alert_lines, check_writable, write_csv, write_json
from ops.fraud.backtest import Keep, OnRows, Plan, scan, without_collector
from ops.fraud.mapping import read_mapping
from ops.fraud.report import report_of
from ops.fraud.row_facts import read_surroundings
from ops.fraud.rules_file import misread, read_rules, unmapped
from ops.fraud.shares import run_plan
from schemas.fraud_rules import Rule

#: Exit code where rules, mapping, labels or the table cannot be used.
CANNOT_RUN = 2
_FILE = click.Path(path_type=Path)


class Options(NamedTuple):
    """What was asked for."""

    rules: Path
    transactions: Path
    mapping: Path
    labels: str | None
    against: Path | None
    lists: Path | None
    rates: Path | None
    alerts_csv: Path | None
    alerts_json: Path | None
    delimiter: str
    allowed_lateness_s: float | None
    unique: str | None
    skip_unmapped: bool
    processes: int
    top: int
    as_json: bool


@click.command(short_help="Try rules on the rows of a table, and compare them with labels.")
@click.option(
    "--rules",
    required=True,
    type=_FILE,
    metavar="R.json",
    help='One rule, a list, or {"rules": [..]}; whatever their state.',
)
@click.option(
    "--transactions", required=True, type=_FILE, metavar="T.csv", help="The table: CSV in UTF-8, or that by gzip."
)
@click.option("--mapping", required=True, type=_FILE, metavar="M.json", help="Which column is which field of a fact.")
@click.option(
    "--labels",
    metavar="COLUMN",
    help="The column that says which rows are fraud: 1, true, yes, t, y or fraud, in any case. 0, false, no, f, "
    "n, legit and nothing (also null, none, nan) say no; anything else is refused.",
)
@click.option(
    "--against", type=_FILE, metavar="OLD.json", help="Older rules, or what --json once printed: tell what changes."
)
@click.option("--lists", type=_FILE, metavar="FILE", help="Lists that rules ask for, in the form of the topic lists.")
@click.option(
    "--rates",
    type=_FILE,
    metavar="FILE",
    help="Exchange rates for rules with in_asset, in the form of the topic fx-rates. Without one such a rule counts "
    "only rows in its asset.",
)
@click.option("--alerts-csv", type=_FILE, metavar="FILE", help="Write all alerts as a table.")
@click.option("--alerts-json", type=_FILE, metavar="FILE", help="Write all alerts as fraud-alerts would have them.")
@click.option(
    "--delimiter", default=",", show_default=True, metavar="CHAR", help="What parts the cells; `tab` for a tab."
)
@click.option(
    "--allowed-lateness-s",
    type=click.FloatRange(min=0),
    metavar="S",
    help="Leave out rows that are more than S seconds older than one before them, and count them. Default: none.",
)
@click.option(
    "--unique",
    metavar="COLUMN",
    help="The column that names a transaction: rows that name one again are passed over and counted. Default: each "
    "row is a fact.",
)
@click.option(
    "--skip-unmapped", is_flag=True, help="Leave out rules that look at fields which are not mapped; they are named."
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Each takes its share of the keys.",
)
@click.option(
    "--top",
    type=click.IntRange(0, 1_000),
    default=10,
    show_default=True,
    metavar="N",
    help="Most subjects to name of each rule.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def backtest(**given: Any) -> None:
    """Show the rows of a table to fraud rules and say what they would have raised, by the evaluator of the stream.

    Each row is one fact. --mapping names the columns: {"time": "at", "wallet_id": "customer", "to_wallet_id": "shop",
    "amount_minor": "cents", "asset": {"const": "EUR"}}; every mapped name may be a rule's key or field. Times are RFC
    3339, or seconds or milliseconds since 1970; {"column": "step", "unit": "day"} names another unit. Amounts are
    integers of minor units; {"column": "value", "decimals": 2} reads major units, "decimals": "asset" as many as the
    asset has.

    The window of a row at t is (t - window_s, t], the row itself only with include_current; of rows at the same time
    the earlier in the file comes first. Rows may be in any order: a late one counts where its time is. precision is
    the labelled share of the rows at which a rule fired, recall the share of the labelled rows at which it did. With
    a cooldown of 0 each row at which it fired is an alert.

    Rows with bad cells are passed over, counted, and told with their lines. Exit code 2 where rules, mapping, labels or
    table cannot be used, with a message that says what to do.
    """
    try:
        with without_collector() as keep:
            _backtest(Options(**given), keep)
    except OperationError as error:
        problem = click.ClickException(str(error))
        problem.exit_code = CANNOT_RUN
        raise problem from None


def _backtest(options: Options, keep: Keep) -> None:
    inputs = [options.rules, options.transactions, options.mapping, options.against, options.lists, options.rates]
    for path in (options.alerts_csv, options.alerts_json):
        if path is not None:
            check_writable(path, inputs)
    written = [os.path.realpath(path) for path in (options.alerts_csv, options.alerts_json) if path is not None]
    if len(set(written)) < len(written):
        raise OperationError("--alerts-csv and --alerts-json name the same file: write them to two")
    result = _run(options, keep)
    warn(result)
    rules = result.plan.rules[0]
    has_labels = options.labels is not None
    if options.alerts_csv is not None:
        write_csv(options.alerts_csv, alert_lines(rules, result.outcome, has_labels))
    if options.alerts_json is not None:
        write_json(options.alerts_json, alert_lines(rules, result.outcome, has_labels))
    show(result, options.top, as_json=options.as_json)


def _run(options: Options, keep: Keep) -> Result:
    rules = read_rules(options.rules)
    old = None if options.against is None else read_against(options.against)
    sets = [rules] if old is None or isinstance(old, OldReport) else [rules, old]
    plan = Plan(
        transactions=options.transactions,
        mapping=read_mapping(options.mapping),
        rules=sets,
        labels=options.labels,
        delimiter=_delimiter(options.delimiter),
        lateness_ms=_lateness_ms(options.allowed_lateness_s),
        unique=options.unique,
    )
    plan, skipped = _fitted(plan, options)
    with _progress() as follow:
        scanned = scan(plan, follow("reading times", None))
        outcome = run_plan(plan, scanned, options.processes, follow("asking rules", scanned.rows), keep)
    report = report_of(plan.rules[0], outcome, has_labels=plan.labels is not None, top=options.top, skipped=skipped)
    if old is None or options.against is None:
        return Result(plan, outcome, report, None)
    now, found = plan.rules[0], outcome.found[0]
    if isinstance(old, OldReport):
        check_same_table(options.against, old, report)
        return Result(plan, outcome, report, differences(before_by_report(old), now, found))
    found_before = outcome.found[1]
    before = before_by_rules(plan.rules[1], found_before)
    return Result(plan, outcome, report, differences(before, now, found, found_before))


def _lateness_ms(given_s: float | None) -> int | None:
    if given_s is None:
        return None
    if not math.isfinite(given_s):
        raise OperationError(f"--allowed-lateness-s: {given_s} is no number of seconds; leave it out to take all rows")
    return round(given_s * 1_000)


def _delimiter(given: str) -> str:
    found = "\t" if given in ("tab", "\\t") else given
    if len(found) != 1 or found in '"\r\n':
        raise OperationError(f"--delimiter: {given!r} is not one character that parts cells; `tab` is a tab")
    return found


def _fitted(plan: Plan, options: Options) -> tuple[Plan, dict[str, list[str]]]:
    """The plan with rules that the mapping has all fields for, and with lists and rates; and those left out.

    Raises:
        OperationError: rules look at fields that are not mapped, take them for what they are not, or miss a list.
    """
    table, mapping = plan.open()
    table.close()
    skipped: dict[str, list[str]] = {}
    sets: list[Sequence[Rule]] = []
    for number, rules in enumerate(plan.rules):
        missing = unmapped(rules, mapping.kinds)
        if missing and not options.skip_unmapped:
            path = options.rules if number == 0 else options.against
            lines = "\n".join(f"  rule {rule_id}: {', '.join(fields)}" for rule_id, fields in missing.items())
            raise OperationError(
                f"{path}: rules look at fields that {options.mapping} does not map:\n{lines}\n"
                "Map them to columns, or leave these rules out with --skip-unmapped"
            )
        kept = [rule for rule in rules if rule.rule_id not in missing]
        if not kept:
            raise OperationError(f"{options.mapping} maps not all fields of any rule: nothing is left to try")
        wrong = misread(kept, mapping.kinds)
        if wrong:
            raise OperationError("\n".join(wrong[:MOST_TOLD]))
        sets.append(kept)
        skipped.update(missing if number == 0 else {})
    every = [rule for rules in sets for rule in rules]
    surroundings = read_surroundings(options.lists, options.rates, every)
    return replace(plan, rules=sets, surroundings=surroundings), skipped


@contextmanager
def _progress() -> Iterator[Any]:
    """Bars on standard error, if that is a terminal: a function that begins one and gives what moves it."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def follow(what: str, total: int | None) -> OnRows:
            task = progress.add_task(what, total=total)
            return lambda rows: progress.update(task, completed=rows)

        yield follow
