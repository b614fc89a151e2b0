"""Runs `walletstream reconcile files` on tables as tests write them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from ops.cli import main

HEADER = ("id", "value", "currency", "at", "ref")
SIDE: dict[str, Any] = {
    "id": "id",
    "amount": "value",
    "amount_unit": "major",
    "asset": "currency",
    "date": "at",
    "date_format": "%Y-%m-%d",
    "references": {"ref": "ref"},
}
BY_REF: dict[str, Any] = {
    "name": "by reference",
    "keys": ["ref"],
    "amount_tolerance_minor": 0,
    "amount_tolerance_bp": 0,
    "date_window_days": [-1, 3],
    "cardinality": "1:1",
}
BY_AMOUNT: dict[str, Any] = {**BY_REF, "name": "by amount", "keys": []}
RULES: dict[str, Any] = {"left": SIDE, "right": SIDE, "passes": [BY_REF, BY_AMOUNT]}


class Ran(NamedTuple):
    """What came of it."""

    exit_code: int
    output: str
    out: Path

    def rows(self, name: str) -> list[list[str]]:
        """Rows of a result, without the header."""
        with (self.out / name).open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))[1:]

    @property
    def matches(self) -> list[tuple[str, str, str]]:
        """Pass, rows of the left and of the right of each match."""
        found: dict[str, tuple[str, dict[str, list[str]]]] = {}
        for match_id, name, side, row, *_ in self.rows("matches.csv"):
            found.setdefault(match_id, (name, {"left": [], "right": []}))[1][side].append(row)
        return sorted(
            (name, "+".join(sorted(rows["left"])), "+".join(sorted(rows["right"]))) for name, rows in found.values()
        )

    @property
    def reasons(self) -> dict[str, str]:
        """`left 1` -> reason."""
        return {f"{side} {row}": reason for side, row, reason, _ in self.rows("exceptions.csv")}

    @property
    def summary(self) -> Any:
        return json.loads((self.out / "summary.json").read_text())


def as_csv(rows: Sequence[Sequence[object]], header: Sequence[str] = HEADER) -> bytes:
    return "".join(",".join(map(str, row)) + "\n" for row in (header, *rows)).encode()


def run_files(
    folder: Path,
    left: bytes | Sequence[Sequence[object]],
    right: bytes | Sequence[Sequence[object]],
    rules: object = RULES,
    *options: str,
) -> Ran:
    """Write the tables and match them."""
    (folder / "l.csv").write_bytes(left if isinstance(left, bytes) else as_csv(left))
    (folder / "r.csv").write_bytes(right if isinstance(right, bytes) else as_csv(right))
    (folder / "rules.json").write_bytes(rules if isinstance(rules, bytes) else json.dumps(rules).encode())
    out = folder / "out"
    named = ["--left", "l.csv", "--right", "r.csv", "--rules", "rules.json"]
    paths = [each if each.startswith("--") else str(folder / each) for each in named]
    result = CliRunner().invoke(main, ["reconcile", "files", *paths, "--out", str(out), *options])
    return Ran(result.exit_code, result.output, out)
