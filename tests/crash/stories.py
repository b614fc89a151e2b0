"""Stories: requests that follow from what was answered to earlier ones, and what each of them may be told.

A story is a short script over wallets that are funded so generously that nobody else's traffic changes its end. It
asks, waits until all it has asked for was told what must be, and goes on with the transaction ids that it has heard. In
the end it knows what it has moved. Knows no ledger, only the wire.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from schemas.partitioning import partition_of
from schemas.topics import OPERATOR_COMMANDS, SETTLEMENT_UPDATES, TRANSACTION_REQUESTS
from tests.crash.witness import Verdict

FUNDS_MINOR: Final = 10**12
#: Stories under way at once, at most.
MOST_OPEN: Final = 1_500
FOUR_EYES: Final = {"requested_by": "ann", "approved_by": "bob", "reason_code": "test"}
_BY_RAILS: Final = ("submit", "settle", "fail", "return")
_BY_OPERATORS: Final = ("set_wallet_state", "set_limits", "reverse", "adjust", "resolve_dispute")


class _Source(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Outcome(msgspec.Struct):
    kind: str
    code: str
    source: _Source
    state: str | None = None
    idempotency_key: str | None = None
    transaction_id: str | None = None
    replayed: bool = False

    @property
    def told(self) -> str:
        """State and code as one word or two: `settled`, `failed payee_refused`, `hold_expired`."""
        code = "" if self.code == "ok" else self.code
        return f"{self.state or ''} {code}".strip() or "ok"


_decode: Final = msgspec.json.Decoder(_Outcome).decode


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


class Stories:
    """All stories of a campaign: what they send, what they were told, what they have moved."""

    def __init__(self, seed: int, wallets: int, partitions: int, scripts: list[Callable[[Story], Script]]):
        self.seed, self.wallets, self.partitions = seed, wallets, partitions
        self._scripts = scripts
        self.produced = self.answered = self.finished = 0
        self.by_code: Counter[str] = Counter()
        self.by_script: Counter[str] = Counter()
        self.updates = 0
        #: What the finished stories have moved.
        self.balances: Counter[tuple[str, str]] = Counter()
        self.is_ending = False
        self._next = 0
        self._open: dict[int, Story] = {}
        self._ready: deque[Record] = deque()
        #: Stories that were told what must not be: where they would have ended nobody knows.
        self._given_up: set[int] = set()
        self._problems: list[tuple[str, str]] = []

    # ---- what is sent ----------------------------------------------------------------------------

    def take(self) -> Record | None:
        """The next record to produce; None where all stories wait."""
        # No other story begins before all wallets are open and funded.
        is_set_up = self._next < self.wallets or self.finished >= self.wallets
        if not self._ready and not self.is_ending and is_set_up and len(self._open) < MOST_OPEN:
            self._begin()
        return self._take_ready()

    def take_following(self) -> Record | None:
        """The next record of a story that is under way."""
        return self._take_ready()

    def _take_ready(self) -> Record | None:
        if not self._ready:
            return None
        self.produced += 1
        return self._ready.popleft()

    def _begin(self) -> None:
        story = Story(self._next, self.seed, self.wallets, self.partitions)
        script = open_and_fund if story.number < self.wallets else story.chance.choice(self._scripts)
        self.by_script[script.__name__] += 1
        story.script = script(story)
        self._open[story.number] = story
        self._next += 1
        self._go_on(story)

    def _go_on(self, story: Story) -> None:
        """Take the script on as far as it goes."""
        assert story.script is not None
        try:
            sent = next(story.script)
        except StopIteration:
            self._finish(story)
            return
        for asked in sent:
            home = story.home(asked.fields["wallet_id"])
            for copy in range(asked.copies):
                # Of several at once the order counts, which one on its way by another partition would not keep.
                astray = copy > 0 and len(sent) == 1 and story.chance.random() < 0.3
                partition = story.chance.randrange(self.partitions) if astray else home
                self._ready.append(Record(story, asked, partition))

    def _finish(self, story: Story) -> None:
        del self._open[story.number]
        self.finished += 1
        for from_account, to_account, asset, minor in story.moves:
            self.balances[from_account, asset] -= minor
            self.balances[to_account, asset] += minor
        for asked in story.asked:
            if sorted(asked.answered) != sorted(asked.delivered):
                self._problem("wrong", f"{asked.key}: {asked.delivered} was sent, answered was {asked.answered}")
            if asked.fresh != 1:
                self._problem("doubled" if asked.fresh else "lost", f"{asked.key} was decided {asked.fresh} times")

    # ---- what is heard ---------------------------------------------------------------------------

    def delivered(self, record: Record, offset: int) -> None:
        """A record is in its topic."""
        record.asked.delivered.append((record.partition, offset))
        self._heard(record.story)

    def outcome(self, value: bytes) -> bool:
        """A committed outcome; False where it is of no story."""
        if b'"idempotency_key":"s' not in value:
            return False
        said = _decode(value)
        number, _, index = (said.idempotency_key or "s")[1:].partition("-")
        story = self._open.get(int(number))
        if story is None and int(number) in self._given_up:
            self.answered += said.kind == "answer"
            return True
        if story is None:
            self._problem("doubled", f"{said.idempotency_key} had ended, and was told {said.told} once more")
            return True
        asked = story.asked[int(index)]
        if said.kind == "answer":
            if len(asked.answered) == asked.copies or (asked.fresh and not said.replayed):
                self._problem("doubled", f"{asked.key} was answered {said.told} once more")
                return True
            self.answered += 1
            self.by_code[said.code] += 1
            asked.answered.append((said.source.partition, said.source.offset))
            if asked.transaction_id not in (None, said.transaction_id):
                self._problem("wrong", f"{asked.key} was answered with two transactions")
            asked.transaction_id = said.transaction_id
        else:
            self.updates += 1
        if not said.replayed:
            asked.fresh += said.kind == "answer"
            asked.told += (said.told,)
            if (wrong := asked.wrong()) is not None:
                self._problem("wrong", f"{wrong}; its story was told {[one.told_at for one in story.asked]}")
                self._given_up.add(story.number)
                del self._open[story.number]
                self.finished += 1
        self._heard(story)
        return True

    def _heard(self, story: Story) -> None:
        if story.number in self._open and story.is_complete:
            self._go_on(story)

    def _problem(self, what: str, case: str) -> None:
        self._problems.append((what, case))

    # ---- in the end ------------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """True where every story has come to its end."""
        return self.is_ending and not self._open

    def waiting(self, most: int = 3) -> list[str]:
        """What some of the open stories wait for."""
        return [
            f"{asked.key} {asked.fields['operation']}: told {asked.told} of {asked.may_be}, "
            f"{len(asked.answered)} of {asked.copies} answered"
            for story in list(self._open.values())[:most]
            for asked in story.asked
            if not asked.is_complete
        ]

    def judge(self, verdict: Verdict) -> None:
        """Add what the stories have found."""
        verdict.records += self.produced
        verdict.answers += self.answered
        verdict.updates += self.updates
        for code, count in self.by_code.items():
            verdict.by_code[code] = verdict.by_code.get(code, 0) + count
        for what, case in self._problems:
            verdict.count(what, case)
        for case in self.waiting(len(self._open)):
            verdict.count("lost", case)


def open_and_fund(story: Story) -> Script:
    """The beginning: one of the wallets is opened and gets more than all stories can spend."""
    wallet_id = story.wallet(story.number)
    fields = {"owner_ref": "o", "assets": ["EUR", "USD"], "kind": "merchant"}
    yield (story.ask(wallet_id, "open_wallet", "ok", **fields),)
    funds = [
        story.ask(wallet_id, "credit", "settled", amount_minor=FUNDS_MINOR, asset=asset) for asset in ("EUR", "USD")
    ]
    yield tuple(funds)
    for asset in ("EUR", "USD"):
        story.move("system/rail:instant", f"{wallet_id}/main/available", asset, FUNDS_MINOR)
