"""`walletstream bench`, small."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from ops.bench.run import PARTS, Sizes, count_steps
from ops.cli import main


def test_steps_are_counted_for_the_progress_bar() -> None:
    sizes = Sizes()
    assert count_steps(sizes, PARTS) == 6 * 3 + 2 + 1 + 1 + 2 + 2 + 1
    assert count_steps(sizes.quick(), PARTS) == 6 + 2 + 1 + 1 + 2 + 2 + 1
    assert count_steps(sizes, ["latency"]) == 2


def test_an_unknown_part_is_refused() -> None:
    refused = CliRunner().invoke(main, ["bench", "--only", "everything"])
    assert refused.exit_code == 2
    assert "'everything' is not one of" in refused.output


@pytest.mark.slow
def test_without_its_extra_it_says_what_to_install() -> None:
    code = """
import sys
sys.modules["psutil"] = None
from ops.cli import main
main(["bench", "--quick"])
"""
    ended = subprocess.run([sys.executable, "-c", code], timeout=60, check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == "Error: psutil is not installed: pip install 'walletstream[broker]'\n"


@pytest.mark.kafka
@pytest.mark.slow
def test_the_pipeline_the_ceiling_the_mixed_load_and_holds_are_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("bench"))
    parts = [argument for part in ("ours", "ceiling", "mixed", "holds") for argument in ("--only", part)]
    ran = CliRunner().invoke(main, ["bench", "--quick", "--requests", "4000", *parts, "--json"])
    assert ran.exit_code == 0, ran.output
    value = json.loads(ran.stdout)
    assert (value["ok"], value["judged"], value["missing"]) == (True, False, {})
    assert set(value["throughput"]) == {"ours", "ceiling", "mixed"}
    # 1,000 wallets and the merchant's are opened and funded, then come the requests.
    assert value["throughput"]["ours"]["median"]["answered"] == 4_000 + 2 * 1_001
    assert value["throughput"]["ceiling"]["median"]["answered"] == 4_000 + 2 * 1_001
    # 4,000 requests are 21 times those of 200 records, two of which are what the rail says.
    assert value["throughput"]["mixed"]["median"]["answered"] == 4_000 + 2 * 21
    assert [found["holds"] for found in value["holds"]] == [1_000, 10_000]
    assert [bar["name"] for bar in value["bars"]] == [
        "of the raw ceiling",
        "of the simple load, by the mixed one",
        "times the rows with 10 times the holds",
    ]
    assert {"cpu", "cores", "memory_gb", "load_average_before"} <= set(value["machine"])
    assert {"python", "kafka", "aiokafka", "faust-streaming"} <= set(value["versions"])
