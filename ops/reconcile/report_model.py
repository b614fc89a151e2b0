"""What a reconciliation report says: lines that match, lines that do not, and why, how old and how much. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Final, Literal, NamedTuple

from schemas.reconciliation_reasons import REASONS

#: The two sections of a list of breaks: left is what we have written, right is what somebody else says.
Section = Literal["in_file", "with_us"]

#: Age in days -> name of its bucket; the last one is open.
AGE_BUCKETS: Final = ((1, "0-1 days"), (3, "2-3 days"), (7, "4-7 days"), (30, "8-30 days"), (None, "over 30 days"))
AGES: Final = tuple(name for _, name in AGE_BUCKETS)
UNKNOWN_AGE: Final = "no date"
#: Of lines of which only the place is known.
UNKNOWN_ASSET: Final = "?"


class CaseLine(NamedTuple):
    """A line that is part of a case. Its amount is signed, in minor units; None where that is not known."""

    section: Section
    #: Whose line it is: `ledger`, `partner`, `bank`, `left`, `right`.
    where: str
    line_id: str
    amount_minor: int | None
    asset: str
    day: str | None
    references: Mapping[str, str]
    text: str


class Case(NamedTuple):
    """Lines that do not match, and the one reason why."""

    case_id: str
    book: str
    reason: str
    state: str
    severity: str
    asset: str
    #: What is at risk, 0 or more, in minor units; None where that is not known.
    at_risk_minor: int | None
    lines: tuple[CaseLine, ...]
    candidates: tuple[str, ...] = ()
    sentence: str = ""
    due: str | None = None
    overdue: bool = False
    assignee: str | None = None

    @property
    def day(self) -> str | None:
        """Of its oldest line."""
        return min((line.day for line in self.lines if line.day is not None), default=None)


class MatchedLines(NamedTuple):
    """What one pass has matched in one book and asset; amounts are sums of absolute left sides, in minor units."""

    book: str
    pass_name: str
    asset: str
    matches: int
    left_lines: int
    right_lines: int
    amount_minor: int
    #: Right less left, as tolerances have allowed.
    difference_minor: int
    lowest_confidence: int


class ExpectedLines(NamedTuple):
    """Lines of one section that are not there yet and not late yet; amounts are absolute, in minor units."""

    book: str
    section: Section
    asset: str
    lines: int
    amount_minor: int


class Imported(NamedTuple):
    """A statement that was imported. Balances are in minor units, None where the file has none."""

    account: str
    side: str
    asset: str
    closing_day: str | None
    basis: str
    lines: int
    opening_minor: int | None
    closing_minor: int | None
    #: What proves that no line is missing: `balances`, `totals`, `none`.
    proof: str
    file: str


class Refused(NamedTuple):
    """A file of which nothing was imported, and why."""

    day: str
    account: str
    reason: str
    detail: str
    file: str
    sha256: str


class Rate(NamedTuple):
    """Lines of one asset by what became of them; amounts are absolute sums, in minor units."""

    asset: str
    matched: int
    expected: int
    broken: int
    matched_minor: int
    expected_minor: int
    broken_minor: int

    @property
    def lines(self) -> int:
        """All of them."""
        return self.matched + self.expected + self.broken

    @property
    def rate_bp(self) -> int | None:
        """Matched of all that could match by now, in 1/10,000, rounded down; None where there is nothing."""
        due = self.matched + self.broken
        return self.matched * 10_000 // due if due else None


class Group(NamedTuple):
    """Cases that have something in common, in one asset."""

    name: str
    asset: str
    cases: int
    at_risk_minor: int


class Report(NamedTuple):
    """All of it. Sums are made by the functions below, so that every form of the report has the same."""

    title: str
    #: First and last day; None: everything.
    period: tuple[str, str] | None
    #: The day that ages are counted to.
    as_of: str
    matched: tuple[MatchedLines, ...]
    expected: tuple[ExpectedLines, ...]
    cases: tuple[Case, ...]
    #: Cases of the period that are resolved or closed, by state.
    done: Mapping[str, int] = {}
    notes: tuple[str, ...] = ()
    imported: tuple[Imported, ...] = ()
    refused: tuple[Refused, ...] = ()


def age_days(case: Case, as_of: str) -> int | None:
    """How old its oldest line is; a line of the future has age 0; None where no line has a day."""
    day = case.day
    if day is None:
        return None
    return max(0, (date.fromisoformat(as_of) - date.fromisoformat(day)).days)


def age_bucket(case: Case, as_of: str) -> str:
    """The name of the bucket that it falls into."""
    age = age_days(case, as_of)
    if age is None:
        return UNKNOWN_AGE
    return next(name for most, name in AGE_BUCKETS if most is None or age <= most)


def rates(report: Report) -> list[Rate]:
    """Lines by asset."""
    sums: dict[str, list[int]] = {}
    for one in report.matched:
        total = sums.setdefault(one.asset, [0] * 6)
        total[0] += one.left_lines + one.right_lines
        total[3] += one.amount_minor
    for ahead in report.expected:
        total = sums.setdefault(ahead.asset, [0] * 6)
        total[1] += ahead.lines
        total[4] += ahead.amount_minor
    for line in (line for case in report.cases for line in case.lines):
        total = sums.setdefault(line.asset, [0] * 6)
        total[2] += 1
        total[5] += abs(line.amount_minor or 0)
    return [Rate(asset, *sums[asset]) for asset in sorted(sums)]


def total_rate(of: Iterable[Rate]) -> Rate:
    """All assets together: counts only, for amounts of different assets have no sum."""
    listed = list(of)
    return Rate(
        "",
        sum(one.matched for one in listed),
        sum(one.expected for one in listed),
        sum(one.broken for one in listed),
        *(0, 0, 0),
    )


def by_reason(report: Report) -> list[Group]:
    """Cases by reason and asset, in the order of reasons."""
    order: dict[str, int] = {reason: place for place, reason in enumerate(REASONS)}
    return _groups(((case.reason, case) for case in report.cases), lambda name: order.get(name, len(order)))


def by_age(report: Report) -> list[Group]:
    """Cases by age and asset, the youngest first."""
    order = {name: place for place, name in enumerate((*AGES, UNKNOWN_AGE))}
    return _groups(((age_bucket(case, report.as_of), case) for case in report.cases), lambda name: order[name])


def at_risk(report: Report) -> list[Group]:
    """Cash at risk: all cases by asset."""
    return _groups((("", case) for case in report.cases), lambda _name: 0)


def _groups(named: Iterable[tuple[str, Case]], order: Callable[[str], int]) -> list[Group]:
    sums: dict[tuple[str, str], list[int]] = {}
    for name, case in named:
        total = sums.setdefault((name, case.asset), [0, 0])
        total[0] += 1
        total[1] += case.at_risk_minor or 0
    keys = sorted(sums, key=lambda key: (order(key[0]), key))
    return [Group(name, asset, *sums[name, asset]) for name, asset in keys]


def section(report: Report, which: Section) -> list[tuple[Case, CaseLine]]:
    """All lines of one section with their cases: the oldest first, then the largest."""
    found = [(case, line) for case in report.cases for line in case.lines if line.section == which]
    return sorted(
        found, key=lambda pair: (pair[1].day or "9", -abs(pair[1].amount_minor or 0), pair[1].line_id, pair[0].case_id)
    )


def sum_matched(parts: Iterable[MatchedLines]) -> list[MatchedLines]:
    """One entry for each book, pass and asset, in this order."""
    sums: dict[tuple[str, str, str], MatchedLines] = {}
    for one in parts:
        key = one[:3]
        held = sums.get(key)
        if held is None:
            sums[key] = one
            continue
        sums[key] = MatchedLines(
            *key,
            held.matches + one.matches,
            held.left_lines + one.left_lines,
            held.right_lines + one.right_lines,
            held.amount_minor + one.amount_minor,
            held.difference_minor + one.difference_minor,
            min(held.lowest_confidence, one.lowest_confidence),
        )
    return [sums[key] for key in sorted(sums)]


def names(groups: Sequence[Group]) -> list[str]:
    """The names of groups, each once, in their order."""
    return list(dict.fromkeys(group.name for group in groups))
