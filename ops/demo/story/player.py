"""Plays a story on a ledger: each act waits for its outcome, takes the transaction's id from it, finds its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, get_args

from ops.buckets import Balances, BucketRow, by_bucket
from ops.demo.story.books import Books, differences
from ops.demo.story.steps import Ask, Await, In, Of, Step
from ops.errors import OperationError
from ops.history import Logged, in_order
from schemas.clock import rfc3339
from schemas.commands import REQUESTS
from schemas.events import BATCH_SEALED, TRANSACTION_PROCESSED, TRANSFER_RECEIVED, TRANSFER_REFUSED, Source
from schemas.lifecycle import UNDER_WAY
from schemas.outcomes import Outcome
from schemas.partitioning import partition_of

#: Operation -> the topic of its commands.
TOPIC_OF: Final[dict[str, str]] = {
    get_args(model.model_fields["operation"].annotation)[0]: topic
    for topic, models in REQUESTS.items()
    for model in models
}
#: How often the balances that are published are asked for, until they are those of the events.
_LOOKS: Final = 50


class PlayedOn(Protocol):
    """A ledger that a story is played on. What it has said so far is in two lists that grow."""

    partitions: int
    outcomes: list[Outcome]
    events: list[Logged]

    def now_ms(self) -> int:
        """The time, in Unix milliseconds."""

    async def ask(self, topic: str, command: dict[str, Any]) -> Source:
        """Send a command to its topic (the short name): where it stands there."""

    async def more(self) -> None:
        """Return once there may be more outcomes or events.

        Raises:
            OperationError: nothing has come for too long.
        """

    async def published(self) -> Balances:
        """The balances of all accounts, as `wallet-balances` has them."""


class Act(NamedTuple):
    """What became of an `Ask` or `Await`."""

    says: str
    operation: str | None
    #: Every state that was seen, in order; the code of a rejection alone.
    states: tuple[str, ...]
    #: The answer, or the update that was awaited.
    outcome: Outcome
    #: Its events that posted something, in the order in which they followed from one another.
    journals: tuple[Logged, ...]
    #: Asset of the amount, and the amount in minor units, where it has one.
    asset: str | None
    amount_minor: int | None


class PlayedStep(NamedTuple):
    """A step as it was played, and the balances after it."""

    number: int
    acts: tuple[Act, ...]
    rows: list[BucketRow]


class Player:
    """One performance of a story."""

    def __init__(self, ledger: PlayedOn):
        self._ledger = ledger
        self._books = Books()
        self._began: dict[str, tuple[str, Ask]] = {}
        self._asked = 0
        #: Events that were not yet told, and where to go on reading.
        self._untold: list[Logged] = []
        self._read = 0

    async def play(self, story: Sequence[Step], on_step: Callable[[PlayedStep], None]) -> Balances:
        """Play all steps and return the balances of all accounts, which are those that the ledger publishes.

        Raises:
            OperationError: an act did not end as the story says, or nothing came, or other balances are published.
        """
        for number, step in enumerate(story, start=1):
            acts = []
            for act in step.acts:
                try:
                    acts.append(await (self._ask(act) if isinstance(act, Ask) else self._await(act)))
                except OperationError as error:
                    raise OperationError(f"the story stopped at step {number} ({act.says}): {error}") from error
            on_step(PlayedStep(number, tuple(acts), by_bucket(self._books.balances, step.shows)))
        return await self._compared()

    # ---- acts --------------------------------------------------------------------------------------

    async def _ask(self, act: Ask) -> Act:
        ledger = self._ledger
        self._asked += 1
        key = act.name.replace(" ", "-") or f"{act.operation}-{self._asked}"
        command: dict[str, Any] = {"operation": act.operation, "idempotency_key": key, "wallet_id": act.wallet_id}
        command |= {name: self._resolved(value) for name, value in act.fields.items()}
        source = await ledger.ask(TOPIC_OF[act.operation], command)
        answer = await self._first(lambda outcome: outcome.kind == "answer" and outcome.source == source)
        seen = [answer]
        if answer.state != act.ends and answer.state in UNDER_WAY:
            seen += await self._updates(answer.transaction_id or "", act.ends)
        _check(act.ends, seen[-1])
        if act.name:
            self._began[act.name] = (answer.transaction_id or "", act)
        told = await self._told(source, answer.transaction_id, seen[-1])
        return Act(act.says, act.operation, _states(seen), answer, told, *self._amount(act))

    async def _await(self, act: Await) -> Act:
        transaction_id, _ = self._began[act.name]
        seen = await self._updates(transaction_id, act.ends)
        _check(act.ends, seen[-1])
        told = await self._told(None, transaction_id, seen[-1])
        return Act(act.says, None, _states(seen), seen[-1], told, None, None)

    def _resolved(self, value: object) -> object:
        if isinstance(value, Of):
            return self._began[value.name][0]
        if isinstance(value, In):
            return rfc3339(self._ledger.now_ms() + round(value.seconds * 1000))
        return value

    def _amount(self, act: Ask) -> tuple[str | None, int | None]:
        """Asset and amount of a command; one that names a transaction has that one's asset."""
        of = act.fields.get("transaction_id")
        fields: Mapping[str, Any] = self._began[of.name][1].fields if isinstance(of, Of) else act.fields
        asset, minor = fields.get("asset"), act.fields.get("amount_minor")
        if asset is None and isinstance(of, Of):
            asset = self._amount(self._began[of.name][1])[0]
        return asset, minor if isinstance(minor, int) else None

    # ---- what the ledger says ----------------------------------------------------------------------

    async def _first(self, wanted: Callable[[Outcome], bool]) -> Outcome:
        """The first outcome of this kind, waited for."""
        while True:
            for outcome in self._ledger.outcomes:
                if wanted(outcome):
                    return outcome
            await self._ledger.more()

    async def _updates(self, transaction_id: str, ends: str) -> list[Outcome]:
        """The updates of a transaction up to the one that ends it, or brings it where the story wants it."""
        while True:
            seen = []
            for outcome in self._ledger.outcomes:
                if outcome.kind == "update" and outcome.transaction_id == transaction_id:
                    seen.append(outcome)
                    if outcome.state == ends or outcome.state not in UNDER_WAY:
                        return seen
            await self._ledger.more()

    async def _told(self, source: Source | None, transaction_id: str | None, last: Outcome) -> tuple[Logged, ...]:
        """The events that an act led to, all of them: committed with its outcomes, but read apart from them."""
        while True:
            events = self._ledger.events
            self._untold += events[self._read :]
            self._read = len(events)
            mine = [logged for logged in self._untold if _is_of(logged, source, transaction_id)]
            if self._is_whole(mine, source, last):
                break
            await self._ledger.more()
        self._untold = [logged for logged in self._untold if logged not in mine]
        for logged in mine:
            self._books.post(logged.event.entries)
        return tuple(logged for logged in in_order(mine) if logged.event.entries)

    def _is_whole(self, mine: list[Logged], source: Source | None, last: Outcome) -> bool:
        """True where nothing of the act is still to be read: its end, the payee's side, and the seal behind each."""
        by_time = [logged for logged in mine if logged.event.recorded_at == last.recorded_at]
        is_ended = any(logged.event.leg is None and logged.event.to_state == last.state for logged in by_time)
        is_answered = source is None or any(_is_caused_by(logged, source) for logged in mine)
        return is_ended and is_answered and self._has_payees_side(mine, last) and self._is_sealed(mine)

    def _has_payees_side(self, mine: list[Logged], last: Outcome) -> bool:
        sent = [logged for logged in mine if logged.event.type == TRANSACTION_PROCESSED]
        for partition, _, event in sent:
            payee = event.counterparty
            is_elsewhere = payee is not None and partition_of(payee.wallet_id, self._ledger.partitions) != partition
            arrived = any(logged.event.type in (TRANSFER_RECEIVED, TRANSFER_REFUSED) for logged in mine)
            if is_elsewhere and last.state != event.to_state and not arrived:
                return False
        return True

    def _is_sealed(self, mine: list[Logged]) -> bool:
        """What is committed together ends with a seal: once that is read, all of it is."""
        events = self._ledger.events
        sealed = {partition: offset for partition, offset, event in events if event.type == BATCH_SEALED}
        return all(sealed.get(logged.partition, -1) > logged.offset for logged in mine)

    async def _compared(self) -> Balances:
        """The balances of the events, once the ledger publishes the same."""
        for logged in (*self._untold, *self._ledger.events[self._read :]):
            self._books.post(logged.event.entries)
        for _ in range(_LOOKS):
            wrong = differences(self._books.balances, await self._ledger.published())
            if not wrong:
                return self._books.balances
        accounts = ", ".join(f"{account} in {asset}" for account, asset in wrong)
        raise OperationError(f"wallet-balances and ledger-events do not say the same of {accounts}")


def _states(seen: list[Outcome]) -> tuple[str, ...]:
    return tuple(outcome.state or outcome.code for outcome in seen)


def _check(ends: str, outcome: Outcome) -> None:
    if ends not in (outcome.state, outcome.code):
        said = f"{outcome.state or '-'}, {outcome.code}" + (f": {outcome.message}" if outcome.message else "")
        raise OperationError(f"it ended as {said}, and not as {ends}")


def _is_caused_by(logged: Logged, source: Source) -> bool:
    cause = logged.event.cause
    if cause is None:
        return False
    return source in (Source(cause.topic, cause.partition, cause.offset), cause.origin)


def _is_of(logged: Logged, source: Source | None, transaction_id: str | None) -> bool:
    """True where an event follows from the command at `source`, or from the time of the transaction."""
    event = logged.event
    if source is not None and _is_caused_by(logged, source):
        return True
    return transaction_id is not None and event.transaction_id == transaction_id
