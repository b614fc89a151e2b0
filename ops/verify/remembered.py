"""Transactions at rest: nothing is under way with them, but something may still be taken back.

Most transactions are credits, debits and transfers that nobody ever names again. Of those one integer is kept: amount,
numbers of both wallets, and the number of all the rest, which most of them share. The keys are 64-bit hashes.
"""

from __future__ import annotations

from typing import Final

from ops.verify.known import Known
from schemas.clock import rfc3339, unix_ms
from schemas.events import Counterparty, LedgerEvent
from schemas.lifecycle import State

#: Operation, asset, sub-wallet, rail, the other sub-wallet, leg, state.
_Shape = tuple[str | None, str | None, str | None, str | None, str | None, str | None, str | None]

_SETTLED: Final = State.SETTLED.value
_AMOUNT_BITS: Final = 63
_WALLET_BITS: Final = 32
_WALLETS_BITS: Final = 2 * _WALLET_BITS
_AMOUNT_MASK: Final = (1 << _AMOUNT_BITS) - 1
_WALLET_MASK: Final = (1 << _WALLET_BITS) - 1
#: The ledger remembers a transaction for its retention and one bucket of 60 days more, whatever the retention is.
_GENERATION_PER_RETENTION: Final = 1.25
_BUCKET_MS: Final = 60 * 86_400_000


