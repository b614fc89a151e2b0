"""The report in a few lines, for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ops.amounts import Amounts
from ops.reconcile.markup import shown
from ops.reconcile.report_amounts import PageAmounts
from ops.reconcile.report_html import percent
from ops.reconcile.report_model import Report, at_risk, by_age, by_reason, names, rates, section, total_rate
from schemas.reconciliation_proofs import Proof, SafeguardingProof


def lines(report: Report, amounts: Amounts, proofs: Sequence[Proof] = ()) -> Iterator[str]:
    """Rates, reasons, ages, cash at risk, proofs that do not hold."""
    written = PageAmounts(amounts)
    days = "all days" if report.period is None else " to ".join(dict.fromkeys(report.period))
    yield f"{report.title}: {days}, as of {report.as_of}"
    found = rates(report)
    for one in (total_rate(found), *found):
        rate = "-" if one.rate_bp is None else percent(one.rate_bp)
        counts = f"{one.matched:>10,} matched {one.expected:>9,} expected {one.broken:>9,} not matched"
        yield f"  {one.asset or 'all':<16} {rate:>9} {counts}"
    for title, groups in (("by reason", by_reason(report)), ("by age", by_age(report))):
        if groups:
            yield f"not matched, {title}"
        for name in names(groups):
            of = [group for group in groups if group.name == name]
            sums = ", ".join(written.amount(group.at_risk_minor, group.asset) for group in of)
            yield f"  {name:<22} {sum(group.cases for group in of):>9,} cases   {sums}"
    risks = ", ".join(written.amount(one.at_risk_minor, one.asset) for one in at_risk(report))
    yield f"cash at risk: {risks or 'none'}"
    yield f"in the file, not with us: {len(section(report, 'in_file')):,} lines"
    yield f"with us, not in the file: {len(section(report, 'with_us')):,} lines"
    for proof in proofs:
        if proof.verdict in ("shortfall", "unbalanced", "unexplained"):
            minor = proof.surplus_minor if isinstance(proof, SafeguardingProof) else proof.unexplained_minor or 0
            yield f"{proof.proof_id}: {proof.verdict} of {written.amount(minor, proof.asset)}"
    yield from (f"note: {shown(note)}" for note in report.notes)
