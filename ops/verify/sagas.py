"""Money between partitions: what one partition sends, another receives or refuses, and both agree on it.

A saga is forgotten once both partitions have ended it alike, so that only those under way, or wrong, are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from msgspec import UNSET

from ops.verify.accounts import TRANSIT
from ops.verify.findings import Check, Finding, Findings, Here
from schemas.events import TRANSACTION_PROCESSED, TRANSFER_RECEIVED, TRANSFER_REFUSED, LedgerEvent
from schemas.partitioning import partition_of
from schemas.topics import LEDGER_EVENTS

_LEGS: Final = frozenset({TRANSFER_RECEIVED, TRANSFER_REFUSED})


class _Terms(NamedTuple):
    """What is on its way; both partitions must mean the same."""

    #: Its operation: a transfer, or a capture, refund or reversal to another wallet.
    kind: str
    amount_minor: int
    asset: str
    payer: str
    payer_sub_wallet: str
    payee: str
    payee_sub_wallet: str
    #: Exchanged on its way, charged for it, given back of an earlier fee, and said of it; mostly nothing.
    beside: tuple[object, ...] | None


class _Half(NamedTuple):
    """One partition's word on a saga: its terms, what it last said (an event type), and where and when."""

    terms: _Terms
    state: str
    partition: int
    offset: int | None
    sequence: int | None
    recorded_at: str
    #: What a refund or a reversal takes back, where it is said.
    original_id: str | None = None


class _Saga:
    __slots__ = ("payee", "payer")

    def __init__(self) -> None:
        self.payer: _Half | None = None
        self.payee: _Half | None = None


class OpenSagas(NamedTuple):
    """Transfers under way: how many, and the sum of what they move, by asset in minor units."""

    transfers: int
    sums_minor: dict[str, int]


class Sagas:
    """The sagas of all partitions."""

    def __init__(self, findings: Findings, partitions: int):
        self._findings = findings
        self._partitions = partitions
        self._sagas: dict[str, _Saga] = {}

    def event(self, event: LedgerEvent, here: Here) -> None:
        """An event of a transfer: of the payer's partition, or with a leg of the payee's."""
        transaction_id = event.transaction_id or ""
        if event.type in _LEGS:
            self._payee_said(transaction_id, event, here)
        elif event.type == TRANSACTION_PROCESSED:
            if any(entry.account == TRANSIT for entry in event.entries):
                self._sagas.setdefault(transaction_id, _Saga()).payer = _payer_half(event, here)
        elif event.from_state is not None and event.command is None:
            self._payer_ended(transaction_id, event, here)

    def _payee_said(self, transaction_id: str, event: LedgerEvent, here: Here) -> None:
        saga = self._sagas.setdefault(transaction_id, _Saga())
        if saga.payee is not None:
            here.report(Check.LEG_UNFOUNDED, f"the leg of transfer {transaction_id} was executed before")
        saga.payee = _payee_half(event, here)
        self._end(transaction_id, saga)

    def _payer_ended(self, transaction_id: str, event: LedgerEvent, here: Here) -> None:
        saga = self._sagas.get(transaction_id)
        if saga is None or saga.payer is None:
            return
        saga.payer = saga.payer._replace(
            state=event.to_state or "", offset=here.offset, sequence=here.sequence, recorded_at=event.recorded_at
        )
        self._end(transaction_id, saga)

    def _end(self, transaction_id: str, saga: _Saga) -> None:
        payer, payee = saga.payer, saga.payee
        if payer is None or payee is None or payer.state == "processed":
            return
        del self._sagas[transaction_id]
        if payer.terms != payee.terms:
            self._report(Check.SAGA_DIFFERS, payee, f"transfer {transaction_id} sent {payer.terms}, got {payee.terms}")
        if payee.original_id not in (None, payer.original_id):
            sentence = f"{transaction_id} takes back {payer.original_id}, its payee's leg {payee.original_id}"
            self._report(Check.SAGA_DIFFERS, payee, sentence)
        if (payer.state == "settled") != (payee.state == "received"):
            self._report(
                Check.SAGA_DIFFERS,
                payer,
                f"transfer {transaction_id} is {payer.state}, but its payee's leg {payee.state}",
            )

    def finish(self, is_idle: bool, parked: set[str], time_of: Callable[[int], str]) -> OpenSagas:
        """All logs have been read. `parked` are transactions that a quarantine holds.

        `time_of` is the partition time up to which a partition's log was read: a word from later than that may
        have its partner behind the end.
        """
        count, sums = 0, dict[str, int]()
        for transaction_id, saga in self._sagas.items():
            payer = saga.payer
            if payer is not None and payer.state == "processed":
                count += 1
                sums[payer.terms.asset] = sums.get(payer.terms.asset, 0) + payer.terms.amount_minor
                if is_idle and transaction_id not in parked:
                    self._report(
                        Check.SAGA_STUCK, payer, f"transfer {transaction_id} is under way, but nothing moves it on"
                    )
        for transaction_id, half, partner in self._alone():
            if not is_idle and half.recorded_at >= time_of(partner):
                continue
            if half is self._sagas[transaction_id].payer:
                sentence = f"transfer {transaction_id} is {half.state}, but partition {partner} never had its leg"
                self._report(Check.SAGA_DIFFERS, half, sentence)
            else:
                sentence = f"the leg of transfer {transaction_id} is {half.state}, which partition {partner} never sent"
                self._report(Check.LEG_UNFOUNDED, half, sentence + " or ended before")
        return OpenSagas(count, sums)

    def waits_for(self) -> set[int]:
        """Partitions that must have said something of a saga, but have not."""
        return {partner for _, _, partner in self._alone()}

    def _alone(self) -> Iterator[tuple[str, _Half, int]]:
        """Words on a saga that its partner partition must have preceded: of the payee, or of an ended payer."""
        for transaction_id, saga in self._sagas.items():
            payer, payee = saga.payer, saga.payee
            if payer is None:
                if payee is not None:
                    yield transaction_id, payee, partition_of(payee.terms.payer, self._partitions)
            elif payer.state != "processed":
                yield transaction_id, payer, partition_of(payer.terms.payee, self._partitions)

    def in_transit(self) -> dict[str, int]:
        """What transit must hold, by asset: sent and neither received nor taken back."""
        sums: dict[str, int] = {}
        for saga in self._sagas.values():
            payer, payee = saga.payer, saga.payee
            if payer is not None and payer.state != "failed":
                sums[payer.terms.asset] = sums.get(payer.terms.asset, 0) + payer.terms.amount_minor
            if payee is not None and payee.state == "received":
                sums[payee.terms.asset] = sums.get(payee.terms.asset, 0) - payee.terms.amount_minor
        return sums

    def _report(self, check: Check, half: _Half, sentence: str) -> None:
        self._findings.add(Finding(check, sentence, LEDGER_EVENTS, half.partition, half.offset, half.sequence))


