"""Days and periods as people write them."""

from __future__ import annotations

import pytest

from ops.errors import OperationError
from ops.reconcile.days import Period, read_day, read_period


def test_a_day_and_a_period() -> None:
    assert read_period("2026-11-23", None, None) == Period("2026-11-23", "2026-11-23")
    period = read_period(None, "2026-11-01", "2026-11-30")
    assert (period.name, period.ends_at_s) == ("2026-11-01_2026-11-30", 1_796_083_200)
    assert read_period("2024-02-29", None, None).name == "2024-02-29"
    # As people write "until now and whatever comes".
    assert read_period(None, "2026-11-01", "9999-12-31").ends_at_s == 253_402_300_800


@pytest.mark.parametrize("text", ["2026-02-29", "20261123", "2026-W48-1", "23.11.2026", "", "2026-11-23T00:00:00Z"])
def test_a_day_that_is_none(text: str) -> None:
    with pytest.raises(OperationError, match="is no day: write it as"):
        read_day(text)


@pytest.mark.parametrize("given", [(None, None, None), ("2026-11-23", "2026-11-23", None), (None, "2026-11-23", None)])
def test_days_that_say_nothing(given: tuple[str | None, str | None, str | None]) -> None:
    with pytest.raises(OperationError, match=r"say which days|belong together"):
        read_period(*given)


def test_a_period_that_ends_before_it_begins() -> None:
    with pytest.raises(OperationError, match="is later than"):
        read_period(None, "2026-11-24", "2026-11-23")
