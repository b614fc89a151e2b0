"""Bytes on the command line that are no text."""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from agents.statements import mapping
from ops.cli import main
from ops.cli.owner import read_rates
from ops.reconcile import gl_core
from ops.reference_records import read_lines
from tests.schemas.reference_records import MILES

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


RATE = b'[{"from": "POINTS", "to": "EUR", "numerator": 1, "denominator": 100, "rate_id": "p-7"}]'


def test_a_byte_order_mark_before_json_is_passed_over(tmp_path: Path) -> None:
    """Editors on Windows write one, and nobody sees it."""
    rates = tmp_path / "rates.json"
    rates.write_bytes(BOM_UTF8 + RATE)
    assert read_rates(rates).convert(200, "POINTS", "EUR") is not None
    record = BOM_UTF8 + orjson.dumps(MILES)
    assert [line.key for line in read_lines([record, b"\n", record], "assets")] == ["MILES", "MILES"]
    core = BOM_UTF8 + b'{"account": "a", "asset": {"const": "EUR"}, "balance": "b"}'
    assert gl_core.read_mapping(core) == gl_core.read_mapping(core.removeprefix(BOM_UTF8))
    columns = BOM_UTF8 + b'{"asset": {"const": "EUR"}, "date": "day", "amount": "amount"}'
    assert mapping.read_mapping(columns) == mapping.read_mapping(columns.removeprefix(BOM_UTF8))


def test_a_file_that_the_disk_does_not_give_is_told() -> None:
    refused = CliRunner().invoke(main, ["reference", "put", "assets", "/proc/self/mem"])
    assert refused.exit_code == 1
    assert refused.stderr == "Error: cannot read /proc/self/mem: Input/output error; nothing was written\n"
