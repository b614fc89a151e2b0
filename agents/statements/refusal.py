"""Why a file is refused, raised where it is seen and given a place on its way up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.external_statements import RefusalReason

#: Most characters of the file's own text that a refusal repeats.
_MOST_QUOTED = 60


class Refusal(Exception):
    """A file of which nothing may be imported.

    `detail` is one sentence: what was found, and what should be there. `line_number` counts from 1 in the file,
    `statement_index` from 0; both are None where there is no such place.
    """

    def __init__(
        self,
        reason: RefusalReason,
        detail: str,
        line_number: int | None = None,
        statement_index: int | None = None,
    ):
        super().__init__(detail)
        self.reason: RefusalReason = reason
        self.detail = detail
        self.line_number = line_number
        self.statement_index = statement_index


@contextmanager
def at(line_number: int | None = None, statement_index: int | None = None) -> Iterator[None]:
    """Give this place to a refusal that is raised within and has none."""
    try:
        yield
    except Refusal as refusal:
        if refusal.line_number is None:
            refusal.line_number = line_number
        if refusal.statement_index is None:
            refusal.statement_index = statement_index
        raise


def quoted(text: str) -> str:
    """Some text of the file as a refusal repeats it: shortened, without control characters."""
    return repr(text if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]}...")
