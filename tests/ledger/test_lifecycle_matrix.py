"""Every cell of the life cycles: each operation, in each state, for each verb, over each rail and to each payee.

What the table allows moves the transaction to a state that it names; everything else is rejected and posts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from schemas.lifecycle import OVER_RAIL, TRANSITIONS, State, Verb
from tests.ledger.audit import audit, audit_fold
from tests.ledger.lifecycle.stage import Seen, Stage
from tests.ledger.lifecycle.verbs import BY_HOLDER, BY_PAYEE, BY_TIME, FIELDS, asked, send
from tests.ledger.lifecycle.ways import SETTLE, UNREACHED, WAYS, Way
from tests.ledger.test_bad_input import money_of
from tests.ledger.world import TOPIC_OF, Position

#: Operations that a rail may settle late or twice: what it says of them is never dropped.
SETTLED_BY_RAILS = frozenset({"credit", "debit", "capture", "refund"})
_P = State.PROCESSED
#: What is done to what waits for its time alone, and for a verdict alone.
BY_WAITING = {False: {Verb.EXECUTE}, True: {Verb.SCREEN, Verb.EXPIRE}}


class Cell(NamedTuple):
    """One thing done to a transaction of one kind in one state."""

    operation: str
    variant: str
    state: State
    verb: Verb

    @property
    def way(self) -> Way:
        return WAYS[self.operation][self.variant]

    @property
    def in_table(self) -> frozenset[State] | None:
        """The states that may follow, by the table alone."""
        return TRANSITIONS[self.operation][self.state].get(self.verb)


def cells() -> Iterator[Cell]:
    """All that can be tried: from the table of life cycles, so that none is left out."""
    for operation, states in TRANSITIONS.items():
        for state in states:
            for variant, way in WAYS.get(operation, {}).items():
                if state in way.steps:
                    # A tick does what is due: what waits for its time is executed, all else expires.
                    is_scheduled = state is State.INITIATED and not way.screened
                    other = Verb.EXPIRE if is_scheduled else Verb.EXECUTE
                    for verb in Verb:
                        if verb is not other:
                            yield Cell(operation, variant, state, verb)


CELLS = list(cells())


def refusal(cell: Cell, seen: Seen) -> str | None:
    """The code that a cell is rejected with; None where it moves the transaction."""
    way, verb = cell.way, cell.verb
    if way.under_way and cell.state is _P and verb in BY_HOLDER and seen.has_payee:
        return "transaction_not_found"
    if way.expired and verb is Verb.CAPTURE:
        return "hold_expired"
    is_allowed = (
        cell.in_table is not None
        and not (verb in OVER_RAIL and seen.has_payee)
        and not (verb in BY_PAYEE and not seen.has_payee)
        and not (cell.state is State.INITIATED and verb in BY_WAITING[not way.screened])
        and not (verb is Verb.CANCEL and (way.submitted or way.captured or seen.has_payee))
    )
    return None if is_allowed else "illegal_transition"


def confirmed(cell: Cell, seen: Seen) -> str | None:
    """The type of the event where a rail says again, or against the ledger, what cannot be rejected."""
    if seen.has_payee or cell.operation not in SETTLED_BY_RAILS:
        return None
    if cell.verb is Verb.SUBMIT and cell.way.submitted:
        return "transaction.confirmed"
    if cell.verb is Verb.FAIL and cell.state is State.FAILED and not cell.variant.startswith("scheduled"):
        return "transaction.confirmed"
    if cell.verb is Verb.SETTLE and cell.state is not _P:
        is_repeated = SETTLE in cell.way.steps[cell.state]
        return "transaction.confirmed" if is_repeated else "transaction.contradicted"
    if cell.verb is Verb.RETURN and cell.state in (State.FAILED, State.CANCELED):
        return "transaction.contradicted"
    return None


def bring(cell: Cell) -> tuple[Stage, Seen]:
    """A fresh ledger with a transaction of the cell's kind in the cell's state."""
    stage = Stage()
    seen = cell.way.begin(stage)
    for step in cell.way.steps[cell.state]:
        step(stage, seen)
    seen_by = seen.holder_id if cell.state is State.REVERSED else seen.wallet_id
    assert stage.state_of(seen, seen_by) == cell.state
    return stage, seen


@pytest.mark.parametrize("cell", [pytest.param(cell, id=", ".join(cell)) for cell in CELLS])
def test_cell(cell: Cell) -> None:
    stage, seen = bring(cell)
    before = money_of(stage.world)
    known = confirmed(cell, seen)
    code = refusal(cell, seen)
    if known is not None:
        check_confirmed(stage, cell, seen, send(stage, cell.verb, seen), known)
    elif code is None:
        check_moved(stage, cell, seen)
    else:
        check_refused(stage, cell, seen, code)
        assert money_of(stage.world) == before
    stage.world.settle()
    audit(stage.world)
    audit_fold(stage.world)


def check_confirmed(stage: Stage, cell: Cell, seen: Seen, at: Position, type_: str) -> None:
    """What the rail has said is kept, and leaves the transaction and the wallet as they are."""
    answer, (event,) = stage.world.answer(at), stage.world.events_of(at)
    assert (answer["code"], answer["state"], event["type"]) == ("ok", cell.state, type_)
    booked = {entry["account"] for entry in event.get("entries", ())}
    rails = {"system/rail:instant", "system/rail:sepa", "system/rail:wire"}
    is_contradicted = type_ == "transaction.contradicted"
    assert bool(booked) is is_contradicted
    assert not is_contradicted or (len(booked) == 2 and "system/suspense" in booked and booked & rails)
    assert stage.state_of(seen, seen.wallet_id) == cell.state


def check_moved(stage: Stage, cell: Cell, seen: Seen) -> None:
    """It is accepted, and the transaction is in one of the states that the table names."""
    following = cell.in_table
    assert following is not None
    if cell.verb in BY_PAYEE:
        # Only the payee's partition says so by right: money moves there too.
        for step in cell.way.steps[State.SETTLED if cell.verb is Verb.ACCEPT else State.FAILED]:
            step(stage, seen)
    else:
        seen_of = stage.disputes.get(seen.transaction_id, seen) if cell.verb is Verb.RESOLVE else seen
        at = send(stage, cell.verb, seen_of)
        if cell.verb not in BY_TIME:
            assert stage.world.answer(at)["code"] == "ok"
        if cell.verb is Verb.REVERSE:
            # Of what went to another partition it is reversed once that has taken the money back.
            stage.world.settle()
    holder = seen.holder_id if cell.verb in BY_HOLDER else seen.wallet_id
    assert stage.state_of(seen, holder) in following


def check_refused(stage: Stage, cell: Cell, seen: Seen, code: str) -> None:
    """It is rejected, or of what has no answer passed over; nothing is posted and the state stays."""
    outcomes, states = len(stage.world.outcomes), states_of(stage, seen)
    at = send(stage, cell.verb, seen)
    event, *others = stage.world.events_of(at)
    if cell.verb in BY_TIME:
        assert (event["type"], others) == ("clock.ticked", [])
        assert len(stage.world.outcomes) == outcomes
    elif cell.verb in BY_PAYEE:
        assert (event["type"], others) == ("request.replayed", [])
        assert len(stage.world.outcomes) == outcomes
    else:
        answer = stage.world.answer(at)
        assert (answer["status"], answer["code"]) == ("rejected", code), answer
        assert (event["type"], others) == ("request.rejected", [])
        assert len(stage.world.outcomes) == outcomes + 1, "nobody else is told anything"
    assert "entries" not in event
    assert states_of(stage, seen) == states


def states_of(stage: Stage, seen: Seen) -> list[str]:
    return [stage.state_of(seen, wallet_id) for wallet_id in (seen.wallet_id, seen.holder_id)]


# ---- nothing is left out -----------------------------------------------------------------------------


def test_every_state_is_reached_or_said_not_to_be() -> None:
    in_table = {(operation, state) for operation, states in TRANSITIONS.items() for state in states}
    reached = {(cell.operation, cell.state) for cell in CELLS}
    assert reached | UNREACHED.keys() == in_table
    assert not reached & UNREACHED.keys()


def test_every_verb_has_its_command() -> None:
    assert FIELDS.keys() | BY_PAYEE | BY_TIME == set(Verb)
    assert all(verb.value in TOPIC_OF for verb in FIELDS)


def test_every_move_of_the_table_is_made() -> None:
    """No variant is missing that alone could do what the table allows."""
    in_table = {(o, s, verb) for o, states in TRANSITIONS.items() for s, verbs in states.items() for verb in verbs}
    made = set()
    for cell in {(cell.operation, cell.variant, cell.state): cell for cell in CELLS}.values():
        _, seen = bring(cell)
        cells_here = [cell._replace(verb=verb) for verb in Verb]
        made |= {(c.operation, c.state, c.verb) for c in cells_here if refusal(c, seen) is None}
    assert made == in_table


# ---- a disputed transaction is not its dispute -------------------------------------------------------


@pytest.mark.parametrize("operation", ["credit", "debit", "capture"])
def test_what_is_disputed_is_not_resolved_in_place_of_its_dispute(operation: str) -> None:
    stage, seen = bring(Cell(operation, "instant", State.DISPUTED, Verb.RESOLVE))
    before = money_of(stage.world)
    answer = stage.world.answer(stage.put(asked(Verb.RESOLVE, seen)))
    assert answer["code"] == "illegal_transition"
    assert money_of(stage.world) == before
