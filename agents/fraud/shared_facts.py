"""Facts that several partitions of a worker hold, each once in memory. Pure: a cache of what bytes say.

A fact is counted in two or three partitions, mostly of one worker. Decoded anew in each it would be there as often.
"""

from __future__ import annotations

from typing import Final

from schemas.facts import FactValue
from schemas.fraud_facts import decode_fact

#: Facts that are on their way to other partitions: as many as a batch of each has, and twice that at most.
_MOST: Final = 16_384


class SharedFacts:
    """The facts of late, by their bytes. They are not to be changed."""

    def __init__(self, most: int = _MOST):
        self._most = most
        self._young: dict[bytes, dict[str, FactValue]] = {}
        self._old: dict[bytes, dict[str, FactValue]] = {}

    def put(self, row: bytes, fact: dict[str, FactValue]) -> None:
        """Remember a fact, encoded as `row`, for a while."""
        young = self._young
        young[row] = fact
        if len(young) >= self._most:
            self._old, self._young = young, {}

    def of(self, row: bytes) -> dict[str, FactValue]:
        """The fact that is encoded as `row`.

        Raises:
            msgspec.MsgspecError: it is none.
        """
        return self._young.get(row) or self._old.get(row) or decode_fact(row)
