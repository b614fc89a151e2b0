"""What banks, rails and other people have written cannot steer the terminal of who reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec.structs
import pytest
from click.testing import CliRunner

from ops.amounts import Amounts
from ops.cli import main, reconcile_exceptions, settlement_shown
from ops.reconcile.live_exceptions import Standing
from ops.settlement.told import Told
from schemas.assets import AssetRegistry
from schemas.reconciliation_exceptions import HistoryEntry
from tests.ops.reconcile.exceptions import AT, an_exception
from tests.settlement.rails.batches import batch
from tests.settlement.rails.stage import record

WIPES = "\x1b[2J\x1b]0;t\x07"
SHOWN = "\\x1b[2J\\x1b]0;t\\x07"
AMOUNTS = Amounts(AssetRegistry())


def test_a_comment_on_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    said = (HistoryEntry(at=AT, what="commented", by="op:ines", text=f"see{WIPES}"),)
    read: Any = (an_exception("e1", history=said, sentence=f"Less.{WIPES}"), {}, Standing(), AMOUNTS)
    monkeypatch.setattr(reconcile_exceptions, "with_reader", lambda _work: read)
    shown = CliRunner().invoke(main, ["reconcile", "show", "e1"])
    assert shown.exit_code == 0
    assert f"Less.{SHOWN}\n" in shown.output
    assert f"see{SHOWN}" in shown.output
    assert "\x1b" not in shown.output


def test_what_a_rail_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = msgspec.structs.replace(record(batch(1)), message=f"no{WIPES}", rail=f"r{WIPES}")
    told = Told(batches={sent.batch_id: sent}, instructions={})
    monkeypatch.setattr(settlement_shown, "with_reader", lambda _work: (told, AMOUNTS))
    listed = CliRunner().invoke(main, ["settlement", "batches"])
    assert listed.exit_code == 0
    assert f"r{SHOWN}" in listed.output
    assert "\x1b" not in listed.output


def test_a_statement_that_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.sta"
    file.write_text(
        f":20:X\n:25:DE1\n:28C:1/1\n:60F:C261101EUR1,00\n:61:261101D{WIPES}1,00NTRFX\n:62F:C261101EUR2,00\n"
    )
    arguments = ["reconcile", "import", str(file), "--dry-run", "--offline", "--account", "giro"]
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 3
    assert "\\x1b" in refused.output
    assert "\x1b" not in refused.output
