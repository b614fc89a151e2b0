"""How long the random tests of the ledger run.

`WALLETSTREAM_HYPOTHESIS=thorough` runs them for minutes, the profile of `make unit` a fifth of what a run of all tests
does. A run is repeated by `WALLETSTREAM_SEED`, which a failing
test prints.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings

T = TypeVar("T")

THOROUGH = os.environ.get("WALLETSTREAM_HYPOTHESIS", "quick") == "thorough"
#: The profile that was asked for on the command line.
_IS_UNIT = settings.get_current_profile_name() == "unit"
SEED = int(os.environ.get("WALLETSTREAM_SEED", random.SystemRandom().randrange(2**32)))

_ALL: list[HealthCheck] = list(HealthCheck)
_PHASES = [phase for phase in Phase if phase is not Phase.explain]


def runs(quick: int, thorough: int, steps: int = 50) -> settings:
    """Settings with so many examples, of so many steps each where a test is of steps."""
    return settings(
        max_examples=thorough if THOROUGH else share(quick),
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        phases=_PHASES,
        suppress_health_check=_ALL,
    )


def share(quick: int) -> int:
    """Of so many repetitions those that a run does: all, or a fifth by `make unit`."""
    return -(-quick // 5) if _IS_UNIT else quick


def seeded(test: Callable[[int], T]) -> T:
    """Call a test with the seed of this run, which is printed so that a failure can be repeated."""
    print(f"repeat with WALLETSTREAM_SEED={SEED}")
    return test(SEED)
