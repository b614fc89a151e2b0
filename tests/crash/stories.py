"""All stories of a campaign: what they send, what they are told, and what they have moved in the end."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import msgspec

from tests.crash.story import Record, Script, Story
from tests.crash.witness import Verdict

FUNDS_MINOR: Final = 10**12
#: Stories under way at once, at most.
MOST_OPEN: Final = 1_500


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
