"""Reads pain.002 and pacs.002: what a bank says of the payments it was given.

Source: ISO 20022, pain.002.001 (CustomerPaymentStatusReport) from .03 and pacs.002.001 (FIToFIPaymentStatusReport)
from .03 on; elements are found by name, which all versions share. Status codes: ExternalPaymentTransactionStatus1Code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from lxml import etree

from agents.settlement.rails.files.answering import Said, answers_of, batch_of, time_of
from agents.settlement.rails.files.arrived import Arrived
from agents.settlement.rails.files.written import Sent
from agents.statements.amounts import asset_of, minor_of, told
from agents.statements.camt_details import NO_REFERENCE
from agents.statements.camt_values import count_of
from agents.statements.refusal import Refusal, quoted
from agents.statements.xml import elements, find_all, line_of, local_name, release, text_of
from schemas.assets import AssetRegistry
from schemas.rail_batches import MAX_ID, InstructionAnswer, RailAnswer

Meaning = Literal["received", "accepted", "settled", "rejected"]

#: Status -> what it means for us. `PART` says that its parts differ, and they are named.
STATUSES: Final[dict[str, Meaning]] = {
    **dict.fromkeys(("RCVD", "PDNG", "PART", "PATC", "ACFC", "BLCK"), "received"),
    **dict.fromkeys(("ACCP", "ACTC", "ACSP", "ACWC", "ACWP", "ACIS", "ACPD"), "accepted"),
    **dict.fromkeys(("ACSC", "ACCC"), "settled"),
    **dict.fromkeys(("RJCT", "CANC"), "rejected"),
}
#: Reasons of a refusal that say that our id was there before: the message was sent twice, and the first one counts
#: (ExternalStatusReason1Code). What a bank takes for a duplicate by its content, `AM05` and `DUPL`, is refused.
_SENT_BEFORE: Final = frozenset({"DU01", "DU02", "DU04", "DU05"})
_ROOTS: Final = ("CstmrPmtStsRpt", "FIToFIPmtStsRpt")
_LEVELS: Final = ("OrgnlGrpInfAndSts", "OrgnlPmtInfAndSts", "TxInfAndSts")
_NAMES: Final = ("Document", *_ROOTS, "CreDtTm", *_LEVELS)


def read_status_report(
    rail: str,
    arrived: Arrived,
    settled_by_status: bool,
    assets: AssetRegistry,
    sent: Callable[[str], Sent | None],
) -> list[RailAnswer]:
    """The answers in a status report.

    Args:
        rail: name of the rail.
        arrived: the file.
        settled_by_status: whether ACSC and ACCC settle; else they only say that a payment was accepted.
        assets: the assets that are known.
        sent: a batch as it was sent.

    Raises:
        Refusal: it is no status report, says something that nobody knows the meaning of, or that a message of ours had
            another number of payments, or another sum, than was sent.
    """
    report = _Report(settled_by_status, assets, sent)
    for event, element in elements(arrived.content, _NAMES):
        if event == "start":
            continue
        name = local_name(element)
        if name == "CreDtTm" and not report.created_at:
            report.created_at = time_of(text_of(element))
        if name in _LEVELS:
            report.take(name, element)
            if name == "TxInfAndSts":
                release(element)
        elif name in _ROOTS:
            report.is_whole = True
    if not report.is_whole:
        raise Refusal("malformed", "it has neither CstmrPmtStsRpt nor FIToFIPmtStsRpt")
    if not report.created_at:
        raise Refusal("malformed", "its GrpHdr has no CreDtTm")
    if not report.said:
        raise Refusal("empty", "it says nothing of any payment of ours")
    report.pass_over_second_messages()
    return answers_of(rail, arrived, report.said.items(), report.created_at)


class _Report:
    """What was read so far, batch by batch in the order of the file."""

    def __init__(self, settled_by_status: bool, assets: AssetRegistry, sent: Callable[[str], Sent | None]):
        self._settled_by_status = settled_by_status
        self._assets, self._sent = assets, sent
        self.created_at = ""
        self.is_whole = False
        self.said: dict[str, Said] = {}
        #: The message that the elements which follow are about.
        self._original = ""
        #: Batch -> why a second message of it was refused; and those of which all of it was.
        self._sent_before: dict[str, str] = {}
        self._wholly_sent_before: set[str] = set()

    def take(self, level: str, element: etree._Element) -> None:
        if level == "TxInfAndSts":
            self._transaction(element)
        elif level == "OrgnlPmtInfAndSts":
            # Our messages have one block, whose id is the message's.
            batch_id = text_of(element, "OrgnlPmtInfId")
            self._check_original(element, batch_id or self._original)
            self._whole(element, batch_id, text_of(element, "PmtInfSts"))
        else:
            self._original = text_of(element, "OrgnlMsgId") or ""
            self._check_original(element, self._original)
            self._whole(element, self._original, text_of(element, "GrpSts"))

    def _check_original(self, element: etree._Element, batch_id: str) -> None:
        """What the bank says that it was given must be what was sent, else it does not speak of our message."""
        count, total = text_of(element, "OrgnlNbOfTxs"), text_of(element, "OrgnlCtrlSum")
        together = None if count is None and total is None else self._sent(batch_id)
        if together is None:
            return
        refused, asset = {one.end_to_end_id for one in together.refused}, together.batch.asset
        going = [one.amount_minor for one in together.batch.instructions if one.end_to_end_id not in refused]
        if count is not None and count_of(count, "OrgnlNbOfTxs") != len(going):
            message = f"it says that {batch_id} had {quoted(count)} payments, but {len(going)} were sent"
            raise Refusal("totals", message, line_of(element))
        if total is not None and minor_of(total, asset_of(asset, self._assets)) != sum(going):
            sent = told(sum(going), asset, self._assets)
            message = f"it says that {batch_id} came to {quoted(total)}, but {sent} was sent"
            raise Refusal("totals", message, line_of(element))

    def _whole(self, element: etree._Element, batch_id: str | None, status: str | None) -> None:
        """A status of the whole batch, where there is one."""
        if status is None:
            return
        if not batch_id or len(batch_id) > MAX_ID:
            raise Refusal("malformed", f"{local_name(element)} has a status, but names no message", line_of(element))
        meaning = self._meaning(status, element)
        said = self.said.setdefault(batch_id, Said())
        code, message = _reason(element)
        if meaning == "rejected" and code in _SENT_BEFORE:
            self._sent_before[batch_id] = code
            self._wholly_sent_before.add(batch_id)
            return
        said.code, said.message = said.code or code, said.message or message or status
        if _RANK[meaning] > _RANK.get(said.state or "", -1):
            said.state = meaning

    def _transaction(self, element: etree._Element) -> None:
        name = _payment(element)
        status = text_of(element, "TxSts")
        if name is None or status is None or len(name) > MAX_ID:
            raise Refusal(
                "malformed", "TxInfAndSts has no OrgnlEndToEndId or OrgnlInstrId, or no TxSts", line_of(element)
            )
        batch_id = batch_of(name) or text_of(element, "OrgnlGrpInf/OrgnlMsgId") or self._original
        if not batch_id or len(batch_id) > MAX_ID:
            raise Refusal("malformed", f"nothing says which message {quoted(name)} was in", line_of(element))
        meaning = self._meaning(status, element)
        said = self.said.setdefault(batch_id, Said())
        code, message = _reason(element)
        if meaning == "rejected" and code in _SENT_BEFORE:
            self._sent_before[batch_id] = code
            return
        if meaning == "received":
            said.state, said.message = said.state or "received", said.message or message or status
            return
        # The same reference whoever says it and however often: a status has none that all messages share.
        reference = name if meaning == "settled" else ""
        said.instructions.append(
            InstructionAnswer(
                name, meaning, rail_reference=reference, code=(code or status) if meaning == "rejected" else ""
            )
        )
        said.message = said.message or message

    def pass_over_second_messages(self) -> None:
        """That a message was refused which the bank had before refuses none of the payments of the first."""
        for batch_id, code in self._sent_before.items():
            said = self.said[batch_id]
            if batch_id in self._wholly_sent_before:
                # Without a reason of their own they are refused for that of the whole.
                said.instructions = [one for one in said.instructions if one.code not in STATUSES]
            if said.state in (None, "received"):
                said.state = "unknown"
                said.message = f"the bank has refused a second message under this id ({code}): it has the first"

    def _meaning(self, status: str, element: etree._Element) -> Meaning:
        meaning = STATUSES.get(status)
        if meaning is None:
            raise Refusal("malformed", f"nobody knows the status {quoted(status)}", line_of(element))
        return "accepted" if meaning == "settled" and not self._settled_by_status else meaning


#: Of several statuses of a whole batch the one that says most counts.
_RANK: Final[dict[str, int]] = {"received": 0, "accepted": 1, "settled": 2, "rejected": 3}


def _payment(element: etree._Element) -> str | None:
    """The payment that a status is of: its end-to-end id, or where a bank has lost that the instruction's, the same."""
    name = text_of(element, "OrgnlEndToEndId")
    return text_of(element, "OrgnlInstrId") or name if name is None or name.upper() in NO_REFERENCE else name


def _reason(element: etree._Element) -> tuple[str, str]:
    """Code and text of the first reason; empty where there is none."""
    for one in find_all(element, "StsRsnInf"):
        code = text_of(one, "Rsn/Cd") or text_of(one, "Rsn/Prtry") or ""
        if code:
            return code[:35], text_of(one, "AddtlInf") or ""
    return "", ""
