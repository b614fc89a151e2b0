"""The reconciliation role under simulation: a ledger's log, statements, two people, and a ledger that answers postings.

Each reference stands in the ledger at most once, and in one statement at most once: so what has to match, and what has
to be an exception with which reason, is known without the matcher. People act on exceptions as they hear of them; what
is left once the role has come to rest they resolve then, and the ledger answers what it has not answered.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, ClassVar, Final

import orjson

from agents.reconciliation.machine import ReconciliationMachine
from agents.reconciliation.state import DUE, OPEN
from agents.reconciliation.turn import Limits
from schemas.catalogue import topic_named
from schemas.clock import rfc3339
from schemas.partitioning import partition_of
from schemas.reconciliation_events import ReconciliationEvent, decode_reconciliation_event
from schemas.reconciliation_exceptions import OPEN_STATES, ReconciliationException, decode_exception
from schemas.topics import (
    DEAD_LETTERS,
    EXTERNAL_STATEMENTS,
    LEDGER_EVENTS,
    MATCHING_RULES,
    OPERATOR_COMMANDS,
    RECONCILIATION_DECISIONS,
    RECONCILIATION_EVENTS,
    RECONCILIATION_EXCEPTIONS,
    RECONCILIATION_INPUTS,
    RECONCILIATION_RESULTS,
)
from streams.machine import Context, InputRecord, Machine, Output
from streams.overlay import Overlay
from tests.reconciliation.records import ledger_event, posted_event, settled_event, statement_records
from tests.simulation.domain import Find, History, Input
from tests.simulation.memory_log import StoredRecord
from tests.simulation.reconciliation_checks import BOOM, INES, OMAR, check_history

Json = dict[str, Any]
#: No run reaches so far; and long before any: what nobody else has by then is a break.
_RUN_ENDS_MS: Final = 1_800_020_000_000
_LONG_AGO: Final = "2026-11-02"
#: Sent to a partition that is not the book's.
_ASTRAY: Final = "astray"
_BOOKS: Final = ("sepa", "ach")
_RULES: Final[tuple[Json, ...]] = tuple(
    {
        "name": name,
        "version": 1,
        "relations": [
            {
                "relation": "ledger-partner",
                "rules": {"passes": [{"name": "reference", "keys": ["provider_reference"], "fees": "none"}]},
            }
        ],
    }
    for name in _BOOKS
)


class FragileReconciliation(ReconciliationMachine):
    """The role with a bug: it raises, when all is done, on records that ask for it."""

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        super().step(state, record, context, out)
        if context.topic == LEDGER_EVENTS and BOOM in (record.value or b""):
            raise ZeroDivisionError("a bug in the reconciliation role")


class ReconciliationDomain:
    """See `tests.simulation.domain.Domain`."""

    name = "reconciliation"
    raised: ClassVar[tuple[type[Exception], ...]] = (ZeroDivisionError,)
    inputs: tuple[str, ...] = RECONCILIATION_INPUTS
    event_log = RECONCILIATION_EVENTS
    outcomes = RECONCILIATION_EXCEPTIONS
    topics: ClassVar[dict[str, int]] = {
        name: topic_named(name).max_message_bytes
        for name in (
            *RECONCILIATION_INPUTS,
            RECONCILIATION_EVENTS,
            RECONCILIATION_EXCEPTIONS,
            RECONCILIATION_RESULTS,
            OPERATOR_COMMANDS,
            DEAD_LETTERS,
        )
    }

    def __init__(self) -> None:
        self._partitions = 1
        self._changes_at_once = 5_000

    def machine(self) -> Machine:
        machine = FragileReconciliation(Limits(rematch_interval_ms=500, changes_at_once=self._changes_at_once))
        for rules in _RULES:
            machine.refer(MATCHING_RULES, rules["name"], orjson.dumps(rules))
        return machine

    def folding_machine(self) -> Machine:
        """Knows no books: the log has to say all of it."""
        return ReconciliationMachine()

    def workload(self, rng: random.Random, partitions: int, count: int, prefix: str = "r") -> list[Input]:
        """Settlements where their wallets live, and statements of most of them, some other than the ledger has it."""
        self._partitions = partitions
        # Whether what a matching changes fits into one record, or takes many ticks.
        self._changes_at_once = rng.choice((2, 5_000))
        records, left = list[Input](), count
        while left > 0:
            names = [f"{prefix}{left - n}" for n in range(min(left, rng.randint(1, 6)))]
            # No two amounts are alike: only references say what belongs together.
            lines = [(rng.choice((-1, 1)) * (1_000 + _number(name) % 1_000_000_000), name) for name in names]
            left -= len(lines)
            book = rng.choice(_BOOKS)
            ours = [each for each in lines if rng.random() < 0.85]
            parts = [part for minor, name in ours for part in _settled(rng, partitions, book, minor, name)]
            parts += _statement(rng, partitions, book, lines, f"{prefix}{left}")
            records += parts if rng.random() < 0.5 else parts[::-1] if len(parts) == 1 else _ahead(parts)
        return records

    def following(
        self, rng: random.Random, partitions: int, outcome: bytes | None, find: Find, prefix: str
    ) -> list[Input]:
        """People act on what they hear of an exception; some of it twice, and some in vain."""
        exception = decode_exception(outcome or b"")
        is_early = exception.reason.startswith("missing") and rng.random() < 0.9
        if exception.state not in OPEN_STATES or is_early or rng.random() < 0.3:
            return []
        decided = list(_decided(exception, partitions))
        if rng.random() < 0.2:
            decided += decided
        if rng.random() < 0.2:
            by = INES if exception.state == "proposed" else OMAR
            decided.append(_decision(exception, partitions, by, "approve", "early", number=exception.proposals or 1))
        if rng.random() < 0.1:
            stray = _decision(exception, partitions, _ASTRAY, "comment", prefix, text="?")
            decided.append(stray._replace(partition=rng.randrange(partitions)))
        return decided

    def decode(self, value: bytes) -> ReconciliationEvent:
        return decode_reconciliation_event(value)

    def sources(self, event: ReconciliationEvent) -> list[tuple[str, int]]:
        return [(event.cause.topic, event.cause.offset)]

    def may_leave_nothing(self, topic: str, record: StoredRecord) -> bool:
        """What repeats, is of no concern, or is sent on to its book's partition."""
        return topic != RECONCILIATION_DECISIONS or _ASTRAY.encode() in (record.value or b"")

    def is_deduplicated(self, record: StoredRecord) -> bool:
        """What is on its way is summed up, and would be there twice."""
        value = record.value or b""
        return b'"kind":"tick"' not in value and b'"side":"pending"' not in value

    def is_due(self, tables: Mapping[str, Mapping[str, bytes]]) -> bool:
        return any(int(name.partition(" ")[0]) < _RUN_ENDS_MS for name in tables.get(DUE.name, {}))

    def mend(self, tables: Mapping[str, Mapping[str, bytes]], partition: int, number: int) -> list[Input]:
        """The ledger answers what it was asked to post, and people resolve what is left."""
        found = []
        for value in tables.get(OPEN.name, {}).values():
            exception = OPEN.decode(value)
            if exception.state == "approved":
                found.append(_answer(exception, self._partitions))
            else:
                found += _decided(exception, self._partitions, f"-{number}")
        return found

    def check(self, history: History) -> list[str]:
        return check_history(history)


