"""How a transaction of each operation gets into each state that it can be seen in.

One entry of `WAYS` for each variant of an operation - its rail, where its payee lives - and in it one for each state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.clock import rfc3339
from schemas.lifecycle import TRANSITIONS, State, Verb
from schemas.money import INT64_MAX
from tests.ledger.commands import Json, command, operator, transfer
from tests.ledger.lifecycle.stage import AMOUNT_MINOR, HOLD_S, Seen, Stage
from tests.ledger.lifecycle.verbs import Step, accept, asked, by, expire, refuse
from tests.ledger.world import START_MS

_I, _P, _S, _F, _C = State.INITIATED, State.PROCESSED, State.SETTLED, State.FAILED, State.CANCELED
_D, _R = State.DISPUTED, State.REVERSED

#: State that no transaction of the operation is seen in yet -> why.
UNREACHED: Final[Mapping[tuple[str, State], str]] = {
    **{
        (operation, _I): "passed on the way only: it waits for no time"
        for operation in TRANSITIONS
        if operation not in ("credit", "debit", "transfer", "convert", "fee")
    },
    **{
        (operation, _P): "passed on the way only: it is posted at once"
        for operation in ("adjust", "convert", "fee", "reward", "batch")
    },
}


@dataclass(frozen=True)
class Way:
    """How transactions of one kind are begun, and the steps from there into each state."""

    begin: Callable[[Stage], Seen]
    steps: Mapping[State, tuple[Step, ...]]
    #: Held money whose time was over.
    expired: bool = False
    #: Given to its rail already.
    submitted: bool = False
    #: Part of it was captured.
    captured: bool = False
    #: The payee's partition has been told, and has not answered.
    under_way: bool = False
    #: It waits for the verdict of screening before anything else.
    screened: bool = False


#: The rail settles under the reference that `send` gives.
SETTLE: Final = by(Verb.SETTLE)
_FAIL, _CANCEL, _SUBMIT = by(Verb.FAIL), by(Verb.CANCEL), by(Verb.SUBMIT)
_DISPUTE, _REVERSE, _REFUND = by(Verb.DISPUTE), by(Verb.REVERSE), by(Verb.REFUND)
_CAPTURE, _RELEASE = by(Verb.CAPTURE), by(Verb.RELEASE)
_RETURN = by(Verb.RETURN, rail_reference="returned before")

_DEFERRED: Final = {_P: (), _S: (SETTLE,), _F: (_FAIL,), _C: (_CANCEL,)}
_PAID: Final = {_S: (), _D: (_DISPUTE,), _R: (_REVERSE,)}
_PAID_LATER: Final = {**_DEFERRED, _D: (SETTLE, _DISPUTE), _R: (SETTLE, _REVERSE)}
_AWAY: Final = {_P: (), _S: (accept,), _F: (refuse,)}


def _asked(operation: str, **fields: object) -> Callable[[Stage], Seen]:
    """A command of alice's on some money of hers."""
    given: Json = {"amount_minor": AMOUNT_MINOR, "asset": "EUR", **fields}
    return lambda stage: stage.begin(command(operation, stage.alice, **given))


def _paid(away: bool = False, refused: bool = False) -> Callable[[Stage], Seen]:
    """A transfer of alice's to bert, or to bob in the other partition."""

    def begin(stage: Stage) -> Seen:
        payee_id = stage.bob if away else stage.bert
        fields: Json = {"to_sub_wallet": "gone"} if refused else {}
        return stage.begin(transfer(stage.alice, payee_id, AMOUNT_MINOR, **fields), payee_id, deliver=not away)

    return begin


def _captured(to: str | None = None, refused: bool = False, **fields: object) -> Callable[[Stage], Seen]:
    """A capture of alice's, over a rail or to the wallet of that name."""

    def begin(stage: Stage) -> Seen:
        given: Json = {**fields, **({} if to is None else {"to_wallet_id": getattr(stage, to)})}
        if refused:
            given["to_sub_wallet"] = "gone"
        of = stage.authorize()
        seen = stage.begin(asked(Verb.CAPTURE, of, **given), given.get("to_wallet_id"), deliver=to != "bob")
        if refused:
            # Its time would be over too.
            _RELEASE(stage, of)
        return seen

    return begin


