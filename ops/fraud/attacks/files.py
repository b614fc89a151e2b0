"""Writes generated attacks as a backtest takes them: tables, rules, a mapping, lists."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from agents.fraud.lists import list_checks
from ops.errors import OperationError
from ops.fraud.attacks.generated import ARRIVALS, Arrival, Size, arriving, attacked, background
from ops.fraud.attacks.honest import LANDLORDS, SHOPS, Row
from ops.fraud.attacks.kinds import KINDS
from ops.fraud.library.shipped import fields_of, library, shipped, wire
from schemas.clock import rfc3339
from schemas.facts import DERIVED
from schemas.fraud_rules import Rule

#: Column that says by which row an attack can be told.
LABEL: Final = "label"
_COLUMNS: Final = (
    *(
        "transaction_id",
        "parent_transaction_id",
        "at",
        "operation",
        "status",
        "wallet_id",
        "to_wallet_id",
        "amount_minor",
        "asset",
    ),
    *("device", "ip", "latitude", "longitude", "reward_code", "wallet_age_s", "available_minor", "attack", LABEL),
)
#: Field -> column.
MAPPING: Final[dict[str, Any]] = {
    "time": "at",
    **{name: name for name in _COLUMNS if name not in ("at", "attack", LABEL)},
}


class Written(NamedTuple):
    """A table that was written, and the rules that it is for."""

    table: Path
    rules: Path
    rows: int
    attacks: int
    labelled: int


def write_attacks(folder: Path, seed: int, size: Size) -> list[Written]:
    """Write every kind of attack in every order of arrival, and honest traffic alone.

    Raises:
        OperationError: the folder cannot be written, or there is no room for an attack.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(folder / "mapping.json", MAPPING)
        _write_json(folder / "lists.json", lists())
        every = folder / "all.rules.json"
        tried = [each.rule for each in library().values() if not unseen(each.rule)]
        _write_json(every, [wire(rule) for rule in tried])
        written = [_write(folder / "honest.csv", every, background(seed, size))]
        for kind in KINDS:
            rules = folder / f"{kind}.rules.json"
            _write_json(rules, [wire(rule) for rule in rules_for(kind)])
            rows = attacked(kind, seed, size)
            written += [_write(_path(folder, kind, each), rules, arriving(rows, each, seed)) for each in ARRIVALS]
    except OSError as error:
        raise OperationError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    except ValueError as error:
        raise OperationError(str(error)) from None
    return written


def rules_for(kind: str) -> list[Rule]:
    """The rule that a kind of attack is made for, after those that it adds up."""
    rule = shipped(KINDS[kind].rule_id).rule
    members = rule.combination.rules if rule.combination is not None else ()
    return [*(shipped(name).rule for name in members), rule]


def unseen(rule: Rule) -> bool:
    """Whether a rule looks at what these tables do not have."""
    return not set(fields_of(rule)) <= {*MAPPING, *DERIVED}


def lists() -> list[dict[str, Any]]:
    """All lists that shipped rules ask for: shops and landlords are merchants, the others are empty."""
    names = {check.list_name for check in list_checks(each.rule for each in library().values())}
    held = {"merchants": [*SHOPS, *LANDLORDS]}
    return [{"name": name, "version": 1, "purpose": "watch", "entries": held.get(name, [])} for name in sorted(names)]


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for row in rows:
            cells = row._asdict() | {"at": rfc3339(row.t_ms), LABEL: int(row.label)}
            writer.writerow(["" if cells[name] is None else cells[name] for name in _COLUMNS])


def _path(folder: Path, kind: str, arrival: Arrival) -> Path:
    return folder / (f"{kind}.csv" if arrival == "in-order" else f"{kind}.{arrival}.csv")


def _write(table: Path, rules: Path, rows: Sequence[Row]) -> Written:
    write_table(table, rows)
    attacks = {row.attack for row in rows} - {""}
    return Written(table, rules, len(rows), len(attacks), sum(row.label for row in rows))


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
