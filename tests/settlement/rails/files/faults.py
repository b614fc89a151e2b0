"""A disk that fails at its n-th change: before it, or after it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch


class PowerCut(BaseException):
    """The process ends here; nothing may catch it."""


class Disk:
    """Counts changes of what names folders hold, and cuts the power at one of them."""

    def __init__(self, cut_at: int, after: bool):
        self.changes = 0
        self._cut_at = cut_at
        self._after = after

    def around(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*args: Any, **kwargs: Any) -> Any:
            if self.changes > self._cut_at:
                raise PowerCut  # nothing is tidied up without power
            here = self.changes == self._cut_at
            self.changes += 1
            if here and not self._after:
                raise PowerCut
            result = change(*args, **kwargs)
            if here:
                raise PowerCut
            return result

        return changed


@contextmanager
def failing_disk(cut_at: int, *, after: bool) -> Iterator[Disk]:
    """`os.replace`, `os.rename` and `os.unlink` of everything within cut the power at the n-th of them."""
    disk = Disk(cut_at, after)
    with (
        patch.object(os, "replace", disk.around(os.replace)),
        patch.object(os, "rename", disk.around(os.rename)),
        patch.object(os, "unlink", disk.around(os.unlink)),
    ):
        yield disk
