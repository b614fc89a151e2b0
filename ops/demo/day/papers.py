"""What others say of a day: the partner's report and two bank statements, with what is wrong in them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from ops.demo.day.script import ASSET
from schemas.assets import ISO_4217, format_minor

#: The partner pays one payout short by this, and takes this fee off another one.
SHORT_MINOR: Final = 2_500
FEE_MINOR: Final = 35
#: What columns of the partner's report are.
MAPPING: Final[dict[str, Any]] = {
    "amount": "amount",
    "fee": "fee",
    "asset": {"const": ASSET},
    "date": "date",
    "references": {"provider_reference": "reference", "transaction_id": "ours", "end_to_end_id": "ours"},
}

_CAMT: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


class Moved(NamedTuple):
    """Money that has moved with a rail: `amount_minor` is below zero where it went out.

    `reference` is the rail's own; of what we have sent to it, ours.
    """

    rail: str
    transaction_id: str
    amount_minor: int
    reference: str


def partner_report(day: str, funded: Moved, paid: Sequence[Moved]) -> str:
    """The partner's CSV: of payouts the first is missing, the second doubled, the third short, the fourth laden."""
    _, doubled, short, laden, *rest = paid
    rows = [
        *((one, one.amount_minor, 0) for one in (funded, doubled, doubled, *rest)),
        (short, short.amount_minor + SHORT_MINOR, 0),
        (laden, laden.amount_minor - FEE_MINOR, FEE_MINOR),
    ]
    lines = [f"{day},{_major(minor)},{_major(fee)},{one.reference},{one.transaction_id}" for one, minor, fee in rows]
    return "\n".join(["date,amount,fee,reference,ours", *lines]) + "\n"


def report_says() -> str:
    """What is wrong in it."""
    short, fee = _major(SHORT_MINOR), _major(FEE_MINOR)
    return f"one payout is not there, one is twice, one {short} short, and one has a fee of {fee}"


def camt053(day: str, moved: Sequence[Moved]) -> bytes:
    """A bank statement in camt.053, from zero; it repeats our references."""
    closing = sum(one.amount_minor for one in moved)
    entries = "".join(
        f'<Ntry><Amt Ccy="{ASSET}">{_major(abs(one.amount_minor))}</Amt>'
        f"<CdtDbtInd>{_mark(one.amount_minor)}</CdtDbtInd>"
        f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt><NtryDtls><TxDtls><Refs>"
        f"<EndToEndId>{one.transaction_id}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>\n"
        for one in moved
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{_CAMT}"><BkToCstmrStmt>\n'
        f"<GrpHdr><MsgId>{day}</MsgId><CreDtTm>{day}T20:00:00Z</CreDtTm></GrpHdr>\n"
        f"<Stmt><Id>{day}</Id><ElctrncSeqNb>1</ElctrncSeqNb><CreDtTm>{day}T20:00:00Z</CreDtTm>"
        f"<Acct><Id><IBAN>NL26VAYB8060476890</IBAN></Id><Ccy>{ASSET}</Ccy></Acct>\n"
        f"{_balance('OPBD', 0, day)}{_balance('CLBD', closing, day)}{entries}</Stmt></BkToCstmrStmt></Document>\n"
    ).encode()


def _balance(kind: str, minor: int, day: str) -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy="{ASSET}">{_major(abs(minor))}</Amt>'
        f"<CdtDbtInd>{_mark(minor)}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>\n"
    )


def mt940(day: str, moved: Sequence[Moved]) -> str:
    """A bank statement in MT940, from zero; of the rail's references it repeats what fits, of ours nothing."""
    return "\r\n".join(
        [":20:STATEMENT", ":25:NL26VAYB80", ":28C:1/1", *_mt940(day[2:].replace("-", ""), moved), "-", ""]
    )


def _mt940(day: str, moved: Sequence[Moved]) -> Iterator[str]:
    yield f":60F:C{day}{ASSET}0,00"
    for one in moved:
        amount = f"{_mark(one.amount_minor)[0]}{_comma(one.amount_minor)}"
        yield f":61:{day}{day[2:]}{amount}NTRFNONREF//{one.reference[:16]}"
    closing = sum(one.amount_minor for one in moved)
    yield f":62F:{_mark(closing)[0]}{day}{ASSET}{_comma(closing)}"


def _mark(minor: int) -> str:
    return "DBIT" if minor < 0 else "CRDT"


def _major(minor: int) -> str:
    return format_minor(minor, ISO_4217[ASSET])


def _comma(minor: int) -> str:
    return _major(abs(minor)).replace(".", ",")
