"""`walletstream demo` as a process: it holds, it says so, and it leaves nothing behind, however it ends.

Its day of settlement and reconciliation is the test of the three roles together on a real broker.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from click.testing import CliRunner

from ops.cli import main

pytestmark = pytest.mark.kafka

DEMO = [sys.executable, "-P", "-m", "ops", "demo", "--fast"]


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A demo whose temporary files are in `folder`/tmp; killed at the end if it still runs."""
    (folder / "tmp").mkdir()
    process = subprocess.Popen(
        [*DEMO, "--plot", str(folder / "demo.png"), *arguments],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes that it started and that live."""
    return psutil.Process(process.pid).children(recursive=True)


def assert_gone(processes: list[psutil.Process]) -> None:
    """All of them have ended."""
    assert psutil.wait_procs(processes, timeout=10)[1] == []


class Whole(NamedTuple):
    """A demo that has run to its end: what it said, as JSON and to people, and the folder it ran in."""

    said: dict[str, Any]
    page: str
    folder: Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("demo")
    with demo(folder, "--json") as process:
        out, err = process.communicate(timeout=400)
    assert process.returncode == 0, f"{out}\n{err}"
    return Whole(json.loads(out), err, folder)


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_a_worker_is_killed_and_everything_holds(whole: Whole) -> None:
    said = whole.said
    assert said["ok"] is True
    assert said["requests"] == said["answered"] > 12_000
    assert said["doubled"] == said["unsettled"] == said["balances"]["wrong"] == 0
    assert said["codes"]["malformed"] > 0
    assert said["codes"]["insufficient_funds"] > 0
    assert said["replayed"] > 0
    assert said["verify"]["line"].startswith("verify: OK")
    assert said["story"]["ok"] is True
    assert "Trial balance" in whole.page
    assert "kill -9 ledger-2" in whole.page
    assert "ledger-2 started again" in whole.page
    assert (whole.folder / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert list((whole.folder / "tmp").glob("walletstream-*")) == []


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_a_day_in_the_life(whole: Whole) -> None:
    day = whole.said["day"]
    assert day["problems"] == []
    lines = {
        (one["book"], one["relation"], one["side"]): (one["matched"], one["exception"], one["expected"])
        for one in day["lines"]
    }
    assert lines == {
        ("ach", "ledger-bank", "ledger"): (7, 0, 0),
        ("ach", "ledger-bank", "bank"): (7, 0, 0),
        # The short and the laden one with what was written off of each; what the partner has not reported may come.
        ("sepa", "ledger-partner", "ledger"): (4, 4, 1),
        ("sepa", "ledger-partner", "partner"): (4, 3, 0),
        # The bank has the funding and two payouts so far.
        ("sepa", "partner-bank", "partner"): (3, 0, 4),
        ("sepa", "partner-bank", "bank"): (3, 0, 0),
    }
    places = [tuple(one["places"]) for one in day["transactions"]]
    assert sorted(places) == [("amount_under",), ("expected",), ("fee_variance",), *[("matched",)] * 9]
    assert {one["name"]: one["failed_attempts"] > 0 for one in day["rails"]} == {"sepa": False, "ach": True}
    verdicts = {one.get("statement_account", one["kind"]): one["verdict"] for one in day["proofs"]}
    due = {"safeguarding": "surplus", "ach": "agrees", "sepa": "explained"}
    assert {name: verdicts[name] for name in due} == due
    assert "     surplus                              24.65 EUR, which is writeoffs 24.65 EUR\n" in whole.page


@pytest.mark.parametrize(
    ("signum", "line"),
    [
        (signal.SIGINT, "starting Kafka"),
        (signal.SIGTERM, "starting 2 workers"),
        (signal.SIGINT, "opening and funding"),
    ],
)
def test_a_signal_leaves_no_process_and_no_file(tmp_path: Path, signum: signal.Signals, line: str) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        while line not in (said := process.stdout.readline()):
            assert said, process.communicate()[1]
        started = descendants(process)
        process.send_signal(signum)
        _, err = process.communicate(timeout=90)
    assert process.returncode == 130
    assert err.strip().endswith("Aborted!")
    assert_gone(started)
    assert list((tmp_path / "tmp").glob("walletstream-*")) == []


def test_each_part_is_alone() -> None:
    done = CliRunner().invoke(main, ["demo", "--story", "--day"])
    assert done.exit_code == 2
    assert "--story and --day are each alone" in done.output


def test_killed_itself_it_takes_its_processes_along(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        # Broker and workers have been started, which is all that it takes.
        while "telling a story" not in (said := process.stdout.readline()):
            assert said, process.communicate()[1]
        started = descendants(process)
        assert len(started) >= 3
        process.kill()
        assert_gone(started)
