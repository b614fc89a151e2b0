"""The audit of one partition: its event log, folded with the auditor's own books, beside its inputs and outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from ops.verify import event_keys
from ops.verify.agreements import Agreements
from ops.verify.alone import wrongs_alone
from ops.verify.answers import Answers
from ops.verify.batches import is_item
from ops.verify.books import Books
from ops.verify.buckets import wrong_buckets
from ops.verify.chain import Chain, decode_seal, encode_seal, is_seal
from ops.verify.closings import Closings
from ops.verify.escrows import wrong_payee
from ops.verify.findings import Check, Findings, Here
from ops.verify.forwards import Forwards
from ops.verify.inputs import Inputs
from ops.verify.keys import Keys
from ops.verify.names import why_not_read_alike
from ops.verify.parked import RELEASES, Parked
from ops.verify.published import PublishedBalances
from ops.verify.quarantines import Quarantines
from ops.verify.sagas import Sagas
from ops.verify.transactions import Transactions
from ops.verify.wallet_states import WalletStates
from ops.verify.wallets import WALLET_EVENTS, Wallets
from schemas.events import (
    CLOCK_TICKED,
    EVENT_TYPES,
    REQUEST_FORWARDED,
    REQUEST_REPLAYED,
    TRANSACTION_PROCESSED,
    WALLET_OPENED,
    WALLET_QUARANTINED,
    WALLET_RELEASED,
    LedgerEvent,
    decode_event,
    encode_event,
)
from schemas.topics import LEDGER_EVENTS

#: Kafka's `TimestampType.LOG_APPEND_TIME`: the broker, and not the producer, has said when.
_LOG_APPEND_TIME: Final = 1


class ReadRecord(Protocol):
    """A record as a consumer hands it over; aiokafka's `ConsumerRecord` is one."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class ReadInput(ReadRecord, Protocol):
    """A record of an input, with when it was kept, in Unix milliseconds, and who has said so."""

    @property
    def timestamp(self) -> int: ...
    @property
    def timestamp_type(self) -> int: ...


class StoreCopy(Protocol):
    """A copy of a partition's balances that stands at one seal."""

    #: Where it is kept, for findings.
    place: str
    #: Sequence and offset of the seal, and its bytes.
    sequence: int
    seal_offset: int
    seal: bytes

    def balances(self) -> Iterable[tuple[str, int]]:
        """All balances: `<account> <asset>` and minor units."""


class Shared(NamedTuple):
    """What the audits of all partitions share."""

    findings: Findings
    sagas: Sagas
    forwards: Forwards
    partitions: int
    retained_ms: int
    transactions_retained_ms: int


#: What the checks raise on an event of the right form that says what no ledger says.
_NONSENSE: Final = (ValueError, LookupError, ArithmeticError, TypeError, AssertionError)
_KNOWN_TYPES = frozenset(EVENT_TYPES)


