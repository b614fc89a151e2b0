"""What a demo shows while it runs: a live picture on a terminal, plain lines anywhere else."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ops.demo.timeline import Mark, Sample

_BARS: Final = "▁▂▃▄▅▆▇█"
_LINE_EVERY_S: Final = 5.0
_STATES: Final = {"ready": "green", "starting": "yellow", "killed": "bold red", "down": "bold red"}
_MARKS: Final = {"kill": "bold red", "restart": "green", "phase": "bold", "note": ""}


class WorkerState(NamedTuple):
    """A worker as its `/readyz` and the operating system say it is."""

    name: str
    pid: int
    #: `ready`, `starting`, `killed`, `down`, `stopped`, or the reason that `/readyz` gives.
    state: str


@dataclass
class Scene:
    """All that a view shows."""

    title: str
    phase: str = ""
    at_s: float = 0.0
    #: Requests that the run will send in all, as far as that is known.
    total: int = 0
    sent: int = 0
    answered: int = 0
    settling: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    workers: Sequence[WorkerState] = ()
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=60))
    marks: deque[Mark] = field(default_factory=lambda: deque(maxlen=8))

    @property
    def latest(self) -> Sample:
        """The last sample; one that says nothing before the first."""
        return self.samples[-1] if self.samples else Sample(0.0, 0, 0.0, math.nan, math.nan, 0)


class View(Protocol):
    """Shows a scene."""

    def update(self, scene: Scene) -> None:
        """The scene has changed."""

    def mark(self, mark: Mark) -> None:
        """Something happened."""

    def close(self) -> None:
        """Leave the terminal as it was; the last picture stays."""


class LineView:
    """Plain lines: every mark, and a line of figures now and then."""

    def __init__(self, write: Callable[[str], None]):
        self._write = write
        self._next_s = 0.0

    def update(self, scene: Scene) -> None:
        """A line of figures, every few seconds."""
        if scene.at_s < self._next_s or not scene.samples:
            return
        self._next_s = scene.at_s + _LINE_EVERY_S
        self._write(status_line(scene))

    def mark(self, mark: Mark) -> None:
        """A line for it, at once."""
        self._write(f"{mark.at_s:6.1f} s  {mark.text}")

    def close(self) -> None:
        """Nothing to leave."""


class LiveView:
    """One picture that is drawn anew."""

    def __init__(self, console: Console):
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._live.start()

    def update(self, scene: Scene) -> None:
        """Draw it."""
        self._live.update(picture(scene), refresh=True)

    def mark(self, mark: Mark) -> None:
        """It is part of the next picture."""

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()


def status_line(scene: Scene) -> str:
    """The figures of a moment in one line."""
    latest = scene.latest
    workers = ", ".join(f"{worker.name} {worker.state}" for worker in scene.workers)
    return (
        f"{scene.at_s:6.1f} s  {scene.answered:,} of {scene.total:,} answered, {latest.answers_per_s:,.0f}/s, "
        f"p50 {milliseconds(latest.p50_ms)}, p99 {milliseconds(latest.p99_ms)}, lag {latest.waiting:,}"
        + (f"; {workers}" if workers else "")
    )


def picture(scene: Scene) -> RenderableType:
    """The scene for a terminal."""
    head = Text.assemble((scene.phase or "starting", "bold"), f"   {scene.at_s:.0f} s")
    progress = ProgressBar(
        total=max(scene.total, 1), completed=scene.answered, complete_style="blue", finished_style="green"
    )
    body = Table.grid(padding=(0, 4))
    body.add_row(_figures(scene), _codes(scene), _workers(scene.workers))
    marks = Text("\n").join([Text(f"{m.at_s:6.1f} s  {m.text}", style=_MARKS.get(m.kind, "")) for m in scene.marks])
    trend = Text(sparkline([sample.answers_per_s for sample in scene.samples]), style="blue")
    return Panel(Group(head, progress, Text(), body, Text(), trend, marks), title=scene.title, title_align="left")


def _figures(scene: Scene) -> Table:
    latest = scene.latest
    table = Table.grid(padding=(0, 2))
    rows = (
        ("answered", f"{scene.answered:,} of {scene.total:,}"),
        ("answers per second", f"{latest.answers_per_s:,.0f}"),
        ("p50, produce to outcome", milliseconds(latest.p50_ms)),
        ("p99", milliseconds(latest.p99_ms)),
        ("lag: sent, not answered", f"{latest.waiting:,}"),
        ("between partitions", f"{scene.settling:,}"),
    )
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(value, justify="right"))
    return table


def _codes(scene: Scene) -> Table:
    table = Table.grid(padding=(0, 2))
    for code, count in scene.codes.most_common(6):
        table.add_row(Text(code, style="green" if code == "ok" else "yellow"), Text(f"{count:,}", justify="right"))
    if scene.replayed:
        table.add_row(Text("(replayed)", style="dim"), Text(f"{scene.replayed:,}", justify="right"))
    return table


def _workers(workers: Sequence[WorkerState]) -> Table:
    table = Table.grid(padding=(0, 2))
    for worker in workers:
        style = _STATES.get(worker.state, "yellow")
        table.add_row(worker.name, Text(f"pid {worker.pid or '-'}", style="dim"), Text(worker.state, style=style))
    return table


def sparkline(values: Sequence[float]) -> str:
    """Values as a row of bars, the greatest as the highest."""
    most = max(values, default=0.0)
    if most <= 0:
        return ""
    return "".join(_BARS[min(len(_BARS) - 1, int(value / most * len(_BARS)))] for value in values)


def milliseconds(value: float) -> str:
    """A latency for people."""
    if math.isnan(value):
        return "-"
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"
