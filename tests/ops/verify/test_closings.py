"""A wallet is closed once it is empty: whatever it has left, wherever, is found."""

from __future__ import annotations

import pytest

from ops.verify.closings import Closings
from ops.verify.findings import Check, Findings, Here
from schemas.events import SUB_WALLET_OPENED, WALLET_STATE_CHANGED, LedgerEvent, WalletFacts


def _event(event_type: str, facts: WalletFacts, wallet_id: str = "alice") -> LedgerEvent:
    return LedgerEvent(type=event_type, wallet_id=wallet_id, wallet=facts, recorded_at="2026-01-01T00:00:00.000Z")


def _found(balances: dict[str, int], *, state: str = "closed") -> list[str]:
    """Sentences about alice, who has euros and points, and a sub-wallet `savings`."""
    findings = Findings()
    closings = Closings(Here(findings, 0), balances)
    closings.event(_event(SUB_WALLET_OPENED, WalletFacts(sub_wallet="savings")), ("EUR", "POINTS"))
    closings.event(_event(SUB_WALLET_OPENED, WalletFacts(sub_wallet="hers"), "bob"), ("EUR",))
    assert not findings.counts
    closings.event(_event(WALLET_STATE_CHANGED, WalletFacts(state=state)), ("EUR", "POINTS"))
    assert set(findings.counts) <= {Check.NOT_EMPTY}
    return [finding.sentence for finding in findings.kept]


@pytest.mark.parametrize("bucket", ["available", "held", "incoming", "outgoing", "disputed"])
@pytest.mark.parametrize("sub_wallet", ["main", "savings"])
@pytest.mark.parametrize("asset", ["EUR", "POINTS"])
@pytest.mark.parametrize("left_minor", [1, -1])
def test_what_is_left_is_found(bucket: str, sub_wallet: str, asset: str, left_minor: int) -> None:
    key = f"alice/{sub_wallet}/{bucket} {asset}"
    assert _found({key: left_minor, "bob/main/available EUR": 5}) == [
        f"a wallet is closed while {key} holds {left_minor}"
    ]


def test_an_empty_wallet_may_be_closed_and_a_full_one_locked() -> None:
    assert _found({"alice/main/available EUR": 0, "bob/main/available EUR": 5}) == []
    assert _found({"alice/main/available EUR": 1}, state="locked") == []
