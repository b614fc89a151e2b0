"""AMLSim to the cent after three kills: a small generated set always, a part of the real sample where it is."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from ops.amlsim_files import SAMPLE_VARIABLE, sample_folder
from tests.crash.amlsim import Set, exact_balances, generated, read_sample, run
from tests.crash.cluster import Cluster


def test_exact_balances() -> None:
    expected = exact_balances(3, [(0, 1, 500), (1, 2, 300), (0, 2, 50), (2, 2, 7)])
    assert [expected[f"amlsim-{account}/main/available", "USD"] for account in range(3)] == [0, 500, 350]
    assert expected["system/rail:instant", "USD"] == -850
    assert sum(expected.values()) == 0


@pytest.mark.kafka
@pytest.mark.slow
def test_every_balance_is_exact_after_three_kills(cluster: Cluster) -> None:
    check(cluster, generated(5_000), rate=1_000)


@pytest.mark.kafka
@pytest.mark.slow
def test_the_sample_is_exact_after_three_kills(cluster: Cluster, tmp_path: Path) -> None:
    folder = sample_folder()
    if folder is None:
        pytest.skip(f"AMLSim's sample is not here (set {SAMPLE_VARIABLE}); the generated set has run all the same")
    check(cluster, read_sample(first_transfers(folder, tmp_path / "part", 2_500)), rate=2_500)


def first_transfers(sample: Path, part: Path, count: int) -> Path:
    """The first transfers of the sample and the accounts that they name, numbered anew; `make amlsim` runs them all."""
    transfers = list(islice(_rows(sample, "transactions"), count))
    ids = (row[end] for row in transfers for end in ("sourceNodeId", "targetNodeId"))
    numbers = {node_id: number for number, node_id in enumerate(dict.fromkeys(ids))}
    renamed = [{**row, **{end: numbers[row[end]] for end in ("sourceNodeId", "targetNodeId")}} for row in transfers]
    nodes = [{**row, "nodeid": numbers[row["nodeid"]]} for row in _rows(sample, "nodes") if row["nodeid"] in numbers]
    part.mkdir()
    for name, rows in (("nodes", nodes), ("transactions", renamed)):
        with (part / f"{name}.csv").open("w") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return part


def _rows(sample: Path, name: str) -> Iterator[dict[str, str]]:
    (file,) = sample.glob(f"{name}.csv*")
    with (gzip.open if file.suffix == ".gz" else open)(file, "rt") as lines:
        yield from csv.DictReader(lines)


def check(cluster: Cluster, data: Set, rate: float) -> None:
    verdict, truth = run(cluster, data, rate, announce=print)
    assert verdict.holds, "\n".join(verdict.cases)
    assert sum(truth.posted.values()) == 0
