"""What the courier needs around it: time, chance, where answers go, and who is told."""

from __future__ import annotations

from typing import Protocol

from schemas.settlement_internal import RailAnswered, SubmissionFailed

Report = RailAnswered | SubmissionFailed


class Clock(Protocol):
    """Time, which tests move by hand."""

    def now_ms(self) -> int:
        """Unix milliseconds."""
        ...

    async def sleep_ms(self, pause_ms: int) -> None:
        """Return after `pause_ms` milliseconds."""
        ...


class Reports(Protocol):
    """Where what rails say goes: `settlement-internal`."""

    async def put(self, rail: str, report: Report) -> None:
        """Returns once it is kept for ever; it may then be there more than once.

        Raises:
            Exception: any: whether it is kept is not known, and it has to be put again.
        """
        ...


class CourierObserver:
    """Is told what the courier does; every method does nothing here. `rail` is always its name."""

    def opened(self, rail: str) -> None:
        """A desk is opened for the rail: its breaker is closed, and nothing waits yet."""

    def step(self, rail: str, step: str) -> None:
        """Something is about to happen or has just happened: `Desk.STEPS` lists what."""

    def called(self, rail: str, call: str, result: str, took_ms: int) -> None:
        """A call has ended: `ok`, or the name of the error's class."""

    def breaker_changed(self, rail: str, state: str) -> None:
        """The breaker is `closed`, `open` or `half_open` now."""

    def waiting(self, rail: str, batches: int) -> None:
        """So many batches have an attempt to be made."""

    def followed(self, rail: str, batches: int) -> None:
        """So many batches are handed over and not final."""

    def closed(self, rail: str) -> None:
        """The rail's desk is closed: nobody cares for it here any more."""

    def tripped(self, rail: str) -> None:
        """The rail's desk has ended by an error of its own."""
