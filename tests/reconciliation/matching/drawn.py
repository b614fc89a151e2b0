"""Lines and rules that hypothesis draws: few amounts, days and references, so that much coincides."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from agents.reconciliation.matching.lines import Line, LineKind
from schemas.matching_rules import Rules
from tests.reconciliation.matching.lines import line, rules

_REFERENCE = st.sampled_from(["", "", "A", "B", "AB12345", "AB12346"])

_KINDS: list[LineKind] = ["payment", "payment", "payment", "payment", "reversal", "chargeback"]
_KIND = st.sampled_from(_KINDS)


@st.composite
def sides(draw: st.DrawFn, most: int = 7) -> tuple[list[Line], list[Line]]:
    """Two sides, each with ids of its own."""
    return draw(_lines("l", most)), draw(_lines("r", most))


@st.composite
def _lines(draw: st.DrawFn, prefix: str, most: int) -> list[Line]:
    found = []
    for number in range(draw(st.integers(0, most))):
        references = {name: value for name in ("ref", "other") if (value := draw(_REFERENCE))}
        kind: LineKind = draw(_KIND)
        found.append(
            line(
                f"{prefix}{number}",
                draw(st.integers(-3, 6)) * draw(st.sampled_from([1, 100])),
                draw(st.integers(10, 13)),
                draw(st.sampled_from(["EUR", "EUR", "EUR", "USD"])),
                fee=draw(st.sampled_from([0, 0, 0, 1])),
                kind=kind,
                **references,
            )
        )
    return found


def passes(*, cardinalities: tuple[str, ...] = ("1:1", "1:n", "n:1"), fuzzy: bool = True) -> st.SearchStrategy[Any]:
    """One pass."""
    tolerance = st.sampled_from([0, 0, 1, 2])
    window = st.tuples(st.integers(-1, 0), st.integers(0, 3))
    plain = st.fixed_dictionaries(
        {
            "keys": st.sampled_from([[], ["ref"], ["other"], ["ref", "other"]]),
            "amount_tolerance_minor": tolerance,
            "amount_tolerance_bp": st.sampled_from([0, 0, 100, 10_000]),
            "date_window_days": window,
            "cardinality": st.sampled_from(cardinalities),
            "fees": st.sampled_from(["left", "left", "right", "none"]),
        }
    )
    alike = st.fixed_dictionaries(
        {
            "keys": st.sampled_from([[], ["other"]]),
            "amount_tolerance_minor": tolerance,
            "date_window_days": window,
            "fuzzy": st.fixed_dictionaries({"reference": st.just("ref"), "minimum": st.sampled_from([50, 80, 100])}),
        }
    )
    return st.one_of(plain, plain, plain, alike) if fuzzy else plain


def rule_sets(**of_passes: Any) -> st.SearchStrategy[Rules]:
    """One to four passes, and perhaps a lag."""
    lag = st.sampled_from([None, 0, 2])
    return st.builds(
        lambda some, days: rules(*some, expected_lag_business_days=days),
        st.lists(passes(**of_passes), min_size=1, max_size=4),
        lag,
    )
