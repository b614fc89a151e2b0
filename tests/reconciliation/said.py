"""What partners and banks say of the rails: from the simulated rails' own journals, with a few breaks planted. Seeded.

Rail `sepa` is reported by a partner, who pays each batch in one sum that a bank books; rail `ach-net` by a bank alone.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from agents.settlement.rails.simulated.behaviour import SimulatedSettings, answers_of, is_silent
from agents.settlement.rails.simulated.journal import Taken, Totals
from agents.statements.mapping import StatementMapping, read_mapping
from agents.statements.reading import Reading
from schemas.external_statements import Side
from tests.reconciliation.cluster import Json, major
from tests.settlement.cluster import RAIL_RECORDS
from tests.statements.files import balance, camt, entry, part

SEPA, ACH = (one["name"] for one in RAIL_RECORDS)
#: The other side has long been due: what nobody knows of is a break at once.
LONG_AGO: Final = timedelta(days=30)
_SETTINGS: Final = {one["name"]: SimulatedSettings(**one["adapter"]["settings"]) for one in RAIL_RECORDS}
_COLUMNS: Final = ("date", "amount", "fee", "balance", "reference", "payout")
MAPPING: Final[Json] = {
    "amount": "amount",
    "fee": "fee",
    "balance": "balance",
    "asset": {"const": "EUR"},
    "date": "date",
    "references": {"provider_reference": "reference", "end_to_end_id": "payout"},
}


def _rules(name: str, key: str, cardinality: str) -> Json:
    passes = [{"name": name, "keys": [key], "cardinality": cardinality, "fees": "none"}]
    return {"passes": passes, "expected_lag_business_days": 2}


#: Books whose passes are by key alone, so that each break has one reason and its lines are known.
BOOKS: Final[tuple[Json, ...]] = (
    {
        "name": SEPA,
        "version": 1,
        "rails": [SEPA],
        "accounts": ["sepa-report", "sepa-bank"],
        "relations": [
            {"relation": "ledger-partner", "rules": _rules("reference", "provider_reference", "1:1")},
            {"relation": "partner-bank", "rules": _rules("payout", "end_to_end_id", "n:1")},
        ],
    },
    {
        "name": ACH,
        "version": 1,
        "rails": [ACH],
        "accounts": ["ach-bank"],
        # An instruction is of several transactions: the bank books their sum.
        "relations": [{"relation": "ledger-bank", "rules": _rules("instruction", "provider_reference", "n:1")}],
    },
)


class Line(NamedTuple):
    """A line of somebody's statement; amounts as the account's holder, which is we, sees them."""

    amount_minor: int
    reference: str = ""
    payout: str = ""
    fee_minor: int = 0
    #: Empty: the day of the statement.
    day: str = ""
    #: How many transactions of ours it is of.
    parts: int = 1


class Break(NamedTuple):
    """What was planted, and how it has to show."""

    book: str
    relation: str
    reason: str
    reference: str
    #: What the other side says beyond ours: so much is posted on the rail in the end.
    difference_minor: int


class StatementFile(NamedTuple):
    """A file as it is imported."""

    path: Path
    account: str
    side: Side
    mapping: Path | None
    lines: tuple[Line, ...]

    def reading(self) -> Reading:
        """How it is read."""
        mapping: StatementMapping | None = None if self.mapping is None else read_mapping(self.mapping.read_bytes())
        return Reading(self.account, side=self.side, mapping=mapping)


def movements_of(rail: str, taken: Taken) -> list[Line]:
    """What the rail has moved of a batch, by its journal: paid and charged, and what came back of it later."""
    settings, sign = _SETTINGS[rail], -1 if taken.batch.direction == "out" else 1
    parts = {one.end_to_end_id: len(one.transaction_ids) for one in taken.batch.instructions}
    found: dict[str, Line] = {}
    for planned in answers_of(settings, taken.batch, taken.payments, taken.at_ms):
        for fact in planned.answer.instructions:
            minor, reference, fee_minor = sign * (fact.settled_minor or 0), fact.rail_reference, fact.fee_minor
            if fact.state == "settled":
                payout = taken.batch.batch_id
                found[reference] = Line(
                    minor - fee_minor, reference, payout, fee_minor, parts=parts[fact.end_to_end_id]
                )
            elif fact.state == "returned" and not is_silent(settings, taken.batch):
                # A silent rail tells nobody that it came back.
                found[reference] = Line(-minor, reference)
    return list(found.values())


class Statements:
    """Writes files about what is new in the journals, and remembers what was planted.

    Args:
        folder: where the files go.
        rng: what is planted, and in which order lines stand.
        today: the day that the statements are of.
    """

    def __init__(self, folder: Path, rng: random.Random, today: str):
        self._folder, self._rng, self._today = folder, rng, today
        self._mapping = folder / "mapping.json"
        self._mapping.write_text(json.dumps(MAPPING))
        self._told: set[str] = set()
        self._balances: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self.files: list[StatementFile] = []
        self.breaks: list[Break] = []
        #: References that nobody reports, and payouts that no bank books: they stay expected.
        self.withheld: set[str] = set()
        #: What the rails have charged, in minor units.
        self.fees_minor = 0

    def write_new(self, journals: dict[str, Totals]) -> list[StatementFile]:
        """Files about the batches that no file was about so far."""
        partner, bank, ach = list[Line](), list[Line](), list[Line]()
        for rail, totals in journals.items():
            for batch_id, taken in totals.batches.items():
                if batch_id in self._told:
                    continue
                self._told.add(batch_id)
                moved = movements_of(rail, taken)
                self.fees_minor += sum(line.fee_minor for line in moved)
                # A payment that its fee uses up moves nothing.
                moved = [line for line in moved if line.amount_minor]
                if rail == ACH:
                    ach += self._with_breaks(ACH, "ledger-bank", moved)
                else:
                    reported = list(self._with_breaks(SEPA, "ledger-partner", moved))
                    partner += reported
                    bank += self._booked(batch_id, moved, reported)
        files = (
            self._csv("sepa-report", "partner", partner),
            self._camt("sepa-bank", bank),
            self._csv("ach-bank", "bank", ach),
        )
        fresh = [file for file in files if file is not None]
        self.files += fresh
        return fresh

    # ---- breaks ---------------------------------------------------------------------------------

    def _with_breaks(self, book: str, relation: str, moved: Sequence[Line]) -> Iterator[Line]:
        """What is reported of it: most as it was."""
        for line in moved:
            kind = "" if line.parts > 1 or not line.payout or self._rng.random() > 0.15 else self._next_kind(book)
            if kind == "withheld":
                self.withheld.add(line.reference)
            elif kind == "duplicate":
                # Of two equal sums nobody knows which is of our payments: it takes two steps.
                reasons = ("duplicate",) if book == SEPA else ("ambiguous", "missing_left")
                self.breaks += [Break(book, relation, reason, line.reference, 0) for reason in reasons]
                yield from (line, line)
            elif kind:
                yield self._other_amount(book, relation, kind, line)
            else:
                yield line
        if moved and self._rng.random() < 0.1:
            unknown = self._unknown(1)
            self.breaks.append(Break(book, relation, "missing_left", unknown.reference, unknown.amount_minor))
            yield unknown

    def _next_kind(self, book: str) -> str:
        """Each kind in turn. More than the parts of a sum is no break yet: another part may come."""
        kinds = ("amount_under", "duplicate", "withheld") + (("amount_over",) if book == SEPA else ())
        self._kinds[book] += 1
        return kinds[self._kinds[book] % len(kinds)]

    def _other_amount(self, book: str, relation: str, kind: str, line: Line) -> Line:
        size = abs(line.amount_minor)
        if size == 1:
            return line
        by_minor = -self._rng.randint(1, size - 1) if kind == "amount_under" else self._rng.randint(1, 99)
        difference_minor = by_minor if line.amount_minor > 0 else -by_minor
        self.breaks.append(Break(book, relation, kind, line.reference, difference_minor))
        return line._replace(amount_minor=line.amount_minor + difference_minor)

    def _unknown(self, sign: int) -> Line:
        """A line that nobody else has, old enough for that to be a break."""
        self._kinds["unknown"] += 1
        name = f"unknown-{self._kinds['unknown']}"
        day = (date.fromisoformat(self._today) - LONG_AGO).isoformat()
        return Line(sign * self._rng.randint(1, 500), name, name, day=day)

    def _booked(self, batch_id: str, moved: Sequence[Line], reported: Sequence[Line]) -> Iterator[Line]:
        """What the bank books of a batch: the sum that was paid, once it was reported as it was; charges besides."""
        paid = [line for line in moved if line.payout]
        if paid and all(reported.count(line) == 1 for line in paid):
            yield Line(sum(line.amount_minor for line in paid), payout=batch_id)
        yield from (line._replace(reference="") for line in reported if line.payout != batch_id and line.payout)
        if paid and self._rng.random() < 0.1:
            charge = self._unknown(-1)._replace(reference="")
            self.breaks.append(Break(SEPA, "partner-bank", "missing_left", charge.payout, charge.amount_minor))
            yield charge

    # ---- files ----------------------------------------------------------------------------------

    def _csv(self, account: str, side: Side, lines: list[Line]) -> StatementFile | None:
        if not lines:
            return None
        rows = [",".join(_COLUMNS)]
        for line in self._shuffled(lines):
            self._balances[account] += line.amount_minor
            amounts = (line.amount_minor, line.fee_minor, self._balances[account])
            fields = (line.day or self._today, *map(major, amounts), line.reference, line.payout)
            rows.append(",".join(fields))
        return self._file(account, side, "csv", ("\n".join(rows) + "\n").encode(), lines)

    def _camt(self, account: str, lines: list[Line]) -> StatementFile | None:
        if not lines:
            return None
        opening_minor = self._balances[account]
        entries = []
        for line in self._shuffled(lines):
            self._balances[account] += line.amount_minor
            day = line.day or self._today
            entries.append(
                entry(
                    major(abs(line.amount_minor)),
                    "CRDT" if line.amount_minor > 0 else "DBIT",
                    dates=f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>",
                    details=f"<TxDtls><Refs><EndToEndId>{line.payout}</EndToEndId></Refs></TxDtls>",
                )
            )
        ends = "".join(
            balance(kind, major(abs(minor)), self._today, mark="DBIT" if minor < 0 else "CRDT")
            for kind, minor in (("OPBD", opening_minor), ("CLBD", self._balances[account]))
        )
        number = str(self._numbers[account] + 1)
        return self._file(
            account, "bank", "xml", camt(part(ends + "".join(entries), number=number, name=f"S-{number}")), lines
        )

    def _shuffled(self, lines: Sequence[Line]) -> list[Line]:
        """In any order, what is old first."""
        return sorted(self._rng.sample(lines, len(lines)), key=lambda line: line.day or self._today)

    def _file(self, account: str, side: Side, ending: str, data: bytes, lines: Sequence[Line]) -> StatementFile:
        self._numbers[account] += 1
        path = self._folder / f"{account}-{self._numbers[account]}.{ending}"
        path.write_bytes(data)
        return StatementFile(path, account, side, self._mapping if ending == "csv" else None, tuple(lines))
