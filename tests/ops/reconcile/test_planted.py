"""Planted breaks: each of fifteen kinds is found with its reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from agents.reconciliation.matching.match import match
from ops.cli import main
from ops.reconcile.planted import score as scoring
from ops.reconcile.planted.books import AS_OF_DAY, RULES, Books, statements_of
from ops.reconcile.planted.breaks import planted_books
from ops.reconcile.planted.score import score
from schemas.reconciliation_reasons import REASONS


def test_clean_books_are_clean() -> None:
    deals = list(Books(1).deals(20_000))
    left = [line for deal in deals for line in deal.left]
    right = [line for deal in deals for line in deal.right]
    assert {deal.shape for deal in deals} == {"single", "split", "payout", "nameless", "taken back"}
    found = match(RULES, left, right, AS_OF_DAY, statements=statements_of(right))
    assert (found.exceptions, found.expected) == ((), ())
    together = {line_id: each.match_id for each in found.matches for line_id in (*each.left_ids, *each.right_ids)}
    for deal in deals:
        ids = {together[line.line_id] for line in (*deal.left, *deal.right)}
        assert len(ids) == (2 if deal.shape == "taken back" else 1)


@pytest.mark.parametrize("seed", range(3))
def test_every_break_is_found_with_its_reason(seed: int) -> None:
    found = score(12_000, 20, seed)
    assert found.wrong == ()
    assert found.planted.keys() == set(REASONS)
    assert (found.recall(), found.precision(), found.ok) == (1.0, 1.0, True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [101, 102])
def test_every_break_is_found_among_a_hundred_thousand_lines(seed: int) -> None:
    found = score(100_000, 150, seed)
    assert found.lines >= 100_000
    assert found.recall() == 1.0, found.wrong
    assert found.precision() >= 0.99, found.wrong


def test_one_seed_plants_the_same_and_another_does_not() -> None:
    assert planted_books(3_000, 2, 7) == planted_books(3_000, 2, 7)
    assert planted_books(3_000, 2, 7).truth != planted_books(3_000, 2, 8).truth


def test_a_matcher_that_misses_something_falls_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """With rules that know no fees and no customers the same breaks are told wrongly, and the command says so."""
    fewer = RULES.model_copy(update={"passes": RULES.passes[:3], "expected_lag_business_days": None})
    monkeypatch.setattr(scoring, "RULES", fewer)
    result = CliRunner().invoke(main, ["reconcile", "planted", "--lines", "5000", "--breaks", "5", "--json"])
    assert result.exit_code == 1
    found: dict[str, Any] = json.loads(result.output)
    assert found["ok"] is False
    assert found["reasons"]["expected"] == {"planted": 5, "told": 0, "right": 0}
    assert found["precision"] < 0.99
    assert found["wrong"]


def test_the_command_tells_each_reason() -> None:
    result = CliRunner().invoke(main, ["reconcile", "planted", "--lines", "5000", "--breaks", "5"])
    assert result.exit_code == 0, result.output
    assert all(reason in result.output for reason in REASONS)
    assert "recall 1.0000, precision 1.0000" in result.output
