"""Which transfers a demo sends: AMLSim's sample where it is to be had, else a generated set of its shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from ops.amlsim import Dataset, generate
from ops.amlsim_files import SAMPLE_VARIABLE, read_dataset, sample_folder

#: Of the sample; and of a quick run.
TRANSFERS: Final = 118_250
FAST_TRANSFERS: Final = 12_000


class Source(NamedTuple):
    """The data set and where it comes from, for people."""

    data: Dataset
    origin: str


def find_data(given: Path | None, *, fast: bool, environ: Mapping[str, str] | None = None) -> Source:
    """The data set of a run: a given folder, else `sample_folder`, else generated.

    A quick run is always generated.

    Raises:
        OperationError: a folder was named, and its files are not there or not AMLSim's.
    """
    if fast:
        return Source(generate(FAST_TRANSFERS), "generated, a tenth of AMLSim's sample")
    folder = given or sample_folder(environ)
    if folder is not None:
        return Source(read_dataset([folder]), f"AMLSim's sample in {folder}")
    return Source(
        generate(TRANSFERS),
        f"generated in the shape of AMLSim's sample, which is not here (--data or {SAMPLE_VARIABLE} names its folder)",
    )
