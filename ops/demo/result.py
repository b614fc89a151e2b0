"""What came of a demo: the verdict and every figure. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ops.demo.balances import BalanceCheck
from ops.demo.day.page import summary
from ops.demo.day.told import DayTold
from ops.demo.story.told import Told
from ops.demo.timeline import Timeline
from ops.demo.view import milliseconds
from ops.latencies import Percentiles


@dataclass(kw_only=True)
class Result:
    """All that a demo found. Times in seconds, latencies in milliseconds."""

    data: str
    requests: int
    answered: int
    #: Answers to requests that had one already.
    doubled: int
    #: Transfers that never arrived.
    unsettled: int
    codes: Counter[str]
    replayed: int
    codes_due: Counter[str]
    replays_due: int
    balances: BalanceCheck
    verify_line: str
    verify_holds: bool
    undisturbed: Percentiles
    disturbed: Percentiles | None
    timeline: Timeline
    seconds: float
    plot: str | None = None
    kept: str | None = None
    warnings: list[str] = field(default_factory=list)
    story: Told | None = None
    day: DayTold | None = None

    @property
    def exactly_once(self) -> bool:
        """Whether each request has one answer and every transfer its end."""
        return self.answered == self.requests and self.doubled == 0 and self.unsettled == 0

    @property
    def as_due(self) -> bool:
        """Whether every answer is the one that was due, as far as counting by code shows."""
        return self.codes == self.codes_due and self.replayed == self.replays_due

    @property
    def holds(self) -> bool:
        """The verdict."""
        are_told = all(part is None or part.holds for part in (self.story, self.day))
        return are_told and self.verify_holds and self.exactly_once and self.as_due and self.balances.wrong == 0

    @property
    def caught_up_s(self) -> float | None:
        """From the kill until no more requests waited than in its phase before it; None where that never was."""
        killed_s = self.timeline.at("kill")
        if killed_s is None:
            return None
        phase_s = max((m.at_s for m in self.timeline.marks if m.kind == "phase" and m.at_s <= killed_s), default=0.0)
        samples = self.timeline.samples
        before = max((s.waiting for s in samples if phase_s < s.at_s <= killed_s), default=0)
        behind = [s.at_s for s in samples if s.at_s > killed_s and s.waiting > before]
        after = [s.at_s for s in samples if s.at_s > max(behind, default=killed_s)]
        return after[0] - killed_s if after else None

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        caught_up_s = self.caught_up_s
        return {
            "ok": self.holds,
            "data": self.data,
            "requests": self.requests,
            "answered": self.answered,
            "doubled": self.doubled,
            "unsettled": self.unsettled,
            "replayed": self.replayed,
            "codes": dict(self.codes.most_common()),
            "answers_as_due": self.as_due,
            "balances": {"wallets": self.balances.wallets, "wrong": self.balances.wrong},
            "verify": {"holds": self.verify_holds, "line": self.verify_line},
            "best_answers_per_s": round(self.timeline.best_per_s),
            "latency": self.undisturbed.as_json(),
            "latency_from_kill_on": None if self.disturbed is None else self.disturbed.as_json(),
            "kill": None if caught_up_s is None else {"caught_up_s": round(caught_up_s, 1)},
            "seconds": round(self.seconds, 1),
            "plot": self.plot,
            "kept": self.kept,
            "warnings": self.warnings,
            "story": None if self.story is None else self.story.as_json(),
            "day": None if self.day is None else self.day.as_json(),
        }


def report(result: Result) -> Iterator[str]:
    """The result in lines for people."""
    if result.story is not None:
        yield f"story       {story_line(result.story)}"
    if result.day is not None:
        yield f"day         {summary(result.day)}"
        yield from (f"            WRONG: {problem}" for problem in result.day.problems)
    codes = ", ".join(f"{code} {count:,}" for code, count in result.codes.most_common())
    yield f"requests    {result.requests:,}: {codes}; {result.replayed:,} of them replayed"
    once = "each exactly once" if result.exactly_once else "NOT each exactly once"
    yield (
        f"answers     {result.answered:,}, {once}: {result.requests - result.answered:,} missing, "
        f"{result.doubled:,} doubled, {result.unsettled:,} transfers under way"
    )
    if not result.as_due:
        due = ", ".join(f"{code} {count:,}" for code, count in result.codes_due.most_common())
        yield f"            NOT as due: {due}; {result.replays_due:,} of them replayed"
    right = "each opening + in - out to the cent" if not result.balances.wrong else f"{result.balances.wrong:,} WRONG"
    yield f"balances    {result.balances.wallets:,} wallets, {right}"
    for wallet, found, must in result.balances.examples:
        yield f"            {wallet} has {found}, it must have {must}"
    yield f"throughput  up to {result.timeline.best_per_s:,.0f} answers a second"
    yield f"latency     {_latency(result.undisturbed)}, produce to committed outcome"
    if result.disturbed is not None:
        caught_up_s = result.caught_up_s
        ago = "" if caught_up_s is None else f"; caught up {caught_up_s:.1f} s after it"
        yield f"            {_latency(result.disturbed)} from the kill on{ago}"
    yield f"verify      {result.verify_line}"
    if result.plot is not None:
        yield f"plot        {result.plot}"
    for warning in result.warnings:
        yield f"            {warning}"
    verdict = "holds: nothing lost, nothing doubled, nothing invented" if result.holds else "DOES NOT HOLD"
    yield f"            {result.seconds:.0f} s in all. The promise {verdict}."


def story_line(told: Told) -> str:
    """What came of the story, in a line."""
    acts = sum(len(step.acts) for step in told.steps)
    sums = ", ".join(trial.asset for trial in told.trials if trial.sum_minor == 0)
    return f"{len(told.steps)} steps, {acts} outcomes as written; sums to zero in {sums}; {told.verify_line}"


def _latency(of: Percentiles) -> str:
    return f"p50 {milliseconds(of.p50)}, p99 {milliseconds(of.p99)}"
