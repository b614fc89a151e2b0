"""Lines are in order by what they say."""

from __future__ import annotations

from hypothesis import given

from agents.reconciliation.matching.lines import Line, in_order, order
from tests.reconciliation.matching.drawn import sides


@given(sides(30))
def test_lines_are_in_order(both: tuple[list[Line], list[Line]]) -> None:
    for lines in both:
        assert in_order(lines) == sorted(lines, key=order)
