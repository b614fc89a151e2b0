"""AMLSim's two files, wherever they are."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ops.amlsim_files import SAMPLE_VARIABLE, read_dataset, sample_folder
from ops.errors import OperationError
from tests.ops.test_amlsim import NODES, SMALL, TRANSACTIONS


def write(path: Path, lines: list[str]) -> Path:
    text = "\r\n".join([*lines, ""]).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_folder_or_the_two_files_in_any_order(tmp_path: Path, suffix: str) -> None:
    nodes = write(tmp_path / f"nodes{suffix}", NODES)
    transactions = write(tmp_path / f"transactions{suffix}", TRANSACTIONS)
    write(tmp_path / "readme.txt", ["not of the set"])
    assert read_dataset([tmp_path]) == SMALL
    assert read_dataset([transactions, nodes]) == SMALL


def test_a_missing_file_and_one_too_many_are_told(tmp_path: Path) -> None:
    write(tmp_path / "nodes.csv", NODES)
    with pytest.raises(OperationError, match=r"there must be one transactions\.csv or transactions\.csv\.gz"):
        read_dataset([tmp_path])
    write(tmp_path / "nodes.csv.gz", NODES)
    with pytest.raises(OperationError, match=r"there must be one nodes\.csv"):
        read_dataset([tmp_path])


def test_a_file_that_is_not_compressed_is_told(tmp_path: Path) -> None:
    write(tmp_path / "nodes.csv", NODES)
    (tmp_path / "transactions.csv.gz").write_text("plain")
    with pytest.raises(OperationError, match="cannot read"):
        read_dataset([tmp_path])


def test_the_sample_is_the_variables_or_beside_the_checkout(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    assert sample_folder({}, checkout) is None
    beside = tmp_path / "shared" / "data" / "amlsim"
    beside.mkdir(parents=True)
    assert sample_folder({}, checkout) == beside
    assert sample_folder({SAMPLE_VARIABLE: ""}, checkout) == beside
    assert sample_folder({SAMPLE_VARIABLE: "/elsewhere"}, checkout) == Path("/elsewhere")


def test_what_is_torn_is_told(tmp_path: Path) -> None:
    write(tmp_path / "nodes.csv", NODES)
    torn = tmp_path / "transactions.csv.gz"
    packed = bytearray(gzip.compress("\n".join([TRANSACTIONS[0], *(f"1,2,{n}.00,1" for n in range(5_000))]).encode()))
    packed[2_000:2_002] = bytes(byte ^ 255 for byte in packed[2_000:2_002])
    torn.write_bytes(packed)
    with pytest.raises(OperationError, match=r"cannot read .*decompressing"):
        read_dataset([tmp_path])
    torn.unlink()
    write(tmp_path / "transactions.csv", [TRANSACTIONS[0], "1,2," + "9" * 200_000 + ",1"])
    with pytest.raises(OperationError, match="field larger than"):
        read_dataset([tmp_path])
