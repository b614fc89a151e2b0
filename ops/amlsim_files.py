"""Finds and reads AMLSim's two files, compressed or not."""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from ops.amlsim import Dataset, parse
from ops.errors import OperationError

#: Names the folder of AMLSim's sample.
SAMPLE_VARIABLE: Final = "WALLETSTREAM_AMLSIM_DIR"
#: Where the sample is without it: beside the checkout, where several of them share it.
SAMPLE_BESIDE: Final = Path("shared", "data", "amlsim")
_CHECKOUT: Final = Path(__file__).resolve().parents[1]


def sample_folder(environ: Mapping[str, str] | None = None, checkout: Path = _CHECKOUT) -> Path | None:
    """AMLSim's folder: the variable's, whether it is there or not, else the one beside `checkout`, if any."""
    named = (os.environ if environ is None else environ).get(SAMPLE_VARIABLE)
    if named:
        return Path(named)
    beside = checkout.parent / SAMPLE_BESIDE
    return beside if beside.is_dir() else None


def read_dataset(paths: Sequence[Path], asset: str = "USD") -> Dataset:
    """The data set in a folder, or in the two files given in any order.

    Raises:
        OperationError: the files are not there or not AMLSim's.
    """
    nodes, transactions = _find(paths)
    try:
        with _open(nodes) as node_lines, _open(transactions) as transaction_lines:
            return parse(node_lines, transaction_lines, asset)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        raise OperationError(f"cannot read {nodes} and {transactions}: {error}") from error


def _find(paths: Sequence[Path]) -> tuple[Path, Path]:
    candidates = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    found = []
    for stem in ("nodes", "transactions"):
        matching = [file for file in candidates if file.name in (f"{stem}.csv", f"{stem}.csv.gz")]
        if len(matching) != 1:
            shown = ", ".join(map(str, paths))
            raise OperationError(
                f"{shown}: there must be one {stem}.csv or {stem}.csv.gz; give AMLSim's folder or its two files"
            )
        found.append(matching[0])
    return found[0], found[1]


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")
