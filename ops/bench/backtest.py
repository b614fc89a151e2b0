"""How fast a backtest is: `walletstream fraud backtest` from a table to its report, with ten typical rules.

    python -m ops.bench.backtest [--rows N] [--processes N] [--runs N] [--like amlsim|shops] [--keep FOLDER]

Two tables of the same columns are generated. `amlsim` has the shape of AMLSim's sample: six transfers of each account
within five months, so nearly every row opens histories. In `shops` five thousand customers pay five hundred shops
within days: histories are long and windows full. Nearly all payers have a device and an address of their own. The
command runs in a process of its own; what is measured is the whole of it, its start as well.
"""

from __future__ import annotations

import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, NamedTuple

import click

from ops.amlsim import generate
from ops.bench.machine import machine_facts

Like = Literal["amlsim", "shops"]

#: What the project promises.
LEAST_ROWS_PER_S: Final = 20_000.0
_HEADER: Final = ("id", "at", "payer", "payee", "amount", "currency", "device", "ip", "fraud")
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_MAPPING: Final = {
    "time": "at",
    "transaction_id": "id",
    "wallet_id": "payer",
    "to_wallet_id": "payee",
    "amount_minor": {"column": "amount", "decimals": 2},
    "asset": "currency",
    "device": "device",
    "ip": "ip",
}
_HOUR: Final = 3_600
_DAY: Final = 24 * _HOUR


def typical_rules() -> list[dict[str, Any]]:
    """Ten rules as analysts have them, over four kinds of keys."""
    amount = "amount_minor"
    return [
        _rule("own-mean", _window("avg", 30 * _DAY, False, field=amount, min_events=5), left=amount, op="gt", factor=5),
        _rule("burst", _window("count", _HOUR), op="ge", value=4),
        _rule("day-sum", _window("sum", _DAY, field=amount), op="gt", value=100_000),
        _rule("fan-out", _window("count_distinct", _DAY, field="to_wallet_id"), op="ge", value=9),
        _rule("fan-in", _window("count_distinct", _DAY, field="wallet_id"), "to_wallet_id", op="ge", value=40),
        _rule("device", _window("count_distinct", 7 * _DAY, field="wallet_id"), "device", op="ge", value=10),
        _rule("ip", _window("count_distinct", _DAY, field="wallet_id"), "ip", op="ge", value=8),
        _rule("own-max", _window("max", 30 * _DAY, False, field=amount, min_events=10), left=amount, op="gt", factor=2),
        {
            **_rule("structuring", _window("count", 3 * _DAY), op="ge", value=6),
            "filter": {"all": [_check("ge", 8_000), _check("lt", 10_000)]},
        },
        {
            **_BASE,
            "rule_id": "small-large",
            "sequence": {"steps": [_check("lt", 300), _check("gt", 20_000)], "within_s": _HOUR},
        },
    ]


_BASE: Final[dict[str, Any]] = {
    "version": 1,
    "state": "active",
    "severity": "high",
    "score": 50,
    "key": ["wallet_id"],
    "cooldown_s": 0,
}


def _rule(rule_id: str, aggregate: dict[str, Any], key: str = "wallet_id", **condition: Any) -> dict[str, Any]:
    return {**_BASE, "rule_id": rule_id, "key": [key], "aggregate": aggregate, "condition": condition}


def _window(function: str, window_s: int, include_current: bool = True, **given: Any) -> dict[str, Any]:
    return {"function": function, "window_s": window_s, "include_current": include_current, **given}


def _check(op: str, value: int) -> dict[str, Any]:
    return {"field": "amount_minor", "op": op, "value": value}


