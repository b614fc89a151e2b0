"""What a demo shows."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from rich.console import Console

from ops.demo.timeline import Mark, Sample
from ops.demo.view import LineView, LiveView, Scene, WorkerState, milliseconds, picture, sparkline, status_line


def _scene() -> Scene:
    scene = Scene("walletstream demo", phase="transfers", at_s=12.0, total=1_000, sent=500, answered=480, settling=3)
    scene.codes = Counter(ok=470, malformed=10)
    scene.replayed = 9
    scene.workers = [WorkerState("ledger-1", 11, "ready"), WorkerState("ledger-2", 0, "killed")]
    scene.samples.append(Sample(12.0, 240, 0.5, 21.5, 44.0, 20))
    scene.marks.append(Mark(11.0, "kill", "kill -9 ledger-2 (pid 12)", "kill -9"))
    return scene


def test_the_picture_has_throughput_latency_codes_lag_and_workers() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(picture(_scene()))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for text in (
        "480 of 1,000",
        "480",
        "22 ms",
        "44 ms",
        "malformed",
        "ledger-1",
        "ready",
        "killed",
        "kill -9 ledger-2",
    ):
        assert text in shown
    assert "lag" in shown


def test_a_picture_before_anything_is_known() -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(picture(Scene("walletstream demo")))
    assert "starting" in console.file.getvalue()  # type: ignore[attr-defined]


def test_lines_say_marks_at_once_and_figures_now_and_then() -> None:
    lines: list[str] = []
    view, scene = LineView(lines.append), _scene()
    view.update(scene)
    view.mark(scene.marks[-1])
    scene.at_s = 13.0
    view.update(scene)
    scene.at_s = 18.0
    view.update(scene)
    assert len(lines) == 3
    assert lines[0] == status_line(_scene())
    assert lines[1] == "  11.0 s  kill -9 ledger-2 (pid 12)"
    assert "480 of 1,000 answered, 480/s, p50 22 ms, p99 44 ms, lag 20; ledger-1 ready, ledger-2 killed" in lines[0]


def test_a_live_view_leaves_the_terminal_usable() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    view = LiveView(console)
    view.update(_scene())
    view.close()
    assert console.file.getvalue().endswith("\x1b[?25h")  # type: ignore[attr-defined]


@pytest.mark.parametrize(("value", "text"), [(float("nan"), "-"), (3.21, "3.2 ms"), (1234.5, "1,234 ms")])
def test_latencies_for_people(value: float, text: str) -> None:
    assert milliseconds(value) == text


def test_bars() -> None:
    assert sparkline([0, 5, 10]) == "▁▅█"
    assert sparkline([]) == sparkline([0.0, 0.0]) == ""
