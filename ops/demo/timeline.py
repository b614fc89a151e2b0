"""What a demo has measured, second by second, and what happened when. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ops.latencies import Percentiles


class Sample(NamedTuple):
    """What was measured between the sample before and `at_s`, seconds after the start."""

    at_s: float
    #: Answers read in this interval, and how long it was.
    answers: int
    interval_s: float
    #: From produce to committed outcome, in milliseconds; NaN where nothing was answered.
    p50_ms: float
    p99_ms: float
    #: Sent and not yet answered, at the end of the interval.
    waiting: int

    @property
    def answers_per_s(self) -> float:
        """Throughput of the interval."""
        return self.answers / self.interval_s if self.interval_s > 0 else 0.0


class Mark(NamedTuple):
    """Something that happened; `kind` is `phase`, `kill` or `restart`. One without a `label` is not in the picture."""

    at_s: float
    kind: str
    text: str
    label: str = ""


@dataclass
class Timeline:
    """Samples and marks in order of time."""

    samples: list[Sample] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    _answered: int = 0
    _sampled_s: float = 0.0

    def sample(self, at_s: float, answered: int, recent: Percentiles, waiting: int) -> Sample:
        """Add a sample. `answered` counts all answers so far, `recent` those since the sample before."""
        interval_s = at_s - self._sampled_s
        sample = Sample(at_s, answered - self._answered, interval_s, recent.p50, recent.p99, waiting)
        self._answered, self._sampled_s = answered, at_s
        self.samples.append(sample)
        return sample

    def mark(self, at_s: float, kind: str, text: str, label: str = "") -> Mark:
        """Add a mark."""
        mark = Mark(at_s, kind, text, label)
        self.marks.append(mark)
        return mark

    def at(self, kind: str) -> float | None:
        """When the first mark of a kind was, in seconds."""
        return next((mark.at_s for mark in self.marks if mark.kind == kind), None)

    @property
    def best_per_s(self) -> float:
        """Throughput of the best interval."""
        return max((sample.answers_per_s for sample in self.samples), default=0.0)

    def seconds(self) -> list[tuple[float, float]]:
        """Answers a second over each whole second from the first sample on, as (end of the second, answers)."""
        if not self.samples:
            return []
        first_s = self.samples[0].at_s - self.samples[0].interval_s
        sums = [0.0] * (int(self.samples[-1].at_s - first_s) + 1)
        for sample in self.samples:
            _spread(sums, sample.at_s - sample.interval_s - first_s, sample.at_s - first_s, sample.answers)
        return [(first_s + index + 1, answers) for index, answers in enumerate(sums)]


def _spread(sums: list[float], start: float, end: float, answers: int) -> None:
    """Share the answers of an interval among the seconds that it touches."""
    for index in range(int(start), min(int(end) + 1, len(sums))):
        inside = min(end, index + 1) - max(start, index)
        if inside > 0:
            sums[index] += answers * inside / (end - start)
