"""A small ledger on which transactions are brought into every state: two partitions, one rail of each kind."""

from __future__ import annotations

import json
from typing import NamedTuple

from schemas.clock import rfc3339
from schemas.rails import INSTANT, Rail
from schemas.reference import Reference
from schemas.topics import FX_RATES, INTERNAL_COMMANDS
from tests.ledger.commands import Json, command, credit, open_wallet, set_state
from tests.ledger.world import DAY_MS, START_MS, Position, World

SEPA = Rail(name="sepa", settlement="deferred")
#: Its payments wait for screening.
WIRE = Rail(name="wire", settlement="deferred", screening=True, screening_deadline_s=3_600)
RATE: Json = {"rate_id": "r-1", "base": "EUR", "quote": "USD", "bid": "1.1", "ask": "1.2", "source": "desk"}
RATE |= {"valid_from": rfc3339(START_MS), "valid_until": rfc3339(START_MS + 365 * DAY_MS)}
REFERENCE = Reference(rails={rail.name: rail for rail in (INSTANT, SEPA, WIRE)}).with_record(
    FX_RATES, "r-1", json.dumps(RATE).encode()
)

#: What each transaction is of, and what is refunded or disputed of it.
AMOUNT_MINOR, PART_MINOR = 60, 10
#: How long authorizations hold.
HOLD_S = 3_600


class Seen(NamedTuple):
    """A transaction, and the wallets under which it is named."""

    transaction_id: str
    #: Who asked for it.
    wallet_id: str
    #: Who has the money to give back: the payee, or whoever asked for what went over a rail.
    holder_id: str

    @property
    def has_payee(self) -> bool:
        """True where the money went to another wallet."""
        return self.holder_id != self.wallet_id


class Stage:
    """`alice` and `bert` live in partition 0, `bob` in 1; alice has money."""

    def __init__(self, **of_world: int) -> None:
        self.world = World(2, reference=REFERENCE, **of_world)
        self.alice, self.bert = self.world.name_in(0, "alice"), self.world.name_in(0, "bert")
        self.bob = self.world.name_in(1, "bob")
        for wallet_id in (self.alice, self.bert, self.bob):
            self.do(open_wallet(wallet_id, "EUR", "USD"))
        self.do(credit(self.alice, 1_000))
        #: The dispute that is open of a transaction.
        self.disputes: dict[str, Seen] = {}

    def do(self, asked: Json, *, deliver: bool = True) -> Json:
        """Ask for what has to be accepted; without `deliver` internal commands stay under way."""
        at = self.put(asked, deliver=deliver)
        answer = self.world.answer(at)
        assert answer["code"] == "ok", answer
        return answer

    def put(self, asked: Json, *, deliver: bool = True) -> Position:
        """Ask for something, and let it be decided."""
        at = self.world.put(asked)
        self.world.decide(at.partition)
        if deliver:
            self.world.settle()
        return at

    def begin(self, asked: Json, holder_id: str | None = None, *, deliver: bool = True) -> Seen:
        """The transaction that a command begins."""
        answer = self.world.answer(self.put(asked, deliver=deliver))
        wallet_id = asked["wallet_id"]
        return Seen(answer["transaction_id"], wallet_id, holder_id or wallet_id)

    def set_states(self, state: str, *wallet_ids: str) -> None:
        """Operators set the state of wallets; nothing that is under way is delivered."""
        for wallet_id in wallet_ids:
            self.do(set_state(wallet_id, state), deliver=False)

    def authorize(self) -> Seen:
        """An authorization of alice's."""
        fields: Json = {"amount_minor": AMOUNT_MINOR, "asset": "EUR", "expires_in_s": HOLD_S}
        return self.begin(command("authorize", self.alice, **fields))

    def tick(self) -> Position:
        """The time of what was begun is over, or has come, and the clock says so in alice's partition."""
        self.world.wait(HOLD_S * 1_000)
        tick = self.world.machine.tick(self.world.now_ms, 0)
        at = self.world.append(tick.topic, tick.value, key=tick.key, partition=0)
        self.world.decide(0)
        return at

    def tell(self, wallet_id: str, value: bytes) -> Position:
        """An internal command in the partition of a wallet."""
        where = self.world.owner(wallet_id)
        at = self.world.append(INTERNAL_COMMANDS, value, key=wallet_id.encode(), partition=where)
        self.world.decide(where)
        return at

    def state_of(self, seen: Seen, wallet_id: str) -> str:
        """The state of a transaction as the partition of a wallet knows it."""
        here = self.world.owner(wallet_id)
        states = [
            event["to_state"]
            for event in self.world.events
            if event.get("transaction_id") == seen.transaction_id
            and "to_state" in event
            and event["_partition"] == here
            and event["type"] != "transaction.confirmed"
        ]
        return str(states[-1]) if states else "unknown"
