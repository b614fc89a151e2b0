"""Feedback on `fraud-feedback`: what analysts say of alerts, of payments that wait, and whom to leave alone."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from schemas.contract import Contract, Text, Timestamp, TransactionId, WalletId
from schemas.fraud_rules import MAX_WINDOW_S, RuleId

_Analyst = Annotated[Text, Field(description="Who says so.")]
#: As long as four fields of a fact may be, joined.
_Subject = Annotated[str, Field(min_length=1, max_length=1_000, description="Subject of the alert; the record's key.")]


class Label(Contract):
    """What came of an alert. The last one said counts."""

    kind: Annotated[Literal["label"], Field(description="What is said.")]
    subject: _Subject
    alert_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="The alert.")]
    verdict: Annotated[
        Literal["confirmed", "false_positive", "duplicate"],
        Field(description="`duplicate` says the same as another alert and counts for nobody."),
    ]
    reason: Annotated[Text | None, Field(description="Why; a false positive needs one.")] = None
    by: _Analyst
    decided_at: Annotated[Timestamp | None, Field(description="When it was decided, where that was before now.")] = None


class Snooze(Contract):
    """No alerts of a rule for a subject until some time; what it says meanwhile is counted on the alert."""

    kind: Annotated[Literal["snooze"], Field(description="What is said.")]
    subject: _Subject
    rule_id: RuleId
    expires_in_s: Annotated[int, Field(ge=0, le=MAX_WINDOW_S, description="From now on; 0 ends it.")]
    reason: Annotated[Text, Field(description="Why.")]
    by: _Analyst


class PaymentVerdict(Contract):
    """Whether a payment that waits for screening may go. The ledger takes one verdict for each, the first."""

    kind: Annotated[Literal["payment"], Field(description="What is said.")]
    subject: Annotated[WalletId, Field(description="Wallet that pays; the record's key.")]
    transaction_id: TransactionId
    verdict: Annotated[Literal["allow", "deny"], Field(description="Whether it may go.")]
    reason: Annotated[Text, Field(description="Why.")]
    by: _Analyst


Feedback = Annotated[Label | Snooze | PaymentVerdict, Field(discriminator="kind")]
_ADAPTER: Final[TypeAdapter[Any]] = TypeAdapter(Feedback)


def read_feedback(value: bytes) -> Label | Snooze | PaymentVerdict:
    """One record of `fraud-feedback`.

    Raises:
        pydantic.ValidationError: it does not fit its contract.
        ValueError: a false positive without a reason.
    """
    feedback: Label | Snooze | PaymentVerdict = _ADAPTER.validate_json(value)
    if isinstance(feedback, Label) and feedback.verdict == "false_positive" and feedback.reason is None:
        raise ValueError("reason: a false positive needs one, for rules are tuned by it")
    return feedback
