"""What the doctor finds."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is. Only a problem makes the exit code 1."""

    OK = "ok"
    #: Nothing is wrong; worth knowing.
    NOTE = "note"
    #: It works, until it does not.
    WARNING = "warning"
    #: It does not work, or money is at risk.
    PROBLEM = "problem"


class Finding(NamedTuple):
    """One sentence about one area, and how to mend it where that is needed."""

    area: str
    level: Level
    what: str
    mend: str | None = None
