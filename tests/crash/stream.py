"""A seeded, endless stream of requests. Pure: record `n` is a function of the seed and of `n`, so that nobody has to
remember what was sent, and what it must lead to can be told from the stream alone.

Every wallet is funded so generously that no order of arrival can overdraw it, and an overdraft asks for more than there
is in the whole system: the answer to each record does not depend on the order, but for which of two copies is first.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

import orjson

from schemas.partitioning import partition_of

ASSET: Final = "EUR"
FUNDS_MINOR: Final = 10**12
OVERDRAFT_MINOR: Final = 10**17
MOST_MINOR: Final = 100_000
#: A duplicate is sent at most so many records after its original.
DUPLICATE_WITHIN: Final = 20_000

_MASK: Final = (1 << 64) - 1


class Kind(IntEnum):
    """What a record asks for."""

    OPEN = 0
    FUND = 1
    CREDIT = 2
    DEBIT = 3
    TRANSFER = 4
    #: A transfer to a wallet that does not exist.
    TO_NOBODY = 5
    OVERDRAFT = 6
    #: The same request again, under its key.
    DUPLICATE = 7
    #: Another request under the key of an earlier one.
    REUSED_KEY = 8
    MALFORMED = 9


#: Kinds that are an intent of their own; the others repeat one or are none.
INTENTS: Final = frozenset(
    {Kind.OPEN, Kind.FUND, Kind.CREDIT, Kind.DEBIT, Kind.TRANSFER, Kind.TO_NOBODY, Kind.OVERDRAFT}
)


class Request(NamedTuple):
    """One record to produce, and what it is."""

    number: int
    kind: Kind
    #: Number of the record whose intent this is; its own, but for duplicates. -1 where it is none.
    intent: int
    partition: int
    key: bytes | None
    value: bytes | None


class Expected(NamedTuple):
    """What a record must lead to: the code of its answer and of a later update; and postings, by wallet number."""

    code: str
    update: str | None = None
    postings: tuple[tuple[int, int], ...] = ()


def _mixed(seed: int, number: int) -> int:
    """64 well-mixed bits (splitmix64)."""
    z = (seed * 0xD1342543DE82EF95 + number * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


class Stream:
    """The stream of a seed.

    Args:
        seed: any integer.
        wallets: how many wallets; records 0 to `wallets` - 1 open them, the next `wallets` fund them.
        partitions: of the topic.
    """

    def __init__(self, seed: int, wallets: int, partitions: int):
        self.seed = seed
        self.wallets = wallets
        self.partitions = partitions
        #: Records from here on need every wallet open and funded.
        self.prelude = 2 * wallets
        self._tag = f"{seed:x}"

    def wallet_id(self, wallet: int) -> str:
        """Id of the wallet of that number; numbers from `wallets` on do not exist."""
        return f"w{self._tag}-{wallet}"

    def home(self, wallet: int) -> int:
        """Partition in which a wallet lives."""
        return partition_of(self.wallet_id(wallet), self.partitions)

    def kind(self, number: int) -> Kind:
        """What record `number` is: of a thousand 20 duplicates, 10 malformed, 10 overdrafts."""
        if number < self.wallets:
            return Kind.OPEN
        if number < self.prelude:
            return Kind.FUND
        dice = _mixed(self.seed, number) % 1000
        for kind, below in _SHARES:
            if dice < below:
                return kind
        return Kind.TRANSFER

    def intent(self, number: int) -> int:
        """Number of the record whose intent `number` has, repeats, or takes the key of; -1 for a malformed one."""
        kind = self.kind(number)
        if kind in INTENTS:
            return number
        if kind is Kind.MALFORMED:
            return -1
        earlier = number - 1 - _mixed(self.seed ^ 0x5EED, number) % min(number, DUPLICATE_WITHIN)
        # A key can be reused only of one that is sure to be decided first: same partition, earlier.
        while self.kind(earlier) not in INTENTS or (kind is Kind.REUSED_KEY and self.is_astray(earlier)):
            earlier -= 1
        return earlier

    def is_astray(self, number: int) -> bool:
        """True where the record is produced to another partition than its wallet's: one of a hundred."""
        return number >= self.prelude and self.kind(number) not in _AT_HOME and self._dice(number, 1) % 100 == 0

    def request(self, number: int) -> Request:
        """Record `number`."""
        kind, intent = self.kind(number), self.intent(number)
        payer, _, amount_minor = self._parties(number if intent < 0 else intent)
        partition = self.home(payer)
        if self.is_astray(number):
            partition = (partition + 1 + self._dice(number, 2) % max(1, self.partitions - 1)) % self.partitions
        key = self.wallet_id(payer).encode()
        if kind is Kind.MALFORMED:
            return Request(number, kind, -1, partition, key, self._malformed(number, payer))
        fields = self._fields(intent)
        fields["request_id"] = f"r{number}"
        if kind is Kind.REUSED_KEY:
            fields |= {"operation": "credit", "amount_minor": amount_minor + 1, "asset": ASSET}
            for name in ("to_wallet_id", "owner_ref", "assets"):
                fields.pop(name, None)
        return Request(number, kind, intent, partition, key, orjson.dumps(fields))

    def expected(self, number: int) -> Expected:
        """What record `number` leads to; for a duplicate, what its original does, less the postings and the update."""
        kind = self.kind(number)
        if kind is Kind.DUPLICATE:
            return Expected(self.expected(self.intent(number)).code)
        if kind is Kind.MALFORMED:
            return Expected("malformed")
        if kind is Kind.REUSED_KEY:
            return Expected("idempotency_mismatch")
        if kind is Kind.OVERDRAFT:
            return Expected("insufficient_funds")
        payer, payee, amount_minor = self._parties(number)
        is_saga = self.home(payer) != self.home(payee)
        if kind is Kind.TO_NOBODY:
            return Expected("ok", "payee_refused") if is_saga else Expected("payee_refused")
        if kind is Kind.TRANSFER:
            return Expected("ok", "ok" if is_saga else None, ((payer, -amount_minor), (payee, amount_minor)))
        if kind is Kind.DEBIT:
            return Expected("ok", None, ((payer, -amount_minor),))
        return Expected("ok", None, () if kind is Kind.OPEN else ((payer, amount_minor),))

    def _dice(self, number: int, turn: int) -> int:
        return _mixed(self.seed + 0x1000 * turn, number) >> 11

    def _parties(self, number: int) -> tuple[int, int, int]:
        """Payer, payee and amount of an intent."""
        kind = self.kind(number)
        if kind in (Kind.OPEN, Kind.FUND):
            return number % self.wallets, 0, FUNDS_MINOR
        dice = self._dice(number, 3)
        payer, dice = dice % self.wallets, dice // self.wallets
        amount_minor, dice = 1 + dice % MOST_MINOR, dice // MOST_MINOR
        if kind is Kind.OVERDRAFT:
            return payer, payer, OVERDRAFT_MINOR + amount_minor
        if kind is Kind.TO_NOBODY:
            return payer, self.wallets + dice % 1000, amount_minor
        # One of twenty pays the same merchant.
        payee = 0 if dice % 20 == 0 else dice // 20 % self.wallets
        return payer, payee if payee != payer else (payer + 1) % self.wallets, amount_minor

    def _fields(self, number: int) -> dict[str, Any]:
        kind = self.kind(number)
        payer, payee, amount_minor = self._parties(number)
        fields: dict[str, Any] = {"idempotency_key": f"k{number}", "wallet_id": self.wallet_id(payer)}
        if kind is Kind.OPEN:
            return {"operation": "open_wallet", **fields, "owner_ref": f"o{number}", "assets": [ASSET]}
        fields |= {"amount_minor": amount_minor, "asset": ASSET}
        if kind in (Kind.TRANSFER, Kind.TO_NOBODY):
            return {"operation": "transfer", **fields, "to_wallet_id": self.wallet_id(payee)}
        return {"operation": "credit" if kind in (Kind.FUND, Kind.CREDIT) else "debit", **fields}

    def _malformed(self, number: int, payer: int) -> bytes | None:
        good = {"operation": "credit", "wallet_id": self.wallet_id(payer), "asset": ASSET, "request_id": f"r{number}"}
        good["idempotency_key"] = f"m{number}"
        texts = (
            None,
            b"",
            b"not JSON at all",
            b'{"operation":"credit","wallet_id":"\xff\xfe"}',
            b"[1,2,3]",
            orjson.dumps(good),
            orjson.dumps({**good, "amount_minor": "10"}),
            orjson.dumps({**good, "amount_minor": 10.5}),
            orjson.dumps({**good, "amount_minor": 10, "colour": "blue"}),
            orjson.dumps({**good, "amount_minor": 10, "operation": "withdraw"}),
            orjson.dumps({**good, "amount_minor": 10})[:-9],
        )
        return texts[self._dice(number, 4) % len(texts)]


_AT_HOME: Final = frozenset({Kind.OPEN, Kind.FUND, Kind.REUSED_KEY, Kind.MALFORMED})
#: Of a thousand records after the prelude; the rest are transfers.
_SHARES: Final = (
    (Kind.DUPLICATE, 20),
    (Kind.MALFORMED, 30),
    (Kind.OVERDRAFT, 40),
    (Kind.TO_NOBODY, 45),
    (Kind.REUSED_KEY, 50),
    (Kind.CREDIT, 300),
    (Kind.DEBIT, 500),
)
