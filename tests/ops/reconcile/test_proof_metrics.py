"""What Prometheus is told of proofs, breaks and statements."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ops.reconcile.daily_proofs import Look
from ops.reconcile.open_items import ToldByRole
from ops.reconcile.proof_metrics import forget, tell
from ops.reconcile.statements import Statements
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_proofs import SafeguardingProof
from streams import metrics
from tests.ops.reconcile.exceptions import an_exception
from tests.ops.reconcile.statements import DAY, statement

END_S = 1_795_219_200  # of DAY
DAY_S = 86_400


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    forget()


def told(*exceptions: ReconciliationException) -> ToldByRole:
    found = ToldByRole()
    for one in exceptions:
        found.take_exception(one)
    return found


def samples(gauge: object) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in gauge.collect()  # type: ignore[attr-defined]
        for sample in family.samples
    }


def proof(asset: str, verdict: str, surplus_minor: int) -> SafeguardingProof:
    zero = (0, (), 0, (), 0, (), 0, ())
    return SafeguardingProof("id", 1, DAY, asset, "currency", verdict, surplus_minor, *zero)  # type: ignore[arg-type]


def test_a_shortfall_is_below_zero_and_points_are_no_money() -> None:
    found = (proof("EUR", "shortfall", -5), proof("MILES", "not_money", -9))
    tell(Look((), found, (), told(), Statements()), END_S)
    assert samples(metrics.SAFEGUARDING_SURPLUS) == {("EUR",): -5}
    assert samples(metrics.PROVEN_UNTIL) == {("safeguarding",): END_S}
    forget()
    assert samples(metrics.SAFEGUARDING_SURPLUS) == {}


def test_breaks_by_severity_age_and_whether_they_are_overdue() -> None:
    opened = {"opened_at": f"{DAY}T00:00:00.000Z", "due_date": "2026-11-25", "severity": "high"}
    one, other = an_exception("x1", **opened), an_exception("x2", **opened | {"due_date": "2026-12-31"})
    ended = an_exception("x3", **opened | {"state": "resolved"})
    for after_days, age, overdue in ((0, "under 1 day", "no"), (6, "1 to 7 days", "yes"), (40, "over 30 days", "yes")):
        tell(Look((), (), (), told(one, other, ended), Statements()), END_S - DAY_S + after_days * DAY_S)
        found = samples(metrics.RECONCILIATION_BREAKS)
        assert found[("high", age, overdue)] >= 1
        assert sum(found.values()) == 2


def test_how_far_statements_go_and_whether_the_books_hold() -> None:
    statements = Statements()
    statements.take(statement("s1", 5))
    statements.take(statement("s2", 5, account="undated", closing_date=None))
    tell(Look((), (), (), told(), statements, ("journal 0:1 is out by 5 EUR",)), END_S)
    assert samples(metrics.STATEMENTS_UNTIL) == {("cards",): END_S}
    assert samples(metrics.UNBALANCED_JOURNALS) == {(): 1}


def test_books_that_are_wrong_are_not_proven() -> None:
    tell(Look((), (proof("EUR", "even", 0),), (), told(), Statements(), ("journal 0:1 is out by 5 EUR",)), END_S)
    assert samples(metrics.PROVEN_UNTIL) == {}