class Remembered:
    """Transactions by the hash of their id, in two generations.

    The older generation is dropped when the newer has lasted longer than the ledger remembers any transaction, so that
    memory is bounded by what arrives within two and a half retentions.
    """

    def __init__(self, retained_ms: int):
        self._retained_ms = retained_ms
        self._generation_ms = max(int(retained_ms * _GENERATION_PER_RETENTION), retained_ms + _BUCKET_MS)
        self._current: dict[int, int | Known] = {}
        self._previous: dict[int, int | Known] = {}
        #: Hashes of what rails have done to transactions, in the same generations.
        self._references: set[int] = set()
        self._earlier_references: set[int] = set()
        #: What a transaction that is kept for longer was referred to may be forgotten before it is.
        self.has_forgotten_references = False
        #: Partition time at which the next generation begins.
        self._next_at = ""
        #: Until then the ledger has forgotten nothing of what this generation keeps.
        self._sure_until = ""
        self._numbers: dict[str | None, int] = {}
        self._names: list[str] = []
        self._shape_numbers: dict[_Shape, int] = {}
        self._shapes: list[_Shape] = []
        #: Shape of what is settled, without its state -> the shape's number.
        self._settled_numbers: dict[tuple[str | None, ...], int] = {}

    def keep_plain(self, event: LedgerEvent) -> bool:
        """Keep what an event has opened and settled; False where there is such a transaction already."""
        if event.recorded_at >= self._next_at:
            self._begin_generation(event.recorded_at)
        other = event.counterparty
        if other is None:
            to_sub_wallet, high = None, 0
        else:
            to_sub_wallet = other.sub_wallet
            high = self._numbers.get(other.wallet_id) or self._number(other.wallet_id)
        shape = (event.operation, event.asset, event.sub_wallet, event.rail, to_sub_wallet, event.leg)
        number = self._settled_numbers.get(shape)
        low = self._numbers.get(event.wallet_id)
        if number is None or low is None:
            packed = self._packed((*shape, _SETTLED), event.wallet_id, high, event.amount_minor or 0)
        else:
            packed = (number << _WALLETS_BITS | high << _WALLET_BITS | low) << _AMOUNT_BITS
            packed |= (event.amount_minor or 0) & _AMOUNT_MASK
        transaction_id, leg = event.transaction_id, event.leg
        key = hash(transaction_id) if leg is None else hash((transaction_id, leg))
        return self._current.setdefault(key, packed) is packed

    def keep(self, known: Known, recorded_at: str) -> None:
        """Keep a transaction, with all that is known of it where that does not fit an integer."""
        if recorded_at >= self._next_at:
            self._begin_generation(recorded_at)
        key = _key(known.transaction_id, known.leg)
        is_plain = (
            known.counter is None
            and known.parent_transaction_id is None
            and known.exchange is None
            and not known.fee_minor
        )
        # The ledger remembers it for its retention from here.
        self._current[key] = self._packed_of(known) if is_plain else known

    def find(self, transaction_id: str, leg: str | None = None) -> Known | None:
        """A transaction; what is changed of it must be given to `keep`."""
        key = _key(transaction_id, leg)
        found = self._current.get(key)
        if found is None:
            found = self._previous.get(key)
        if found is None or isinstance(found, Known):
            return found
        return self._unpacked(transaction_id, found)

    def is_sure(self, transaction_id: str, at: str) -> bool:
        """True where the ledger cannot have forgotten a transaction by then; it passes over what it has forgotten."""
        return hash(transaction_id) in self._current and at < self._sure_until

    def refer(self, transaction_id: str, reference: str) -> bool:
        """A rail has done something to a transaction under this reference; False where it was said before."""
        is_new = not self.was_referred(transaction_id, reference)
        self._references.add(hash((transaction_id, reference)))
        return is_new

    def was_referred(self, transaction_id: str, reference: str) -> bool:
        """True where a rail has done something to a transaction under this reference, as far as that is remembered."""
        key = hash((transaction_id, reference))
        return key in self._references or key in self._earlier_references

    def __contains__(self, transaction_id: str) -> bool:
        key = hash(transaction_id)
        return key in self._current or key in self._previous

    def __len__(self) -> int:
        return len(self._current) + len(self._previous)

    def _packed_of(self, known: Known) -> int:
        other = known.other
        to_sub_wallet = None if other is None else other.sub_wallet
        high = 0 if other is None else self._number(other.wallet_id)
        shape = (
            *(known.operation, known.asset, known.sub_wallet, known.rail, to_sub_wallet),
            *(known.leg, known.state),
        )
        return self._packed(shape, known.wallet_id, high, known.amount_minor)

    def _packed(self, shape: _Shape, wallet_id: str | None, other: int, amount_minor: int) -> int:
        number = self._shape_numbers.get(shape)
        if number is None:
            number = self._number_shape(shape)
        own = self._numbers.get(wallet_id)
        if own is None:
            own = self._number(wallet_id)
        parties = number << _WALLETS_BITS | other << _WALLET_BITS | own
        return parties << _AMOUNT_BITS | amount_minor & _AMOUNT_MASK

    def _unpacked(self, transaction_id: str, packed: int) -> Known:
        amount_minor = packed & _AMOUNT_MASK
        packed >>= _AMOUNT_BITS
        wallet_id = self._names[packed & _WALLET_MASK]
        packed >>= _WALLET_BITS
        other_id = self._names[packed & _WALLET_MASK]
        shape = self._shapes[packed >> _WALLET_BITS]
        operation, asset, sub_wallet, rail, other_sub_wallet, leg, state = shape
        other = None if other_sub_wallet is None else Counterparty(other_id, other_sub_wallet)
        owner = (wallet_id, sub_wallet or "")
        return Known(transaction_id, operation or "", leg, state or "", owner, amount_minor, asset or "", rail, other)

    def _number(self, wallet_id: str | None) -> int:
        number = self._numbers.get(wallet_id)
        if number is None:
            number = self._numbers[wallet_id] = len(self._names)
            self._names.append(wallet_id or "")
        return number

    def _number_shape(self, shape: _Shape) -> int:
        number = self._shape_numbers[shape] = len(self._shapes)
        self._shapes.append(shape)
        if shape[-1] == _SETTLED:
            self._settled_numbers[shape[:-1]] = number
        return number

    def _begin_generation(self, recorded_at: str) -> None:
        self._previous, self._current = self._current, {}
        self.has_forgotten_references |= bool(self._earlier_references)
        self._earlier_references, self._references = self._references, set()
        begins_at_ms = unix_ms(recorded_at)
        self._next_at = rfc3339(begins_at_ms + self._generation_ms)
        self._sure_until = rfc3339(begins_at_ms + self._retained_ms)


def _key(transaction_id: str, leg: str | None) -> int:
    return hash(transaction_id) if leg is None else hash((transaction_id, leg))
