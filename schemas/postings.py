"""Postings: for each operation which accounts are debited and which credited, case by case.

What the documentation says and the played story proves. The ledger does not decide by this table: each operation's
file does, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from schemas.lifecycle import State


class Move(NamedTuple):
    """From an account to another one. Names without an owner are accounts of the wallet that the event is of.

    In an exchange `(B)` is the account in the asset that is got.
    """

    debit: str
    credit: str


class Posting(NamedTuple):
    """One case of an operation."""

    when: str
    #: One journal.
    moves: tuple[Move, ...]
    #: States that the transaction may be in afterwards.
    states: frozenset[State]
    #: Not a journal of its own, but within that of another case of the operation.
    within: bool = False


#: Stands for every account that an adjustment may name.
ANY_ACCOUNT: Final = "any account"

#: A wallet's buckets, and with whose they are: the wallet's own without a name.
OTHERS_AVAILABLE: Final = frozenset({"payee's available", "payer's available"})


def _case(when: str, moves: str, states: str, *, within: bool = False) -> Posting:
    """`moves` as `a -> b, c -> d`, `states` as `settled or reversed`."""
    pairs = tuple(Move(*move.split(" -> ")) for move in moves.split(", "))
    return Posting(when, pairs, frozenset(State(state) for state in states.split(" or ")), within)


#: A return leaves its transaction settled, reversed where nothing is left of it, disputed while a dispute is open.
_ANY_END: Final = "settled or reversed or disputed"
_UNSETTLED: Final = "failed or canceled"
#: A contradiction leaves its transaction in the state that it is in.
_AS_IT_WAS: Final = "settled or failed or canceled or reversed or disputed"

#: What the payee's partition posts, whatever operation sends the money there.
_RECEIVED: Final = _case("... and there, in the wallet that receives it", "transit -> available", "settled")

#: What a fee schedule adds to the journal of the operation that it is for.
_FEE: Final = _case("... its fee by a schedule", "available -> fees", "processed or settled", within=True)

#: Operation -> its cases. Operations that are not here post nothing.
POSTINGS: Final[Mapping[str, tuple[Posting, ...]]] = {
    "credit": (
        _case("over an instant rail", "rail -> available", "settled"),
        _case("over a deferred rail", "rail-pending -> incoming", "processed"),
    ),
    "debit": (
        _case("over an instant rail", "available -> rail", "settled"),
        _case("over a deferred rail", "available -> outgoing", "processed"),
        _case("over a screened rail, until its verdict, with what its fee is", "available -> held", "initiated"),
        _case("... without a verdict by its deadline", "held -> available", "failed"),
        _FEE,
    ),
    "transfer": (
        _case("to a wallet of the same partition", "available -> payee's available", "settled"),
        _case("to another partition", "available -> transit", "processed"),
        _RECEIVED,
        _case("... refused there", "transit -> available", "failed"),
        _case("exchanged on its way, what is given", "available -> fx", "processed or settled"),
        _case("... what is got for it, to another partition", "fx(B) -> transit(B)", "processed", within=True),
    ),
    "convert": (
        _case("what is given", "available -> fx", "settled"),
        _case("... what is got for it", "fx(B) -> available(B)", "settled", within=True),
        _FEE,
    ),
    "fee": (_case("at once", "available -> fees", "settled"),),
    "reward": (
        _case("at once", "rewards -> available", "settled"),
        _case("when it expires, what is left of it", "available -> rewards", "settled"),
    ),
    "authorize": (
        _case("at once", "available -> held", "processed"),
        _case("when it expires, what is still held", "held -> available", "settled or canceled"),
    ),
    "capture": (
        _case("over an instant rail", "held -> rail", "settled"),
        _case("... more than was authorized, as agreed", "available -> rail", "settled", within=True),
        _case("over a deferred rail", "held -> outgoing", "processed"),
        _case("to a wallet of the same partition", "held -> payee's available", "settled"),
        _case("to another partition", "held -> transit", "processed"),
        _RECEIVED,
        _case("... refused there, the authorization open", "transit -> held", "failed"),
        _case("... refused there, the authorization over", "transit -> available", "failed"),
        _case("`final`: of the authorization what is still held", "held -> available", "settled"),
    ),
    "release": (_case("what is still held", "held -> available", "settled or canceled"),),
    "cancel": (
        _case("of an authorization, of a debit that waits for screening", "held -> available", "canceled"),
        _case("of a credit, of a refund over a rail", "incoming -> rail-pending", "canceled"),
        _case("of a debit, of a capture whose authorization is over", "outgoing -> available", "canceled"),
        _case("of a capture whose authorization is open", "outgoing -> held", "canceled"),
    ),
    "refund": (
        _case("of what went over an instant rail", "rail -> available", "settled"),
        _case("of what went over a deferred rail", "rail-pending -> incoming", "processed"),
        _case("to a payer in the same partition", "available -> payer's available", "settled"),
        _case("to a payer in another partition", "available -> transit", "processed"),
        _RECEIVED,
        _case("... exchanged back there, what was got", "transit -> fx", "settled"),
        _case("... what was given for it", "fx(B) -> available(B)", "settled", within=True),
        _case("... refused there", "transit -> available", "failed"),
        _case("... of a fee that is refundable", "fees -> available", "settled", within=True),
    ),
    "dispute": (
        _case("of a credit", "available -> disputed", "disputed"),
        _case("... its fee by a schedule", "available -> fees", "disputed", within=True),
        _case("of a debit or a capture", "chargebacks -> disputed", "disputed"),
    ),
    "resolve_dispute": (
        _case("of a credit, won", "disputed -> available", "settled"),
        _case("of a credit, lost", "disputed -> rail", "reversed"),
        _case("of a debit or a capture, won", "disputed -> available, rail -> chargebacks", "reversed"),
        _case("of a debit or a capture, lost", "disputed -> chargebacks", "settled"),
    ),
    "reverse": (
        _case("of a credit", "available -> adjustments", "settled"),
        _case("of a credit, with `rail_reference`", "available -> rail", "settled"),
        _case("of a debit or a capture", "adjustments -> available", "settled"),
        _case("of a debit or a capture, with `rail_reference`", "rail -> available", "settled"),
        _case("to a payer in the same partition", "available -> payer's available", "settled"),
        _case("to a payer in another partition", "available -> transit", "processed"),
        _RECEIVED,
        _case("of a fee", "fees -> available", "settled"),
        _case("of a reward", "available -> rewards", "settled"),
        _case("of an exchange, what was got", "available -> fx", "settled"),
        _case("... what was given for it", "fx(B) -> available(B)", "settled", within=True),
        _case("... and its fee, if it is refundable", "fees(B) -> available(B)", "settled", within=True),
    ),
    "screening_verdict": (_case("whatever it says", "held -> available", "initiated"),),
    "adjust": (_case("as it says", f"{ANY_ACCOUNT} -> {ANY_ACCOUNT}", "settled"),),
    "settle": (
        _case("of a credit or a refund", "incoming -> available, rail -> rail-pending", "settled"),
        _case("of a debit or a capture", "outgoing -> rail", "settled"),
        _case("... what of a credit or a refund is not settled", "incoming -> rail-pending", "settled", within=True),
        _case("... what of a debit or a capture is not settled", "outgoing -> available", "settled", within=True),
        _case("... the rail's fee", "fees -> rail", "settled", within=True),
        _case("that contradicts the ledger, of a credit or a refund", "rail -> suspense", _AS_IT_WAS),
        _case("that contradicts the ledger, of a debit or a capture", "suspense -> rail", _AS_IT_WAS),
    ),
    "fail": (
        _case("of a credit or a refund", "incoming -> rail-pending", "failed"),
        _case("of a debit, of a capture whose authorization is over", "outgoing -> available", "failed"),
        _case("of a capture whose authorization is open", "outgoing -> held", "failed"),
    ),
    "return": (
        _case("of a credit or a refund", "available -> rail", _ANY_END),
        _case("of a debit or a capture", "rail -> available", _ANY_END),
        _case("... more than is left of a credit or a refund", "suspense -> rail", _ANY_END, within=True),
        _case("... more than is left of a debit or a capture", "rail -> suspense", _ANY_END, within=True),
        _case("of a credit or a refund that has ended unsettled", "suspense -> rail", _UNSETTLED),
        _case("of a debit or a capture that has ended unsettled", "rail -> suspense", _UNSETTLED),
    ),
}
