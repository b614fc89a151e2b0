"""The golden examples of what the reconciliation role writes are what the machine writes today."""

from __future__ import annotations

from tests.golden import EXAMPLES
from tests.reconciliation.examples import TOPICS, examples


def test_the_examples_are_not_stale() -> None:
    """`python -m tests.reconciliation.examples` writes them."""
    found = {
        f"{topic}.v1/{path.name}": path.read_bytes()
        for topic in TOPICS
        for path in (EXAMPLES / f"{topic}.v1").glob("*.json")
    }
    assert found == examples()
