"""The page on trying fraud rules: what it shows is what its files come to."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from ops.cli import main
from tests.docs.pages import ROOT, blocks


def test_the_page_shows_what_its_files_come_to(tmp_path: Path) -> None:
    rules, table, mapping, shown = blocks(ROOT / "docs" / "operating" / "fraud-backtest.md")[:4]
    assert [each.language for each in (rules, table, mapping, shown)] == ["json", "csv", "json", ""]
    arguments = ["fraud", "backtest", "--labels", "chargeback"]
    for option, block in (("rules", rules), ("transactions", table), ("mapping", mapping)):
        path = tmp_path / option
        path.write_text(block.text, encoding="utf-8")
        arguments += [f"--{option}", str(path)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0
    printed = [line.rstrip() for line in (done.stderr + done.stdout).splitlines()]
    assert "\n".join(printed).rstrip() == shown.text.rstrip()
