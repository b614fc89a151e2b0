"""Writes pain.001, the customer's credit transfer initiation: one message, one payment block for each batch.

The batch's id is the message's and the block's, the instruction's is its end-to-end id; every time in it is the
batch's own. So the same batch gives the same bytes. Source: ISO 20022, pain.001.001.03 and .09; EPC132-08, SEPA Credit
Transfer customer-to-PSP implementation guidelines.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, cast

from lxml import etree

from agents.settlement.rails.files.written import Written
from agents.settlement.rails.iso20022.settings import Iso20022Settings
from agents.settlement.rails.iso20022.texts import is_iban, plain_text
from agents.settlement.rails.port import RailMisconfigured
from schemas.assets import Asset, format_minor
from schemas.rail_batches import MAX_ID, InstructionAnswer, RailBatch, RailInstruction

_NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:{}"
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,35}")
_MOST_NAME: Final = 70
_MOST_REMITTANCE: Final = 140
_MOST_ACCOUNT: Final = 34
#: `CurrencyAndAmount_SimpleType` has 18 digits, 5 of them decimals at most.
_MOST_DIGITS: Final = 18
_MOST_DECIMALS: Final = 5
#: External code sets of ISO 20022.
_WRONG_ACCOUNT: Final = "AC01"
_WRONG_AMOUNT: Final = "AM12"
_WRONG_DIRECTION: Final = "direction"
_NOT_PROVIDED: Final = "NOTPROVIDED"


def write_pain001(batch: RailBatch, settings: Iso20022Settings, asset: Asset | None) -> Written:
    """The message of a batch, and its instructions that cannot stand in it: those are refused, the others go.

    Raises:
        RailMisconfigured: the asset is no currency, or ids do not fit; no instruction of the batch can be written.
    """
    if asset is None or not _CURRENCY.fullmatch(asset.code) or asset.exponent > _MOST_DECIMALS:
        raise RailMisconfigured(f"{batch.asset} cannot be paid by ISO 20022: it is no currency of three letters")
    if settings.service_level == "SEPA" and asset.code != "EUR":
        raise RailMisconfigured(f"service level SEPA is for EUR, not {asset.code}: set service_level, to null for none")
    refused = {one.end_to_end_id: code for one in batch.instructions if (code := _refusal(one, batch, settings))}
    answers = tuple(InstructionAnswer(name, "rejected", code=code) for name, code in refused.items())
    going = [one for one in batch.instructions if one.end_to_end_id not in refused]
    if not going:
        return Written(None, answers)
    ids = [batch.batch_id, *(one.end_to_end_id for one in going)]
    unfit = [name for name in ids if not _ID.fullmatch(name)]
    if unfit or len(set(ids)) < len(ids):
        raise RailMisconfigured(
            f"ids have at most {MAX_ID} letters, digits and hyphens, each once: {unfit[:3] or ids[:3]}"
        )
    content = _Message(batch, settings, asset).content(going)
    check_pain001(content, going, asset)
    return Written(content, answers)


def _refusal(one: RailInstruction, batch: RailBatch, settings: Iso20022Settings) -> str:
    """Why an instruction cannot go; empty where it can."""
    if batch.direction != "out":
        return _WRONG_DIRECTION
    if one.amount_minor <= 0 or len(str(one.amount_minor)) > _MOST_DIGITS:
        return _WRONG_AMOUNT
    if is_iban(_account(one)):
        return ""
    is_number = settings.beneficiaries == "any" and _account(one) and len(_account(one)) <= _MOST_ACCOUNT
    return "" if is_number and _account(one) == plain_text(_account(one), _MOST_ACCOUNT, "sepa") else _WRONG_ACCOUNT


def _account(one: RailInstruction) -> str:
    """The beneficiary's account; an IBAN may be written in groups of four."""
    joined = one.beneficiary.replace(" ", "").upper()
    return joined if is_iban(joined) else one.beneficiary.strip()


