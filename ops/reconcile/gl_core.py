"""A core-banking file against our trial balance: what it has, what we have, and each difference by name. Pure."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.reconciliation.proofs.books import AccountTotal
from agents.reconciliation.proofs.chart import BY_CODE, SYSTEM, UNCLASSIFIED, WALLETS, class_of
from ops.errors import OperationError
from schemas.assets import AssetRegistry, parse_minor

Figure = Literal["debit", "credit", "balance"]
DifferenceKind = Literal["missing_in_core", "missing_with_us", "differs", "unmapped"]

_LONGEST_TOLD: Final = 80
_INTEGER: Final = re.compile(r"-?[0-9]{1,40}")
#: Most rows of a core-banking file; beyond it the file is no list of balances.
MOST_ROWS: Final = 1_000_000


class Const(BaseModel):
    """The same value in every row."""

    model_config = ConfigDict(extra="forbid", strict=True)

    const: Annotated[str, Field(min_length=1, max_length=16)]


class CoreMapping(BaseModel):
    """Which column of a core-banking file is what, and which of its accounts are which of ours."""

    model_config = ConfigDict(extra="forbid", strict=True)

    account: Annotated[str, Field(min_length=1)]
    asset: Annotated[str, Field(min_length=1)] | Const
    debit: Annotated[str, Field(min_length=1)] | None = None
    credit: Annotated[str, Field(min_length=1)] | None = None
    balance: Annotated[str, Field(min_length=1)] | None = None
    amount_unit: Literal["major", "minor"] = "major"
    #: Whether a balance above zero stands on the credit side, as ours do, or on the debit side.
    balance_sign: Literal["credit_positive", "debit_positive"] = "credit_positive"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal_mark: Literal[".", ","] = "."
    #: Account of the core-banking system -> our accounts, or classes of the chart, that it is the sum of.
    accounts: dict[str, list[str]] = {}

    @model_validator(mode="after")
    def _has_figures(self) -> CoreMapping:
        if (self.debit is None) != (self.credit is None):
            raise ValueError("debit and credit belong together")
        if self.debit is None and self.balance is None:
            raise ValueError("name the columns of debit and credit, or of the balance, or of both")
        owners: dict[str, str] = {}
        for core, ours in self.accounts.items():
            for one in ours:
                if owners.setdefault(one, core) != core:
                    raise ValueError(f"{one} is counted under both {owners[one]} and {core}")
        return self

    @property
    def columns(self) -> list[str]:
        """Every column that it names."""
        named = (self.account, self.asset, self.debit, self.credit, self.balance)
        return [name for name in named if isinstance(name, str)]

    def selectors(self, core_account: str) -> Sequence[str]:
        """Our accounts or classes that a core-banking account is made of; its own name where nothing is said."""
        return self.accounts.get(core_account, [core_account])


class CoreTotal(NamedTuple):
    """What the file says of one account in one asset, in minor units; None where it does not say."""

    debit_minor: int | None
    credit_minor: int | None
    #: Credits less debits.
    balance_minor: int | None


class Difference(NamedTuple):
    """One figure on which the two sides are not of one mind, in minor units."""

    kind: DifferenceKind
    account: str
    asset: str
    figure: Figure | None
    ours_minor: int | None
    core_minor: int | None

    @property
    def sentence(self) -> str:
        """For people."""
        about = f"{self.account} {self.asset}"
        match self.kind:
            case "unmapped":
                return f"{about}: the file has it, no account or class of ours is called so; map it under `accounts`"
            case "missing_in_core":
                return f"{about}: ours has a {self.figure} of {self.ours_minor}, the file does not have the account"
            case "missing_with_us":
                return f"{about}: the file has a {self.figure} of {self.core_minor}, ours has nothing there"
        by = (self.core_minor or 0) - (self.ours_minor or 0)
        return f"{about}: {self.figure} is {self.core_minor} in the file, {self.ours_minor} with us: {by:+d}"


def read_mapping(text: bytes) -> CoreMapping:
    """The mapping of a file, with or without the mark that editors on Windows write before it.

    Raises:
        OperationError: it is none; every field that is wrong is named.
    """
    try:
        return CoreMapping.model_validate_json(text.removeprefix(BOM_UTF8))
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, one['loc'])) or 'mapping'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors(include_url=False)
        ]
        raise OperationError("the mapping cannot be used: " + "; ".join(lines)) from None


def read_core(
    rows: Iterable[Mapping[str, Any]], mapping: CoreMapping, assets: AssetRegistry
) -> dict[tuple[str, str], CoreTotal]:
    """(Account, asset) -> what the file says of it; several rows of the same are added up.

    Raises:
        OperationError: a cell cannot be read; the row is named, counted from 1 after the header.
    """
    found: dict[tuple[str, str], list[int | None]] = {}
    for number, row in enumerate(rows, start=1):
        if number > MOST_ROWS:
            raise OperationError(f"the file has more than {MOST_ROWS} rows: is it the journal, not the balances?")
        try:
            account, asset = str(row[mapping.account]).strip(), _asset(row, mapping)
            figures = [
                None if name is None else _minor(str(row[name]), asset, mapping, assets)
                for name in (mapping.debit, mapping.credit, mapping.balance)
            ]
            if not account:
                raise ValueError(f"{mapping.account} is empty")
        except KeyError as error:
            raise OperationError(f"row {number}: there is no column {error}") from None
        except ValueError as error:
            raise OperationError(f"row {number}: {error}") from None
        if figures[2] is not None and mapping.balance_sign == "debit_positive":
            figures[2] = -figures[2]
        sums = found.setdefault((account, asset), [None, None, None])
        for place, minor in enumerate(figures):
            if minor is not None:
                sums[place] = (sums[place] or 0) + minor
    return {key: CoreTotal(*sums) for key, sums in found.items()}


def _asset(row: Mapping[str, Any], mapping: CoreMapping) -> str:
    return mapping.asset.const if isinstance(mapping.asset, Const) else str(row[mapping.asset]).strip()


def _minor(text: str, code: str, mapping: CoreMapping, assets: AssetRegistry) -> int:
    text = text.strip() or "0"
    if mapping.amount_unit == "minor":
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"{text[:_LONGEST_TOLD]!r} is no integer of minor units")
        return int(text)
    asset = assets.get(code)
    if asset is None:
        raise ValueError(f"asset {code[:_LONGEST_TOLD]!r} is not known; register it, or give amounts in minor units")
    if mapping.decimal_mark == ",":
        if "." in text:
            raise ValueError(f"{text[:_LONGEST_TOLD]!r} is no amount: write digits, with a comma before decimals")
        text = text.replace(",", ".")
    return parse_minor(text, asset)


def differences(
    core: Mapping[tuple[str, str], CoreTotal], ours: Sequence[AccountTotal], mapping: CoreMapping
) -> list[Difference]:
    """Every figure that is not the same on both sides, by account, asset and figure; empty where they agree.

    Raises:
        OperationError: one of ours is counted under two accounts of the file, by its name and by its class perhaps.
    """
    by_selector: dict[tuple[str, str], list[AccountTotal]] = {}
    known = set()
    for one in ours:
        for selector in {one.account, class_of(one.account).code}:
            known.add(selector)
            by_selector.setdefault((selector, one.asset), []).append(one)
    found, covered = [], dict[tuple[str, str], str]()
    for (account, asset), total in sorted(core.items()):
        selectors = mapping.selectors(account)
        is_ours = known.intersection(selectors) or any(map(_is_named, selectors))
        if not is_ours and account not in mapping.accounts:
            found.append(Difference("unmapped", account, asset, None, None, None))
            continue
        mine = {one.account: one for selector in selectors for one in by_selector.get((selector, asset), ())}
        for name in sorted(mine):
            if (other := covered.setdefault((name, asset), account)) != account:
                raise OperationError(
                    f"{name} {asset} is counted under both {other} and {account} of the file: leave it to one of them "
                    "in `accounts` of the mapping"
                )
        found += _compared(account, asset, total, list(mine.values()))
    asked = _figures(mapping)
    for one in ours:
        if (one.account, one.asset) not in covered:
            found += _missing(one, asked)
    return found


def _is_named(selector: str) -> bool:
    """Whether the chart has such a class or account: a trial balance lists also those that nothing was posted on."""
    if selector.startswith((SYSTEM, WALLETS)):
        return class_of(selector) != UNCLASSIFIED
    return selector in BY_CODE


def _figures(mapping: CoreMapping) -> tuple[Figure, ...]:
    moved: tuple[Figure, ...] = () if mapping.debit is None else ("debit", "credit")
    return moved if mapping.balance is None else (*moved, "balance")


def _compared(account: str, asset: str, total: CoreTotal, mine: Sequence[AccountTotal]) -> Iterable[Difference]:
    sums: tuple[tuple[Figure, int | None, int], ...] = (
        ("debit", total.debit_minor, sum(one.debit_minor for one in mine)),
        ("credit", total.credit_minor, sum(one.credit_minor for one in mine)),
        ("balance", total.balance_minor, sum(one.closing_minor for one in mine)),
    )
    for figure, core_minor, our_minor in sums:
        if core_minor is not None and core_minor != our_minor:
            kind: DifferenceKind = "differs" if mine else "missing_with_us"
            yield Difference(kind, account, asset, figure, our_minor if mine else None, core_minor)


def _missing(one: AccountTotal, figures: Iterable[Figure]) -> Iterable[Difference]:
    ours = {"debit": one.debit_minor, "credit": one.credit_minor, "balance": one.closing_minor}
    for figure in figures:
        if ours[figure]:
            yield Difference("missing_in_core", one.account, one.asset, figure, ours[figure], None)
