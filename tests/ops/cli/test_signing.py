"""What people do is signed: there is a name with each of it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ops.cli import main


@pytest.mark.parametrize("name", ["", "  "])
@pytest.mark.parametrize(
    "arguments",
    [
        ["dlq", "discard", "0:1", "--yes", "--by"],
        ["reconcile", "approve", "x", "--by"],
        ["reconcile", "assign", "x", "--to"],
        ["settlement", "retry", "b", "--by"],
        ["fraud", "label", "a", "confirmed", "--by"],
    ],
)
def test_nobody_decides_anything_without_a_name(arguments: list[str], name: str) -> None:
    result = CliRunner().invoke(main, [*arguments, name])
    assert result.exit_code == 2
    assert "a name is needed: it is kept with what was done" in result.output