# ---- what is sent -------------------------------------------------------------------------------


def _settled(rng: random.Random, partitions: int, book: str, minor: int, name: str) -> Iterator[Input]:
    """The ledger settles it, sometimes after it was announced."""
    wallet_id = f"w{rng.randrange(6)}"
    partition, at = partition_of(wallet_id, partitions), rfc3339(_RUN_ENDS_MS)
    facts = {"rail_reference": name, "value_date": _LONG_AGO}
    event = settled_event(wallet_id, minor, book, _number(name), at, rail_facts=facts)
    if rng.random() < 0.04:
        event["message"] = "boom"
    elif minor > 0 and rng.random() < 0.3:
        pending, incoming = f"system/rail-pending:{book}", f"{wallet_id}/main/incoming"
        entries = [_entry(pending, debit_minor=minor), _entry(incoming, credit_minor=minor)]
        facts = {"type": "transaction.processed", "to_state": "processed", "transaction_id": event["transaction_id"]}
        announced = ledger_event(wallet_id, _number(f"{name} announced"), at, entries=entries, **facts)
        event["entries"] += [_entry(pending, credit_minor=minor), _entry(incoming, debit_minor=minor)]
        yield Input(LEDGER_EVENTS, partition, b"", orjson.dumps(announced))
    yield Input(LEDGER_EVENTS, partition, b"", orjson.dumps(event))


