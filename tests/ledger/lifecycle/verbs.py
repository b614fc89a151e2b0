"""What is done to a transaction that there is already: the command, tick or internal command of every verb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from schemas.internal import LegAnswer, encode_internal
from schemas.lifecycle import Verb
from tests.ledger.commands import Json, command, fraud, operator
from tests.ledger.lifecycle.stage import AMOUNT_MINOR, PART_MINOR, Seen, Stage
from tests.ledger.world import Position

#: Fields of a verb's command beside the transaction's id.
FIELDS: Final[dict[Verb, Json]] = {
    Verb.CAPTURE: {},
    Verb.RELEASE: {},
    Verb.CANCEL: {},
    Verb.SUBMIT: {"batch_id": "b-1"},
    Verb.SETTLE: {"rail_reference": "settled"},
    Verb.FAIL: {"code": "AC04"},
    Verb.RETURN: {"amount_minor": AMOUNT_MINOR, "rail_reference": "returned", "code": "MD06"},
    Verb.REFUND: {"amount_minor": PART_MINOR},
    Verb.DISPUTE: {"amount_minor": PART_MINOR, "reason": "fraud"},
    Verb.RESOLVE: {"won": True},
    Verb.REVERSE: {},
    Verb.SCREEN: {"verdict": "allow"},
}
_BY_OPERATORS: Final = frozenset({Verb.RESOLVE, Verb.REVERSE})
#: Asked for under the wallet that has the money to give back.
BY_HOLDER: Final = frozenset({Verb.REFUND, Verb.DISPUTE, Verb.REVERSE})
#: What the ledger does when the time of a transaction is over, or has come.
BY_TIME: Final = frozenset({Verb.EXPIRE, Verb.EXECUTE})
#: What only another partition says, of a transaction that has a payee there.
BY_PAYEE: Final = frozenset({Verb.ACCEPT, Verb.REFUSE})


def asked(verb: Verb, seen: Seen, **fields: Any) -> Json:
    """The command of a verb."""
    wallet_id = seen.holder_id if verb in BY_HOLDER else seen.wallet_id
    make = operator if verb in _BY_OPERATORS else fraud if verb is Verb.SCREEN else command
    return make(verb.value, wallet_id, transaction_id=seen.transaction_id, **{**FIELDS[verb], **fields})


def send(stage: Stage, verb: Verb, seen: Seen) -> Position:
    """Do this to a transaction, whether it is possible or not, and deliver nothing; where it was done."""
    if verb in BY_TIME:
        return stage.tick()
    if verb in BY_PAYEE:
        told = LegAnswer(
            transaction_id=seen.transaction_id, wallet_id=seen.wallet_id, accepted=verb is Verb.ACCEPT, code=None
        )
        return stage.tell(seen.wallet_id, encode_internal(told))
    return stage.put(asked(verb, seen), deliver=False)


# ---- on the way into a state -------------------------------------------------------------------------

#: Moves a transaction on; what is not possible is an error of the test.
Step = Callable[[Stage, Seen], None]


def by(verb: Verb, **fields: Any) -> Step:
    """The step of a verb that is accepted."""

    def step(stage: Stage, seen: Seen) -> None:
        answer = stage.do(asked(verb, seen, **fields))
        if verb is Verb.DISPUTE:
            stage.disputes[seen.transaction_id] = Seen(answer["transaction_id"], seen.holder_id, seen.holder_id)

    return step


def expire(stage: Stage, seen: Seen) -> None:
    """Its time is over."""
    stage.tick()


def accept(stage: Stage, seen: Seen) -> None:
    """The payee's partition takes the money, and says so."""
    stage.world.settle()


def refuse(stage: Stage, seen: Seen) -> None:
    """The payee cannot take the money for now."""
    stage.set_states("disabled", seen.holder_id)
    stage.world.settle()
    stage.set_states("active", seen.holder_id)