class _Message:
    def __init__(self, batch: RailBatch, settings: Iso20022Settings, asset: Asset):
        self._batch = batch
        self._settings = settings
        self._asset = asset
        self._space = _NAMESPACE.format(settings.version)
        #: Names of elements that .09 has changed.
        self._is_09 = settings.version == "pain.001.001.09"
        self._bic = "BICFI" if self._is_09 else "BIC"

    def content(self, going: list[RailInstruction]) -> bytes:
        document = etree.Element(f"{{{self._space}}}Document", nsmap=cast("dict[str, str]", {None: self._space}))
        root = self._below(document, "CstmrCdtTrfInitn")
        count = str(len(going))
        total = format_minor(sum(one.amount_minor for one in going), self._asset)
        header = self._below(root, "GrpHdr")
        self._below(header, "MsgId", self._batch.batch_id)
        self._below(header, "CreDtTm", f"{self._batch.ready_at[:19]}Z")
        self._below(header, "NbOfTxs", count)
        self._below(header, "CtrlSum", total)
        self._below(header, "InitgPty/Nm", self._name(self._settings.debtor_name))
        block = self._below(root, "PmtInf")
        self._below(block, "PmtInfId", self._batch.batch_id)
        self._below(block, "PmtMtd", "TRF")
        self._below(block, "NbOfTxs", count)
        self._below(block, "CtrlSum", total)
        if self._settings.service_level is not None:
            self._below(block, "PmtTpInf/SvcLvl/Cd", self._settings.service_level)
        self._below(block, "ReqdExctnDt/Dt" if self._is_09 else "ReqdExctnDt", self._batch.execution_date)
        self._debtor(block)
        for one in going:
            self._transfer(self._below(block, "CdtTrfTxInf"), one)
        etree.indent(document)
        written: bytes = etree.tostring(document, xml_declaration=True, encoding="UTF-8")
        return written + b"\n"

    def _debtor(self, block: etree._Element) -> None:
        settings = self._settings
        self._below(block, "Dbtr/Nm", self._name(settings.debtor_name))
        self._account(self._below(block, "DbtrAcct"), settings.account_id)
        if settings.debtor_bic is not None:
            self._below(block, f"DbtrAgt/FinInstnId/{self._bic}", settings.debtor_bic)
        else:
            self._below(block, "DbtrAgt/FinInstnId/Othr/Id", _NOT_PROVIDED)
        self._below(block, "ChrgBr", settings.charge_bearer)

    def _transfer(self, transfer: etree._Element, one: RailInstruction) -> None:
        ids = self._below(transfer, "PmtId")
        self._below(ids, "InstrId", one.end_to_end_id)
        self._below(ids, "EndToEndId", one.end_to_end_id)
        amount = self._below(transfer, "Amt/InstdAmt", format_minor(one.amount_minor, self._asset))
        amount.set("Ccy", self._asset.code)
        self._below(transfer, "Cdtr/Nm", self._name(one.beneficiary_name) or _NOT_PROVIDED)
        self._account(self._below(transfer, "CdtrAcct"), _account(one))
        remittance = plain_text(one.remittance, _MOST_REMITTANCE, self._settings.character_set)
        if remittance:
            self._below(transfer, "RmtInf/Ustrd", remittance)

    def _account(self, element: etree._Element, account: str) -> None:
        self._below(element, "Id/IBAN" if is_iban(account) else "Id/Othr/Id", account)

    def _name(self, text: str) -> str:
        return plain_text(text, _MOST_NAME, self._settings.character_set)

    def _below(self, element: etree._Element, path: str, text: str | None = None) -> etree._Element:
        for name in path.split("/"):
            element = etree.SubElement(element, f"{{{self._space}}}{name}")
        element.text = text
        return element


def check_pain001(content: bytes, going: list[RailInstruction], asset: Asset) -> None:
    """Read the message back: counts, control sums and every amount and end-to-end id are those of the instructions.

    Raises:
        RailMisconfigured: they are not, and the file must not go: a bug.
    """
    root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    found = {
        one.findtext("{*}PmtId/{*}EndToEndId"): one.findtext("{*}Amt/{*}InstdAmt")
        for one in root.iter("{*}CdtTrfTxInf")
    }
    expected = {one.end_to_end_id: format_minor(one.amount_minor, asset) for one in going}
    sums = {Decimal(element.text or "") for element in root.iter("{*}CtrlSum")}
    counts = {element.text for element in root.iter("{*}NbOfTxs")}
    total = sum(Decimal(text) for text in expected.values())
    if found != expected or sums != {total} or counts != {str(len(going))}:
        raise RailMisconfigured("the message that was written does not say what the batch does: it is kept back")
