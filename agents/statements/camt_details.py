"""What a camt message says of one transaction within an entry: references, parties, charges, remittance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lxml import etree

from agents.statements.camt_values import amount_of, sign_of
from agents.statements.xml import find, find_all, line_of, text_of
from schemas.assets import AssetRegistry

#: What stands where there is no reference.
NO_REFERENCE: Final = frozenset({"NOTPROVIDED", "NOT PROVIDED", "NONREF", "NOREF", "NOTAVAILABLE"})

_REFERENCES: Final = (
    ("end_to_end_id", ("Refs/EndToEndId",)),
    ("instruction_id", ("Refs/InstrId",)),
    ("clearing_reference", ("Refs/TxId", "Refs/UETR", "Refs/ClrSysRef")),
    ("bank_reference", ("Refs/AcctSvcrRef", "Refs/AcctSvcrTxId")),
    ("batch_id", ("Refs/PmtInfId", "Refs/MsgId")),
    ("mandate_id", ("Refs/MndtId",)),
    ("cheque_number", ("Refs/ChqNb",)),
    ("provider_reference", ("Refs/Prtry/Ref",)),
    ("creditor_reference", ("RmtInf/Strd/CdtrRefInf/Ref",)),
)


@dataclass(frozen=True, slots=True)
class Detail:
    """One `TxDtls`; `amount_minor` is signed, and None where it is not said in the entry's currency."""

    line_number: int
    amount_minor: int | None
    fee_minor: int
    references: dict[str, str]
    code: str | None
    return_code: str | None
    counterparty: str | None
    remittance: str | None


def read_detail(element: etree._Element, asset: str, sign: int, assets: AssetRegistry) -> Detail:
    """Read a `TxDtls` of an entry of this asset and sign (1 or -1).

    Raises:
        Refusal: an amount, currency or mark is none.
    """
    if find(element, "CdtDbtInd") is not None:
        sign = sign_of(element, "CdtDbtInd")
    return Detail(
        line_number=line_of(element),
        amount_minor=_amount(element, asset, sign, assets),
        fee_minor=fee_of(element, asset, assets),
        references=_references(element),
        code=code_of(element),
        return_code=text_of(element, "RtrInf/Rsn/Cd") or text_of(element, "RtrInf/Rsn/Prtry"),
        counterparty=_counterparty(element, sign),
        remittance=_remittance(element),
    )


def _amount(element: etree._Element, asset: str, sign: int, assets: AssetRegistry) -> int | None:
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):
        if find(element, path) is not None:
            amount_minor, found = amount_of(element, path, assets)
            return amount_minor * sign if found == asset else None
    return None


def _references(element: etree._Element) -> dict[str, str]:
    found = {}
    for name, paths in _REFERENCES:
        for path in paths:
            text = text_of(element, path)
            if text is not None and text.upper() not in NO_REFERENCE:
                found[name] = text
                break
    return found


def _counterparty(element: etree._Element, sign: int) -> str | None:
    """The other side: of a credit who paid, of a debit who was paid."""
    roles = ("Dbtr", "Cdtr") if sign > 0 else ("Cdtr", "Dbtr")
    for role in roles:
        name = text_of(element, f"RltdPties/{role}/Pty/Nm") or text_of(element, f"RltdPties/{role}/Nm")
        if name is not None:
            return name
    return None


def _remittance(element: etree._Element) -> str | None:
    parts = [text for one in find_all(element, "RmtInf/Ustrd") if (text := text_of(one)) is not None]
    return " ".join(parts) or text_of(element, "AddtlTxInf")


def fee_of(element: etree._Element, asset: str, assets: AssetRegistry) -> int:
    """Charges within the amount of an entry or transaction, in its currency; those that are booked apart are not.

    Raises:
        Refusal: an amount, currency or mark is none.
    """
    # Version .02 repeats Chrgs for each charge, later ones have records within one.
    records = [
        *find_all(element, "Chrgs/Rcrd"),
        *(one for one in find_all(element, "Chrgs") if find(one, "Amt") is not None),
    ]
    fees = [_fee(one, asset, assets) for one in records]
    if not records and find(element, "Chrgs/TtlChrgsAndTaxAmt") is not None:
        amount_minor, found = amount_of(element, "Chrgs/TtlChrgsAndTaxAmt", assets)
        return amount_minor if found == asset else 0
    return sum(fees)


def _fee(record: etree._Element, asset: str, assets: AssetRegistry) -> int:
    amount_minor, found = amount_of(record, "Amt", assets)
    if found != asset or text_of(record, "ChrgInclInd") in {"false", "0"}:
        return 0
    given_back = find(record, "CdtDbtInd") is not None and sign_of(record, "CdtDbtInd") > 0
    return -amount_minor if given_back else amount_minor


def code_of(element: etree._Element) -> str | None:
    """`PMNT/RCDT/ESCT`, else the bank's own code."""
    domain = text_of(element, "BkTxCd/Domn/Cd")
    if domain is None:
        return text_of(element, "BkTxCd/Prtry/Cd")
    parts = (domain, text_of(element, "BkTxCd/Domn/Fmly/Cd"), text_of(element, "BkTxCd/Domn/Fmly/SubFmlyCd"))
    return "/".join(part for part in parts if part is not None)
