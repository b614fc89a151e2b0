"""Proofs as sections of the report. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ops.reconcile.markup import Markup, join, tag
from ops.reconcile.report_amounts import PageAmounts
from ops.reconcile.report_table import table
from schemas.reconciliation_proofs import BalanceProof, Proof, SafeguardingProof

_GOOD: Final = ("surplus", "even", "agrees", "explained", "not_money")


def proof_sections(proofs: Sequence[Proof], amounts: PageAmounts) -> Iterator[Markup]:
    """The safeguarding identity, and positions against statements; nothing of what there is no proof."""
    safeguarding = [one for one in proofs if isinstance(one, SafeguardingProof)]
    if safeguarding:
        yield tag(
            "section",
            tag("h2", "Safeguarding: confirmed cash less what is owed"),
            table(
                "Amounts at the end of the day; a negative surplus is a shortfall.",
                ("Day", "Asset", "Verdict", "Cash", "Owed", "Surplus", "Announced"),
                [_safeguarding(one, amounts) for one in safeguarding],
                3,
            ),
        )
    balances = [one for one in proofs if isinstance(one, BalanceProof)]
    if balances:
        yield tag(
            "section",
            tag("h2", "Positions against statements"),
            table(
                "Ledger and statement at the end of the day; what open items do not explain is unexplained.",
                ("Day", "Account", "Asset", "Verdict", "Ledger", "Statement", "Difference", "Unexplained"),
                [_balance(one, amounts) for one in balances],
                4,
            ),
        )


def _verdict(verdict: str) -> Markup:
    return tag("span", verdict.replace("_", " "), class_=f"verdict {'ok' if verdict in _GOOD else 'bad'}")


def _safeguarding(one: SafeguardingProof, amounts: PageAmounts) -> list[object]:
    figures = (one.cash_minor, one.owed_minor, one.surplus_minor, one.announced_minor)
    return [one.day, one.asset, _verdict(one.verdict), *(amounts.number(minor, one.asset) for minor in figures)]


def _balance(one: BalanceProof, amounts: PageAmounts) -> list[object]:
    figures = (one.ledger_minor, one.statement_minor, one.difference_minor, one.unexplained_minor)
    return [
        one.day,
        join(tag("div", one.ledger_account), tag("div", one.statement_account, class_="quiet")),
        one.asset,
        _verdict(one.verdict),
        *("-" if minor is None else amounts.number(minor, one.asset) for minor in figures),
    ]
