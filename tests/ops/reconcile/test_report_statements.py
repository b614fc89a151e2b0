"""What was imported for a period, and what was refused in it."""

from __future__ import annotations

from ops.reconcile.days import Period
from ops.reconcile.report_statements import Imports
from schemas.external_statements import RefusedFile
from tests.ops.reconcile.statements import SOURCE, line, statement

PERIOD = Period("2026-11-20", "2026-11-21")


def test_statements_of_the_period_each_once() -> None:
    found = Imports(PERIOD)
    for one in (
        line("l", "s1"),
        statement("s1", 5, closing_date="2026-11-20", line_count=2),
        statement("s1", 5, closing_date="2026-11-20"),
        statement("before", 5, closing_date="2026-11-19"),
        statement("after", 5, closing_date="2026-11-22"),
        statement("no balance", None, closing_date=None, account="a"),
    ):
        found.take(one, "2026-11-21")
    assert [(one.account, one.closing_day, one.lines) for one in found.imported()] == [
        ("a", None, 0),
        ("cards", "2026-11-20", 2),
    ]


def test_files_refused_in_the_period() -> None:
    found = Imports(PERIOD)
    refused = RefusedFile(account="cards", side="bank", reason="unbalanced", detail="out by 1", source=SOURCE)
    for day in ("2026-11-19", "2026-11-21", "2026-11-22"):
        found.take(refused, day)
    assert [(one.day, one.reason, one.file) for one in found.refused()] == [("2026-11-21", "unbalanced", "s.xml")]
    everything = Imports(None)
    everything.take(refused, "2026-11-22")
    assert len(everything.refused()) == 1
