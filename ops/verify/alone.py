"""What is wrong with an event by itself, whatever came before it and whatever else is kept."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from ops.verify.answered import KEEPS_REQUEST
from ops.verify.findings import Check
from ops.verify.identity import why_wrong_id
from ops.verify.in_place import strays, strays_of_requesters
from ops.verify.originals import Wrong
from ops.verify.postings import may_be_forced
from ops.verify.result_codes import why_wrong_code
from schemas.events import LedgerEvent


def wrongs_alone(event: LedgerEvent) -> Iterator[Wrong]:
    """What is wrong with an event: with what forces it, with its facts, its code, its request and its id."""
    if event.forced:
        if not may_be_forced(event):
            yield Check.ILLEGAL_FORCE, f"{event.command or event.operation} is forced"
        if not (event.entries or event.balances):
            yield Check.ILLEGAL_FORCE, "it is forced, but posts nothing"
    if stray := strays(event):
        yield Check.STRAY_FACT, f"{event.type} of {event.operation} has no {', '.join(stray)}, but this one has"
    if why := why_wrong_code(event):
        yield Check.CODE_WRONG, why
    cause = event.cause
    if cause is None or cause.idempotency_key is None or event.type not in KEEPS_REQUEST:
        if stray := strays_of_requesters(event):
            yield Check.STRAY_FACT, f"{event.type} answers no requester, but has {', '.join(stray)}"
        return
    if event.request is UNSET:
        if event.type in KEEPS_REQUEST:
            yield Check.NOT_AS_ASKED, f"{event.type} does not keep the request that it answers"
    elif why := why_wrong_id(event, cause):
        yield Check.TRANSACTION_ID_WRONG, why