class PartitionAudit:
    """Folds what was read of one partition index; the order between topics does not matter, within one it does."""

    def __init__(self, shared: Shared, partition: int, retained_from: Mapping[str, int], copies: Sequence[StoreCopy]):
        self._shared = shared
        self.partition = partition
        here = self._here = Here(shared.findings, partition)
        self.chain = Chain(here, shared.partitions)
        self.inputs = Inputs(here, shared.forwards, retained_from)
        self.answers = Answers(here)
        self._agreements = Agreements()
        self.books = Books(here, shared.partitions, self._agreements)
        self.parked = Parked(here)
        self._wallets = Wallets(here)
        self._closings = Closings(here, self.books.balances)
        self._quarantines = Quarantines(here)
        self._states = WalletStates(here)
        self._transactions = Transactions(here, shared.transactions_retained_ms, self._agreements, self.books)
        self._expiries = self._transactions.expiries
        self._keys = Keys(here, shared.retained_ms)
        self._copies = sorted(copies, key=lambda copy: copy.sequence)
        self._published = PublishedBalances(here, self.books)
        self._is_whole = True
        self.events = 0

    def begin_at(self, offset: int) -> None:
        """The event log begins at this offset instead of at 0."""
        self._here.report(Check.EVENTS_DELETED, f"the log begins at offset {offset}; what was before is not proved")
        self.chain.begin_anywhere()
        self.inputs.begin_anywhere()
        self._wallets.begin_anywhere()
        self._quarantines.begin_anywhere()
        self._transactions.begin_anywhere()
        self._is_whole = False

    # ---- the event log ---------------------------------------------------------------------------

    def take_events(self, records: Iterable[ReadRecord]) -> None:
        """More records of the event log."""
        here = self._here
        for record in records:
            value = record.value or b""
            here.offset, here.sequence = record.offset, None
            try:
                if is_seal(value):
                    self._seal(value)
                    if record.key:
                        here.report(Check.WRONG_KEY, f"the seal is kept under {event_keys.said(record.key)}")
                    continue
                try:
                    event = decode_event(value)
                except msgspec.DecodeError as error:
                    here.report(Check.UNDECODABLE, f"no ledger event: {error}")
                    self.chain.unreadable(value)
                    continue
                self.events += 1
                if (read := encode_event(event)) != value:
                    here.sequence = event.sequence
                    self._read_alike(value, read)
                self._key(event, record.key)
                self._event(event, value)
            except _NONSENSE as error:
                # Times, states or codes that are none: whoever wrote them must not stop the audit of what follows.
                here.report(Check.UNDECODABLE, f"what it says cannot be followed: {type(error).__name__}: {error}")

    def _read_alike(self, value: bytes, read: bytes) -> None:
        if why := why_not_read_alike(value, read):
            self._here.report(Check.UNKNOWN_FIELD, why)

    def _key(self, event: LedgerEvent, key: bytes | None) -> None:
        """The key that an event is kept under: its wallet, or where nothing was decided what its record came with."""
        if event_keys.is_of_wallet(event, key):
            return
        if event_keys.may_be_of_record(event) and event.cause is not None:
            self.inputs.kept_under(event.cause, key)
            return
        self._here.sequence = event.sequence
        of = "of no wallet" if event.wallet_id is None else f"of wallet {event.wallet_id}"
        self._here.report(Check.WRONG_KEY, f"{event.type} {of} is kept under {event_keys.said(key)}")

    def _event(self, event: LedgerEvent, value: bytes) -> None:
        here = self._here
        here.sequence = event.sequence
        self.chain.event(event.sequence, value, event.recorded_at)
        if event.type not in _KNOWN_TYPES:
            here.report(Check.UNKNOWN_TYPE, f"{event.type!r} is no event type of this release")
        for check, sentence in wrongs_alone(event):
            here.report(check, sentence)
        cause = event.cause
        is_own, is_applied = False, False
        first = None
        if cause is not None and cause.idempotency_key is not None:
            first = self._keys.event(event, cause)
        else:
            is_own = event.command is not None or is_item(event)
        if is_own:
            self.inputs.own(event)
        else:
            if self.parked.due or event.parked is not None or event.type in RELEASES:
                is_applied = self.parked.event(event, first)
            self.inputs.event(event, is_applied, first)
            if not is_applied:
                self._quarantines.event(event, is_opened=event.wallet_id in self.books.holders)
        if not is_own and (self._expiries.is_watching or event.type == CLOCK_TICKED):
            self._expiries.record(event)
        self._states.event(event, is_own=event.command is not None)
        if event.type == WALLET_OPENED:
            self.books.open_wallet(event.wallet_id)
        if event.entries or event.balances:
            self.books.post(event)
            if taken := wrong_payee(event, self._agreements):
                here.report(Check.ESCROW_WRONG, taken)
        if event.wallet is not None or event.type in WALLET_EVENTS:
            self._wallets.event(event)
            self._states.change(event)
            self._closings.event(event, self._wallets.assets_of(event.wallet_id))
            self._agreements.event(event)
        if event.tier is not None:
            self._wallets.tier(event)
        self._transactions.event(event, is_own)
        if event.type in (WALLET_QUARANTINED, WALLET_RELEASED):
            self._quarantines.change(event)
            self._transactions.expiries.quarantine(event)
        if event.leg is not None or event.from_state is not None or event.type == TRANSACTION_PROCESSED:
            self._shared.sagas.event(event, here)
        has_arrived = cause is not None and cause.origin is not None and not is_own and not is_applied
        if has_arrived or event.type == REQUEST_FORWARDED:
            self._shared.forwards.event(event, here)
        is_replay = event.type == REQUEST_REPLAYED
        self.answers.event(event, is_own=is_own, first=self._keys.first_answer if is_replay else None)

    def _seal(self, value: bytes) -> None:
        here = self._here
        self.parked.settle()
        self._transactions.seal()
        try:
            seal = decode_seal(value)
        except msgspec.DecodeError as error:
            here.report(Check.UNDECODABLE, f"no seal: {error}")
            self.chain.unreadable(value)
            return
        here.sequence = seal.sequence
        if (read := encode_seal(seal)) != value:
            self._read_alike(value, read)
        self.chain.seal(seal, value)
        self.inputs.seal(seal.inputs)
        while self._copies and self._copies[0].sequence <= seal.sequence:
            self._compare_copy(self._copies.pop(0), seal.sequence, value)

    def _compare_copy(self, copy: StoreCopy, sequence: int, seal: bytes) -> None:
        """A worker's local state against the books, at the seal where it stands."""
        here = self._here
        if copy.sequence != sequence or copy.seal_offset != here.offset or copy.seal != seal:
            here.report(
                Check.STORE_DIFFERS,
                f"{copy.place} stands at a seal (sequence {copy.sequence}, offset {copy.seal_offset}) "
                "that the log does not hold",
            )
            return
        balances = self.books.balances
        count = 0
        for key, minor in copy.balances():
            count += 1
            if balances.get(key) != minor:
                here.report(
                    Check.STORE_DIFFERS, f"{copy.place}: {key} is {minor}, the log makes it {balances.get(key)}"
                )
        if count != len(balances):
            here.report(Check.STORE_DIFFERS, f"{copy.place} holds {count} balances, the log makes {len(balances)}")

    # ---- the other topics ------------------------------------------------------------------------

    def take_outcomes(self, records: Iterable[ReadRecord]) -> None:
        """More records of `transaction-outcomes`."""
        take = self.answers.take
        for record in records:
            take(record.offset, record.value)

    def take_inputs(self, topic: str, records: Sequence[ReadInput]) -> None:
        """More records of an input."""
        held = []
        for record in records:
            kept_ms = record.timestamp if record.timestamp_type == _LOG_APPEND_TIME else None
            held.append((record.offset, record.value, record.key, kept_ms))
        self.inputs.take(topic, held)

    def take_balances(self, records: Iterable[ReadRecord]) -> None:
        """More records of `wallet-balances`."""
        take = self._published.take
        for record in records:
            take(record.offset, record.key or b"", record.value or b"")

    def finish_balances(self) -> None:
        """The event log and `wallet-balances` have been read to their ends; doing it again does nothing."""
        self._published.finish(self.chain.sequence)

    # ---- the end ---------------------------------------------------------------------------------

    def finish_log(self) -> None:
        """The event log and the inputs have been read to their ends."""
        self.parked.settle()
        self._transactions.seal()
        self.chain.finish()
        if self._is_whole:
            for sentence in wrong_buckets(self.books.balances, self._transactions.open.values()):
                self._here.report_at(Check.BUCKET_WRONG, sentence, LEDGER_EVENTS, None)
        self.inputs.finish()
        for copy in self._copies:
            self._here.report(
                Check.STORE_DIFFERS,
                f"{copy.place} stands at sequence {copy.sequence}, but the log ends at {self.chain.sequence}: "
                "it is newer than the log",
            )

    @property
    def is_ahead(self) -> bool:
        """True where outcomes or balances were read that belong to events behind the end of what was read."""
        return self.answers.is_ahead or bool(self._published.later)

    def finish_others(self, has_grown: bool) -> None:
        """The other topics have been read to their ends; `has_grown` where the event log has a new end since."""
        self.finish_balances()
        self.answers.finish(has_grown, self.inputs.position)
        if not has_grown:
            self._published.tail_is_missing(self.chain.sequence)
