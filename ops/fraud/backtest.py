"""Backtest: shows the rows of a table to the very engine that runs on the stream, and gathers what it says.

A table is read twice. First for its times: how far behind an earlier row one may be says how much history the engine
has to keep. Then for its facts. Of several processes each takes the keys whose hash is its own, in all histories that
rules look at; so what they find together is what one would find alone.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ops.errors import OperationError
from ops.fraud.mapping import FactMapping, Mapped
from ops.fraud.row_facts import RowFacts, Surroundings
from ops.fraud.rules_file import numeric_fields
from ops.fraud.table import Table
from ops.fraud.watching import Found, RowBits, Watched
from schemas.fraud_rules import Rule

#: Labels that say yes, and those that say no, as nothing does too, however tables write it.
TRUE: Final = frozenset({"1", "1.0", "true", "t", "yes", "y", "fraud"})
FALSE: Final = frozenset({"", "0", "0.0", "f", "false", "n", "nan", "no", "none", "null", "legit", "legitimate"})
#: Bad rows of which the reason is kept.
MOST_REASONS: Final = 1_000
#: Rows that are shown to the rules at a time: some 100 MB.
_ROWS_AT_A_TIME: Final = 100_000
#: So many times that many rows after which garbage is collected.
_COLLECTED_EVERY: Final = 10

#: Hears how many rows were read.
OnRows = Callable[[int], None]
#: Has an object live on until the process ends.
Keep = Callable[[object], None]


@dataclass(frozen=True)
class Plan:
    """What is to be tried on what.

    Attributes:
        rules: sets of rules, each looked at on its own: those to try, perhaps older ones beside them.
        labels: the column that says which rows are fraud.
        unique: the column that names a transaction: a row that names one again is passed over, as the ledger does.
        lateness_ms: rows so much older than one before them are left out; None for none.
    """

    transactions: Path
    mapping: Mapped
    rules: Sequence[Sequence[Rule]]
    labels: str | None = None
    delimiter: str = ","
    surroundings: Surroundings = field(default_factory=Surroundings)
    lateness_ms: int | None = None
    unique: str | None = None

    def open(self) -> tuple[Table, FactMapping]:
        """The table and what reads its rows.

        Raises:
            OperationError: they do not fit each other.
        """
        table = Table(self.transactions, self.delimiter)
        numeric = numeric_fields([rule for rules in self.rules for rule in rules])
        try:
            mapping = FactMapping(self.mapping, table.columns, numeric)
            for option, column in (("--labels", self.labels), ("--unique", self.unique)):
                if column is not None and column not in table.columns:
                    raise OperationError(
                        f"{option}: the table has no column {column!r}; it has {', '.join(table.columns)}"
                    )
        except OperationError:
            table.close()
            raise
        return table, mapping


class Scanned(NamedTuple):
    """What a first reading says of a table."""

    #: How many there are, bad ones at its end aside.
    rows: int
    #: Most that a row is older than one before it.
    disorder_ms: int


@dataclass
class Seen:
    """Rows, in numbers. Bits of an int stand for rows: bit n is row n."""

    events: int = 0
    #: Rows that are older than one before them; of those the ones that were left out.
    late: int = 0
    too_late: int = 0
    #: Rows that name a transaction again.
    repeated: int = 0
    bad: int = 0
    #: The first of the bad ones: line of the file, and what is wrong with it.
    reasons: list[tuple[int, str]] = field(default_factory=list)
    from_ms: int | None = None
    to_ms: int | None = None
    labelled: int = 0

    @property
    def rows(self) -> int:
        """All rows of the table, bad ones too."""
        return self.events + self.bad + self.too_late + self.repeated

    def add_bad(self, line: int, reason: str) -> None:
        """Count a bad row."""
        self.bad += 1
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append((line, reason))


@dataclass
class Outcome:
    """What one process has found: of the rows, and for each set of rules by `rule_id`.

    Attributes:
        names_source: rows say where on the stream they come from.
    """

    seen: Seen
    found: list[dict[str, Found]]
    names_source: bool = False

    def merge(self, other: Outcome) -> None:
        """Take in what another process found of other keys."""
        for mine, its in zip(self.found, other.found, strict=True):
            for rule_id, found in its.items():
                mine[rule_id].merge(found)


def scan(plan: Plan, on_rows: OnRows = lambda _rows: None) -> Scanned:
    """Read a table's times and labels.

    Raises:
        OperationError: it cannot be read, or a label says neither yes nor no.
    """
    table, mapping = plan.open()
    seen = Seen()
    label_at = None if plan.labels is None else table.columns.index(plan.labels)
    latest_ms, disorder_ms, number = -(2**63), 0, 0
    try:
        for number, cells in table.rows(seen.add_bad, on_rows):  # noqa: B007 - how many there were
            if label_at is not None:
                _is_labelled(cells[label_at], plan, table)
            try:
                t_ms = mapping.read_time(cells)
            except ValueError as error:
                seen.add_bad(table.line, str(error))
                continue
            if t_ms > latest_ms:
                latest_ms = t_ms
            elif latest_ms - t_ms > disorder_ms:
                disorder_ms = latest_ms - t_ms
    finally:
        table.close()
    return Scanned(number, disorder_ms)


def run_share(
    plan: Plan,
    scanned: Scanned,
    share: int = 0,
    shares: int = 1,
    on_rows: OnRows = lambda _rows: None,
    keep: Keep = lambda _object: None,
) -> Outcome:
    """Show a table to the rules, for the keys of one share.

    Args:
        keep: is given what was built up on the way, which takes long to take apart.

    Raises:
        OperationError: the table cannot be read, or not one row of it.
    """
    reading = _Reading(plan, scanned, share, shares, on_rows)
    try:
        reading.read()
    finally:
        reading.table.close()
    keep(reading)
    seen = reading.seen
    if seen.bad and not seen.events:
        line, reason = seen.reasons[0]
        raise OperationError(f"{plan.transactions}: no row can be read; line {line}: {reason}")
    return Outcome(seen, [each.found() for each in reading.watched], reading.names_source)


class _Reading:
    """One reading of a table, for the keys of one share."""

    def __init__(self, plan: Plan, scanned: Scanned, share: int, shares: int, on_rows: OnRows):
        self.table, self._mapping = plan.open()
        self.seen = Seen()
        disorder_ms = scanned.disorder_ms
        self._lateness_ms = disorder_ms if plan.lateness_ms is None else min(plan.lateness_ms, disorder_ms)
        self._facts = RowFacts(self._mapping, [rule for rules in plan.rules for rule in rules], plan.surroundings)
        self.watched = [Watched(rules, self._lateness_ms, share, shares) for rules in plan.rules]
        self._plan, self._on_rows = plan, on_rows
        self._latest_ms, self._earliest_ms = -(2**63), 2**63
        self._labelled = RowBits()
        self._forgotten = 0
        self._unique_at = None if plan.unique is None else self.table.columns.index(plan.unique)
        self._named: set[str] = set()

    @property
    def names_source(self) -> bool:
        """Whether rows say where on the stream they come from."""
        return self._mapping.has_source

    def read(self) -> None:
        """Read all rows and show them to the rules."""
        seen, plan, table, mapping, facts = self.seen, self._plan, self.table, self._mapping, self._facts
        label_at = None if plan.labels is None else table.columns.index(plan.labels)
        read_time, read_fact, has_source = mapping.read_time, facts.read, mapping.has_source
        number = shown = 0
        for number, cells in table.rows(seen.add_bad):
            if number - shown > _ROWS_AT_A_TIME:
                self._show(shown, number)
                shown = number
                self._forget()
            try:
                t_ms = read_time(cells)
                fact = read_fact(cells, t_ms)
                source = mapping.read_source(cells) if has_source else (0, number)
            except ValueError as error:
                seen.add_bad(table.line, str(error))
                continue
            if (self._unique_at is not None and self._is_repeated(cells[self._unique_at])) or self._is_too_late(t_ms):
                continue
            if facts.learns:
                fact = facts.learn(fact, t_ms)
            seen.events += 1
            if label_at is not None and _is_labelled(cells[label_at], plan, table):
                self._labelled.add(number)
            for each in self.watched:
                each.take((t_ms, *source), fact, number)
        self._show(shown, number, is_last=True)
        if seen.events:
            seen.from_ms, seen.to_ms = self._earliest_ms, self._latest_ms
        seen.labelled = self._labelled.as_int()

    def _forget(self) -> None:
        for each in self.watched:
            each.forget()
        self._forgotten += 1
        if self._forgotten % _COLLECTED_EVERY == 0:
            gc.collect()

    def _is_repeated(self, name: str) -> bool:
        """Note which transaction a row names, and whether one before it did; one that names none is itself."""
        if name in self._named:
            self.seen.repeated += 1
            return True
        if name:
            self._named.add(name)
        return False

    def _is_too_late(self, t_ms: int) -> bool:
        """Note a row's time, and whether it is older than one before it, by more than is allowed."""
        if t_ms >= self._latest_ms:
            self._latest_ms = t_ms
        else:
            self.seen.late += 1
            if t_ms < self._latest_ms - self._lateness_ms:
                self.seen.too_late += 1
                return True
        if t_ms < self._earliest_ms:
            self._earliest_ms = t_ms
        return False

    def _show(self, before: int, after: int, is_last: bool = False) -> None:
        """Show what was read since row `before` to the rules, as far as no row to come is older."""
        parts = len(self.watched)

        def tell(part: int, share: float) -> None:
            self._on_rows(before + int((after - before) * (part + share) / parts))

        for part, each in enumerate(self.watched):
            each.show(partial(tell, part), None if is_last else each.closed_before_ms)
        self._on_rows(after)


@contextmanager
def without_collector() -> Iterator[Keep]:
    """Keep the garbage collector from looking through millions of rows that live on; it took a third of the time.

    What it is for, histories that are forgotten, `_Reading` has collected now and then. What is there in the end, and
    what is given to the function that it yields, goes with the process: to take it apart took a tenth.
    """
    was_on = gc.isenabled()
    gc.disable()
    kept: list[object] = []
    # A circle that the collector does not see is there for good.
    kept.append(kept)
    try:
        yield kept.append
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


def _is_labelled(text: str, plan: Plan, table: Table) -> bool:
    if text in ("0", ""):
        return False
    label = text.strip().lower()
    if label in TRUE:
        return True
    if label in FALSE:
        return False
    raise OperationError(
        f"{plan.transactions}, line {table.line}: label {text[:40]!r} of {plan.labels} says neither yes (1, true, yes, "
        "t, y, fraud) nor no (0, false, no, f, n, legit, or nothing): rewrite the column"
    )
