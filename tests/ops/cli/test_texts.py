"""Bytes on the command line that are no text."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ops.cli import main

#: What Python makes of the byte 0xff in an argument.
NO_TEXT = "\udcff"


@pytest.mark.parametrize(
    "arguments",
    [
        ["wallet", "show", NO_TEXT],
        ["wallet", "show", NO_TEXT, "--view"],
        ["wallet", "pending", NO_TEXT],
        ["wallet", "statement", NO_TEXT],
        ["wallet", "balance-at", NO_TEXT, "2026-01-01"],
        ["owner", "show", NO_TEXT, "--in", "EUR"],
        ["tail", "ledger-events", "--wallet", NO_TEXT],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_what_is_no_utf_8_is_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments, env={"WALLETSTREAM_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert result.exit_code == 2
    assert "is no UTF-8" in result.stderr
