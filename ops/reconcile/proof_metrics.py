"""What a look at proofs tells Prometheus: surplus or shortfall, what is unexplained, breaks by age, late statements."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Final

from ops.reconcile.daily_proofs import Look
from ops.reconcile.days import Period
from schemas.clock import unix_ms
from streams import metrics

_DAY_S: Final = 86_400
#: An exception that is open for less than so many days is told under the name.
_AGES: Final = ((1, "under 1 day"), (7, "1 to 7 days"), (30, "7 to 30 days"))
_OLDEST: Final = "over 30 days"
_GAUGES: Final = (
    metrics.SAFEGUARDING_SURPLUS,
    metrics.PROVEN_UNTIL,
    metrics.RECONCILIATION_UNEXPLAINED,
    metrics.RECONCILIATION_BREAKS,
    metrics.STATEMENTS_UNTIL,
)


def forget() -> None:
    """Another worker tells it from now on."""
    for gauge in _GAUGES:
        gauge.clear()
    metrics.UNBALANCED_JOURNALS.set(0)


def tell(look: Look, now_s: float) -> None:
    """Set all gauges to what a look has found."""
    forget()
    metrics.UNBALANCED_JOURNALS.set(len(look.problems))
    for proof in look.written:
        metrics.PROOFS.labels(proof.__struct_config__.tag, proof.verdict).inc()
    for one in look.safeguarding:
        if one.verdict != "not_money":
            metrics.SAFEGUARDING_SURPLUS.labels(one.asset).set(one.surplus_minor)
        if not look.problems:
            metrics.PROVEN_UNTIL.labels("safeguarding").set(_end_s(one.day))
    for balance in look.balances:
        # Of later days a later one takes the place.
        if balance.unexplained_minor is not None:
            where = (balance.ledger_account, balance.statement_account, balance.asset)
            metrics.RECONCILIATION_UNEXPLAINED.labels(*where).set(balance.unexplained_minor)
    for account, day in look.statements.latest.items():
        if day:
            metrics.STATEMENTS_UNTIL.labels(account).set(_end_s(day))
    today = datetime.fromtimestamp(now_s, UTC).date()
    breaks = Counter(
        (one.severity, _age((now_s - unix_ms(one.opened_at) / 1000) / _DAY_S), _is_overdue(one.due_date, today))
        for one in look.told.exceptions.values()
    )
    for (severity, age, overdue), count in breaks.items():
        metrics.RECONCILIATION_BREAKS.labels(severity, age, overdue).set(count)


def _age(days: float) -> str:
    return next((name for until, name in _AGES if days < until), _OLDEST)


def _is_overdue(due_date: str, today: date) -> str:
    return "yes" if today.isoformat() > due_date else "no"


def _end_s(day: str) -> int:
    return Period(day, day).ends_at_s
