"""Runs `walletstream fraud backtest` on small tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from ops.cli import main

#: As people write it who follow the documentation.
MAPPING: dict[str, Any] = {
    "time": "at",
    "wallet_id": "customer",
    "to_wallet_id": "shop",
    "amount_minor": "cents",
    "asset": {"const": "EUR"},
}
OWN_MEAN: dict[str, Any] = {
    "rule_id": "own-mean-3x",
    "version": 1,
    "state": "active",
    "severity": "high",
    "score": 60,
    "filter": {"all": [{"field": "amount_minor", "op": "gt", "value": 0}]},
    "key": ["wallet_id"],
    "aggregate": {
        "function": "avg",
        "field": "amount_minor",
        "window_s": 2592000,
        "include_current": False,
        "min_events": 5,
    },
    "condition": {"left": "amount_minor", "op": "gt", "factor": 3},
    "cooldown_s": 0,
}
#: Columns of `MAPPING`.
HEADER = "at,customer,shop,cents"


def at(second: int) -> str:
    """A time of one day, by its second."""
    return f"2026-03-01T00:{second // 60:02}:{second % 60:02}Z"


def rule(rule_id: str, **given: Any) -> dict[str, Any]:
    """A rule on the wire, of the wallet and without cooldown where nothing else is said."""
    base = {"rule_id": rule_id, "version": 1, "state": "active", "severity": "low", "score": 10, "key": ["wallet_id"]}
    return {**base, **given}


def counting(rule_id: str, at_least: int, window_s: int, **given: Any) -> dict[str, Any]:
    """Fires at the row that is the n-th of its key in a window."""
    aggregate = {"function": "count", "window_s": window_s, "include_current": True}
    return rule(rule_id, aggregate=aggregate, condition={"op": "ge", "value": at_least}, **given)


class Trial:
    """A folder with a table, rules and a mapping."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.mapping: Any = MAPPING
        self.rules: Any = [OWN_MEAN]
        self.table: str | bytes = ""

    def rows(self, header: str, rows: Iterable[Sequence[Any]]) -> None:
        """Make the table of these cells."""
        self.table = "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"

    def write(self, name: str, value: Any) -> Path:
        """A file of the folder: bytes and text as they are, all else as JSON."""
        path = self.folder / name
        if isinstance(value, bytes):
            path.write_bytes(value)
        else:
            path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
        return path

    def invoke(self, *arguments: str | Path) -> Result:
        """The command as it is run."""
        files = {
            "--rules": self.write("R.json", self.rules),
            "--transactions": self.write("T.csv", self.table),
            "--mapping": self.write("M.json", self.mapping),
        }
        given = [str(part) for pair in files.items() for part in pair]
        return CliRunner().invoke(main, ["fraud", "backtest", *given, *map(str, arguments)])

    def report(self, *arguments: str | Path) -> dict[str, Any]:
        """What `--json` prints."""
        done = self.invoke("--json", *arguments)
        assert done.exit_code == 0, done.output
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def refused(self, *arguments: str | Path) -> str:
        """What the command says that cannot be run."""
        done = self.invoke("--json", *arguments)
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        assert done.exception is None or isinstance(done.exception, SystemExit)
        told = json.loads(done.stderr)
        assert told["exit_code"] == 2
        error: str = told["error"]
        return error


def of(report: Mapping[str, Any], rule_id: str) -> dict[str, Any]:
    """What a report says of a rule."""
    found: dict[str, Any] = next(each for each in report["rules"] if each["rule_id"] == rule_id)
    return found
