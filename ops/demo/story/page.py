"""The story on paper: what is asked for, the answer, the journal with debits left and credits right, the balances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ops.amounts import Amounts
from ops.buckets import BucketRow, bucket_table
from ops.demo.story.books import TrialBalance
from ops.demo.story.player import Act, PlayedStep
from ops.event_facts import exchange_fact, limit_fact
from ops.history import Logged
from schemas.events import Entry

_ACCOUNT: Final = 30
_AMOUNT: Final = 12
#: Entries of a single posting, whose sides may be split.
_ONE_POSTING: Final = 3


class Page:
    """Writes the lines of a story."""

    def __init__(self, amounts: Amounts):
        self._amounts = amounts

    def step(self, step: PlayedStep) -> Iterator[str]:
        """A step: its acts, and the balances after it."""
        yield ""
        for index, act in enumerate(step.acts):
            amount = "" if act.amount_minor is None else self._amounts.amount(act.amount_minor, act.asset)
            head = f"{step.number:>3}. " if index == 0 else "     "
            yield head + act.says.format(amount=amount)
            yield from self._answer(act)
            yield from self._journals(act.journals)
        yield from self._buckets(step.rows)

    def _answer(self, act: Act) -> Iterator[str]:
        outcome = act.outcome
        asked = "" if act.operation is None else f"{act.operation} "
        where = f" ({outcome.field})" if outcome.field is not None else ""
        forced = ", forced" if any(logged.event.forced for logged in act.journals) else ""
        yield f"     {asked}-> {', '.join(act.states)}{where}{forced}"
        if outcome.limit is not None:
            yield f"        {limit_fact(outcome.limit, act.asset, self._amounts)}"
        for logged in act.journals:
            if logged.event.exchange is not None and logged.event.leg is None:
                yield f"        {exchange_fact(logged.event.exchange, self._amounts)}"

    def _journals(self, journals: Sequence[Logged]) -> Iterator[str]:
        is_apart = len({logged.partition for logged in journals}) > 1
        for partition, _, event in journals:
            where = f"   partition {partition}" if is_apart else ""
            for entry in _debits_first(event.entries):
                minor = entry.debit_minor or entry.credit_minor
                side, indent = ("Dr", 0) if entry.debit_minor else ("Cr", 2)
                account = f"{' ' * indent}{side} {account_name(entry.account)}"
                number = self._amounts.number(minor, entry.asset).rjust(_AMOUNT)
                columns = f"{number}{' ' * _AMOUNT}" if entry.debit_minor else f"{' ' * _AMOUNT}{number}"
                yield f"        {account:<{_ACCOUNT}}{columns} {entry.asset}{where}".rstrip()
                where = ""

    def _buckets(self, rows: Sequence[BucketRow]) -> Iterator[str]:
        if rows:
            yield from bucket_table(rows, self._amounts, indent=5)

    def trial(self, trials: Sequence[TrialBalance]) -> Iterator[str]:
        """The trial balance of each asset."""
        yield ""
        yield f"     {'Trial balance':<{_ACCOUNT}}{'debit':>{_AMOUNT}}{'credit':>{_AMOUNT}}"
        for trial in trials:
            for account, debit_minor, credit_minor in trial.lines:
                debit = self._amounts.number(debit_minor, trial.asset) if debit_minor else ""
                credit = self._amounts.number(credit_minor, trial.asset) if credit_minor else ""
                yield f"     {account_name(account):<{_ACCOUNT}}{debit:>{_AMOUNT}}{credit:>{_AMOUNT}} {trial.asset}"
            sums = [self._amounts.number(minor, trial.asset) for minor in (trial.debit_minor, trial.credit_minor)]
            difference = self._amounts.amount(trial.sum_minor, trial.asset)
            label = f"{trial.asset}, difference {difference}"
            yield f"     {label:<{_ACCOUNT}}{sums[0]:>{_AMOUNT}}{sums[1]:>{_AMOUNT}} {trial.asset}"
            yield ""


def _debits_first(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Entries of one posting with the debit first; those of several stay as they are, a pair after the other."""
    return entries if len(entries) > _ONE_POSTING else sorted(entries, key=lambda entry: not entry.debit_minor)


def account_name(account: str) -> str:
    """An account as a bookkeeper would write it: `alice, held`, `hotel taxes, available`, `fees`."""
    if account.startswith("system/"):
        return account.removeprefix("system/").replace(":", " ")
    wallet_id, sub_wallet, bucket = account.split("/")
    return f"{wallet_id}{'' if sub_wallet == 'main' else f' {sub_wallet}'}, {bucket}"
