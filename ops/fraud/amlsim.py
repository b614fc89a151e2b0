"""The published rules on AMLSim: its payments as a labelled table, and what the rules find of its laundering.

Rules see payer, payee, amount and day; what is known of the accounts is in the column of labels alone. A payment is
labelled where both its accounts belong to laundering patterns and it is made on the day on which the payer's pattern
pays.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ops.amlsim import Dataset
from ops.fraud.backtest import OnRows, Outcome, Plan, scan
from ops.fraud.library.shipped import FOLDER
from ops.fraud.mapping import read_mapping
from ops.fraud.rules_file import read_rules
from ops.fraud.shares import run_plan
from schemas.fraud_rules import Rule

RULES: Final = FOLDER / "sets" / "amlsim.rules.json"
MAPPING: Final = FOLDER / "sets" / "amlsim.mapping.json"
LABEL: Final = "label"
#: Begins the second half of the sample's days. Limits were chosen with all days in view: where the halves differ little
#: it is not chance that they fit.
SECOND_HALF: Final = 75
#: Name of what any of the active rules finds; those in shadow are there to be compared with.
ANY: Final = "any active rule"
_COLUMNS: Final = ("sourceNodeId", "targetNodeId", "value", "time", LABEL)


class Share(NamedTuple):
    """Rows at which a rule fired, labelled ones among them, and all labelled ones."""

    fired: int
    found: int
    labelled: int

    @property
    def precision(self) -> float | None:
        """Labelled share of the rows at which it fired; None where it did not."""
        return self.found / self.fired if self.fired else None

    @property
    def recall(self) -> float | None:
        """Share of the labelled rows at which it fired; None where there are none."""
        return self.found / self.labelled if self.labelled else None


class Finding(NamedTuple):
    """What one rule found: of all payments, of those of each half of the days; and which accounts.

    `accounts` counts those that are payers or payees of payments at which it fired, as a share of all that belong to
    patterns.
    """

    rule_id: str
    alerts: int
    all_days: Share
    first_half: Share
    second_half: Share
    accounts: Share

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        shares = {
            "all_days": self.all_days,
            "first_half": self.first_half,
            "second_half": self.second_half,
            "accounts": self.accounts,
        }
        found: dict[str, Any] = {"rule_id": self.rule_id, "alerts": self.alerts}
        for name, share in shares.items():
            found[name] = share._asdict() | {"precision": share.precision, "recall": share.recall}
        return found


def labels(data: Dataset) -> list[bool]:
    """Which payments belong to a laundering pattern."""
    accounts = {account.number: account for account in data.accounts}
    found = []
    for payment in data.payments:
        payer, payee = accounts[payment.payer], accounts[payment.payee]
        found.append(payer.flagged and payee.flagged and payer.pattern_day == payment.day)
    return found


def write_table(path: Path, data: Dataset) -> None:
    """Write the payments as AMLSim has them, with their labels."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for payment, label in zip(data.payments, labels(data), strict=True):
            value = f"{payment.amount_minor // 100}.{payment.amount_minor % 100:02}"
            writer.writerow((payment.payer, payment.payee, value, payment.day, int(label)))


def measure(table: Path, data: Dataset, processes: int = 1, on_rows: OnRows = lambda _rows: None) -> list[Finding]:
    """Show the table of `data` to the published rules; what each finds, and what any of them does.

    Raises:
        OperationError: the table cannot be read.
    """
    rules = read_rules(RULES)
    plan = Plan(transactions=table, mapping=read_mapping(MAPPING), rules=[rules], labels=LABEL)
    outcome = run_plan(plan, scan(plan), processes, on_rows)
    return findings(rules, outcome, data)


def findings(rules: Sequence[Rule], outcome: Outcome, data: Dataset) -> list[Finding]:
    """What a backtest of the table of `data` says of each rule, and of all together."""
    found = outcome.found[0]
    fired = {rule.rule_id: found[rule.rule_id].fired[0] | found[rule.rule_id].fired[1] for rule in rules}
    fired[ANY] = 0
    alerts = {rule.rule_id: len(found[rule.rule_id].alerts) for rule in rules} | {ANY: 0}
    for rule in rules:
        if rule.state == "active":
            fired[ANY] |= fired[rule.rule_id]
            alerts[ANY] += alerts[rule.rule_id]
    days = _days(data)
    return [
        _finding(rule_id, alerts[rule_id], rows, outcome.seen.labelled, days, data) for rule_id, rows in fired.items()
    ]


def _days(data: Dataset) -> Mapping[str, int]:
    """Rows of each half of the days as bits: the first row is bit 1."""
    first = sum(1 for payment in data.payments if payment.day < SECOND_HALF)
    below = (1 << (first + 1)) - 1
    return {"first_half": below, "second_half": ((1 << (len(data.payments) + 1)) - 1) ^ below}


def _finding(rule_id: str, alerts: int, rows: int, labelled: int, days: Mapping[str, int], data: Dataset) -> Finding:
    named: set[int] = set()
    for row, payment in enumerate(data.payments, start=1):
        if rows >> row & 1:
            named |= {payment.payer, payment.payee}
    flagged = {account.number for account in data.accounts if account.flagged}
    return Finding(
        rule_id,
        alerts,
        _share(rows, labelled),
        _share(rows & days["first_half"], labelled & days["first_half"]),
        _share(rows & days["second_half"], labelled & days["second_half"]),
        Share(len(named), len(named & flagged), len(flagged)),
    )


def _share(rows: int, labelled: int) -> Share:
    return Share(rows.bit_count(), (rows & labelled).bit_count(), labelled.bit_count())
