"""Decisions: what people order on `reconciliation-decisions` about exceptions and matches.

Who may write the topic may decide; that nobody approves what they proposed themselves is checked by the role.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from schemas.contract import AmountMinor, AssetCode, Contract, Text, WalletId
from schemas.operator_commands import AccountName
from schemas.settlement_updates import BusinessDate

BookName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$", description="The book that it belongs to; the record's key.")
]
ExceptionId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="The exception.")]
LineId = Annotated[str, Field(min_length=1, max_length=128, description="Id of a line of the book.")]
_Number = Annotated[int, Field(ge=1, le=1_000_000, description="Number of the proposal, as the exception shows it.")]
_Words = Annotated[str, Field(min_length=1, max_length=1_000)]


class _Decision(Contract):
    book: BookName
    decision_id: Annotated[
        str, Field(min_length=1, max_length=64, description="One for each intent; resending it does nothing twice.")
    ]
    by: Annotated[Text, Field(description="Who decides.")]


class _OnException(_Decision):
    exception_id: ExceptionId


class Assign(_OnException):
    """Somebody takes care of it."""

    kind: Annotated[Literal["assign"], Field(description="What is decided.")]
    to: Annotated[Text, Field(description="Who.")]


class CommentOn(_OnException):
    """Something worth knowing."""

    kind: Annotated[Literal["comment"], Field(description="What is decided.")]
    text: Annotated[_Words, Field(description="What.")]
    evidence_ref: Annotated[Text | None, Field(description="Case, ticket or document.")] = None


class Hold(_OnException):
    """Not overdue before a date; one that has passed ends it."""

    kind: Annotated[Literal["hold"], Field(description="What is decided.")]
    until: Annotated[BusinessDate, Field(description="Until when, such as `2026-11-28`.")]
    reason: Annotated[_Words, Field(description="Why.")]


class MatchLines(Contract):
    """The lines belong together; amounts of both sides agree."""

    kind: Annotated[Literal["match"], Field(description="What is decided.")]
    line_ids: Annotated[
        tuple[LineId, ...],
        Field(max_length=500, description="Lines beyond those of the exception that belong to it."),
    ] = ()


class SplitLines(Contract):
    """The lines belong together in groups; groups with two sides agree."""

    kind: Annotated[Literal["split"], Field(description="What is decided.")]
    groups: Annotated[
        tuple[Annotated[tuple[LineId, ...], Field(min_length=1, max_length=500)], ...],
        Field(min_length=2, max_length=100, description="Every line of the exception in exactly one of them."),
    ]


class WriteOff(Contract):
    """The difference goes against `system/writeoffs`."""

    kind: Annotated[Literal["write_off"], Field(description="What is decided.")]
    wallet_id: Annotated[
        WalletId | None,
        Field(description="Wallet in whose partition it is booked; left out, that of the exception's transaction."),
    ] = None


class Correct(Contract):
    """The difference is posted between two accounts, the first of which is debited."""

    kind: Annotated[Literal["correct"], Field(description="What is decided.")]
    from_account: Annotated[AccountName, Field(description="Account that is debited.")]
    to_account: Annotated[AccountName, Field(description="Account that is credited.")]
    amount_minor: AmountMinor
    asset: AssetCode
    wallet_id: Annotated[
        WalletId | None,
        Field(description="Wallet in whose partition it is booked; left out, that of the exception's transaction."),
    ] = None


class NoPosting(Contract):
    """It is explained; nothing is posted. Needs evidence."""

    kind: Annotated[Literal["no_posting"], Field(description="What is decided.")]


class Rematch(Contract):
    """The matcher may have the lines again."""

    kind: Annotated[Literal["rematch"], Field(description="What is decided.")]


Resolution = Annotated[MatchLines | SplitLines | WriteOff | Correct | NoPosting | Rematch, Field(discriminator="kind")]


class Propose(_OnException):
    """How it is to be resolved. Another person approves it."""

    kind: Annotated[Literal["propose"], Field(description="What is decided.")]
    resolution: Annotated[Resolution, Field(description="How.")]
    reason_code: Annotated[Text, Field(description="Why, as the operators' handbook names it.")]
    comment: Annotated[_Words | None, Field(description="What is behind it.")] = None
    evidence_ref: Annotated[Text | None, Field(description="Case, ticket or document.")] = None


class Approve(_OnException):
    """What was proposed is done. Never by who proposed it."""

    kind: Annotated[Literal["approve"], Field(description="What is decided.")]
    number: _Number


class Reject(_OnException):
    """What was proposed is not done."""

    kind: Annotated[Literal["reject"], Field(description="What is decided.")]
    number: _Number
    reason: Annotated[_Words, Field(description="Why not.")]


class Unmatch(_Decision):
    """A match is wrong: its lines become an exception that the matcher is kept away from."""

    kind: Annotated[Literal["unmatch"], Field(description="What is decided.")]
    match_id: Annotated[str, Field(min_length=1, max_length=128, description="The match.")]
    reason: Annotated[_Words, Field(description="Why.")]


Decision = Annotated[Assign | CommentOn | Hold | Propose | Approve | Reject | Unmatch, Field(discriminator="kind")]
OnException = Assign | CommentOn | Hold | Propose | Approve | Reject
DECISIONS: Final[TypeAdapter[Any]] = TypeAdapter(Decision)


def read_decision(value: bytes) -> OnException | Unmatch:
    """One record of `reconciliation-decisions`.

    Raises:
        pydantic.ValidationError: it does not fit its contract.
    """
    decision: OnException | Unmatch = DECISIONS.validate_json(value)
    return decision