def _given_back(begin: Callable[[Stage], Seen], *steps: Step, away: bool = False, refused: bool = False) -> Way:
    """A refund of what `begin` and `steps` have moved; refused where the payer is disabled meanwhile."""

    def refund(stage: Stage) -> Seen:
        of = begin(stage)
        for step in (*steps, accept):
            step(stage, of)
        back_to = of.wallet_id if of.has_payee else None
        if refused:
            stage.set_states("disabled", of.wallet_id)
        refunded = stage.begin(asked(Verb.REFUND, of), back_to, deliver=not away)
        if refused:
            stage.set_states("active", of.wallet_id)
        return refunded

    if refused:
        return Way(refund, {_F: ()})
    if away:
        return Way(refund, _AWAY, under_way=True)
    if steps:
        return Way(refund, {**_DEFERRED, _R: (SETTLE, _RETURN)})
    return Way(refund, {_S: ()} if begin is _HERE else {_S: (), _R: (_RETURN,)})


_HERE: Final = _paid()


def _disputed(begin: Callable[[Stage], Seen], *, is_inflow: bool) -> Way:
    """A dispute, and how it ends."""

    def dispute(stage: Stage) -> Seen:
        of = begin(stage)
        _DISPUTE(stage, of)
        return stage.disputes[of.transaction_id]

    won, lost = by(Verb.RESOLVE, won=True), by(Verb.RESOLVE, won=False)
    return Way(dispute, {_D: (), _S: (won if is_inflow else lost,), _R: (lost if is_inflow else won,)})


def _reversed(begin: Callable[[Stage], Seen], *, away: bool = False, full: bool = False) -> Callable[[Stage], Seen]:
    """A reversal; `full` fills the payer's wallet, so that it cannot take the money back."""

    def reverse(stage: Stage) -> Seen:
        of = begin(stage)
        accept(stage, of)
        if full:
            _fill(stage, of.wallet_id)
        back_to = of.wallet_id if of.has_payee else None
        return stage.begin(asked(Verb.REVERSE, of), back_to, deliver=not away)

    return reverse


def _fill(stage: Stage, wallet_id: str) -> None:
    """A wallet holds as much as an account can."""
    to = f"{wallet_id}/main/available"
    left_minor = INT64_MAX - stage.world.balance(to, "EUR")
    fields: Json = {"from_account": "system/suspense", "to_account": to, "amount_minor": left_minor, "asset": "EUR"}
    stage.do(operator("adjust", wallet_id, **fields), deliver=False)


def _refuse_full(stage: Stage, seen: Seen) -> None:
    """The payer's wallet is too full to take back what is reversed."""
    _fill(stage, seen.holder_id)
    accept(stage, seen)


def _adjusted(stage: Stage) -> Seen:
    accounts = {"from_account": "system/suspense", "to_account": f"{stage.alice}/main/available"}
    return stage.begin(operator("adjust", stage.alice, amount_minor=5, asset="EUR", **accounts))


def _held(*before: Step, **kind: bool) -> Callable[[Mapping[State, tuple[Step, ...]]], Way]:
    def begin(stage: Stage) -> Seen:
        seen = stage.authorize()
        for step in before:
            step(stage, seen)
        return seen

    return lambda steps: Way(begin, steps, **kind)


def _then(begin: Callable[[Stage], Seen], *before: Step) -> Callable[[Stage], Seen]:
    def begun(stage: Stage) -> Seen:
        seen = begin(stage)
        for step in before:
            step(stage, seen)
        return seen

    return begun


def _scheduled(operation: str, **fields: object) -> Mapping[str, Way]:
    """One that waits for its time, and one that cannot be done then."""
    when = {"execute_at": rfc3339(START_MS + HOLD_S * 1_000)}
    too_much = {"amount_minor": 1_000_000, "asset": "EUR"}
    return {
        "scheduled": Way(_asked(operation, **fields, **when), {_I: (), _C: (_CANCEL,)}),
        "scheduled, too much": Way(_asked(operation, **{**fields, **too_much}, **when), {_I: (), _F: (expire,)}),
    }


def _later(stage: Stage) -> Seen:
    when = {"execute_at": rfc3339(START_MS + HOLD_S * 1_000)}
    return stage.begin(transfer(stage.alice, stage.bert, AMOUNT_MINOR, **when))


def _batch(stage: Stage) -> Seen:
    items = [{"operation": "credit", "amount_minor": AMOUNT_MINOR, "asset": "EUR"}]
    return stage.begin(command("batch", stage.alice, items=items))


