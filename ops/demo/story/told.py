"""A story that was told: for scripts, and the verdict. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ops.buckets import BUCKETS
from ops.demo.story.books import TrialBalance
from ops.demo.story.player import Act, PlayedStep


@dataclass(kw_only=True)
class Told:
    """All that came of a story."""

    steps: list[PlayedStep] = field(default_factory=list)
    trials: list[TrialBalance] = field(default_factory=list)
    seconds: float = 0.0
    #: What `verify` said of it, and whether it holds.
    verify_line: str = ""
    verify_holds: bool = False
    #: The folder that was kept.
    kept: str | None = None

    @property
    def holds(self) -> bool:
        """The verdict: every trial balance sums to zero, and `verify` has found nothing."""
        return self.verify_holds and all(trial.sum_minor == 0 for trial in self.trials)

    def as_json(self) -> dict[str, Any]:
        """For scripts. Amounts in minor units."""
        return {
            "ok": self.holds,
            "steps": [_step_as_json(step) for step in self.steps],
            "trial_balance": [
                {
                    "asset": trial.asset,
                    "sum_minor": trial.sum_minor,
                    "accounts": [line._asdict() for line in trial.lines],
                }
                for trial in self.trials
            ],
            "verify": {"holds": self.verify_holds, "line": self.verify_line},
            "seconds": round(self.seconds, 1),
            "kept": self.kept,
        }


def _step_as_json(step: PlayedStep) -> dict[str, Any]:
    return {
        "step": step.number,
        "acts": [_act_as_json(act) for act in step.acts],
        "balances": [
            {
                "wallet_id": row.wallet_id,
                "sub_wallet": row.sub_wallet,
                "asset": row.asset,
                **{f"{bucket}_minor": minor for bucket, minor in zip(BUCKETS, row.minor, strict=True)},
            }
            for row in step.rows
        ],
    }


def _act_as_json(act: Act) -> dict[str, Any]:
    return {
        "operation": act.operation,
        "wallet_id": act.outcome.wallet_id,
        "amount_minor": act.amount_minor,
        "asset": act.asset,
        "states": list(act.states),
        "code": act.outcome.code,
        "transaction_id": act.outcome.transaction_id,
        "events": [logged.as_json() for logged in act.journals],
    }
