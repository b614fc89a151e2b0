"""A bank that has got our message twice refuses the second: that says nothing of the first, which it pays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settlement.rails.files.messages import Tx, pain002
from tests.settlement.rails.files.test_iso20022 import BATCH, IDS, Bank, facts


@pytest.mark.parametrize("level", ["group", "block"])
@pytest.mark.parametrize("code", ["DU01", "DU02", "DU04", "DU05"])
def test_that_ours_was_there_before_refuses_nothing(tmp_path: Path, level: str, code: str) -> None:
    transactions = [Tx(IDS[0], "RJCT"), Tx(IDS[1], "RJCT", code)]
    (answer,) = Bank(tmp_path).answer(pain002(BATCH.batch_id, transactions, code=code, **{level: "RJCT"}))
    assert (answer.batch_id, answer.state, answer.instructions) == (BATCH.batch_id, "unknown", ())
    assert answer.message == f"the bank has refused a second message under this id ({code}): it has the first"


def test_nor_does_it_of_single_payments(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    (answer,) = bank.answer(pain002(BATCH.batch_id, [Tx(IDS[0], "RJCT", "DU04"), Tx(IDS[1], "RJCT", "DU05")]))
    assert (answer.state, answer.instructions) == ("unknown", ())
    # What is refused for another reason is refused.
    first, second = bank.answer(pain002(BATCH.batch_id, [Tx(IDS[0], "RJCT", "DU04"), Tx(IDS[1], "RJCT", "AC04")]))
    assert (facts([first]), second.state) == ([("1", "rejected", None, "AC04")], "unknown")


def test_what_a_bank_takes_for_a_duplicate_by_its_content_is_refused(tmp_path: Path) -> None:
    answers = Bank(tmp_path).answer(pain002(BATCH.batch_id, [Tx(IDS[0], "RJCT", "DUPL"), Tx(IDS[1], "RJCT", "AM05")]))
    assert facts(answers) == [("0", "rejected", None, "DUPL"), ("1", "rejected", None, "AM05")]
