"""What is on its way between partitions while rules change."""

from __future__ import annotations

from schemas.partitioning import partition_of
from schemas.topics import FRAUD_RULES
from tests.fraud.role import RoleWorld, counted, payment, rule


def test_a_later_event_that_a_rule_asked_for_is_seen_by_no_other_rule() -> None:
    """Also where that rule is gone before it arrives; and as it is loaded after a restart."""
    failed = rule("failed", ["device"], filter={"field": "type", "op": "eq", "value": "transaction.failed"})
    device = next(name for number in range(99) if partition_of(name := f"d{number}", 2) == 1)
    wallet_id = next(name for number in range(99) if partition_of(name := f"w{number}", 2) == 0)
    seen = {"device": {"fingerprint": device}}
    world = RoleWorld([failed, counted("often", ["device"], 2)], partitions=2)
    payment(world, 1, wallet_id, 0, type="transaction.processed", to_state="processed", **seen)
    payment(world, 1, wallet_id, 0, type="transaction.failed", from_state="processed", to_state="failed", **seen)
    world.all[0].run(100)
    world.refer(FRAUD_RULES, "failed", None)
    world.run()
    assert not world.alerts()
    payment(world, 2, wallet_id, 0, **seen)
    world.run()
    assert [(alert.observed, alert.occurrences) for alert in world.alerts().values()] == [("2", 1)]
    world.all[1].restart()
    payment(world, 3, wallet_id, 0, **seen)
    world.run()
    assert sorted(str(alert.observed) for alert in world.alerts().values()) == ["2", "3"]
