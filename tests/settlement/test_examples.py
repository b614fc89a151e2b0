"""The golden examples of the settlement role's topics are what the machine writes today."""

from __future__ import annotations

from tests.golden import EXAMPLES
from tests.settlement.examples import examples


def test_the_examples_are_not_stale() -> None:
    """`python -m tests.settlement.examples` writes them."""
    found = {
        f"{folder.name}/{path.name}": path.read_bytes()
        for folder in EXAMPLES.iterdir()
        if folder.name.startswith(
            ("settlement-events", "settlement-internal", "settlement-commands", "settlement-batches")
        )
        for path in folder.glob("*.json")
    }
    assert found == examples()
