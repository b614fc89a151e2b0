"""A story: requests that follow from what was answered to earlier ones, and what each of them may be told.

A story is a short script over wallets that are funded so generously that nobody else's traffic changes its end. It
asks, waits until all it has asked for was told what must be, and goes on with the transaction ids that it has heard. In
the end it knows what it has moved. Knows no ledger, only the wire.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable
from typing import Any, Final, NamedTuple

import orjson

from schemas.partitioning import partition_of
from schemas.topics import OPERATOR_COMMANDS, SETTLEMENT_UPDATES, TRANSACTION_REQUESTS

FOUR_EYES: Final = {"requested_by": "ann", "approved_by": "bob", "reason_code": "test"}
_BY_RAILS: Final = ("submit", "settle", "fail", "return")
_BY_OPERATORS: Final = ("set_wallet_state", "set_limits", "reverse", "adjust", "resolve_dispute")


class Asked:
    """One request, sent once or more often under its key, and all that was told of it."""

    __slots__ = (
        "answered",
        "copies",
        "delivered",
        "fields",
        "fresh",
        "key",
        "may_be",
        "told",
        "topic",
        "transaction_id",
    )

    def __init__(self, key: str, topic: str, fields: dict[str, Any], may_be: Iterable[tuple[str, ...]], copies: int):
        self.key, self.topic, self.fields, self.copies = key, topic, fields, copies
        #: All that may be told, in order: the answer and later changes.
        self.may_be = list(may_be)
        self.told: tuple[str, ...] = ()
        self.transaction_id: str | None = None
        #: Where copies are in the topic, and where those that were answered.
        self.delivered: list[tuple[int, int]] = []
        self.answered: list[tuple[int, int]] = []
        self.fresh = 0

    def then(self, *told: str) -> None:
        """From now on more is to be told."""
        self.may_be = [(*may_be, *told) for may_be in self.may_be]

    @property
    def is_complete(self) -> bool:
        """True where every copy is answered, and all was told that is to be."""
        return len(self.answered) == len(self.delivered) == self.copies and self.told in self.may_be

    @property
    def told_at(self) -> str:
        """What was told of it, and the partition and offset of its answers."""
        return f"{self.fields['operation']} {'/'.join(self.told)} at {self.answered}"

    def wrong(self) -> str | None:
        """What is not as it must be, whatever may come yet."""
        if self.told and not any(may_be[: len(self.told)] == self.told for may_be in self.may_be):
            return f"{self.key} {self.fields['operation']} was told {self.told}, must be one of {self.may_be}"
        return None


#: Yields what is sent next, each time all that was asked for so far is complete.
Script = Generator[tuple[Asked, ...], None, None]


class Record(NamedTuple):
    """A record to produce."""

    story: Story
    asked: Asked
    partition: int

    @property
    def topic(self) -> str:
        """Short name of its topic."""
        return self.asked.topic

    @property
    def key(self) -> bytes:
        """The wallet."""
        return str(self.asked.fields["wallet_id"]).encode()

    @property
    def value(self) -> bytes:
        """The command."""
        return orjson.dumps(self.asked.fields)


class Story:
    """One run of a script, and the means that it has."""

    def __init__(self, number: int, seed: int, wallets: int, partitions: int):
        self.number, self.partitions, self.wallets = number, partitions, wallets
        self.seed = seed
        self.chance = random.Random(f"{seed}/{number}")
        self.asked: list[Asked] = []
        self.moves: list[tuple[str, str, str, int]] = []
        self.script: Script | None = None

    def home(self, wallet_id: str) -> int:
        """Where a wallet lives."""
        return partition_of(wallet_id, self.partitions)

    def wallet(self, number: int | None = None) -> str:
        """One of the wallets that are there from the beginning; any of them by default."""
        return f"v{self.seed:x}-{self.chance.randrange(self.wallets) if number is None else number}"

    def pair(self, *, far: bool) -> tuple[str, str]:
        """Two wallets that live apart, or together."""
        one = self.wallet()
        while True:
            other = self.wallet()
            if other != one and (self.home(other) != self.home(one)) is (far and self.partitions > 1):
                return one, other

    def fresh(self) -> str:
        """Id of a wallet of this story alone, which is not open yet."""
        return f"x{self.seed:x}-{self.number}"

    def nobody(self, away_from: str) -> str:
        """Id of no wallet, in another partition than a wallet's."""
        names = (f"nobody{number}" for number in range(1_000))
        return next(name for name in names if self.home(name) != self.home(away_from) or self.partitions == 1)

    def amount(self, least: int = 10, most: int = 5_000) -> int:
        """Minor units."""
        return self.chance.randint(least, most)

    def ask(self, wallet_id: str, operation: str, told: str | tuple[tuple[str, ...], ...], **fields: Any) -> Asked:
        """A request: `told` is what must be told, words divided by a slash, or all that may be."""
        may_be = (tuple(told.split("/")),) if isinstance(told, str) else told
        topic = TRANSACTION_REQUESTS
        if operation in _BY_RAILS:
            topic = SETTLEMENT_UPDATES
        elif operation in _BY_OPERATORS:
            topic, fields = OPERATOR_COMMANDS, {**FOUR_EYES, **fields}
        key = f"s{self.number}-{len(self.asked)}"
        whole = {"operation": operation, "idempotency_key": key, "wallet_id": wallet_id, **fields}
        # Some producers send twice.
        asked = Asked(key, topic, whole, may_be, 2 if self.chance.random() < 0.03 else 1)
        self.asked.append(asked)
        return asked

    def move(self, from_account: str, to_account: str, asset: str, minor: int) -> None:
        """Say what must have been moved in the end."""
        self.moves.append((from_account, to_account, asset, minor))

    @property
    def is_complete(self) -> bool:
        """True where nothing that was asked for waits for anything."""
        return all(asked.is_complete for asked in self.asked)
