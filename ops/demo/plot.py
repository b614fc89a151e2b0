"""The picture of a demo: throughput and latency over time, with the kill marked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.demo.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE: Final = "#1f5fa8"
_ORANGE: Final = "#d9822b"
_RED: Final = "#c22f2f"
_GREEN: Final = "#2f8f4e"
_GREY: Final = "#8a8f98"
_LINES: Final = {"kill": _RED, "restart": _GREEN}


def draw(timeline: Timeline, file: Path, title: str) -> None:
    """Write the picture as PNG; the folder is made where it is missing.

    Raises:
        OSError: the file cannot be written.
    """
    # Not at the top: it takes a second to load, and only the plot needs it.
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (above, below) = plt.subplots(
        2, 1, figsize=(10, 5.6), dpi=110, sharex=True, height_ratios=(3, 2), layout="constrained"
    )
    _throughput(above, timeline)
    _latency(below, timeline)
    for axes in (above, below):
        _marks(axes, timeline, with_text=axes is above)
        axes.grid(True, color="#e4e6ea", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    below.set_xlim(*_span(timeline))
    above.set_title(title, loc="left", fontsize=11)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Software": "walletstream demo"})
    plt.close(figure)


def _span(timeline: Timeline) -> tuple[float, float]:
    """From a second before the first thing worth a label to a second after the last answer."""
    labelled = [mark.at_s for mark in timeline.marks if mark.label]
    answered = [sample.at_s for sample in timeline.samples if sample.answers]
    return min(labelled, default=0.0) - 1, max(answered, default=0.0) + 1


def _throughput(axes: Axes, timeline: Timeline) -> None:
    at = [end_s for end_s, _ in timeline.seconds()]
    answers = [count for _, count in timeline.seconds()]
    axes.fill_between(at, answers, step="pre", color=_BLUE, alpha=0.25, linewidth=0)
    axes.step(at, answers, where="pre", color=_BLUE, linewidth=1.4)
    axes.set_ylabel("answers per second")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_ylim(0, 1.35 * max(answers, default=1))


def _latency(axes: Axes, timeline: Timeline) -> None:
    shown = [sample for sample in timeline.samples if sample.answers]
    at = [sample.at_s for sample in shown]
    axes.plot(at, [sample.p99_ms for sample in shown], color=_ORANGE, label="p99", linewidth=1.4)
    axes.plot(at, [sample.p50_ms for sample in shown], color=_BLUE, label="p50", linewidth=1.4)
    axes.set_ylabel("produce to committed\noutcome, ms")
    axes.set_xlabel("seconds")
    if shown:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    axes.legend(loc="upper left", frameon=False, ncols=2, fontsize=9)


def _marks(axes: Axes, timeline: Timeline, *, with_text: bool) -> None:
    """Phases as thin grey lines with their names on top; the kill and what follows in colour."""
    for mark in timeline.marks:
        if not mark.label:
            continue
        colour, is_phase = _LINES.get(mark.kind, _GREY), mark.kind == "phase"
        axes.axvline(mark.at_s, color=colour, linewidth=0.8 if is_phase else 1.6, linestyle="--" if is_phase else "-")
        if with_text:
            height = 0.985 if is_phase else 0.905 if mark.kind == "kill" else 0.825
            place = axes.get_xaxis_transform()
            axes.text(mark.at_s, height, f" {mark.label}", transform=place, color=colour, fontsize=9, va="top")
