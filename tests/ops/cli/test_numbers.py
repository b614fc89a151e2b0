"""Numbers on the command line that are none."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ops.cli import main


@pytest.mark.parametrize("value", ["nan", "inf", "1e999"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["load", "--rate"],
        ["load", "--seconds"],
        ["load", "--duplicates"],
        ["submit", "--generate", "1", "--rate"],
        ["submit", "--generate", "1", "--timeout"],
        ["verify", "--wait"],
    ],
    ids=" ".join,
)
def test_what_is_no_number_is_refused(arguments: list[str], value: str) -> None:
    # Nobody listens there: what is not refused goes on and says so.
    result = CliRunner().invoke(main, [*arguments, value], env={"WALLETSTREAM_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert result.exit_code == 2
    assert f"Invalid value for '{arguments[-1]}'" in result.stderr