def table_rows(like: Like, rows: int, seed: int = 1) -> Iterator[tuple[str, ...]]:
    """The rows of a generated table, in time order: the same for the same arguments."""
    chance = Random(seed)
    paid = _shops(chance, rows) if like == "shops" else _transfers(chance, rows, seed)
    wallets = 5_000 if like == "shops" else rows // 6
    for number, (second, payer, payee, minor) in enumerate(paid):
        at = (_START + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")
        owner = payer if chance.random() < 0.95 else f"other-{chance.randrange(wallets)}"
        device, ip = f"device-of-{owner}", f"address-of-{owner}"
        fraud = "1" if chance.random() < 0.01 else "0"
        amount = f"{minor // 100}.{minor % 100:02}"
        yield f"tx-{number}", at, payer, payee, amount, "USD" if number % 9 == 0 else "EUR", device, ip, fraud


def _shops(chance: Random, rows: int) -> Iterator[tuple[int, str, str, int]]:
    second = 0
    for _ in range(rows):
        second += chance.choice((0, 1, 2, 5, 10, 30))
        payer, payee = f"c{chance.randrange(5_000)}", f"s{chance.randrange(500)}"
        yield second, payer, payee, 1 + int(chance.lognormvariate(8, 1))


def _transfers(chance: Random, rows: int, seed: int) -> Iterator[tuple[int, str, str, int]]:
    payments = generate(rows, seed).payments
    placed = sorted((payment.day * _DAY + chance.randrange(_DAY), at) for at, payment in enumerate(payments))
    for second, at in placed:
        payment = payments[at]
        yield second, f"a{payment.payer}", f"a{payment.payee}", payment.amount_minor


class Speed(NamedTuple):
    """One run of the command."""

    like: Like
    rows: int
    processes: int
    #: From its start to its end, and processor time of all its processes.
    seconds: float
    processor_s: float
    peak_rss_mb: float
    alerts: int

    @property
    def rows_per_s(self) -> float:
        """Rows in each second of the whole run."""
        return self.rows / self.seconds

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        found = {**self._asdict(), "rows_per_s": round(self.rows_per_s)}
        return {name: round(value, 2) if isinstance(value, float) else value for name, value in found.items()}


def measure(folder: Path, like: Like, rows: int, processes: int = 1) -> Speed:
    """Generate a table into `folder`, unless it is there, and time the command on it."""
    table = folder / f"{like}-{rows}.csv"
    if not table.exists():
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_HEADER)
            writer.writerows(table_rows(like, rows))
    files = {"rules": folder / "rules.json", "mapping": folder / "mapping.json"}
    files["rules"].write_text(json.dumps(typical_rules()))
    files["mapping"].write_text(json.dumps(_MAPPING))
    command = [sys.executable, "-m", "ops", "fraud", "backtest", "--rules", str(files["rules"])]
    command += ["--transactions", str(table), "--mapping", str(files["mapping"]), "--labels", "fraud"]
    command += ["--processes", str(processes), "--json"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads(done.stdout)
    assert report["events"] == rows
    return Speed(
        like,
        rows,
        processes,
        seconds,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        after.ru_maxrss / 1024,
        sum(rule["alerts"] for rule in report["rules"]),
    )


@click.command()
@click.option("--rows", type=click.IntRange(min=1_000), default=200_000, show_default=True, help="Rows of a table.")
@click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True, help="Processes of the command.")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="The median counts.")
@click.option(
    "--like", type=click.Choice(["amlsim", "shops"]), multiple=True, help="Shape of the table. [default: both]"
)
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Folder for the tables, to look at them."
)
def main(rows: int, processes: int, runs: int, like: tuple[Like, ...], keep: Path | None) -> None:
    """Time backtests of ten rules and print JSON; exit code 1 where one is slower than is promised."""
    found: dict[str, Any] = {"machine": machine_facts(), "bound_rows_per_s": LEAST_ROWS_PER_S}
    with ExitStack() as stack:
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backtest-")))
        for shape in like or ("amlsim", "shops"):
            speeds = [measure(folder, shape, rows, processes) for _ in range(runs)]
            median = statistics.median(speed.rows_per_s for speed in speeds)
            found[shape] = {"median_rows_per_s": round(median), "runs": [speed.as_json() for speed in speeds]}
            found["ok"] = found.get("ok", True) and median >= LEAST_ROWS_PER_S
    click.echo(json.dumps(found, indent=2))
    if not found["ok"]:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
