"""Every guard of the protocol and of the ledger matters: without it the simulation finds a violation, with it none."""

from __future__ import annotations

import pytest

from tests.simulation.broken import commit, ledger, restoring, taking
from tests.simulation.broken.registry import ALL, Broken
from tests.simulation.campaign import domain_named
from tests.simulation.world import simulate

#: Importing them registers them.
assert all((commit, ledger, restoring, taking))

pytestmark = pytest.mark.slow

#: Seeds within which a broken guard has to show.
WITHIN_SEEDS = 60


@pytest.mark.parametrize("broken", ALL, ids=lambda broken: broken.guard)
def test_a_guard_left_out_is_found_and_in_place_holds(broken: Broken) -> None:
    """The first seed that breaks without the guard holds with it."""
    for seed in range(WITHIN_SEEDS):
        with pytest.MonkeyPatch.context() as patch:
            broken.leave_out(patch)
            found = simulate(domain_named(broken.machine), seed, broken.profile).violations
        if found:
            break
    else:
        pytest.fail(f"{WITHIN_SEEDS} seeds have not found that a guard is missing: {broken.guard}")
    assert simulate(domain_named(broken.machine), seed, broken.profile).violations == []
