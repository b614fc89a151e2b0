"""Plays scenarios of settlement: tables of who does what, and how batches, position and ledger stand afterwards.

    who    does   with        |  batches    free  waits  payouts      balances
    alice  opens  1000        |  .          .     .      .            alice 1000
    ops    funds  sepa 500    |  .          500   .      .            .
    alice  pays   p1 300 iban |  b1 open    200   .      p1 processed  alice 700

Payouts have the names that they are given; batches are b1, b2 in the order in which they are opened. `b1.2` is the
third instruction of a batch. A cell that is `.` is not looked at; `-` says that there is nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson

from schemas.rail_batches import InstructionAnswer, RailBatch
from tests.scenarios.table import Row, Scenario, Sentence, read_scenarios
from tests.settlement.world import SEPA, World

FOLDER: Final = Path(__file__).parent / "scenarios"


class Player:
    """Plays one scenario, and compares each row."""

    def __init__(self, scenario: Scenario):
        self.scenario = scenario
        self.world = World()
        #: Name of a payout -> its idempotency key.
        self.keys: dict[str, str] = {}
        #: What the rail was given, by batch.
        self.given: dict[str, RailBatch] = {}

    def play(self) -> None:
        """Every step; fails at the first row that is not as it says."""
        for step in self.scenario.steps:
            if isinstance(step, Sentence):
                name, _, terms = step.text.removeprefix("rail ").partition(" ")
                self.world = World({**SEPA, **orjson.loads(terms or "{}"), "name": name}, partitions=2)
                continue
            for row in step.rows:
                getattr(self, f"_{row.cells['who']}", self._wallet)(row, row.cells["with"].split(" "))
                self.world.run()
                self.given.update({batch.batch_id: batch for batch in self.world.to_send()})
                self._compare(row)
        assert self.world.bugs == []
        for partition in self.world.settlement:
            partition.restart()

    # ---- what they do ----------------------------------------------------------------------------

    def _wallet(self, row: Row, given: list[str]) -> None:
        world, wallet = self.world, row.cells["who"]
        match row.cells["does"], given:
            case "opens", [minor, *kind]:
                world.open_wallet(wallet, int(minor), *kind)
            case "pays" | "collects" as does, [name, minor, *to]:
                operation = "debit" if does == "pays" else "credit"
                whom = {"instrument_ref": to[0]} if to else {}
                self.keys[name] = world.payout(wallet, int(minor), operation=operation, **whom)
            case "gives", [minor, to]:
                world.request(wallet, operation="transfer", amount_minor=int(minor), asset="EUR", to_wallet_id=to)
            case "cancels", [name]:
                world.cancel(wallet, self._transaction(name))
            case _:
                raise ValueError(f"{row.where}: a wallet cannot do that")

    def _ops(self, row: Row, given: list[str]) -> None:
        match row.cells["does"], given:
            case "funds" | "withdraws" as does, [minor]:
                self.world.order(kind=does[:-1], asset="EUR", amount_minor=int(minor))
            case "retries", [batch]:
                self.world.order(kind="retry", batch_id=self._batch_id(batch))
            case "abandons", [batch]:
                self.world.order(kind="abandon", batch_id=self._batch_id(batch))
            case "releases", [name]:
                self.world.order(kind="release", transaction_id=self._transaction(name))
            case _:
                raise ValueError(f"{row.where}: operators cannot do that")

    def _time(self, row: Row, given: list[str]) -> None:
        self.world.now_ms += int(float(given[0].removesuffix("s")) * 1000)

    def _rail(self, row: Row, given: list[str]) -> None:
        """`settles b1`, `settles b1.0 200 fee=1 as=R2`, `refuses b1.1`, `returns b1.0`, `fails b1`, `accepts b1`."""
        does, (what, *rest) = row.cells["does"], given
        named, _, number = what.partition(".")
        batch = self.given[self._batch_id(named)]
        if does == "fails":
            self.world.fail_attempt(batch, may_have_been_sent=rest == ["perhaps"])
            return
        if not number:
            state = {"receives": "received", "accepts": "accepted", "settles": "settled", "refuses": "rejected"}[does]
            self.world.answer(batch, state)
            return
        state = {"settles": "settled", "refuses": "rejected", "returns": "returned"}[does]
        fields: dict[str, Any] = {"rail_reference": f"{state}{number}"}
        for one in rest:
            name, _, value = one.rpartition("=")
            fields |= {"": {"settled_minor": value}, "fee": {"fee_minor": value}, "as": {"rail_reference": value}}[name]
        fields = {name: int(value) if name.endswith("_minor") else value for name, value in fields.items()}
        part = InstructionAnswer(batch.instructions[int(number)].end_to_end_id, state, **fields)  # type: ignore[arg-type]
        self.world.answer(batch, "partially_settled", part)

    def _batch_id(self, name: str) -> str:
        return list(self._opened())[int(name.removeprefix("b")) - 1]

    def _opened(self) -> dict[str, str]:
        """Batch ids in the order in which they were opened -> state."""
        batches = self.world.batches()
        return {
            event.batch_id or "": batches[event.batch_id or ""].state for event in self.world.events("batch.opened")
        }

    def _transaction(self, name: str) -> str:
        found = [
            event.transaction_id
            for event in self.world.ledger_events("transaction.processed")
            if event.cause is not None and event.cause.idempotency_key == self.keys[name]
        ]
        assert found, f"{name} was not accepted"
        return str(found[0])

    # ---- how it stands ---------------------------------------------------------------------------

    def _compare(self, row: Row) -> None:
        world = self.world
        for column, cell in row.cells.items():
            if column in ("who", "does", "with", "|") or cell == ".":
                continue
            if column == "batches":
                found = ", ".join(f"b{number} {state}" for number, state in enumerate(self._opened().values(), 1))
            elif column == "free":
                found = str(world.position().free_minor)
            elif column == "waits":
                position = world.position()
                found = f"{position.waiting} {position.reason or ''}".strip() if position.waiting else "-"
            elif column == "payouts":
                states = world.transactions()
                found = ", ".join(f"{name} {states[self._transaction(name)]}" for name in self.keys)
            elif column == "balances":
                wallets = [part.split(" ")[0] for part in cell.split(", ")]
                found = ", ".join(f"{name} {world.balance_minor(self._account(name))}" for name in wallets)
            else:
                found = ", ".join(sorted(alert.code for alert in world.alerts().values()))
            assert (found or "-") == cell, f"{row.where}, {column}: {found or '-'}"

    def _account(self, name: str) -> str:
        return f"system/{name}" if name in ("suspense", "fees") else f"{name}/main/available"


def players() -> list[Player]:
    """Of every scenario that there is."""
    return [Player(scenario) for path in sorted(FOLDER.glob("*.scenario")) for scenario in read_scenarios(path)]
