"""What the batches of a camt entry say of themselves: an entry has one `NtryDtls` for each, or for what is in none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from lxml import etree

from agents.statements.camt_details import Detail, read_detail
from agents.statements.camt_values import amount_of, count_of
from agents.statements.parsed import Entry
from agents.statements.refusal import Refusal, at
from agents.statements.xml import find_all, line_of, text_of
from schemas.assets import AssetRegistry

_BATCH: Final = "batch_id"


class Batch(NamedTuple):
    """One `NtryDtls`: its transactions, and what its `Btch` says."""

    details: tuple[Detail, ...]
    batch_id: str | None
    #: How many transactions it has.
    transactions: int | None
    #: Minor units without a sign; None where it is not said in the entry's currency.
    total_minor: int | None

    @property
    def says_something(self) -> bool:
        """It has a `Btch`."""
        return self[1:] != (None, None, None)

    @property
    def gross_minor(self) -> int | None:
        """What its transactions come to; None where not all say an amount."""
        amounts = [one.amount_minor for one in self.details if one.amount_minor is not None]
        return sum(amounts) if amounts and len(amounts) == len(self.details) else None

    @property
    def fee_minor(self) -> int:
        """Charges of its transactions."""
        return sum(one.fee_minor for one in self.details)


def read_batches(element: etree._Element, amount_minor: int, asset: str, assets: AssetRegistry) -> list[Batch]:
    """The batches of an `Ntry` of this amount and asset; their transactions carry the id of their batch.

    Raises:
        Refusal: an amount, count, currency or mark is none.
    """
    sign = 1 if amount_minor >= 0 else -1
    found = [_batch(one, asset, sign, assets) for one in find_all(element, "NtryDtls")]
    said = [one for one in found if one.says_something]
    if len(found) > 1 and len(said) == 1 and _is_of_all(said[0], found, amount_minor):
        details = [detail for one in found for detail in one.details]
        return [said[0]._replace(details=tuple(_of_batch(detail, said[0].batch_id) for detail in details))]
    return found


def _is_of_all(said: Batch, found: Sequence[Batch], amount_minor: int) -> bool:
    """Whether the one batch that is said is the entry: some banks give each transaction an `NtryDtls` of its own."""
    if said.transactions == len(said.details) and said.details:
        return False
    every = sum(len(one.details) for one in found)
    return not said.details or said.transactions == every or said.total_minor == abs(amount_minor)


def _batch(element: etree._Element, asset: str, sign: int, assets: AssetRegistry) -> Batch:
    count, total = text_of(element, "Btch/NbOfTxs"), text_of(element, "Btch/TtlAmt")
    total_minor, found = (None, asset) if total is None else amount_of(element, "Btch/TtlAmt", assets)
    batch_id = text_of(element, "Btch/PmtInfId") or text_of(element, "Btch/MsgId")
    details = []
    for one in find_all(element, "TxDtls"):
        with at(line_of(one)):
            detail = read_detail(one, asset, sign, assets)
        details.append(_of_batch(detail, batch_id))
    return Batch(
        tuple(details),
        batch_id,
        None if count is None else count_of(count, "Btch/NbOfTxs"),
        total_minor if found == asset else None,
    )


def _of_batch(detail: Detail, batch_id: str | None) -> Detail:
    return detail if batch_id is None else replace(detail, references={_BATCH: batch_id, **detail.references})


def own_batch(batches: Sequence[Batch]) -> dict[str, str]:
    """The reference of the one batch that an entry is."""
    ids = {one.batch_id for one in batches}
    (batch_id,) = ids if len(ids) == 1 else (None,)
    return {} if batch_id is None else {_BATCH: batch_id}


def count_said(batches: Sequence[Batch]) -> int | None:
    """How many transactions the entry has by what its batches say; those of a part that does not say are all here."""
    if all(one.transactions is None for one in batches):
        return None
    return sum(len(one.details) if one.transactions is None else one.transactions for one in batches)


def check_batches(batches: Sequence[Batch], entry: Entry) -> None:
    """A batch may have transactions that are not here, but no fewer, and none where these are the whole entry. What
    the batches come to is the entry, before or after charges.

    Raises:
        Refusal: `totals`.
    """
    details = [detail for one in batches for detail in one.details]
    gross = [one.gross_minor for one in batches if one.details]
    whole = sum(one for one in gross if one is not None) if len(details) > 1 and None not in gross else None
    said = count_said(batches)
    if said is not None and (said < len(details) or (whole == entry.amount_minor and said != len(details))):
        raise Refusal("totals", f"Btch/NbOfTxs is {said}, but the entry has {len(details)} transactions")
    totals = [one.total_minor for one in batches if one.total_minor is not None]
    fees = {0, entry.fee_minor, sum(one.fee_minor for one in details)}
    if totals and len(totals) == len(batches):
        allowed = {abs(entry.amount_minor + fee) for fee in fees} | (set() if whole is None else {abs(whole)})
        _check_total(sum(totals), allowed, abs(entry.amount_minor), entry.asset, "entry is")
        return
    for one in batches:
        if one.total_minor is not None and one.gross_minor is not None:
            allowed = {abs(one.gross_minor), abs(one.gross_minor - one.fee_minor)}
            _check_total(one.total_minor, allowed, abs(one.gross_minor), entry.asset, "transactions come to")


def _check_total(total: int, allowed: set[int], found: int, asset: str, what: str) -> None:
    if total not in allowed:
        raise Refusal("totals", f"Btch/TtlAmt is {total} minor units of {asset}, but the {what} {found}")
