"""Which accounts of the ledger are which accounts of statements: as the books of `matching-rules` say, else by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from agents.reconciliation.followed import Followed
from agents.reconciliation.proofs.balances import Pair
from agents.reconciliation.proofs.chart import BANK, RAIL
from ops.errors import OperationError


def pairs_of(
    ours: Collection[str], stated: Iterable[str], followed: Followed, named: Iterable[Pair] = ()
) -> list[Pair]:
    """A pair for each rail and bank account of the ledger, whether a statement of it ever came or not. Pure.

    Args:
        ours: accounts of the ledger.
        stated: accounts that had a statement.
        followed: books.
        named: what somebody has said, which counts before anything else.
    """
    found = set(named)
    told = {account for pair in found for account in (*pair.ledger_accounts, pair.statement_account)}
    rails = sorted(account for account in ours if account.startswith(RAIL) and account not in told)
    found |= {pair for account in rails for pair in _of_rail(account, followed) if pair.statement_account not in told}
    told |= {pair.statement_account for pair in found}
    found |= {pair for account in stated if account not in told for pair in _of_name(account, ours)}
    covered = {account for pair in found for account in pair.ledger_accounts}
    for account in ours:
        if account.startswith((RAIL, BANK)) and account not in covered:
            found.add(Pair((account,), account.rpartition(":")[2]))
    return sorted(found)


def _of_rail(account: str, followed: Followed) -> Iterator[Pair]:
    """As its book has it; a rail that nobody reconciles has none."""
    rail = account.removeprefix(RAIL)
    name = followed.book_of_rail(rail)
    if name is None:
        return
    together = tuple(f"{RAIL}{each}" for each in sorted({rail, *followed.rails_of(name)}))
    for statement_account in followed.book(name).accounts or (name,):
        yield Pair(together, statement_account)


def _of_name(name: str, ours: Collection[str]) -> Iterator[Pair]:
    """A statement's account `cards` is `system/rail:cards` or `system/bank:cards` where the ledger has that."""
    for account in (f"system/{name}", f"{RAIL}{name}", f"{BANK}{name}", name):
        if account in ours and account.startswith((RAIL, BANK)):
            yield Pair((account,), name)
            return


def book_of(pair: Pair, followed: Followed) -> str | None:
    """The book in which a pair is matched; None where it is in none."""
    try:
        return followed.book_of_account(pair.statement_account)
    except ValueError:
        return None


def read_pair(text: str) -> Pair:
    """What `--pair system/rail:cards=cards-report` says.

    Raises:
        OperationError: it is none.
    """
    left, _, theirs = text.partition("=")
    ours = tuple(one if one.startswith("system/") else f"system/{one}" for one in left.split("+"))
    if not theirs or not all(one.startswith((RAIL, BANK)) and not one.endswith(":") for one in ours):
        raise OperationError(
            f"{text!r} is no pair: write it as rail:cards=ACCOUNT, bank:house=ACCOUNT, rail:a+rail:b=ACCOUNT"
        )
    return Pair(ours, theirs)
