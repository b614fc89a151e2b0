"""Samples, marks and the throughput of whole seconds."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ops.demo.plot import draw
from ops.demo.timeline import Timeline
from ops.latencies import percentiles


def _timeline() -> Timeline:
    timeline = Timeline()
    timeline.sample(0.5, 100, percentiles([0.010, 0.020]), 5)
    timeline.sample(1.5, 300, percentiles([0.030]), 7)
    timeline.sample(2.0, 300, percentiles([]), 9)
    return timeline


def test_a_sample_counts_what_came_since_the_one_before() -> None:
    first, second, third = _timeline().samples
    assert (first.answers, first.answers_per_s, first.p50_ms) == (100, 200.0, 10.0)
    assert (second.answers, second.interval_s, second.answers_per_s) == (200, 1.0, 200.0)
    assert third.answers_per_s == 0.0
    assert math.isnan(third.p99_ms)


def test_answers_are_shared_among_the_seconds_they_fell_into() -> None:
    ends, answers = zip(*_timeline().seconds(), strict=True)
    assert ends == (1.0, 2.0, 3.0)
    assert answers == pytest.approx((200.0, 100.0, 0.0))
    assert sum(count for _, count in _timeline().seconds()) == pytest.approx(300)
    assert Timeline().seconds() == []


def test_the_first_mark_of_a_kind_counts() -> None:
    timeline = Timeline()
    timeline.mark(1.0, "kill", "one")
    timeline.mark(2.0, "kill", "two")
    assert timeline.at("kill") == 1.0
    assert timeline.at("restart") is None


@pytest.mark.slow
def test_the_picture_is_a_png_with_every_labelled_mark(tmp_path: Path) -> None:
    timeline = _timeline()
    timeline.mark(0.1, "phase", "transfers", "transfers")
    timeline.mark(1.0, "kill", "kill -9 ledger-2", "kill -9")
    file = tmp_path / "deep" / "demo.png"
    draw(timeline, file, "a title")
    assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    plain = _timeline()
    draw(plain, tmp_path / "plain.png", "a title")
    assert file.read_bytes() != (tmp_path / "plain.png").read_bytes(), "marks show"


@pytest.mark.slow
def test_a_run_without_answers_can_be_drawn_too(tmp_path: Path) -> None:
    draw(Timeline(), tmp_path / "empty.png", "nothing")
    assert (tmp_path / "empty.png").exists()
