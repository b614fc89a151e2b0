"""What each operation writes within a partition, whole: its event with the journal, and its answer."""

from __future__ import annotations

import pytest

from schemas.topics import FRAUD_COMMANDS, OPERATOR_COMMANDS, TRANSACTION_REQUESTS
from tests.ledger.commands import command, credit, debit, fraud, open_wallet, set_state, transfer
from tests.ledger.expected import (
    ALICE_IN,
    ANNA,
    DEVICE,
    EXTRAS,
    SETTLED,
    accepted,
    answered,
    cause_of,
    decide,
    own,
    posted,
    transaction_id,
    two_wallets,
)
from tests.ledger.ward import quarantined
from tests.ledger.world import World


@pytest.fixture
def world() -> World:
    """Two wallets with 100 EUR, `alice` in partition 1 and `bob` in partition 0."""
    return two_wallets()


def test_open_wallet(world: World) -> None:
    asked = open_wallet("anna", "EUR", "JPY", "EUR", kind="merchant", metadata={"a": "b"})
    at, event, answer = decide(world, asked)
    facts = {"owner_ref": "o-1", "kind": "merchant", "assets": ["EUR", "JPY"], "state": "active"}
    assert event == accepted(asked, at, "wallet.opened", wallet=facts, metadata={"a": "b"})
    assert answer == answered(asked, at)


def test_open_sub_wallet(world: World) -> None:
    asked = command("open_sub_wallet", "alice", sub_wallet="deal", kind="escrow", payee_wallet_id="bob")
    at, event, answer = decide(world, asked)
    facts = {"sub_wallet": "deal", "sub_wallet_kind": "escrow", "payee_wallet_id": "bob"}
    assert event == accepted(asked, at, "wallet.sub_wallet_opened", wallet=facts)
    assert answer == answered(asked, at)


def test_enable_asset(world: World) -> None:
    asked = command("enable_asset", "alice", asset="USD")
    at, event, answer = decide(world, asked)
    assert event == accepted(asked, at, "wallet.asset_enabled", wallet={"assets": ["EUR", "USD"]}, asset="USD")
    assert answer == answered(asked, at)


def test_set_wallet_state(world: World) -> None:
    asked = set_state("alice", "locked", evidence_ref="case-1")
    at, event, answer = decide(world, asked)
    assert at.topic == OPERATOR_COMMANDS
    assert event == accepted(asked, at, "wallet.state_changed", wallet={"state": "locked"})
    assert answer == answered(asked, at)


def test_lock(world: World) -> None:
    asked = fraud("lock", "alice", alert_id="a-1", reason="97 % of it has left within an hour.")
    at, event, answer = decide(world, asked)
    assert at.topic == FRAUD_COMMANDS
    assert event == accepted(asked, at, "wallet.state_changed", wallet={"state": "locked"})
    assert {name: event["request"][name] for name in ("rule_ids", "alert_id", "reason")} == {
        "rule_ids": ["velocity-out"],
        "alert_id": "a-1",
        "reason": "97 % of it has left within an hour.",
    }
    assert answer == answered(asked, at)


def test_require_step_up(world: World) -> None:
    asked = fraud("require_step_up", "alice", reason="A device that is new.")
    at, event, answer = decide(world, asked)
    assert event == accepted(asked, at, "wallet.step_up_required")
    assert answer == answered(asked, at)


def test_credit(world: World) -> None:
    asked = credit("alice", 7, **EXTRAS, instrument_ref="card-1", partner_id="p-1")
    at, event, answer = decide(world, asked)
    journal = posted("system/rail:instant", "alice/main/available", 7, -107, 107)
    money = {"amount_minor": 7, "asset": "EUR", "rail": "instant", "to_state": "settled", "path": SETTLED}
    given = {name: EXTRAS[name] for name in ("occurred_at", "references", "metadata")}
    assert event == accepted(asked, at, "transaction.settled", **journal, **money, **given, device=DEVICE)
    assert answer == answered(asked, at, state="settled", balances=own("alice/main/available", 107))


def test_absent_parts_of_a_device_and_of_references_stay_absent(world: World) -> None:
    _, event, _ = decide(world, credit("alice", 7, device={"ip": "::1"}, references={"order": "o"}))
    assert (event["device"], event["references"]) == ({"ip": "::1"}, {"order": "o"})


def test_debit(world: World) -> None:
    asked = debit("alice", 7)
    at, event, answer = decide(world, asked)
    journal = posted("alice/main/available", "system/rail:instant", 7, 93, -93)
    money = {"amount_minor": 7, "asset": "EUR", "rail": "instant", "to_state": "settled", "path": SETTLED}
    assert event == accepted(asked, at, "transaction.settled", **journal, **money)
    assert answer == answered(asked, at, state="settled", balances=own("alice/main/available", 93))


