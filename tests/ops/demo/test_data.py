"""Where a demo's transfers come from."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ops.amlsim_files import SAMPLE_VARIABLE
from ops.demo import data
from ops.demo.data import FAST_TRANSFERS, TRANSFERS, find_data
from ops.errors import OperationError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with gzip.open(tmp_path / "nodes.csv.gz", "wt") as nodes:
        nodes.write("nodeid,isFraud,init_balance,fraudStep\n0,0,10.00,-1\n1,0,20.00,-1\n")
    with gzip.open(tmp_path / "transactions.csv.gz", "wt") as transactions:
        transactions.write("sourceNodeId,targetNodeId,value,time\n0,1,1.50,1\n")
    return tmp_path


def test_a_folder_that_is_given_comes_first(folder: Path) -> None:
    source = find_data(folder, fast=False, environ={SAMPLE_VARIABLE: "/nowhere"})
    assert [payment.amount_minor for payment in source.data.payments] == [150]
    assert str(folder) in source.origin


def test_then_the_variables(folder: Path) -> None:
    assert len(find_data(None, fast=False, environ={SAMPLE_VARIABLE: str(folder)}).data.accounts) == 2


def test_then_the_one_beside_the_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "sample_folder", lambda _environ: folder)
    source = find_data(None, fast=False, environ={})
    assert (len(source.data.accounts), source.origin) == (2, f"AMLSim's sample in {folder}")


def test_else_it_is_generated_in_its_shape_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "sample_folder", lambda _environ: None)
    source = find_data(None, fast=False, environ={})
    assert len(source.data.payments) == TRANSFERS
    assert abs(len(source.data.accounts) - 20_000) < 500
    assert "generated" in source.origin
    assert "not here" in source.origin


def test_a_quick_run_is_generated() -> None:
    source = find_data(None, fast=True, environ={})
    assert len(source.data.payments) == FAST_TRANSFERS
    assert "generated" in source.origin


def test_a_folder_without_the_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="there must be one nodes"):
        find_data(tmp_path, fast=False, environ={})
