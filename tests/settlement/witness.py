"""What a campaign has found: the simulated rails' own journals against what the ledger was told."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import orjson

from agents.settlement.rails.simulated.journal import Totals
from ops.settlement.told import Told
from schemas.settlement_events import BATCH_READY
from schemas.topics import DEAD_LETTERS, SETTLEMENT_UPDATES
from tests.settlement.cluster import Cluster, Json


@dataclass
class Found:
    """What a campaign has found; `wrong` is empty where all holds."""

    kills: int = 0
    transactions: int = 0
    states: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    payments: int = 0
    paid_minor: int = 0
    submitted_again: int = 0
    contradictions: int = 0
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills; {self.transactions} transactions ({dict(self.states)}) in {self.batches} batches; "
            f"{self.payments} payments of {self.paid_minor} minor units in the rails' journals; {self.submitted_again} "
            f"batches submitted again, not paid again; {self.contradictions} contradictions; {self.took_s:.0f} s"
        )


async def check(cluster: Cluster) -> Found:
    """Compare the rails' journals with what the ledger was told, and with positions."""
    found, told, states = Found(), await cluster.told(), await cluster.states()
    events = await cluster.events()
    found.transactions, found.states, found.batches = len(states), Counter(states.values()), len(told.batches)
    found.contradictions = sum(batch.contradictions for batch in told.batches.values())
    instructions = {
        one.end_to_end_id: one for event in events if event.type == BATCH_READY for one in event.instructions
    }
    went = Counter(name for one in instructions.values() for name in one.transaction_ids)
    found.wrong += [f"transaction {name} went out {count} times" for name, count in went.items() if count > 1]
    updates = [orjson.loads(value) for value in await cluster.values(SETTLEMENT_UPDATES)]
    settled: dict[str, int] = defaultdict(int)
    amounts = {event.payout.transaction_id: event.payout.amount_minor for event in events if event.payout is not None}
    for update in updates:
        if update["operation"] == "settle":
            name = update["transaction_id"]
            settled[name] += update.get("settled_minor", amounts[name])
    for name, totals in cluster.journals().items():
        _compare(found, name, totals, {key: one.transaction_ids for key, one in instructions.items()}, settled)
        _compare_position(found, name, told, totals, cluster.funded_minor[name], updates)
    paid = {key for totals in cluster.journals().values() for key in totals.paid}
    found.wrong += [
        f"instruction {one.end_to_end_id} was settled, and no rail has paid it"
        for one in instructions.values()
        if any(settled[name] for name in one.transaction_ids) and one.end_to_end_id not in paid
    ]
    found.wrong += [f"transaction {name} is {state}" for name, state in states.items() if state == "processed"]
    found.wrong += [f"{value[:200]!r} is a dead letter" for value in await cluster.values(DEAD_LETTERS)]
    return found


def _compare(
    found: Found, name: str, totals: Totals, ours: dict[str, tuple[str, ...]], settled: dict[str, int]
) -> None:
    """Each payment in the journal was told to the ledger, once and exactly."""
    found.payments += len(totals.paid)
    found.paid_minor += totals.paid_minor
    found.submitted_again += len(totals.repeated)
    found.wrong += [f"{name} has paid {what} twice" for what in totals.paid_twice]
    for end_to_end_id, paid in totals.paid.items():
        told_minor = sum(settled[one] for one in ours.get(end_to_end_id, ()))
        if told_minor != sum(paid):
            found.wrong.append(f"{name} has paid {sum(paid)} for {end_to_end_id}, the ledger was told {told_minor}")


def _compare_position(
    found: Found, name: str, told: Told, totals: Totals, funded_minor: int, updates: list[Json]
) -> None:
    """What lies with the rail is what was put there, less what was paid and charged, and what came in and back."""
    position = told.positions[name, "EUR"]
    batches = [batch for batch in told.batches.values() if batch.rail == name]
    signs = {batch.batch_id: -1 if batch.direction == "out" else 1 for batch in batches}
    moved = sum(signs[key[:24]] * sum(paid) for key, paid in totals.paid.items())
    back = sum(-signs[batch.batch_id] * batch.returned_minor for batch in batches)
    fees = sum(batch.fee_minor for batch in batches)
    wanted = funded_minor + moved + back - fees
    if (position.funded_minor, position.committed_minor, position.incoming_minor) != (wanted, 0, 0):
        found.wrong.append(f"the position with {name} is {position}, the journal says {wanted}")
    told_fees = sum(update.get("rail_fee_minor", 0) for update in updates)
    if told_fees > sum(batch.fee_minor for batch in told.batches.values()):
        found.wrong.append(f"{told_fees} of fees were told to the ledger")