def _entry(account: str, **side: int) -> Json:
    return {"account": account, "asset": "EUR", **side}


def _statement(
    rng: random.Random, partitions: int, book: str, lines: list[tuple[int, str]], name: str
) -> Iterator[Input]:
    """A partner's statement about these settlements, sometimes twice: some are missing, and some are short."""
    said = [(minor + rng.choice((0, 0, 0, 7)), reference) for minor, reference in lines if rng.random() < 0.85]
    records = statement_records(_number(name), tuple(said), "partner", book, _LONG_AGO)
    home = partition_of(book, partitions)
    # The role sends on what comes to another partition, as of an account that is not called like its book.
    partition = home if rng.random() < 0.7 else rng.randrange(partitions)
    for _ in range(rng.choice((1, 1, 2))):
        for record in records:
            yield Input(EXTERNAL_STATEMENTS, partition, book.encode(), orjson.dumps(record))


def _ahead(parts: list[Input]) -> list[Input]:
    """The statement before what it is about."""
    return sorted(parts, key=lambda one: one.topic != EXTERNAL_STATEMENTS)


def _decided(exception: ReconciliationException, partitions: int, again: str = "") -> Iterator[Input]:
    """The next step of two people who write off whatever differs."""
    number = exception.proposals
    if exception.state == "proposed":
        yield _decision(exception, partitions, OMAR, "approve", f"o{number}{again}", number=number)
    elif exception.state != "approved":
        resolution = {"kind": "write_off", "wallet_id": "w0"}
        facts = {"resolution": resolution, "reason_code": "known"}
        yield _decision(exception, partitions, INES, "propose", f"p{number}{again}", **facts)


def _decision(
    exception: ReconciliationException, partitions: int, by: str, kind: str, intent: str, **fields: Any
) -> Input:
    decision = {"kind": kind, "book": exception.book, "exception_id": exception.exception_id, "by": by, **fields}
    decision["decision_id"] = f"{exception.exception_id[:16]}-{intent}-{by}"
    home = partition_of(exception.book, partitions)
    return Input(RECONCILIATION_DECISIONS, home, exception.book.encode(), orjson.dumps(decision))


def _answer(exception: ReconciliationException, partitions: int) -> Input:
    """What the ledger says of a posting: some it refuses, always the same."""
    proposal = exception.proposal
    assert proposal is not None
    assert proposal.posting is not None
    posting = proposal.posting
    command = {
        name: getattr(posting, name) for name in ("wallet_id", "from_account", "to_account", "amount_minor", "asset")
    }
    cause = {"topic": OPERATOR_COMMANDS, "partition": 0, "offset": 0, "idempotency_key": posting.idempotency_key}
    number = _number(posting.idempotency_key)
    code = "wallet_closed" if proposal.number == 1 and number % 4 == 0 else "ok"
    event = posted_event(command, cause, number, rfc3339(_RUN_ENDS_MS), code)
    return Input(
        LEDGER_EVENTS, partition_of(posting.wallet_id, partitions), posting.wallet_id.encode(), orjson.dumps(event)
    )


def _number(name: str) -> int:
    """A number for a name that no other has."""
    return int.from_bytes(sha256(name.encode()).digest()[:6])
