"""Which transfers a demo sends: AMLSim's sample where it is to be had, else a generated set of its shape."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from ops.amlsim import Dataset, generate
from ops.amlsim_files import read_dataset

#: Of the sample; and of a quick run.
TRANSFERS: Final = 118_250
FAST_TRANSFERS: Final = 12_000
VARIABLE: Final = "WALLETSTREAM_AMLSIM_DIR"
#: Beside the repository, where a machine shares it between checkouts.
_BESIDE: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "amlsim"


class Source(NamedTuple):
    """The data set and where it comes from, for people."""

    data: Dataset
    origin: str


def find_data(given: Path | None, *, fast: bool, environ: Mapping[str, str] | None = None) -> Source:
    """The data set of a run: a given folder, else the variable's, else the one beside the repository, else generated.

    A quick run is always generated.

    Raises:
        OperationError: a folder was named, and its files are not there or not AMLSim's.
    """
    environ = os.environ if environ is None else environ
    if fast:
        return Source(generate(FAST_TRANSFERS), "generated, a tenth of AMLSim's sample")
    named = given or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    if named is not None:
        return Source(read_dataset([named]), f"AMLSim's sample in {named}")
    if (_BESIDE / "transactions.csv.gz").is_file():
        return Source(read_dataset([_BESIDE]), "AMLSim's sample")
    return Source(
        generate(TRANSFERS),
        f"generated in the shape of AMLSim's sample, which was not found (--data or {VARIABLE} names its folder)",
    )
