"""Random traffic with every operation, most of it possible: transactions are named that the ledger has answered."""

from __future__ import annotations

import random
from typing import Any

import orjson

from schemas import topics
from tests.ops.verify.honest import Ledger
from tests.ops.verify.operations import rails
from tests.ops.verify.story import HERE, PARTITIONS, THERE, UNLUCKY_MINOR, UnluckyMachine
from tests.ops.verify.teller import Teller

_WALLETS = [*HERE[:4], *THERE[:4]]
_NEW = ("credit", "debit", "transfer", "authorize")
_ON_OTHERS = ("capture", "capture", "refund", "dispute", "reverse", "release", "cancel")
_BY_RAILS = ("submit", "settle", "fail", "return")


class Traffic:
    """Everybody does something at random."""

    def __init__(self, seed: int):
        self._chance = random.Random(seed)
        self.ledger = Ledger(PARTITIONS, UnluckyMachine(rails()))
        self._do = Teller(self.ledger)
        #: Transaction ids, their operations, and wallets that may name them.
        self._known: list[tuple[str, str, tuple[str, ...]]] = []
        self._read = [0] * PARTITIONS

    def run(self, commands: int) -> Ledger:
        """So many commands, then whatever they lead to."""
        for wallet in _WALLETS:
            self._do.send("open_wallet", wallet, owner_ref="o", assets=["EUR"])
            self._do.send("credit", wallet, amount_minor=300, asset="EUR")
        self.ledger.run()
        for _ in range(commands):
            self._one()
            if self._chance.random() < 0.3:
                self.ledger.step(self._chance.randrange(PARTITIONS), self._chance.randint(1, 9))
                self._learn()
            if self._chance.random() < 0.05:
                self.ledger.now_ms += self._chance.randint(1, 4_000)
            if self._chance.random() < 0.02:
                self._tick(self._chance.randrange(PARTITIONS))
        self.ledger.run(max_records=7)
        return self.ledger

    def _tick(self, partition: int) -> None:
        due_at_ms = self.ledger.machine.due_at_ms(self.ledger.overlays[partition])
        if due_at_ms is not None and due_at_ms <= self.ledger.now_ms:
            tick = self.ledger.machine.tick(due_at_ms, partition)
            self.ledger.append(tick.topic, tick.partition, tick.key, tick.value)

    def _one(self) -> None:
        chance, kind = self._chance, self._chance.random()
        if kind < 0.4 or not self._known:
            self._new(chance.choice(_NEW), chance.choice(_WALLETS))
            return
        if kind < 0.41:
            self._quarantine(chance.choice(_WALLETS))
            return
        recent = self._known[-40:] if chance.random() < 0.8 else self._known
        transaction_id, operation, wallets = chance.choice(recent)
        verb = "resolve_dispute" if operation == "dispute" else chance.choice((*_ON_OTHERS, *_BY_RAILS))
        if verb == "return" and operation in ("debit", "capture"):
            verb = "refund"
        self._on(verb, chance.choice(wallets), transaction_id)

    def _send(self, operation: str, wallet_id: str, of: str | None = None, **fields: Any) -> None:
        astray = self._chance.choice([None] * 9 + list(range(PARTITIONS)))
        self._do.send(operation, wallet_id, of, partition=astray, **fields)

    def _new(self, operation: str, wallet: str) -> None:
        fields: dict[str, Any] = {"amount_minor": self._chance.randint(1, 90), "asset": "EUR"}
        if operation == "transfer":
            fields["to_wallet_id"] = self._chance.choice([name for name in _WALLETS if name != wallet])
        elif operation == "authorize":
            fields["expires_in_s"] = self._chance.choice((1, 5, 60))
        else:
            fields["rail"] = self._chance.choice(("instant", "sepa"))
        self._send(operation, wallet, **fields)

    def _on(self, verb: str, wallet: str, transaction_id: str) -> None:
        chance = self._chance
        some: dict[str, Any] = {"amount_minor": chance.randint(1, 60)} if chance.random() < 0.6 else {}
        reference = {"rail_reference": f"r{chance.randint(1, 3)}"}
        to = chance.choice(({}, {"rail": "sepa"}, {"to_wallet_id": chance.choice(_WALLETS)}))
        if to.get("to_wallet_id") == wallet:
            to = {}
        fields: dict[str, dict[str, Any]] = {
            "capture": {**some, **to, "final": chance.random() < 0.2},
            "refund": some,
            "dispute": {**some, "reason": "x"},
            "reverse": chance.choice(({}, reference)),
            "resolve_dispute": {"won": chance.random() < 0.5},
            "submit": {"batch_id": f"b{chance.randint(1, 2)}"},
            "settle": {**reference, **({"settled_minor": chance.randint(1, 60)} if some else {})},
            "fail": {"code": "AC04"},
            "return": {"amount_minor": chance.randint(1, 60), "code": "MD06", **reference},
        }
        self._send(verb, wallet, transaction_id, **fields.get(verb, {}))

    def _quarantine(self, wallet: str) -> None:
        machine = self.ledger.machine
        assert isinstance(machine, UnluckyMachine)
        self.ledger.run()
        machine.is_unlucky = True
        self._do.send("credit", wallet, amount_minor=UNLUCKY_MINOR, asset="EUR")
        self.ledger.run()
        machine.is_unlucky = False
        for _ in range(6):
            self._one_of(wallet)
        self.ledger.run()
        self._do.send("release_quarantine", wallet)

    def _one_of(self, wallet: str) -> None:
        known = [one for one in self._known[-200:] if wallet in one[2]]
        if known:
            self._on(self._chance.choice(_BY_RAILS[:-1]), wallet, self._chance.choice(known)[0])

    def _learn(self) -> None:
        """Transactions that were answered meanwhile."""
        for partition, records in enumerate(self.ledger.topics[topics.LEDGER_EVENTS]):
            for record in records[self._read[partition] :]:
                event = orjson.loads(record.value or b"")
                if event.get("path") and "from_state" not in event:
                    other = event.get("counterparty", {}).get("wallet_id")
                    wallets = (event["wallet_id"],) if other is None else (event["wallet_id"], other)
                    self._known.append((event["transaction_id"], event["operation"], wallets))
            self._read[partition] = len(records)
