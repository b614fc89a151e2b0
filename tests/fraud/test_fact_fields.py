"""What rules see of the ledger's own events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agents.fraud.entries import keyed_by, seen_from
from agents.fraud.facts import Recorded, fact_of
from ops.fraud.library.shipped import library
from schemas.clock import rfc3339, unix_ms
from schemas.events import LedgerEvent
from schemas.facts import FACT_FIELDS
from schemas.partitioning import partition_of
from schemas.topics import DEAD_LETTERS, LEDGER_EVENTS
from tests.fraud.role import RoleWorld, rule
from tests.ledger.commands import command, credit, debit, open_wallet, transfer
from tests.ledger.world import World

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples" / "ledger-events.v1"


def seen(name: str, **changed: Any) -> Recorded:
    """The fact that a golden example is, some fields of it changed."""
    event = json.loads((EXAMPLES / f"{name}.json").read_text()) | changed
    found = fact_of(json.dumps(event).encode(), 0)
    assert found is not None
    return found


def test_what_is_left_is_that_of_the_wallet_and_asset() -> None:
    assert seen("debit.deferred").fact["available_minor"] == 27551
    assert seen("debit.fee").fact["available_minor"] == 3970
    assert "available_minor" not in seen("debit.deferred", asset="USD").fact
    assert "available_minor" not in seen("dispute.debit").fact


def test_a_tier_is_known_by_its_name() -> None:
    assert seen("debit.deferred", tier="basic@7").fact["tier"] == "basic"


def test_an_empty_address_is_none() -> None:
    """Else all who send none would share one, on the stream and not in the table of its history."""
    assert "ip" not in seen("debit", device={"fingerprint": "d1", "ip": ""}).fact
    assert seen("debit", device={"ip": "10.0.0.1"}).fact["ip"] == "10.0.0.1"


def test_a_dispute_is_a_fact_of_its_own() -> None:
    dispute = seen("dispute.debit")
    assert dispute.is_first
    assert dispute.fact["operation"] == "dispute"
    assert "direction" not in dispute.fact
    assert not seen("dispute.debit.2").is_first


def test_a_dispute_says_of_what_it_is() -> None:
    """A chargeback that a payee has to bear is another thing than what a payer contests."""
    assert seen("dispute.debit").fact["disputed_direction"] == "out"
    assert seen("dispute").fact["disputed_direction"] == "in"
    assert seen("dispute.fee").fact["disputed_direction"] == "in"
    for path in sorted(EXAMPLES.glob("*.json")):
        if not path.stem.startswith("dispute"):
            found = fact_of(path.read_bytes(), 0)
            assert found is None or "disputed_direction" not in found.fact, path.stem
    assert "disputed_direction" not in seen("dispute.2").fact, "told of the payment"


def test_what_is_refused_is_a_fact_where_it_were_one_if_it_were_not() -> None:
    """Each operation that makes a transaction of its own, and no other."""
    makes: dict[str, bool] = {}
    for path in sorted(EXAMPLES.glob("*.json")):
        event = json.loads(path.read_bytes())
        found = fact_of(path.read_bytes(), 0)
        if found is not None and event["type"] != "request.rejected" and event.get("operation"):
            makes[event["operation"]] = makes.get(event["operation"], False) or found.is_first
    assert {"debit", "refund", "dispute", "reverse", "adjust"} <= {each for each, own in makes.items() if own}
    for operation, own in makes.items():
        assert seen("debit.too_much", operation=operation).is_first is own, operation


def test_of_what_is_refused_rules_see_where_it_came_from() -> None:
    """Cards are tried from one device, and most of them are refused."""
    card_testing = library()["card-testing"].with_values({"state": "active"})
    role = RoleWorld([card_testing.model_dump(mode="json", by_alias=True)])
    ledger, device = World(2), {"fingerprint": "farm", "ip": "10.0.0.1", "latitude": 1.5, "longitude": -2.5}
    for number in range(10):
        assert ledger.submit(open_wallet(f"w{number}"))["code"] == "ok"
        assert ledger.submit(debit(f"w{number}", 100, device=device))["code"] == "insufficient_funds"
        # The same again is answered, and no fact.
        assert ledger.submit(debit("none", 100, key="k", device=device))["code"] == "wallet_not_found"
    told = [{name: event[name] for name in LedgerEvent.__struct_fields__ if name in event} for event in ledger.events]
    for event in told:
        role.ledger_event(0, **event)
    role.run()
    found = [fact_of(json.dumps(event).encode(), 0) for event in told if event["type"] == "request.rejected"]
    assert len(found) > 10
    assert all(each is not None and each.fact["device"] == "farm" for each in found)
    assert all(each is not None and each.fact["latitude"] == 1.5 and each.fact["ip"] == "10.0.0.1" for each in found)
    assert {alert.subject for alert in role.alerts().values()} == {"farm"}


def test_what_moves_within_a_wallet_goes_neither_in_nor_out() -> None:
    """Savings are no payment: nothing is emptied, passed through or spent by them."""
    ledger = World(1)
    for asked in (
        open_wallet("w1"),
        credit("w1", 1_000),
        command("open_sub_wallet", "w1", sub_wallet="savings", kind="savings"),
    ):
        assert ledger.submit(asked)["code"] == "ok"
    assert ledger.submit(transfer("w1", "w1", 900, to_sub_wallet="savings"))["code"] == "ok"
    told = [{name: event[name] for name in LedgerEvent.__struct_fields__ if name in event} for event in ledger.events]
    facts = [found.fact for each in told if (found := fact_of(json.dumps(each).encode(), 0)) is not None]
    (moved,) = [fact for fact in facts if fact.get("operation") == "transfer"]
    assert (moved["to_wallet_id"], moved["to_sub_wallet"], moved.get("direction")) == ("w1", "savings", None)
    assert [(key, fact.get("direction"), leg) for key, fact, leg in keyed_by(("party_id",))(moved)] == [
        (("w1",), None, 0),
    ]
    assert seen_from(("party_id",), 0, moved).get("direction") is None
    paid = moved | {"to_wallet_id": "w2", "direction": "out"}
    assert [(key, fact["direction"], leg) for key, fact, leg in keyed_by(("party_id",))(paid)] == [
        (("w1",), "out", 0),
        (("w2",), "in", 1),
    ]


def test_what_is_done_in_a_batch_comes_from_where_the_batch_does() -> None:
    """Whoever has taken a wallet over would else pay from a new device unseen, in a batch of one."""
    ledger = World(1)
    assert ledger.submit(open_wallet("w1"))["code"] == "ok"
    assert ledger.submit(credit("w1", 1_000))["code"] == "ok"
    items = [{"operation": "debit", "amount_minor": minor, "asset": "EUR"} for minor in (100, 200)]
    device, references = {"fingerprint": "new", "ip": "10.0.0.1"}, {"merchant": "m", "user": "Jon Smith"}
    occurred_at = rfc3339(ledger.now_ms - 1_000)
    before = len(ledger.events)
    asked = command("batch", "w1", items=items, occurred_at=occurred_at, device=device, references=references)
    assert ledger.submit(asked)["code"] == "ok"
    facts = []
    for event in ledger.events[before:]:
        told = {name: event[name] for name in LedgerEvent.__struct_fields__ if name in event}
        found = fact_of(json.dumps(told).encode(), 60_000)
        if found is None:
            continue
        facts.append((found.fact["operation"], found.fact.get("amount_minor"), found.t_ms))
        where = tuple(found.fact[name] for name in ("device", "ip", "merchant", "user"))
        assert where == ("new", "10.0.0.1", "m", "Jon Smith")
    at_ms = unix_ms(occurred_at)
    assert facts == [("batch", None, at_ms), ("debit", 100, at_ms), ("debit", 200, at_ms)]


def test_what_the_role_has_ordered_is_no_fact() -> None:
    """Else a rule on refusals would feed on the refusal of its own lock."""
    for name in ("lock", "require_step_up"):
        written = (EXAMPLES / f"{name}.json").read_bytes()
        assert fact_of(written, 0) is None
        rejected = json.loads(written) | {"type": "request.rejected", "code": "wallet_closed"}
        assert fact_of(json.dumps(rejected).encode(), 0) is None
    assert seen("set_wallet_state").fact["type"] == "wallet.state_changed"


def test_every_field_of_a_fact_is_in_the_catalogue() -> None:
    for path in sorted(EXAMPLES.glob("*.json")):
        found = fact_of(path.read_bytes(), 0)
        if found is not None:
            assert found.fact.keys() <= FACT_FIELDS.keys(), path.name
            for name, value in found.fact.items():
                assert isinstance(value, str) == (FACT_FIELDS[name][0] == "text"), (path.name, name)


def test_an_amount_beyond_all_bounds_is_refused_and_no_part_of_the_fact() -> None:
    """The ledger keeps it as text: who asks for it is seen all the same, and nothing becomes a dead letter."""
    failed = library()["failed-attempts"].with_values({"state": "active"})
    role = RoleWorld([failed.model_dump(mode="json", by_alias=True)])
    ledger = World(1)
    assert ledger.submit(open_wallet("w1"))["code"] == "ok"
    for number in range(5):
        amount = (1 << 63 << number) * (-1) ** number
        assert ledger.submit(debit("w1", amount))["code"] == "amount_out_of_range"
    for value in ledger.shards[0].log:
        role.send(LEDGER_EVENTS, partition_of("w1", role.partitions), b"w1", value)
    role.run()
    assert not role.bugs
    assert not role.records(DEAD_LETTERS)
    assert [alert.rule_id for alert in role.alerts().values()] == ["failed-attempts"]
    facts = [found for value in ledger.shards[0].log if (found := fact_of(value, 0)) is not None]
    refused = [found for found in facts if found.fact["status"] == "rejected"]
    seen_of_each = [("amount_minor" in found.fact, found.fact["asset"], found.is_first) for found in refused]
    assert seen_of_each == [(False, "EUR", True)] * 5


def test_what_a_payee_has_received_is_of_the_payee_alone() -> None:
    """Its event names the payer as the counterparty, to whom nothing goes."""
    ledger = World(2)
    payer, payee = ledger.name_in(0, "payer"), ledger.name_in(1, "payee")
    for asked in (open_wallet(payer), open_wallet(payee), credit(payer, 1_000), transfer(payer, payee, 900)):
        assert ledger.submit(asked)["code"] == "ok"
    received = {"field": "type", "op": "in", "value": ["transfer.received"]}
    role = RoleWorld(
        [
            rule("in", ["party_id"], filter={"all": [received, {"field": "direction", "op": "eq", "value": "in"}]}),
            rule("out", ["party_id"], filter={"all": [received, {"field": "direction", "op": "eq", "value": "out"}]}),
            rule("paid", ["to_wallet_id"], filter=received),
        ]
    )
    for shard in ledger.shards:
        for value in shard.log:
            role.send(LEDGER_EVENTS, shard.index, b"", value)
    role.run()
    assert {(alert.rule_id, alert.subject) for alert in role.alerts().values()} == {("in", payee)}