def test_transfer_within_a_partition(world: World) -> None:
    assert world.submit(open_wallet(ANNA))["code"] == "ok"
    assert world.owner(ANNA) == ALICE_IN
    asked = transfer("alice", ANNA, 7)
    at, event, answer = decide(world, asked)
    journal = posted("alice/main/available", f"{ANNA}/main/available", 7, 93, 7)
    money = {"amount_minor": 7, "asset": "EUR", "to_state": "settled", "path": SETTLED}
    payee = {"wallet_id": ANNA, "sub_wallet": "main"}
    assert event == accepted(asked, at, "transaction.settled", **journal, **money, counterparty=payee)
    assert answer == answered(asked, at, state="settled", balances=own("alice/main/available", 93))
    assert not world.under_way[ALICE_IN, ALICE_IN]


def test_transfer_that_the_payee_refuses(world: World) -> None:
    asked = transfer("alice", ANNA, 7, request_id="r-1")
    at, event, answer = decide(world, asked)
    said = {"code": "payee_refused", "message": "the payee's wallet answered wallet_not_found"}
    money = {"amount_minor": 7, "asset": "EUR", "to_state": "failed", "path": ["initiated", "failed"]}
    payee = {"wallet_id": ANNA, "sub_wallet": "main"}
    assert event == accepted(asked, at, "transaction.failed", **money, counterparty=payee, **said)
    assert answer == answered(asked, at, state="failed", status="rejected", **said)


def test_a_rejection(world: World) -> None:
    asked = debit("alice", 101, **EXTRAS)
    at, event, answer = decide(world, asked)
    said = {"code": "insufficient_funds", "field": "amount_minor", "message": "available 100, needed 101"}
    # What the fingerprint leaves out, and so the request; where it came from is what fraud rules look at.
    given = {"occurred_at": EXTRAS["occurred_at"], "device": DEVICE}
    expected = accepted(asked, at, "request.rejected", **given, **said)
    del expected["transaction_id"]
    assert event == expected
    expected = answered(asked, at, status="rejected", **said)
    del expected["transaction_id"]
    assert answer == expected


@pytest.mark.parametrize("code", ["sub_wallet_not_found", "wallet_quarantined", "amount_out_of_range"])
def test_why_a_payee_in_the_same_partition_refuses(world: World, code: str) -> None:
    assert world.submit(open_wallet(ANNA))["code"] == "ok"
    assert world.submit(credit(ANNA, 2**63 - 1 - 99))["code"] == "ok"
    if code == "wallet_quarantined":
        quarantined(world, ANNA)
    to_sub_wallet = "gone" if code == "sub_wallet_not_found" else "main"
    _, event, answer = decide(world, transfer("alice", ANNA, 100, to_sub_wallet=to_sub_wallet))
    assert event["counterparty"] == {"wallet_id": ANNA, "sub_wallet": to_sub_wallet}
    assert (answer["code"], answer["message"]) == ("payee_refused", f"the payee's wallet answered {code}")


def test_a_replay(world: World) -> None:
    asked = credit("alice", 7, request_id="r-1")
    first, _, _ = decide(world, asked)
    world.wait(5_000)
    again = {**asked, "request_id": "r-2"}
    at, event, answer = decide(world, again)
    cause = cause_of(again, at)
    del cause["fingerprint"]
    assert event == {
        "type": "request.replayed",
        "wallet_id": "alice",
        "transaction_id": transaction_id(asked, TRANSACTION_REQUESTS),
        "operation": "credit",
        "code": "ok",
        "cause": cause,
        "recorded_at": "2026-01-01T00:00:05.000Z",
    }
    now = {"replayed": True, "current_state": "settled", "current_code": "ok"}
    balances = own("alice/main/available", 107)
    assert answer == answered(again, at, state="settled", balances=balances, **now), "recorded_at is the first one's"
    assert first != at


def test_a_mismatch_leaves_no_fingerprint(world: World) -> None:
    asked = credit("alice", 7, key="k")
    decide(world, asked)
    at, event, answer = decide(world, credit("alice", 8, key="k"))
    assert "fingerprint" not in event["cause"]
    assert (event["code"], event["field"]) == ("idempotency_mismatch", "amount_minor")
    assert answer["message"] == "the key was used for another command; amount_minor differs"
    assert answer["source"] == at._asdict()
