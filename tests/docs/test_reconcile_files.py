"""The page on matching files: what it shows is what its files come to, and the tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli import main
from ops.reconcile.files_rules import FileRules, SideMapping
from schemas.matching_rules import Pass
from schemas.reconciliation_reasons import REASONS
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "operating" / "reconcile-files.md"
CONCEPTS = ROOT / "docs" / "concepts" / "reconciliation.md"


def test_the_page_shows_what_its_files_come_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    left, right, rules, shown, matches, exceptions = blocks(PAGE)[:6]
    for name, block in (("left.csv", left), ("right.csv", right), ("rules.json", rules)):
        Path(name).write_text(block.text, encoding="utf-8")
    line = re.search(r"^    walletstream (reconcile files .*)$", PAGE.read_text(), re.MULTILINE)
    assert line is not None
    done = CliRunner().invoke(main, line[1].split())
    assert done.exit_code == 0, done.output
    printed = [line.rstrip() for line in done.stdout.splitlines()]
    assert "\n".join(printed).rstrip() == shown.text.rstrip()
    assert Path("out/matches.csv").read_text() == matches.text
    assert Path("out/exceptions.csv").read_text() == exceptions.text


def test_the_page_names_all_that_rules_may_say() -> None:
    text = PAGE.read_text()
    for contract in (FileRules, SideMapping, Pass):
        assert [name for name in contract.model_fields if f"`{name}`" not in text] == [], contract


def test_the_table_of_reasons_has_all_of_them() -> None:
    section = CONCEPTS.read_text().partition("### Reasons")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", "".join(rows))) == sorted(REASONS)
