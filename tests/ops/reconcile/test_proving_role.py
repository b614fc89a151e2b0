"""The loop that publishes proofs: how long it waits after failures."""

from __future__ import annotations

from ops.reconcile.proving_role import _pause_s


def test_pauses_grow_to_a_minute_and_stay_there_however_long_it_fails() -> None:
    assert [_pause_s(failures) for failures in (1, 2, 3, 6, 60, 5_000)] == [2.0, 4.0, 8.0, 60.0, 60.0, 60.0]
