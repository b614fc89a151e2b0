"""Fees and exchanges: what is honest is proved, and what is forged is found."""

from __future__ import annotations

import pytest

from tests.ops.verify.forger import make_fit
from tests.ops.verify.price_cases import PRICE_CASES
from tests.ops.verify.priced import priced
from tests.ops.verify.story import audit
from tests.ops.verify.tamper import Tamper


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_what_is_charged_and_exchanged_holds(chunk: int) -> None:
    report = audit(priced(), chunk=chunk)
    assert report.counts == {}, report.findings
    assert report.is_idle


def test_making_fit_what_is_honest_changes_nothing() -> None:
    ledger = priced()
    make_fit(ledger)
    assert audit(ledger).counts == {}


@pytest.mark.parametrize("tamper", [case[1] for case in PRICE_CASES], ids=[case[0] for case in PRICE_CASES])
def test_a_forged_figure_is_found(tamper: Tamper) -> None:
    """Though everything else is made to fit: balances, answers and seals."""
    ledger = priced()
    tamper(ledger)
    make_fit(ledger)
    assert audit(ledger, chunk=10_000).counts != {}
