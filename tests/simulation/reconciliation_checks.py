"""What has to hold of the reconciliation role once a run has come to rest: by its inputs, without the matcher."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import orjson

from agents.reconciliation.machine import ReconciliationMachine
from agents.reconciliation.state import LINES, MATCHES, OPEN
from schemas.reconciliation_exceptions import OPEN_STATES, decode_exception
from schemas.reconciliation_results import BookSummary, MatchRecord, UnmatchRecord, decode_result
from schemas.topics import (
    EXTERNAL_STATEMENTS,
    LEDGER_EVENTS,
    OPERATOR_COMMANDS,
    RECONCILIATION_EXCEPTIONS,
    RECONCILIATION_RESULTS,
)
from streams.overlay import Overlay
from tests.reconciliation.fates import wrong_fates
from tests.simulation.domain import Fold, History
from tests.simulation.memory_store import Files, MemoryStore

#: Who proposes, and who approves.
INES, OMAR = "ines", "omar"
#: In records that the role fails on.
BOOM: Final = b'"boom"'
_SIGNS: Final = {"ledger": 1, "partner": -1}


def check_history(history: History) -> list[str]:
    """All that does not hold, in words."""
    return [*_check_lines(history), *_check_breaks(history), *_check_postings(history), *_check_told(history)]


def _values(history: History, topic: str) -> Iterator[tuple[int, bytes]]:
    for partition in range(history.partitions):
        for record in history.records[topic, partition]:
            yield partition, record.value or b""


def _ours(history: History) -> dict[str, tuple[str, int]]:
    """Line id -> book and amount, of what the ledger has settled over rails and the role has not failed on."""
    found = {}
    for partition, value in _values(history, LEDGER_EVENTS):
        event = orjson.loads(value)
        rail = [each for each in event.get("entries", ()) if each["account"].startswith("system/rail")]
        for number, each in enumerate(sorted(rail, key=lambda one: str(one["account"]))):
            if each["account"].startswith("system/rail:") and BOOM not in value:
                minor = each.get("debit_minor", 0) - each.get("credit_minor", 0)
                found[f"{partition}-{event['sequence']}-{number}"] = each["account"].partition(":")[2], minor
    return found


def _theirs(history: History) -> dict[str, tuple[str, int]]:
    """Line id -> book and amount, of every line of a statement; they are all whole."""
    lines = [orjson.loads(value) for _, value in _values(history, EXTERNAL_STATEMENTS)]
    return {one["line_id"]: (one["account"], one["amount_minor"]) for one in lines if one["kind"] == "line"}


def _check_lines(history: History) -> Iterator[str]:
    """Each line is in its book once, and in one place only; all that was announced has come."""
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for fold in history.folds:
        for name, value in fold.tables.get(LINES.name, {}).items():
            book, side, line_id = name.split(" ")
            if side == "pending":
                yield f"{line_id} is on its way still"
            if (side, line_id) in found:
                yield f"line {line_id} is in two books"
            found[side, line_id] = book, LINES.decode(value).line.amount_minor
        yield from wrong_fates(_state(fold))
    for side, wanted in (("ledger", _ours(history)), ("partner", _theirs(history))):
        held = {line_id: said for (at, line_id), said in found.items() if at == side}
        if held != wanted:
            names = sorted(name for name in held.keys() | wanted.keys() if held.get(name) != wanted.get(name))
            yield f"lines of the {side} are not those that came: {names[:5]}"


def _state(fold: Fold) -> Any:
    """The state of a partition, to be looked at."""
    machine = ReconciliationMachine()
    files = Files()
    files.tables.update({name: dict(rows) for name, rows in fold.tables.items()})
    return machine._turn(Overlay(machine.tables, MemoryStore(files, lambda _what: None, lambda: False), 0)).state


def _check_breaks(history: History) -> Iterator[str]:
    """What agrees is matched by its reference; all else was an exception, which people have resolved."""
    for fold in history.folds:
        lines = {name: LINES.decode(value) for name, value in fold.tables.get(LINES.name, {}).items()}
        matches = {key.partition(" ")[2]: MATCHES.decode(row) for key, row in fold.tables.get(MATCHES.name, {}).items()}
        by_reference: dict[tuple[str, str], list[Any]] = {}
        for name, held in lines.items():
            reference = held.line.references.get("provider_reference", name)
            by_reference.setdefault((name.partition(" ")[0], reference), []).append(held)
        for (book, reference), helds in by_reference.items():
            fates = {held.fates.get("ledger-partner", "expected") for held in helds}
            by_people = [fate[0] == "M" and matches[fate[1:]].exception_id is not None for fate in fates]
            if not all(fate[0] == "M" for fate in fates):
                yield f"{reference} of {book} is {sorted(fates)}"
            elif sum(held.line.amount_minor * _SIGNS[held.line.side] for held in helds) == 0:
                # People may have resolved the one before the other came.
                if len(fates) > 1 and not all(by_people):
                    yield f"{reference} of {book} agrees, and is in {sorted(fates)}"
            elif not any(by_people):
                yield f"{reference} of {book} differs, and nobody has resolved it"


def _check_postings(history: History) -> Iterator[str]:
    """One command for each approval that posts, in the words of the exception; every approval is of another person."""
    ordered = Counter(orjson.loads(value)["idempotency_key"] for _, value in _values(history, OPERATOR_COMMANDS))
    approved = Counter(
        event.exception.proposal.posting.idempotency_key
        for fold in history.folds
        for event in fold.events
        if event.type == "exception.changed" and event.what == "approved"
    )
    if ordered != approved or set(ordered.values()) - {1}:
        yield f"ordered {ordered}, approved {approved}"
    for fold in history.folds:
        for event in fold.events:
            if event.what != "approved":
                continue
            proposal = event.exception.proposal
            if (proposal.proposed_by, proposal.decided_by) != (INES, OMAR):
                yield f"{event.exception.exception_id} was approved by {proposal.decided_by}"


def _check_told(history: History) -> Iterator[str]:
    """What was told last of exceptions and matches is how they are."""
    told = {
        one.exception_id: one for one in (decode_exception(v) for _, v in _values(history, RECONCILIATION_EXCEPTIONS))
    }
    rows = {
        one.exception_id: one
        for fold in history.folds
        for one in map(OPEN.decode, fold.tables.get(OPEN.name, {}).values())
    }
    if {key: one for key, one in told.items() if one.state in OPEN_STATES} != rows:
        yield "what was told last of exceptions is not how they are"
    matches: dict[str, MatchRecord] = {}
    for _, value in _values(history, RECONCILIATION_RESULTS):
        result = decode_result(value)
        if isinstance(result, UnmatchRecord):
            matches.pop(result.match_id, None)
        elif not isinstance(result, BookSummary):
            matches[result.match_id] = result
    held = {
        one.match_id: one
        for fold in history.folds
        for one in map(MATCHES.decode, fold.tables.get(MATCHES.name, {}).values())
    }
    if matches != held:
        yield f"what was told of matches is not how they are: {sorted(matches.keys() ^ held.keys())[:5]}"
