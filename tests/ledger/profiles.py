"""How long the random tests of the ledger run.

`WALLETSTREAM_HYPOTHESIS=thorough` runs them for minutes. A run is repeated by `WALLETSTREAM_SEED`, which a failing
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
SEED = int(os.environ.get("WALLETSTREAM_SEED", random.SystemRandom().randrange(2**32)))

_ALL: list[HealthCheck] = list(HealthCheck)
_PHASES = [phase for phase in Phase if phase is not Phase.explain]


def runs(quick: int, thorough: int, steps: int = 50) -> settings:
    """Settings with so many examples, of so many steps each where a test is of steps."""
    return settings(
        max_examples=thorough if THOROUGH else quick,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        phases=_PHASES,
        suppress_health_check=_ALL,
    )


def seeded(test: Callable[[int], T]) -> T:
    """Call a test with the seed of this run, which is printed so that a failure can be repeated."""
    print(f"repeat with WALLETSTREAM_SEED={SEED}")
    return test(SEED)