def _payer_half(event: LedgerEvent, here: Here) -> _Half:
    payee, exchange = event.counterparty, event.exchange
    sent_minor, sent_asset = event.amount_minor or 0, event.asset or ""
    if exchange is not None and event.operation == "transfer":
        sent_minor, sent_asset = exchange.to_minor, exchange.to_asset
    terms = _Terms(
        event.operation or "",
        sent_minor,
        sent_asset,
        event.wallet_id or "",
        event.sub_wallet or "",
        "" if payee is None else payee.wallet_id,
        "" if payee is None else payee.sub_wallet,
        _beside(event),
    )
    at = (here.partition, here.offset, here.sequence, event.recorded_at)
    return _Half(terms, event.to_state or "", *at, event.parent_transaction_id)


def _payee_half(event: LedgerEvent, here: Here) -> _Half:
    payer = event.counterparty
    terms = _Terms(
        event.operation or "",
        event.amount_minor or 0,
        event.asset or "",
        "" if payer is None else payer.wallet_id,
        "" if payer is None else payer.sub_wallet,
        event.wallet_id or "",
        event.sub_wallet or "",
        _beside(event),
    )
    state = "received" if event.type == TRANSFER_RECEIVED else "refused"
    at = (here.partition, here.offset, here.sequence, event.recorded_at)
    return _Half(terms, state, *at, event.parent_transaction_id)


def _beside(event: LedgerEvent) -> tuple[object, ...] | None:
    exchange, fee, returned_minor = event.exchange, event.fee, event.fee_returned_minor
    references, metadata = event.references, event.metadata
    if exchange is None and fee is None and returned_minor is None and references is UNSET and metadata is None:
        return None
    said = None if references is UNSET else bytes(references)
    return exchange, fee, returned_minor, said, metadata and sorted(metadata.items())
