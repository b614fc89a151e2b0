"""AMLSim's accounts and transfers as requests: wallets opened, funded, then every transfer in time order. Pure.

AMLSim (IBM, github.com/IBM/AMLSim) simulates bank accounts with money laundering patterns among them. Its sample
has `nodes.csv` (nodeid, isFraud, init_balance, fraudStep) and `transactions.csv` (sourceNodeId, targetNodeId, value
with two decimals, time in days from 1). Amounts go from text to minor units without a float.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import date, timedelta
from random import Random
from typing import Final, Literal, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from ops.errors import OperationError
from ops.requests import Phase, Request
from schemas.assets import ISO_4217, parse_minor
from schemas.contract import WalletId

Funding = Literal["opening-balance", "sum-of-outgoing"]
Row = TypeVar("Row")

_FIRST_DAY: Final = date(2026, 1, 1)
#: A century of them is time enough.
_LAST_DAY: Final = 36_525
_wallet_id: Final = TypeAdapter(WalletId).validate_python
#: Shape of the sample: 118,250 transfers of 20,000 accounts within 149 days, 200 fan-in patterns among them.
_TRANSFERS_PER_ACCOUNT: Final = 6
_TRANSFERS_PER_PATTERN: Final = 590
_DAYS: Final = 149
_FAN_IN: Final = 20


class Account(NamedTuple):
    """One account; `flagged` if it belongs to a laundering pattern, with the day on which it pays as part of it."""

    number: int
    opening_minor: int
    flagged: bool
    pattern_day: int | None = None


class Payment(NamedTuple):
    """One transfer between accounts, on a day counted from 1."""

    payer: int
    payee: int
    amount_minor: int
    day: int


class Dataset(NamedTuple):
    """Accounts, and payments in time order."""

    accounts: Sequence[Account]
    payments: Sequence[Payment]


def parse(nodes: Iterable[str], transactions: Iterable[str], asset: str = "USD") -> Dataset:
    """The data set in the lines of AMLSim's two files.

    Raises:
        OperationError: a column is missing, a value is no number, an amount has more decimals than the asset, or
            a payment names an account that there is not; the message names file and line.
    """
    accounts = _read("nodes", nodes, ("nodeid", "isFraud", "init_balance"), lambda row: _account(row, asset))
    numbers = {account.number for account in accounts}
    columns = ("sourceNodeId", "targetNodeId", "value", "time")
    payments = _read("transactions", transactions, columns, lambda row: _payment(row, numbers, asset))
    payments.sort(key=lambda payment: payment.day)
    return Dataset(accounts, payments)


def generate(transfers: int, seed: int = 1) -> Dataset:
    """A synthetic data set of the sample's shape: the same for the same arguments.

    Accounts hold 100 to 600; most transfers go between two of them at random, some accounts pay and receive
    tenfold, and fan-in patterns send from 20 accounts to one within a few days.
    """
    rng = Random(seed)
    count = max(2, transfers // _TRANSFERS_PER_ACCOUNT)
    busy = max(1, count // 100)
    payments = [_any_payment(rng, count, busy) for _ in range(transfers)]
    flagged: dict[int, int | None] = {}
    for _ in range(transfers // _TRANSFERS_PER_PATTERN):
        payee, day = rng.randrange(count), rng.randint(1, _DAYS - 5)
        flagged.setdefault(payee)
        for _ in range(_FAN_IN):
            payer = _other(rng, payee, count)
            amount_minor, pattern_day = rng.randint(100, 60_000), day + rng.randrange(5)
            flagged[payer] = pattern_day
            payments[rng.randrange(transfers)] = Payment(payer, payee, amount_minor, pattern_day)
    payments.sort(key=lambda payment: payment.day)
    accounts = [Account(n, rng.randint(10_000, 60_000), n in flagged, flagged.get(n)) for n in range(count)]
    return Dataset(accounts, payments)


def funding_minor(data: Dataset, funding: Funding) -> dict[int, int]:
    """What each account is funded with: its opening balance, or exactly what it pays out in all."""
    if funding == "opening-balance":
        return {account.number: account.opening_minor for account in data.accounts}
    paid = Counter[int]()
    for payment in data.payments:
        if payment.payer != payment.payee:
            paid[payment.payer] += payment.amount_minor
    return {account.number: paid[account.number] for account in data.accounts}


def expected_balances(data: Dataset, funding: Funding, prefix: str = "amlsim") -> dict[str, int]:
    """Balance of every wallet at the end where no transfer is refused: funding + in - out, in minor units."""
    balances = Counter(funding_minor(data, funding))
    for payment in data.payments:
        balances[payment.payer] -= payment.amount_minor
        balances[payment.payee] += payment.amount_minor
    return {wallet_id(prefix, account.number): balances[account.number] for account in data.accounts}


def wallet_id(prefix: str, number: int) -> str:
    """Id of the wallet that stands for an account."""
    return f"{prefix}-{number}"


def phases(data: Dataset, funding: Funding, prefix: str = "amlsim", asset: str = "USD") -> list[Phase]:
    """All requests of a data set. Keys are deterministic: sending them again moves nothing twice.

    A payee's wallet must be open before it is paid, and wallets live in different partitions: so the transfers
    are a phase of their own.

    Raises:
        OperationError: with this prefix they have no ids of wallets.
    """
    for account in data.accounts:
        try:
            _wallet_id(wallet_id(prefix, account.number))
        except ValidationError as error:
            raise OperationError(
                f"{wallet_id(prefix, account.number)!r} is no id of a wallet: a prefix has letters, digits, _ and -, "
                "and the whole id at most 64 of them"
            ) from error
    funds = funding_minor(data, funding)
    funded = sum(1 for minor in funds.values() if minor)
    return [
        Phase("open and fund wallets", len(data.accounts) + funded, _openings(data.accounts, funds, prefix, asset)),
        Phase("transfers", len(data.payments), _transfers(data.payments, prefix, asset)),
    ]


def _openings(accounts: Sequence[Account], funds: Mapping[int, int], prefix: str, asset: str) -> Iterator[Request]:
    for account in accounts:
        wallet = wallet_id(prefix, account.number)
        yield Request(
            wallet.encode(),
            f'{{"operation":"open_wallet","idempotency_key":"{prefix}-open-{account.number}","wallet_id":"{wallet}",'
            f'"owner_ref":"{prefix}-account-{account.number}","assets":["{asset}"]}}'.encode(),
        )
        if funds[account.number]:
            yield Request(
                wallet.encode(),
                f'{{"operation":"credit","idempotency_key":"{prefix}-fund-{account.number}","wallet_id":"{wallet}",'
                f'"amount_minor":{funds[account.number]},"asset":"{asset}"}}'.encode(),
            )


def _transfers(payments: Sequence[Payment], prefix: str, asset: str) -> Iterator[Request]:
    for row, payment in enumerate(payments):
        payer = wallet_id(prefix, payment.payer)
        day = _FIRST_DAY + timedelta(days=payment.day)
        yield Request(
            payer.encode(),
            f'{{"operation":"transfer","idempotency_key":"{prefix}-transfer-{row}","wallet_id":"{payer}",'
            f'"to_wallet_id":"{wallet_id(prefix, payment.payee)}","amount_minor":{payment.amount_minor},'
            f'"asset":"{asset}","occurred_at":"{day.isoformat()}T00:00:00Z"}}'.encode(),
        )


def _minor(text: str, asset: str) -> int:
    amount_minor = parse_minor(text.strip(), ISO_4217[asset])
    if amount_minor < 0:
        raise ValueError(f"{text} is negative")
    return amount_minor


def _account(row: Mapping[str, str], asset: str) -> Account:
    step = int(row.get("fraudStep") or -1)
    flagged = row["isFraud"].strip() == "1"
    return Account(int(row["nodeid"]), _minor(row["init_balance"], asset), flagged, step if step >= 0 else None)


def _payment(row: Mapping[str, str], numbers: Set[int], asset: str) -> Payment:
    payer, payee = int(row["sourceNodeId"]), int(row["targetNodeId"])
    if payer not in numbers or payee not in numbers:
        raise ValueError(f"account {payer} or {payee} is not among the nodes")
    day = int(row["time"])
    if not 0 <= day <= _LAST_DAY:
        raise ValueError(f"{day} is no day: days are counted from 1 to {_LAST_DAY} at most")
    return Payment(payer, payee, _minor(row["value"], asset), day)


def _read(
    file: str, lines: Iterable[str], columns: Sequence[str], convert: Callable[[Mapping[str, str]], Row]
) -> list[Row]:
    """Every row of a file, converted."""
    reader = csv.DictReader(lines)
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise OperationError(f"{file} has no column {', '.join(missing)}; it must have {', '.join(columns)}")
    rows = []
    for row in reader:
        try:
            if any(row[column] is None for column in columns):
                raise ValueError("it has fewer fields than the header")
            rows.append(convert(row))
        except ValueError as error:
            raise OperationError(f"{file}, line {reader.line_num}: {error}") from error
    return rows


def _any_payment(rng: Random, accounts: int, busy: int) -> Payment:
    payer = rng.randrange(busy) if rng.random() < 0.1 else rng.randrange(accounts)
    payee = _other(rng, payer, busy if busy > 1 and rng.random() < 0.1 else accounts)
    return Payment(payer, payee, rng.randint(100, 60_000), rng.randint(1, _DAYS))


def _other(rng: Random, number: int, below: int) -> int:
    while True:
        other = rng.randrange(below)
        if other != number:
            return other
