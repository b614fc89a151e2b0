"""Commands of the fraud role: what its rules' alerts lead to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.contract import Command, OnTransaction, Text


class FraudCommand(Command):
    """What every fraud command carries: which rules ask for it, in which alert, and why."""

    rule_ids: Annotated[
        list[Text], Field(min_length=1, max_length=20, description="Rules whose alert asks for it, by id.")
    ]
    alert_id: Annotated[Text | None, Field(description="The alert on `fraud-alerts` that says all of it.")] = None
    reason: Annotated[Text | None, Field(description="Why, in a sentence; one that is too long is cut.")] = None


class Lock(FraudCommand):
    """Lock a wallet with all its sub-wallets: money may come in, none may leave. `sub_wallet` is `main` or left out.

    Only operators end it, with `set_wallet_state`. A wallet that is locked stays so; one that is disabled is not
    locked, for that would let money in again.
    """

    operation: Literal["lock"]


class RequireStepUp(FraudCommand):
    """Tell that a wallet's owner is to prove who they are before money leaves it; `sub_wallet` is `main` or left out.

    The ledger records it for those who authenticate owners, and refuses nothing for it: a wallet from which nothing
    may leave is locked.
    """

    operation: Literal["require_step_up"]


class ScreeningVerdict(OnTransaction):
    """Whether a payment that waits for screening may go. `rule_ids` says which rules ask for what it is.

    What is allowed is executed at once, by the limits, fees and wallet state of now; what is denied fails. Either way
    nothing is held for it any more. Each payment has one verdict.
    """

    operation: Literal["screening_verdict"]
    verdict: Annotated[Literal["allow", "deny"], Field(description="Whether it may go.")]
    rule_ids: Annotated[
        list[Text], Field(max_length=20, description="Rules that ask for it, by id; none where nothing speaks against.")
    ]
    alert_id: Annotated[Text | None, Field(description="The alert on `fraud-alerts` that says all of it.")] = None
