"""Reports by chance."""

from __future__ import annotations

from hypothesis import strategies as st

from ops.reconcile.report_model import Case, CaseLine, ExpectedLines, MatchedLines, Report
from schemas.reconciliation_reasons import REASONS
from tests.ops.reconcile.test_markup import HOSTILE

AS_OF = "2026-11-28"
_assets = st.sampled_from(["EUR", "JPY", "USD"])
_days = st.dates().map(lambda day: day.isoformat()) | st.none()
_texts = st.sampled_from(HOSTILE) | st.text(max_size=20)
_minor = st.integers(0, 2**63 - 1)
_sections = st.sampled_from(["in_file", "with_us"])

case_lines = st.builds(
    CaseLine,
    _sections,
    st.sampled_from(["ledger", "partner", "bank"]),
    _texts,
    st.integers(-(2**63), 2**63 - 1) | st.none(),
    _assets,
    _days,
    st.dictionaries(_texts, _texts, max_size=2),
    _texts,
)
cases = st.builds(
    Case,
    _texts,
    _texts,
    st.sampled_from(REASONS[:-1]),
    _texts,
    _texts,
    _assets,
    _minor | st.none(),
    st.lists(case_lines, max_size=3).map(tuple),
    st.lists(_texts, max_size=2).map(tuple),
    _texts,
    _days,
    st.booleans(),
    _texts | st.none(),
)
matched = st.builds(
    MatchedLines, _texts, _texts, _assets, *(_minor for _ in range(4)), st.integers(-99, 99), st.integers(0, 100)
)
expected = st.builds(ExpectedLines, _texts, _sections, _assets, _minor, _minor)
reports = st.builds(
    Report,
    _texts,
    st.none() | st.just(("2026-11-01", AS_OF)),
    st.just(AS_OF),
    st.lists(matched, max_size=5).map(tuple),
    st.lists(expected, max_size=5).map(tuple),
    st.lists(cases, max_size=6).map(tuple),
    st.dictionaries(_texts, st.integers(0, 9), max_size=2),
    st.lists(_texts, max_size=2).map(tuple),
)
