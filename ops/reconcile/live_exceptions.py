"""The topics of exceptions and results: the last word on each exception, and where each book stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from ops.consuming import misplaced
from ops.errors import OperationError
from ops.reading import TopicReader
from schemas.reconciliation_exceptions import (
    OPEN_STATES,
    SEVERITIES,
    ReconciliationException,
    decode_exception,
)
from schemas.reconciliation_results import BookSummary, MatchRecord, ReconciliationResult, UnmatchRecord, decode_result
from schemas.topics import RECONCILIATION_EXCEPTIONS, RECONCILIATION_RESULTS

_LOOK_AT: Final = "walletstream reconcile exceptions"


class Wanted(NamedTuple):
    """Which exceptions are asked for; None: whatever they are."""

    #: Book, or `account` of one of its lines.
    account: str | None = None
    reason: str | None = None
    state: str | None = None
    severity: str | None = None
    assignee: str | None = None
    overdue: bool = False
    #: Those too in which nobody has to do anything any more.
    ended: bool = False

    def takes(self, one: ReconciliationException) -> bool:
        """Whether it is one of them."""
        accounts = {one.book, *(line.account for line in one.lines if line.account is not None)}
        return (
            (self.account is None or self.account in accounts)
            and self.reason in (None, one.reason)
            and self.state in (None, one.state)
            and self.severity in (None, one.severity)
            and self.assignee in (None, one.assignee)
            and (one.overdue or not self.overdue)
            and (self.ended or self.state is not None or one.state in OPEN_STATES)
        )


def sorted_by_urgency(exceptions: Iterable[ReconciliationException]) -> list[ReconciliationException]:
    """The most severe first, of these those due first."""
    return sorted(exceptions, key=lambda one: (-SEVERITIES.index(one.severity), one.due_date, one.exception_id))


def exception_of(exceptions: dict[str, ReconciliationException], given: str) -> ReconciliationException:
    """The exception of an id, or of its beginning.

    Raises:
        OperationError: there is none, or several begin so.
    """
    if given in exceptions:
        return exceptions[given]
    found = [one for exception_id, one in exceptions.items() if given and exception_id.startswith(given)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise OperationError(f"no exception whose id begins with {given!r}; `{_LOOK_AT} --all` lists them")
    some = ", ".join(sorted(one.exception_id[:16] for one in found)[:5])
    raise OperationError(f"{len(found)} exceptions whose id begins with {given!r}: {some}; give more of it")


async def read_exceptions(reader: TopicReader) -> dict[str, ReconciliationException]:
    """Id -> exception as it was told last, oldest first.

    Raises:
        OperationError: the topic is missing, cannot be read, or holds what it should not.
    """
    found: dict[str, ReconciliationException] = {}
    async for records in reader.read(RECONCILIATION_EXCEPTIONS):
        for record in records:
            try:
                one = decode_exception(record.value or b"")
            except msgspec.MsgspecError as error:
                raise misplaced(record, error) from error
            found[one.exception_id] = one
    return dict(sorted(found.items(), key=lambda named: (named[1].opened_at, named[0])))


@dataclass(slots=True)
class Standing:
    """What `reconciliation-results` says: matches that count, and each book's last summary."""

    matches: dict[str, MatchRecord] = field(default_factory=dict)
    summaries: dict[str, BookSummary] = field(default_factory=dict)

    def take(self, result: ReconciliationResult) -> None:
        """The next record of a partition."""
        if isinstance(result, BookSummary):
            self.summaries[result.book] = result
        elif isinstance(result, UnmatchRecord):
            self.matches.pop(result.match_id, None)
        else:
            self.matches[result.match_id] = result

    def match_of(self, given: str) -> MatchRecord:
        """The match of an id, or of its beginning.

        Raises:
            OperationError: there is none that counts, or several begin so.
        """
        if given in self.matches:
            return self.matches[given]
        found = [one for match_id, one in self.matches.items() if given and match_id.startswith(given)]
        if len(found) == 1:
            return found[0]
        if found:
            raise OperationError(f"{len(found)} matches whose id begins with {given!r}; give more of it")
        raise OperationError(
            f"no match that counts has an id that begins with {given!r}; "
            "`walletstream tail reconciliation-results --from-start --no-follow` shows them"
        )


async def read_standing(reader: TopicReader) -> Standing:
    """All that the topic says.

    Raises:
        OperationError: the topic is missing, cannot be read, or holds what it should not.
    """
    standing = Standing()
    async for records in reader.read(RECONCILIATION_RESULTS):
        for record in records:
            try:
                standing.take(decode_result(record.value or b""))
            except msgspec.MsgspecError as error:
                raise misplaced(record, error) from error
    return standing
