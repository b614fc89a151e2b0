"""Balance reconciliation: the ledger's position with a rail or a bank against the closing balance that it states.

Two sides that agree line by line may yet differ by what one of them has and the other has not: lines on their way, and
exceptions. Taken into account they must explain the whole difference; what is left is unexplained.

    statement = ledger - lines only with us + lines only in the file + what matches differ by + unexplained
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from agents.reconciliation.proofs.books import DayTotals, added
from agents.reconciliation.proofs.safeguarding import cuts_of
from schemas.reconciliation_proofs import BalanceProof, BalanceVerdict, OpenItems


class Pair(NamedTuple):
    """Accounts of the ledger, `system/rail:<name>`, whose sum is one account of `external-statements`."""

    ledger_accounts: tuple[str, ...]
    statement_account: str

    @property
    def name(self) -> str:
        """The accounts of the ledger, joined by `+`."""
        return "+".join(self.ledger_accounts)


class ClosingBalance(NamedTuple):
    """What a statement says an account holds for us at the end of a day, in minor units."""

    statement_account: str
    asset: str
    day: str
    balance_minor: int
    statement_id: str


class OpenLine(NamedTuple):
    """A line that only one side has at the end of the day; above zero where it adds to what is held for us."""

    statement_account: str
    asset: str
    amount_minor: int
    side: Literal["with_us", "in_file"]
    #: It is an exception; else it is inside its lag, and expected.
    is_exception: bool


class Tolerated(NamedTuple):
    """What a match of the day or before differs by, file less ours, as the rules or people have allowed."""

    statement_account: str
    asset: str
    difference_minor: int


def balance_proofs(
    day: str,
    parts: Sequence[DayTotals],
    pairs: Iterable[Pair],
    closings: Iterable[ClosingBalance],
    open_lines: Iterable[OpenLine] = (),
    tolerated: Iterable[Tolerated] = (),
) -> list[BalanceProof]:
    """A proof for each pair and each asset that either side or a line has, by account and asset.

    Args:
        day: the UTC day, as `2026-11-23`.
        parts: totals of every partition whose last day is `day`.
        pairs: which account of the ledger is which account of statements.
        closings: of statements of that day; of several for one account and asset the last counts.
        open_lines: what only one side had at the end of the day.
        tolerated: what matches differ by.
    """
    ledger = {(one.account, one.asset): -one.closing_minor for one in added(parts)}
    stated = {(one.statement_account, one.asset): one for one in closings if one.day == day}
    lines, allowed = list(open_lines), list(tolerated)
    proofs = []
    for pair in sorted(set(pairs)):
        assets = {asset for account, asset in ledger if account in pair.ledger_accounts}
        assets |= {asset for account, asset in stated if account == pair.statement_account}
        assets |= {line.asset for line in lines if line.statement_account == pair.statement_account}
        for asset in sorted(assets):
            closing = stated.get((pair.statement_account, asset))
            of = [one for one in lines if one[:2] == (pair.statement_account, asset)]
            differ = [one.difference_minor for one in allowed if one[:2] == (pair.statement_account, asset)]
            ours_minor = sum(ledger.get((account, asset), 0) for account in pair.ledger_accounts)
            proofs.append(_proof(day, pair, asset, ours_minor, closing, of, differ, parts))
    return proofs


def _proof(
    day: str,
    pair: Pair,
    asset: str,
    ledger_minor: int,
    closing: ClosingBalance | None,
    lines: Sequence[OpenLine],
    differ: Sequence[int],
    parts: Sequence[DayTotals],
) -> BalanceProof:
    with_us = [_items(lines, "with_us", is_exception) for is_exception in (False, True)]
    in_file = [_items(lines, "in_file", is_exception) for is_exception in (False, True)]
    difference_minor = unexplained_minor = None
    if closing is not None:
        difference_minor = closing.balance_minor - ledger_minor
        open_minor = sum(one.amount_minor for one in in_file) - sum(one.amount_minor for one in with_us)
        unexplained_minor = difference_minor - open_minor - sum(differ)
    return BalanceProof(
        proof_id=f"balance/{pair.name}/{pair.statement_account}/{asset}/{day}",
        revision=1,
        day=day,
        asset=asset,
        ledger_account=pair.name,
        statement_account=pair.statement_account,
        statement_id=None if closing is None else closing.statement_id,
        verdict=_verdict(difference_minor, unexplained_minor, is_open=bool(lines)),
        ledger_minor=ledger_minor,
        statement_minor=None if closing is None else closing.balance_minor,
        difference_minor=difference_minor,
        expected_with_us=with_us[0],
        excepted_with_us=with_us[1],
        expected_in_file=in_file[0],
        excepted_in_file=in_file[1],
        tolerated=OpenItems(len(differ), sum(differ)),
        unexplained_minor=unexplained_minor,
        cuts=cuts_of(parts),
    )


def _items(lines: Iterable[OpenLine], side: str, is_exception: bool) -> OpenItems:
    amounts = [one.amount_minor for one in lines if one.side == side and one.is_exception == is_exception]
    return OpenItems(len(amounts), sum(amounts))


def _verdict(difference_minor: int | None, unexplained_minor: int | None, *, is_open: bool) -> BalanceVerdict:
    """Lines that only one side has may cancel out: then the balances are equal, and the two do not agree."""
    if difference_minor is None:
        return "no_statement"
    if unexplained_minor:
        return "unexplained"
    return "explained" if difference_minor or is_open else "agrees"