_TO_USD: Final[Json] = {"to_asset": "USD"}
_SEPA: Final[Json] = {"rail": "sepa"}
_WIRE: Final[Json] = {"rail": "wire"}
_ALLOW, _DENY = by(Verb.SCREEN), by(Verb.SCREEN, verdict="deny")
_CAPTURE_PART: Final = by(Verb.CAPTURE, amount_minor=5)

WAYS: Final[Mapping[str, Mapping[str, Way]]] = {
    "credit": {
        "instant": Way(_asked("credit"), _PAID),
        "deferred": Way(_asked("credit", **_SEPA), _PAID_LATER),
        "submitted": Way(_then(_asked("credit", **_SEPA), _SUBMIT), {_P: ()}, submitted=True),
        "scheduled": _scheduled("credit")["scheduled"],
    },
    "debit": {
        "instant": Way(_asked("debit"), _PAID),
        "deferred": Way(_asked("debit", **_SEPA), _PAID_LATER),
        "submitted": Way(_then(_asked("debit", **_SEPA), _SUBMIT), {_P: ()}, submitted=True),
        "returned": Way(_asked("debit"), {_R: (_RETURN,)}),
        **_scheduled("debit"),
        "screened": Way(
            _asked("debit", **_WIRE),
            {_I: (), _P: (_ALLOW,), _S: (_ALLOW, SETTLE), _F: (_DENY,), _C: (_CANCEL,)},
            screened=True,
        ),
        "screened, no verdict": Way(_asked("debit", **_WIRE), {_F: (expire,)}, screened=True),
    },
    "transfer": {
        "here": Way(_HERE, {_S: (), _R: (_REVERSE,)}),
        "here, refused": Way(_paid(refused=True), {_F: ()}),
        "away": Way(_paid(away=True), {**_AWAY, _R: (accept, _REVERSE)}, under_way=True),
        "scheduled": Way(_later, {_I: (), _C: (_CANCEL,)}),
    },
    "convert": {
        "at once": Way(_asked("convert", **_TO_USD), {_S: (), _R: (_REVERSE,)}),
        **_scheduled("convert", **_TO_USD),
    },
    "fee": {"at once": Way(_asked("fee", code="x"), {_S: (), _R: (_REVERSE,)}), **_scheduled("fee", code="x")},
    "reward": {"expires": Way(_asked("reward", code="x", expires_in_s=HOLD_S), {_S: (), _R: (_REVERSE,)})},
    "batch": {"at once": Way(_batch, {_S: ()})},
    "authorize": {
        "held": _held()({_P: (), _S: (_CAPTURE,), _C: (_RELEASE,)}),
        "canceled": _held()({_C: (_CANCEL,)}),
        "captured in part": _held(_CAPTURE_PART, captured=True)({_P: (), _S: (_RELEASE,)}),
        "expired": _held(expired=True)({_C: (expire,)}),
        "captured in part, expired": _held(_CAPTURE_PART, expired=True)({_S: (expire,)}),
    },
    "capture": {
        "instant": Way(_captured(), _PAID),
        "deferred": Way(_captured(**_SEPA), _PAID_LATER),
        "submitted": Way(_then(_captured(**_SEPA), _SUBMIT), {_P: ()}, submitted=True),
        "here": Way(_captured("bert"), {_S: (), _R: (_REVERSE,)}),
        "here, refused": Way(_captured("bert", refused=True), {_F: ()}),
        "away": Way(_captured("bob"), {**_AWAY, _R: (accept, _REVERSE)}, under_way=True),
    },
    "refund": {
        "instant": _given_back(_asked("debit")),
        "deferred": _given_back(_asked("debit", **_SEPA), SETTLE),
        "of a capture, deferred": _given_back(_captured(**_SEPA), SETTLE),
        "here": _given_back(_HERE),
        "here, refused": _given_back(_HERE, refused=True),
        "away": _given_back(_paid(away=True), away=True),
    },
    "dispute": {
        "of a credit": _disputed(_asked("credit"), is_inflow=True),
        "of a debit": _disputed(_asked("debit"), is_inflow=False),
        "of a capture": _disputed(_captured(), is_inflow=False),
    },
    "reverse": {
        "over a rail": Way(_reversed(_asked("debit")), {_S: ()}),
        "here": Way(_reversed(_HERE), {_S: ()}),
        "here, refused": Way(_reversed(_HERE, full=True), {_F: ()}),
        "away": Way(
            _reversed(_paid(away=True), away=True), {_P: (), _S: (accept,), _F: (_refuse_full,)}, under_way=True
        ),
    },
    "adjust": {"at once": Way(_adjusted, {_S: ()})},
}
