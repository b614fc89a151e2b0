"""The last word on each batch, as operators ask for it."""

from __future__ import annotations

import pytest

from ops.errors import OperationError
from ops.settlement.told import told_by
from tests.settlement.rails.batches import batch
from tests.settlement.rails.stage import record


def test_the_beginning_of_an_id_names_a_batch() -> None:
    (one, other), told = (batch(1), batch(0x12)), told_by([record(batch(1)), record(batch(0x12))])
    assert told.batch(other.batch_id) == record(other)
    assert told_by([record(one)]).batch("0000") == record(one)
    with pytest.raises(OperationError, match=r"2 batches whose id begins with '0000'.*settlement batches"):
        told.batch("0000")
    with pytest.raises(OperationError, match="no batch"):
        told.batch("ff")


def test_nothing_names_no_batch_also_where_there_is_one_only() -> None:
    with pytest.raises(OperationError, match="no batch whose id begins with ''"):
        told_by([record(batch(1))]).batch("")
