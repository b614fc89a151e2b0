"""Reads camt.054, the bank's notification of bookings: payments of ours that were booked, and such that came back.

The message itself is read and proven by `agents.statements`, as for reconciliation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from agents.settlement.rails.files.answering import Said, answers_of, batch_of
from agents.settlement.rails.files.arrived import Arrived
from agents.settlement.rails.files.written import Sent
from agents.statements.camt import read_camt
from agents.statements.gates import check_file
from agents.statements.parsed import Entry
from agents.statements.refusal import Refusal, at
from schemas.assets import AssetRegistry
from schemas.clock import rfc3339
from schemas.rail_batches import InstructionAnswer, RailAnswer, RailBatch, RailInstruction

_NO_REASON: Final = "returned"
_MOST_REFERENCE: Final = 140
_MOST_CODE: Final = 35
#: Sub-families of bookings that are no payment, whatever they refer to: charges, commissions and the taxes on them
#: (ISO 20022, ExternalBankTransactionSubFamily1Code).
_CHARGES: Final = frozenset({"CHRG", "COME", "COMI", "COMM", "COMT", "FEES", "TAXE"})


def read_notification(
    rail: str,
    arrived: Arrived,
    account_id: str,
    assets: AssetRegistry,
    sent: Callable[[str], Sent | None],
    bookings_settle: bool,
) -> list[RailAnswer]:
    """The answers in a notification; bookings that are none of ours are passed over.

    Args:
        rail: name of the rail.
        arrived: the file.
        account_id: the account that pays.
        assets: the assets that are known.
        sent: a batch as it was sent.
        bookings_settle: whether a booking settles; what comes back counts in any case.

    Raises:
        Refusal: it is no camt.054 of this account, its totals are wrong, or a booking of ours is in another currency
            than was sent.
    """
    parsed = read_camt(arrived.content, assets)
    check_file(parsed, account_id, None, assets, True)
    said: dict[str, Said] = {}
    known = lru_cache(maxsize=64)(lambda batch_id: _Sent.of(sent(batch_id)))
    for statement in parsed.statements:
        for entry in statement.entries:
            with at(entry.line_number, statement.index):
                _take(entry, said, known, bookings_settle)
    return answers_of(rail, arrived, said.items(), rfc3339(arrived.changed_ms))


@dataclass(frozen=True, slots=True)
class _Sent:
    """A batch as it was sent, and the amount of each instruction by its end-to-end id."""

    batch: RailBatch
    going: tuple[RailInstruction, ...]
    amounts_minor: dict[str, int]

    @classmethod
    def of(cls, sent: Sent | None) -> _Sent | None:
        """Without the instructions that could not stand in the file."""
        if sent is None:
            return None
        refused = {one.end_to_end_id for one in sent.refused}
        going = tuple(one for one in sent.batch.instructions if one.end_to_end_id not in refused)
        return cls(sent.batch, going, {one.end_to_end_id: one.amount_minor for one in going})


def _take(entry: Entry, said: dict[str, Said], sent: Callable[[str], _Sent | None], bookings_settle: bool) -> None:
    if (entry.code or "").rpartition("/")[2] in _CHARGES:
        _charges(entry, said.get(entry.references.get("batch_id", "")))
        return
    # Both are the same in our messages, and a bank may have lost the first.
    end_to_end_id = entry.references.get("end_to_end_id")
    name = end_to_end_id or entry.references.get("instruction_id")
    batch_id = batch_of(name)
    if batch_id is not None and name is not None:
        together = sent(batch_id)
        _check_currency(entry, together)
        sent_minor = None if together is None else together.amounts_minor.get(name)
        answer = _of_one(entry, name, sent_minor, bookings_settle)
        if answer is not None:
            said.setdefault(batch_id, Said()).instructions.append(answer)
        return
    together = sent(entry.references.get("batch_id", ""))
    if together is not None and end_to_end_id is None and (entry.amount_minor > 0 or bookings_settle):
        _check_currency(entry, together)
        _whole_batch(entry, together, said.setdefault(together.batch.batch_id, Said()))


def _charges(entry: Entry, said: Said | None) -> None:
    """Charges of a batch whose payments were read before: they stand on the first. Others are for reconciliation."""
    of_the_batch = entry.code in _CHARGES and entry.amount_minor < 0
    if said is not None and said.instructions and of_the_batch:
        first = said.instructions[0]
        said.instructions[0] = replace(first, fee_minor=first.fee_minor - entry.amount_minor)


def _check_currency(entry: Entry, together: _Sent | None) -> None:
    """
    Raises:
        Refusal: the booking is of another currency: how much of what was sent it is, nobody may conclude.
    """
    if together is not None and entry.asset != together.batch.asset:
        raise Refusal(
            "currency",
            f"a booking in {entry.asset} of batch {together.batch.batch_id}, which was sent in {together.batch.asset}",
        )


def _before_charges(entry: Entry, sent_minor: int | None) -> tuple[int, int]:
    """The amount of a booking before charges, and the charges within it.

    What was booked as it was sent has none within it: the charges that it names are borne by others or booked apart.
    """
    if sent_minor == abs(entry.amount_minor):
        return entry.amount_minor, 0
    return entry.amount_minor + entry.fee_minor, max(0, entry.fee_minor)


def _of_one(
    entry: Entry, end_to_end_id: str, sent_minor: int | None, bookings_settle: bool
) -> InstructionAnswer | None:
    """A booking of a single payment: money that went out, or that came back; None where it is charges alone."""
    value_date = None if entry.value_date is None else entry.value_date.isoformat()
    amount_minor, fee_minor = _before_charges(entry, sent_minor)
    if not amount_minor:
        return None
    if entry.amount_minor > 0:
        code = _return_code(entry)
        return InstructionAnswer(
            end_to_end_id, "returned", amount_minor, fee_minor, _reference(entry), code, value_date
        )
    if not bookings_settle:
        return None
    reference = _reference(entry) or end_to_end_id
    return InstructionAnswer(end_to_end_id, "settled", -amount_minor, fee_minor, reference, "", value_date)


def _whole_batch(entry: Entry, together: _Sent, said: Said) -> None:
    """One booking for all that was sent, or came back; of another sum nobody may conclude which payments it is."""
    sent_minor, is_back = sum(together.amounts_minor.values()), entry.amount_minor > 0
    amount_minor, fee_minor = _before_charges(entry, sent_minor)
    if abs(amount_minor) != sent_minor:
        booked = f"{amount_minor} came back as one sum" if is_back else f"booked as one sum of {-amount_minor}"
        said.state = "unknown"
        said.message = f"{booked}, but {sent_minor} were sent: the bank has to say which"
        return
    value_date = None if entry.value_date is None else entry.value_date.isoformat()
    reference, code = _reference(entry) or together.batch.batch_id, _return_code(entry) if is_back else ""
    for number, one in enumerate(together.going, start=1):
        own = f"{reference} {number} back" if is_back else f"{reference} {number}"
        said.instructions.append(
            InstructionAnswer(
                one.end_to_end_id,
                "returned" if is_back else "settled",
                one.amount_minor,
                fee_minor,
                own,
                code,
                value_date,
            )
        )
        # What the bank charges for all stands on the first.
        fee_minor = 0


def _return_code(entry: Entry) -> str:
    """Why something came back, as the bank says."""
    return (entry.return_code or entry.code or _NO_REASON)[:_MOST_CODE]


def _reference(entry: Entry) -> str:
    """The bank's reference of a booking."""
    names = ("bank_reference", "clearing_reference", "provider_reference")
    return next((entry.references[name] for name in names if name in entry.references), "")[:_MOST_REFERENCE]
