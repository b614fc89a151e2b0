"""Statements written by the tests: every format, whole by themselves, so that nothing outside is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from agents.statements.mapping import StatementMapping, read_mapping
from agents.statements.reading import ReadFile, Reading, read_statements
from schemas.external_statements import ExternalLine, RefusedFile

NS = "urn:iso:std:iso:20022:tech:xsd"
KINDS = {
    "052": ("BkToCstmrAcctRpt", "Rpt"),
    "053": ("BkToCstmrStmt", "Stmt"),
    "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}


def read(data: bytes | str, **reading: Any) -> ReadFile:
    """The file, which has to pass."""
    found = try_read(data, **reading)
    assert isinstance(found, ReadFile), found
    return found


def refused(data: bytes | str, **reading: Any) -> RefusedFile:
    """The refusal of a file that must not pass."""
    found = try_read(data, **reading)
    assert isinstance(found, RefusedFile), found
    return found


def try_read(data: bytes | str, **reading: Any) -> ReadFile | RefusedFile:
    raw = data.encode() if isinstance(data, str) else data
    return read_statements("file", raw, Reading("acquirer", **reading))


def read_with(data: bytes, reading: Reading) -> ReadFile | RefusedFile:
    return read_statements("file", data, reading)


def lines_of(file: ReadFile) -> list[ExternalLine]:
    return [line for statement in file.statements for line in statement.lines]


def amounts(file: ReadFile) -> list[int]:
    return [line.amount_minor for line in lines_of(file)]


def balance(kind: str, amount: str, day: str = "2026-11-26", asset: str = "EUR", mark: str = "CRDT") -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy="{asset}">{amount}</Amt>'
        f"<CdtDbtInd>{mark}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def entry(
    amount: str,
    mark: str = "CRDT",
    *,
    details: str = "",
    more: str = "",
    status: str = "<Sts>BOOK</Sts>",
    asset: str = "EUR",
    dates: str = "<BookgDt><Dt>2026-11-27</Dt></BookgDt><ValDt><Dt>2026-11-28</Dt></ValDt>",
) -> str:
    return (
        f'<Ntry><Amt Ccy="{asset}">{amount}</Amt><CdtDbtInd>{mark}</CdtDbtInd>{more}{status}{dates}'
        "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
        f"{f'<NtryDtls>{details}</NtryDtls>' if details else ''}</Ntry>"
    )


def part(
    body: str, kind: str = "053", number: str = "7", account: str = "NL26VAYB8060476890", name: str = "S-7"
) -> str:
    tag = KINDS[kind][1]
    numbered = f"<ElctrncSeqNb>{number}</ElctrncSeqNb>" if number else ""
    return (
        f"<{tag}><Id>{name}</Id>{numbered}<CreDtTm>2026-11-27T20:00:00+01:00</CreDtTm>"
        f"<Acct><Id><IBAN>{account}</IBAN></Id><Ccy>EUR</Ccy></Acct>{body}</{tag}>"
    )


def camt(*parts: str, kind: str = "053", version: str = "08", header: str = "", prolog: str = "") -> bytes:
    message = KINDS[kind][0]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{prolog}\n<Document xmlns="{NS}:camt.{kind}.001.{version}">\n'
        f"<{message}><GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-27T20:00:00Z</CreDtTm>{header}</GrpHdr>\n"
        + "\n".join(parts)
        + f"\n</{message}></Document>"
    ).encode()


def whole(*entries: str, opening: str = "100.00", closing: str, **of_part: Any) -> str:
    """A statement with both balances."""
    ends = balance("OPBD", opening), balance("CLBD", closing, "2026-11-27")
    return part(ends[0] + ends[1] + "".join(entries), **of_part)


def mt940(
    *lines: str, opening: str = "60F:C261126EUR100,00", closing: str, number: str = "7/1", account: str = "NL26VAYB80"
) -> str:
    return "\r\n".join([":20:REF", f":25:{account}", f":28C:{number}", f":{opening}", *lines, f":{closing}", "-", ""])


def bai2(details: Sequence[str] = (), *, opening: int = 10_000, closing: int | None = None, summary: str = "") -> str:
    """One group and account; each of `details` is the record behind `16,`."""
    moved = [(int(one.split(",")[1]), int(one.split(",")[0])) for one in details]
    net = sum(amount if kind < 400 else -amount for amount, kind in moved)
    closing = opening + net if closing is None else closing
    control = opening + closing + sum(amount for amount, _ in moved)
    count = 2 + sum(1 + one.count("\n") for one in details)
    return (
        "01,BANK,US,261127,2000,1,80,,2/\n02,US,BANK,1,261127,2400,USD,2/\n"
        f"03,987,USD,010,{opening},,,015,{closing},,{summary}/\n"
        + "".join(f"16,{one}\n" for one in details)
        + f"49,{control},{count}/\n98,{control},1,{count + 2}/\n99,{control},1,{count + 4}/\n"
    )


def mapping(**fields: Any) -> StatementMapping:
    """A mapping with the columns of `CSV`; None takes a field out."""
    every = {"amount": "amount", "asset": "currency", "date": "date", **fields}
    return read_mapping(orjson.dumps({name: value for name, value in every.items() if value is not None}))


CSV = "date,amount,currency,id\n2026-11-27,10.50,EUR,a\n2026-11-27,-3.25,EUR,b\n"
JSON = (
    b'[{"date":"2026-11-27","amount":10.50,"currency":"EUR","id":"a"},'
    b'{"date":"2026-11-27","amount":"-3.25","currency":"EUR","id":"b"}]'
)

#: Name -> (bytes, what it is read with): a sound file of every format.
SOUND: dict[str, tuple[bytes, dict[str, Any]]] = {
    "camt.053": (camt(whole(entry("10.50"), entry("3.25", "DBIT"), closing="107.25")), {}),
    "camt.052": (camt(part(entry("10.50"), kind="052"), kind="052"), {}),
    "camt.054": (camt(part(entry("10.50"), kind="054"), kind="054"), {}),
    "MT940": (
        mt940(
            ":61:2611271127C10,50NTRFE2E-1//B-1", ":86:/EREF/E2E-1/REMI/rent", closing="62F:C261127EUR110,50"
        ).encode(),
        {},
    ),
    "MT942": (
        b":20:R\n:25:NL26\n:28C:1\n:34F:EUR0,\n:13D:2611271200+0100\n:61:2611271127C10,5NTRFX\n:90D:0EUR0,\n:90C:1EUR10,50\n-\n",
        {},
    ),
    "BAI2": (bai2(["165,1050,0,BR1,CR1,rent", "475,325,Z,,,cheque"]).encode(), {}),
    "CSV": (CSV.encode(), {"mapping": mapping(references={"provider_reference": "id"})}),
    "JSON": (JSON, {"mapping": mapping(references={"provider_reference": "id"})}),
}
