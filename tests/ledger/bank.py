"""A ledger of two partitions with rails, rates and fees, whose log is verified after each test."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from ops.verify.audit import LedgerAudit
from schemas.clock import rfc3339
from schemas.rails import INSTANT, Rail
from schemas.reference import Reference
from schemas.topics import (
    FEE_SCHEDULES,
    FX_RATES,
    INPUTS,
    LEDGER_EVENTS,
    TRANSACTION_OUTCOMES,
    WALLET_BALANCES,
)
from streams.machine import Message
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import command, credit, debit, open_wallet, operator
from tests.ledger.world import DAY_MS, START_MS, Json, Shard, World
from tests.ops.verify.honest import LogRecord

RAILS = {
    INSTANT.name: INSTANT,
    "card": Rail(name="card", settlement="instant"),
    "sepa": Rail(name="sepa", settlement="deferred"),
    "wire": Rail(name="wire", settlement="deferred", screening=True, screening_deadline_s=60),
}
RATE: Json = {
    "rate_id": "r1",
    "base": "EUR",
    "quote": "USD",
    "bid": "1.10",
    "ask": "1.12",
    "source": "desk",
    "valid_from": rfc3339(START_MS),
    "valid_until": rfc3339(START_MS + 400 * DAY_MS),
}
#: Seven percent of a debit, given back with what is refunded.
FEE: Json = {
    "name": "debit-eur",
    "version": 1,
    "operation": "debit",
    "asset": "EUR",
    "tiers": [{"flat_minor": 0, "basis_points": 700}],
    "refundable": True,
}


def limits(wallet_id: str, **agreed: Any) -> Json:
    """`set_limits` of a wallet in EUR."""
    return operator("set_limits", wallet_id, limits={"EUR": agreed})


class Heard(World):
    """A world that keeps all that was written, for the auditor of the log."""

    def __init__(self, partitions: int, reference: Reference):
        self.written: dict[tuple[str, int], list[LogRecord]] = defaultdict(list)
        super().__init__(partitions, reference=reference)

    def _write(self, shard: Shard, message: Message) -> None:
        records = self.written[message.topic, message.partition]
        records.append(LogRecord(len(records), 0, 1, message.key, message.value, message.headers))
        super()._write(shard, message)

    def verify(self) -> None:
        """What `walletstream verify` finds: nothing."""
        auditor = LedgerAudit(len(self.shards))
        for shard, part in zip(self.shards, auditor.partitions, strict=True):
            part.take_events(self.written[LEDGER_EVENTS, shard.index])
            part.take_outcomes(self.written[TRANSACTION_OUTCOMES, shard.index])
            part.take_balances(self.written[WALLET_BALANCES, shard.index])
            for topic in INPUTS:
                part.take_inputs(topic, shard.inputs[topic])
        report = auditor.finish()
        assert report.counts == {}, report.findings


class Bank:
    """A ledger of two partitions with two wallets in the first, `anna` and `carl`, and one in the other, `bert`."""

    def __init__(self, *fees: Json) -> None:
        reference = Reference(rails=RAILS)
        records = [(FX_RATES, "r1", RATE), *((FEE_SCHEDULES, fee["name"], fee) for fee in fees)]
        for topic, key, record in records:
            reference = reference.with_record(topic, key, json.dumps(record).encode())
        self.world = Heard(2, reference)
        places = {"anna": 0, "bert": 1, "carl": 0}
        self.anna, self.bert, self.carl = (self.world.name_in(place, name) for name, place in places.items())
        for wallet_id in (self.anna, self.bert, self.carl):
            self.ask(open_wallet(wallet_id, "EUR", "USD"))
        self.ask(credit(self.anna, 10_000))

    def ask(self, asked: Json, code: str = "ok") -> str:
        """Ask for it; returns the id of its transaction, if it has one."""
        answer = self.world.submit(asked)
        assert answer["code"] == code, answer
        return str(answer.get("transaction_id", ""))

    def on(self, operation: str, transaction_id: str, answered: str = "ok", **fields: Any) -> str:
        """Ask for something about a transaction, under anna's wallet unless another is named."""
        wallet_id = fields.pop("wallet_id", self.anna)
        return self.ask(command(operation, wallet_id, transaction_id=transaction_id, **fields), answered)

    def payout(self, *, has_failed: bool) -> str:
        """A debit of 100 of anna's over `sepa` that the rail has settled in full, or failed; returns its id."""
        paid = self.ask(debit(self.anna, 100, rail="sepa"))
        if has_failed:
            self.on("fail", paid, code="AC04")
        else:
            self.on("settle", paid, rail_reference="there")
        return paid

    def has(self, bucket: str = "available", wallet_id: str | None = None) -> int:
        """The balance of a bucket in EUR."""
        return self.world.balance(f"{wallet_id or self.anna}/main/{bucket}", "EUR")

    def of_system(self, name: str) -> int:
        """The balance of a system account in EUR, over all partitions."""
        return self.world.balance(f"system/{name}", "EUR")

    def told(self, transaction_id: str) -> list[tuple[str, str]]:
        """State and code of each update of a transaction."""
        return [(update["state"], update["code"]) for update in self.world.updates(transaction_id)]

    def audit(self) -> None:
        """Nothing is under way, and the books are right."""
        audit(self.world)
        audit_fold(self.world)
        self.world.verify()
