"""Messages of banks, as small as they may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.rail_batches import RailBatch

IBAN = "DE89370400440532013000"
CREATED = "2026-11-23T10:15:30+01:00"


class Tx(NamedTuple):
    """What a status report says of one payment."""

    end_to_end_id: str
    status: str
    code: str = ""
    text: str = ""


def _reason(code: str, text: str = "") -> str:
    if not code:
        return ""
    info = f"<AddtlInf>{text}</AddtlInf>" if text else ""
    return f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn>{info}</StsRsnInf>"


def _transactions(transactions: Sequence[Tx]) -> str:
    return "".join(
        f"<TxInfAndSts><StsId>S{number}</StsId><OrgnlInstrId>{tx.end_to_end_id}</OrgnlInstrId>"
        f"<OrgnlEndToEndId>{tx.end_to_end_id}</OrgnlEndToEndId><TxSts>{tx.status}</TxSts>"
        f"{_reason(tx.code, tx.text)}</TxInfAndSts>"
        for number, tx in enumerate(transactions)
    )


def pain002(
    message_id: str,
    transactions: Sequence[Tx] = (),
    *,
    group: str = "",
    block: str = "",
    code: str = "",
    version: str = "pain.002.001.03",
    created: str = CREATED,
    totals: str = "",
    block_totals: str = "",
) -> bytes:
    """A pain.002 about the message of this id; `totals` are elements that say what was in it."""
    group_status = f"<GrpSts>{group}</GrpSts>{_reason(code)}" if group else ""
    block_status = f"<PmtInfSts>{block}</PmtInfSts>{_reason(code)}" if block else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{version}"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>BANK-1</MsgId><CreDtTm>{created}</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message_id}</OrgnlMsgId><OrgnlMsgNmId>pain.001</OrgnlMsgNmId>{totals}"
        f"{group_status}</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>{message_id}</OrgnlPmtInfId>{block_totals}"
        f"{block_status}"
        f"{_transactions(transactions)}</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()


def pacs002(message_id: str, transactions: Sequence[Tx], *, group: str = "", version: str = "pacs.002.001.10") -> bytes:
    """A pacs.002 about the message of this id."""
    group_status = f"<GrpSts>{group}</GrpSts>" if group else ""
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{version}"><FIToFIPmtStsRpt>'
        f"<GrpHdr><MsgId>BANK-2</MsgId><CreDtTm>{CREATED}</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message_id}</OrgnlMsgId><OrgnlMsgNmId>pacs.008</OrgnlMsgNmId>{group_status}"
        f"</OrgnlGrpInfAndSts>{_transactions(transactions)}</FIToFIPmtStsRpt></Document>"
    ).encode()


class Booking(NamedTuple):
    """One entry of a camt.054: negative went out."""

    amount_minor: int
    end_to_end_id: str = ""
    reference: str = "BANKREF-1"
    return_code: str = ""
    block_id: str = ""
    status: str = "BOOK"
    currency: str = "EUR"
    charges: str = ""


def camt054(bookings: Sequence[Booking], *, iban: str = IBAN) -> bytes:
    """A camt.054 of an account."""
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn>'
        f"<GrpHdr><MsgId>BANK-3</MsgId><CreDtTm>{CREATED}</CreDtTm></GrpHdr>"
        f"<Ntfctn><Id>N1</Id><CreDtTm>{CREATED}</CreDtTm><Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{''.join(map(_entry, bookings))}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    ).encode()


def _entry(one: Booking) -> str:
    amount = f"{abs(one.amount_minor) // 100}.{abs(one.amount_minor) % 100:02}"
    mark = "CRDT" if one.amount_minor > 0 else "DBIT"
    block = f"<Btch><PmtInfId>{one.block_id}</PmtInfId></Btch>" if one.block_id else ""
    returned = f"<RtrInf><Rsn><Cd>{one.return_code}</Cd></Rsn></RtrInf>" if one.return_code else ""
    details = (
        f"<TxDtls><Refs><EndToEndId>{one.end_to_end_id}</EndToEndId></Refs>{returned}</TxDtls>"
        if one.end_to_end_id
        else ""
    )
    charges = f'<Chrgs><Rcrd><Amt Ccy="EUR">{one.charges}</Amt></Rcrd></Chrgs>' if one.charges else ""
    return (
        f'<Ntry><Amt Ccy="{one.currency}">{amount}</Amt><CdtDbtInd>{mark}</CdtDbtInd><Sts><Cd>{one.status}</Cd></Sts>'
        f"<BookgDt><Dt>2026-11-23</Dt></BookgDt><ValDt><Dt>2026-11-24</Dt></ValDt><AcctSvcrRef>{one.reference}"
        f"</AcctSvcrRef><BkTxCd><Prtry><Cd>X</Cd></Prtry></BkTxCd>{charges}<NtryDtls>{block}{details}</NtryDtls></Ntry>"
    )


def booked(batch: RailBatch) -> list[Booking]:
    """Every payment of a batch as it was booked."""
    return [
        Booking(-one.amount_minor, one.end_to_end_id, f"BANKREF-{number}")
        for number, one in enumerate(batch.instructions)
    ]
