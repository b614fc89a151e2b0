"""Published balances against the books of the auditor: of every holder the last record in `wallet-balances`."""

from __future__ import annotations

import msgspec

from ops.verify.books import Books
from ops.verify.findings import Check, Here
from schemas.outcomes import decode_balances
from schemas.topics import WALLET_BALANCES


class PublishedBalances:
    """The records of one partition of `wallet-balances`."""

    def __init__(self, here: Here, books: Books):
        self._here = here
        self._books = books
        #: Key -> offset and value of its last record.
        self._latest: dict[bytes, tuple[int, bytes]] = {}
        self._is_finished = False
        #: Offset and sequence of balances that are later than what was read of the log.
        self.later: list[tuple[int, int]] = []

    def take(self, offset: int, key: bytes, value: bytes) -> None:
        """One more record: of each key the last one counts."""
        self._latest[key] = (offset, value)

    def finish(self, log_sequence: int) -> None:
        """The topic has been read to its end, the event log to this sequence; doing it again does nothing."""
        if self._is_finished:
            return
        self._is_finished = True
        stated = set()
        while self._latest:
            key, (offset, value) = self._latest.popitem()
            stated.add(self._compare(offset, key, value, log_sequence))
        for holder, count in self._books.holders.items():
            if count and holder not in stated:
                sentence = f"{holder} has {count} balances, but no record"
                self._here.report_at(Check.BALANCES_MISSING, sentence, WALLET_BALANCES, None)

    def tail_is_missing(self, log_sequence: int) -> None:
        """What is behind the log's end, though it has not grown, was published with events that are not there."""
        for offset, sequence in self.later:
            sentence = f"balances as of sequence {sequence} are published, the log ends at {log_sequence}"
            self._here.report_at(Check.TAIL_MISSING, sentence, WALLET_BALANCES, offset)

    def _compare(self, offset: int, key: bytes, value: bytes, log_sequence: int) -> str | None:
        """One holder's published balances against the books; returns the holder."""
        here = self._here
        try:
            stated = decode_balances(value)
        except msgspec.DecodeError as error:
            here.report_at(Check.UNDECODABLE, f"no balances: {error}", WALLET_BALANCES, offset)
            return None
        holder = stated.wallet_id
        if key != holder.encode() or stated.partition != here.partition:
            said = f"key {key.decode(errors='replace')!r} has the balances of {holder} in partition {stated.partition}"
            here.report_at(Check.BALANCES_DIFFER, said, WALLET_BALANCES, offset)
        if stated.sequence > log_sequence:
            self.later.append((offset, stated.sequence))
            return holder
        accounts = {f"{b.account} {b.asset}": b.balance_minor for b in stated.accounts}
        difference = self._books.difference(holder, accounts)
        if difference is None and len(accounts) != len(stated.accounts):
            difference = f"{holder} states an account twice"
        if difference is not None:
            here.report_at(Check.BALANCES_DIFFER, difference, WALLET_BALANCES, offset)
        return holder
