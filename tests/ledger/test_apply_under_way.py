"""What may yet come back, to a wallet and out of what everybody shares, by a journal that is under way."""

from __future__ import annotations

import pytest

from agents.ledger.apply_open import count_under_way
from schemas.events import Entry
from tests.ledger.folding import cr, dr, empty_state

OWN, HELD, INCOMING = "w/main/available", "w/main/held", "w/main/incoming"
OUTGOING, DISPUTED = "w/main/outgoing", "w/main/disputed"
TRANSIT, FEES, FX, RAIL = "system/transit", "system/fees", "system/fx", "system/rail:x"


@pytest.mark.parametrize(
    ("journal", "expected"),
    [
        pytest.param((dr(OWN, 5), cr(TRANSIT, 5)), {OWN: 5, TRANSIT: -5}, id="on its way to another partition"),
        pytest.param((dr(HELD, 5), cr(RAIL, 5)), {OWN: 5}, id="what was held may come back as available"),
        pytest.param((dr(OWN, 5), dr(HELD, 4), cr(RAIL, 9)), {OWN: 9}, id="both"),
        pytest.param((dr(RAIL, 9), cr(INCOMING, 7), cr(DISPUTED, 2)), {OWN: 9}, id="set aside"),
        pytest.param((dr(OWN, 5), cr(OUTGOING, 5)), {OWN: 5}, id="taken and set aside once"),
        pytest.param((dr(OWN, 5), dr(RAIL, 4), cr(INCOMING, 9)), {OWN: 9}, id="more set aside than taken"),
        pytest.param((dr(OWN, 9), cr(RAIL, 4), cr(OUTGOING, 5)), {OWN: 9}, id="more taken than set aside"),
        pytest.param((dr(DISPUTED, 5), cr(OWN, 5)), {}, id="given back"),
        pytest.param((dr(DISPUTED, 5), cr(RAIL, 5)), {}, id="set aside no more"),
        pytest.param((dr(RAIL, 5), cr(OWN, 5)), {}, id="paid in"),
        pytest.param((dr("v/main/available", 5), cr("w/save/available", 5)), {}, id="of others"),
        pytest.param(
            (dr(OWN, 107), cr(TRANSIT, 100), cr(FEES, 5), cr(FEES, 2)),
            {OWN: 107, TRANSIT: -100, f"{FEES}-": 7},
            id="fees that may have to be given back",
        ),
        pytest.param((dr(OWN, 6), cr(TRANSIT, 5), cr(FEES, 1)), {OWN: 6, TRANSIT: -5, f"{FEES}-": 1}, id="a small fee"),
        pytest.param((dr(FEES, 3), cr(OWN, 3)), {FEES: 3}, id="a fee that was given back"),
    ],
)
def test_what_may_come_back_by_a_journal(journal: tuple[Entry, ...], expected: dict[str, int]) -> None:
    state = empty_state()
    count_under_way(state, "w", "main", journal, 1)
    assert state.under_way.changes == {f"{account} EUR": minor for account, minor in expected.items()}
    count_under_way(state, "w", "main", journal, -1)
    assert not any(state.under_way.changes.values())


def test_what_was_exchanged_may_come_back_in_each_asset() -> None:
    state = empty_state()
    journal = (dr(OWN, 100), cr(FX, 100), dr(FX, 110, "USD"), cr(TRANSIT, 110, "USD"))
    count_under_way(state, "w", "main", journal, 1)
    expected = {f"{OWN} EUR": 100, f"{FX}- EUR": 100, f"{FX} USD": 110, f"{TRANSIT} USD": -110}
    assert state.under_way.changes == expected
