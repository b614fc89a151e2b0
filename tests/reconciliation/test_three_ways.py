"""Ledger, partner and bank: a payout is a sum of what was reported, and what is posted is explained everywhere."""

from __future__ import annotations

import pytest

from agents.reconciliation.ticking import TRY_AGAIN_MS
from schemas.reconciliation_events import decode_reconciliation_event
from schemas.topics import MATCHING_RULES
from streams.machine import Context, Output
from tests.reconciliation.records import Json, statement_records
from tests.reconciliation.resolving import by_reason, check_fates, propose, refusals, resolve, restart_all, summary
from tests.reconciliation.world import World


def three_ways() -> World:
    """Two payments agree with the partner, who pays them in one sum; a bank's charge has no counterpart."""
    world = World()
    world.settled("w1", 10_000, "R1")
    world.settled("w2", 7_000, "R2")
    world.run()
    world.statement((10_000, "R1"), (7_000, "R2"))
    world.statement((17_000, "PAYOUT-1"), (-350, "CHARGE"), side="bank")
    world.run()
    return world


def test_a_payout_of_the_partner_is_the_sum_of_what_was_reported() -> None:
    world = three_ways()
    matches = [event.match for event in world.events("match.made") if event.match is not None]
    assert sorted((each.relation, len(each.left_ids), len(each.right_ids)) for each in matches) == [
        ("ledger-partner", 1, 1),
        ("ledger-partner", 1, 1),
        ("partner-bank", 2, 1),
    ]
    totals = {(each.relation, each.side): (each.matched, each.expected) for each in summary(world).totals}
    assert totals[("partner-bank", "bank")] == (1, 1)
    # With a partner's report there is no third comparison.
    assert ("ledger-bank", "ledger") not in totals
    check_fates(world)


@pytest.mark.parametrize("given", [{}, {"fees": "none"}])
def test_a_fee_that_the_partner_has_kept_is_not_taken_off_its_line_once_more(given: Json) -> None:
    """Of a book without a word on fees, too: what the partner has paid out is what its lines say was left."""
    relations = [
        {"relation": name, "rules": {"passes": [{"name": "by", "keys": keys, "cardinality": cardinality, **given}]}}
        for name, keys, cardinality in (
            ("ledger-partner", ["provider_reference"], "1:1"),
            ("partner-bank", ["batch_id"], "n:1"),
        )
    ]
    world = World(reference=[(MATCHING_RULES, {"name": "sepa", "version": 1, "relations": relations})])
    facts = {"rail_fee_minor": 200, "rail_reference": "R1"}
    world.settled("w1", 9_800, "R1", rail_facts=facts)
    world.settled("w2", 6_800, "R2", rail_facts={**facts, "rail_reference": "R2"})
    world.run()
    batch = {"batch_id": "PAYOUT-1"}
    for side, lines, fee_minor in (("partner", ((9_800, "R1"), (6_800, "R2")), 200), ("bank", ((16_600, ""),), 0)):
        world.files += 1
        records = statement_records(world.files, lines, side, "sepa", "2026-11-23")
        for record in records[:-1]:
            record |= {"fee_minor": fee_minor, "references": {**record["references"], **batch}}
        for record in records:
            world.external(record)
    world.later(days=9)
    assert world.open() == []
    matches = [event.match for event in world.events("match.made") if event.match is not None]
    assert sorted((each.relation, each.difference_minor) for each in matches) == [
        ("ledger-partner", 0),
        ("ledger-partner", 0),
        ("partner-bank", 0),
    ]


def test_a_banks_charge_is_booked_and_explained_in_all_relations() -> None:
    world = three_ways()
    for _ in range(9):
        world.later(days=1)
    (charge,) = by_reason(world)["missing_left"]
    accounts = {"from_account": "system/fees", "to_account": "system/rail:sepa", "amount_minor": 350, "asset": "EUR"}
    turned = {"from_account": "system/rail:sepa", "to_account": "system/fees"}
    elsewhere = {"to_account": "system/adjustments"}
    for wrong in ({"amount_minor": 3_500}, {"asset": "USD"}, turned, elsewhere):
        propose(world, charge, kind="correct", wallet_id="w1", **accounts | wrong)
    assert refusals(world) == ["unbalanced"] * 4, "what the ledger moves on the rail is what the bank says"
    resolve(world, charge, kind="correct", wallet_id="w1", **accounts)
    assert world.exceptions()[charge.exception_id].state == "approved"
    world.answer()
    assert world.exceptions()[charge.exception_id].state == "resolved"
    for _ in range(9):
        world.later(days=1)
    assert world.open() == [], "the posting's own line on the rail is no break either"
    assert len(world.commands()) == 1
    assert refusals(world) == ["unbalanced"] * 4
    restart_all(world)


def test_bank_and_partner_may_state_the_very_same_file_under_one_name() -> None:
    """Account, bytes and content are the same: the side tells them apart, and each is taken once."""
    world = World()
    world.settled("w1", 10_000, "R1")
    ids = []
    for side in ("partner", "bank", "partner", "bank"):
        world.files = 0
        ids.append(world.statement((10_000, "R1"), side=side))
    world.run()
    assert len(set(ids)) == 2
    taken = [event.statement.side for event in world.events("statement.taken") if event.statement is not None]
    assert sorted(taken) == ["bank", "partner"]
    assert len(world.events("statement.repeated")) == 2
    matches = [event.match.relation for event in world.events("match.made") if event.match is not None]
    assert sorted(matches) == ["ledger-partner", "partner-bank"]


def test_a_tick_whose_result_is_too_large_for_the_broker_puts_off_what_is_due() -> None:
    world = World(partitions=1)
    world.settled("w1", 10_000, "R1")
    world.run()
    world.now_ms += 61_000
    (partition,) = world.all
    assert partition.tick()
    (record,) = world.topics["reconciliation-internal", 0]
    context = Context("reconciliation-internal", 0, 1, world.now_ms, "2026-11-23T04:51:01.000Z")
    out = Output("reconciliation-events", 0, partition.progress.sequence)
    partition.machine.oversized(partition.overlay, record, context, out)
    assert partition.machine.due_at_ms(partition.overlay) == world.now_ms + TRY_AGAIN_MS


def test_of_books_that_are_due_the_one_with_the_largest_record_is_put_off_and_the_others_are_matched() -> None:
    world = World(partitions=1)
    # An exception carries its lines, a match only their ids.
    for account, minor in (("cards", 10_000), ("sepa", 9_000)):
        world.settled("w1", 10_000, "R1", rail=account)
        world.statement((minor, "R1"), account=account)
    (partition,) = world.all
    while partition.waiting():
        partition.run(100)
    world.now_ms += 61_000
    assert partition.tick()
    (record,) = world.topics["reconciliation-internal", 0]
    context = Context("reconciliation-internal", 0, 1, world.now_ms, "2026-11-23T04:51:01.000Z")
    out = Output("reconciliation-events", 0, partition.progress.sequence)
    partition.machine.oversized(partition.overlay, record, context, out)
    due = [name for name, _ in partition.machine._turn(partition.overlay).state.due.scan()]
    assert [name.partition(" ")[2] for name in due] == ["cards", "sepa"]
    assert int(due[0][:15]) <= world.now_ms, "the next tick matches it"
    assert int(due[1][:15]) == world.now_ms + TRY_AGAIN_MS
    _, event = [decode_reconciliation_event(value or b"") for _, value, _ in out.events]
    assert (event.type, event.book) == ("record.failed", "sepa")
    assert "max.message.bytes" in (event.message or "")
