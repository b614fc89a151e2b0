"""Scenarios as aligned text tables: playing them on a world."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from agents.ledger import due
from agents.ledger.draft import Named
from agents.ledger.holds import end_hold
from agents.ledger.operations import release_quarantine
from agents.ledger.turn import Turn
from schemas.clock import rfc3339
from schemas.codes import Code
from schemas.reference import Reference
from schemas.topics import ASSETS, FEE_SCHEDULES, FX_RATES, RAILS, TIERS
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import Json, command, fraud, operator
from tests.ledger.world import DAY_MS, FRAUD, OPERATORS, START_MS, TOPIC_OF, InjectedFault, Position, World
from tests.scenarios.table import Row, Scenario, ScenarioError, Sentence, Table

_UNITS_MS = {"ms": 1, "second": 1_000, "hour": 3_600_000, "day": 86_400_000}


class Mismatch(AssertionError):
    """The ledger did something else than the scenario says."""


def play(scenario: Scenario) -> None:
    """Play a scenario from its beginning and audit the books at its end.

    Raises:
        Mismatch: an answer, event or balance differs from the table; names file and line.
        ScenarioError: a step is not understood.
    """
    Player().play(scenario)


class Player:
    """The world of one scenario, and the names that it gives to wallets."""

    def __init__(self) -> None:
        self._partitions = 2
        self._reference = Reference()
        self._names: dict[str, str] = {}
        self._world: World | None = None
        self._by_hand = False
        self._failing: set[str] = set()
        self._faults = 0
        self._portion = release_quarantine.PORTION
        self._breaking: Any = None

    @property
    def world(self) -> World:
        """The world, made when first needed."""
        if self._world is None:
            self._world = World(self._partitions, reference=self._reference)
            self._world.machine.fails = lambda record, _context: (record.key or b"").decode() in self._failing
        return self._world

    def play(self, scenario: Scenario) -> None:
        """All steps, then the audit."""
        for step in scenario.steps:
            with patch.object(release_quarantine, "PORTION", self._portion):
                self._step(step)
        self.world.settle()
        audit(self.world, bugs=len(self.world.bugs) if self._faults else 0)
        audit_fold(self.world)

    def _step(self, step: Sentence | Table) -> None:
        if isinstance(step, Sentence):
            self._sentence(step)
        else:
            self._table(step)

    # ---- sentences -----------------------------------------------------------------------------------

    def _sentence(self, sentence: Sentence) -> None:
        for pattern, act in _SENTENCES:
            found = re.fullmatch(pattern, sentence.text)
            if found is not None:
                act(self, *found.groups())
                return
        known = "; ".join(pattern for pattern, _ in _SENTENCES)
        raise ScenarioError(sentence.where, f"{sentence.text!r} is not understood; there are: {known}")

    def _set_partitions(self, count: str) -> None:
        self._partitions = int(count)

    def _register(self, code: str, exponent: str) -> None:
        self._refer(ASSETS, code, {"code": code, "exponent": int(exponent), "kind": "points"})

    def _configure_rail(self, name: str, settlement: str, deadline_s: str | None, silence: str | None) -> None:
        read: Json = {"name": name, "settlement": settlement}
        if deadline_s is not None:
            read |= {"screening": True, "screening_deadline_s": int(deadline_s), "screening_silence": silence}
        self._refer(RAILS, name, read)

    def _configure_tier(self, name: str, version: str, limits: str) -> None:
        self._refer(TIERS, name, {"name": name, "version": int(version), "limits": json.loads(limits)})

    def _configure_fee(self, record: str) -> None:
        read = {"version": 1, "refundable": False, **json.loads(record)}
        self._refer(FEE_SCHEDULES, read["name"], read)

    def _configure_rate(self, rate_id: str, base: str, quote: str, bid: str, ask: str, until: str | None) -> None:
        read = {"rate_id": rate_id, "base": base, "quote": quote, "bid": bid, "ask": ask, "source": "desk"}
        read |= {"valid_from": rfc3339(START_MS), "valid_until": until or rfc3339(START_MS + 365 * DAY_MS)}
        self._refer(FX_RATES, rate_id, read)

    def _refer(self, topic: str, key: str, record: Json) -> None:
        value = json.dumps(record).encode()
        self._reference = self._reference.with_record(topic, key, value)
        if self._world is not None:
            self._world.machine.refer(topic, key, value)

    def _execute_portions(self, count: str) -> None:
        self._portion = int(count)

    def _place(self, names: str, partition: str) -> None:
        for name in names.split(", "):
            self._names[name] = self.world.name_in(int(partition), name)

    def _open_sub_wallets(self, count: str, name: str) -> None:
        for number in range(int(count)):
            asked = command("open_sub_wallet", self._id(name), sub_wallet=f"s{number}", kind="savings")
            assert self.world.submit(asked)["code"] == "ok"

    def _wait(self, count: str, unit: str) -> None:
        self.world.wait(int(count) * _UNITS_MS[unit])

    def _tick(self, partition: str, count: str | None = None) -> None:
        shard = self.world.shards[int(partition)]
        due_at_ms = self.world.machine.due_at_ms(shard.overlay)
        assert due_at_ms is not None, "nothing is due"
        tick = self.world.machine.tick(due_at_ms, shard.index)
        at = self.world.append(tick.topic, tick.value, key=tick.key, partition=tick.partition)
        self.world.decide(shard.index)
        first, *rest = self.world.events_of(at)
        assert first["type"] == "clock.ticked"
        assert len(rest) == int(count or 0), rest
        assert {event["command"] for event in rest} <= {"expire", "execute", "capture"}, rest

    def _hold(self) -> None:
        self._by_hand = True

    def _deliver(self) -> None:
        self.world.settle()

    def _fail_on(self, name: str) -> None:
        self._failing.add(self._id(name))
        self._faults += 1

    def _fail_on_due(self, name: str) -> None:
        wallet_id = self._id(name)

        def fails(turn: Turn, named: Named, *arguments: Any) -> None:
            if named.transaction.wallet_id == wallet_id:
                raise InjectedFault
            end_hold(turn, named, *arguments)

        self._faults += 1
        self._breaking = patch.object(due, "end_hold", fails)
        self._breaking.start()

    def _work_again(self) -> None:
        self._failing.clear()
        if self._breaking is not None:
            self._breaking.stop()
            self._breaking = None

    def _deliver_again(self, source: str, target: str) -> None:
        """What one partition told another last is told again, as a writer that is not idempotent would."""
        told = self.world.shards[int(target)].inputs["internal-commands"][-1]
        self.world.append("internal-commands", told.value, key=told.key, partition=int(target))
        self.world.decide(int(target))

    # ---- tables --------------------------------------------------------------------------------------

    def _table(self, table: Table) -> None:
        for row in table.rows:
            if table.kind == "account":
                self._check_balance(row)
            else:
                self._command(row)

    def _check_balance(self, row: Row) -> None:
        name, _, partition = row.cells["account"].partition("@")
        account = name if name.startswith("system/") else self._account(name)
        found = self.world.balance(account, row.cells["asset"], int(partition) if partition else None)
        _expect(row, "balance", str(found), str(int(row.cells["balance"].replace("_", ""))))

    def _command(self, row: Row) -> None:
        command = self._read_command(row)
        partition = _given(row, "in")
        at = self._append(command, row, None if partition is None else int(partition))
        self.world.decide(at.partition)
        if not self._by_hand:
            self.world.settle()
        self._check_answer(row, at)
        self._check_rest(row, at)

    def _append(self, command: Json, row: Row, partition: int | None) -> Position:
        record_key = _given(row, "record key")
        if record_key is None:
            return self.world.put(command, partition=partition)
        topic = TOPIC_OF.get(command["operation"], "transaction-requests")
        where = self.world.owner(command["wallet_id"]) if partition is None else partition
        key = None if record_key == "null" else self._id(record_key).encode()
        return self.world.append(topic, json.dumps(command).encode(), key=key, partition=where)

    def _read_command(self, row: Row) -> Json:
        cells = row.cells
        wallet, _, sub_wallet = cells["wallet"].partition("/")
        operation = cells["operation"]
        command: Json = {"operation": operation, "idempotency_key": cells["key"], "wallet_id": self._id(wallet)}
        if operation in OPERATORS:
            command = operator(operation, command["wallet_id"], cells["key"])
        if operation in FRAUD:
            command = fraud(operation, command["wallet_id"], cells["key"])
        if operation == "open_wallet":
            command["owner_ref"] = "somebody"
        if sub_wallet:
            command["sub_wallet"] = sub_wallet
        if (amount := _given(row, "amount")) is not None:
            minor, _, asset = amount.rpartition(" ")
            command |= {"asset": asset} | ({"amount_minor": json.loads(minor.replace("_", ""))} if minor else {})
        if (to := _given(row, "to")) is not None:
            payee, _, to_sub_wallet = to.partition("/")
            command |= {"to_wallet_id": self._id(payee)} | ({"to_sub_wallet": to_sub_wallet} if to_sub_wallet else {})
        for pair in (_given(row, "with") or "").split():
            name, _, value = pair.partition("=")
            if name == "of":
                name, value = "transaction_id", self._transaction_id(value)
            command[name] = value.split(",") if name == "assets" else _json_or_text(value)
        if "payee_wallet_id" in command:
            command["payee_wallet_id"] = self._id(command["payee_wallet_id"])
        return command

    def _check_answer(self, row: Row, at: Position) -> None:
        answers = self.world.answers(at)
        if row.cells.get("code") == ".":
            _expect(row, "answers", str(len(answers)), "0")
            return
        _expect(row, "answers", str(len(answers)), "1")
        answer = answers[0]
        status = "accepted" if answer["code"] == Code.OK else "rejected"
        _expect(row, "status", answer["status"], status, answer)
        for column in ("code", "field", "state"):
            self._check(row, column, answer.get(column), answer)
        self._check(row, "replayed", "yes" if answer.get("replayed") else None, answer)
        current = f"{answer.get('current_state', '-')} {answer['current_code']}" if answer.get("replayed") else None
        self._check(row, "current", current, answer)
        self._check(row, "balances", self._own_balances(answer), answer)

    def _check_rest(self, row: Row, at: Position) -> None:
        events = [event["type"] for event in self.world.events_of(at)]
        self._check(row, "event", ", ".join(events), events)
        if "then" in row.cells:
            updates = self.world.updates(self.world.answer(at).get("transaction_id") or "")
            said = [f"{update['state']} {update['code']}" for update in updates]
            self._check(row, "then", ", ".join(said) or None, updates)

    def _check(self, row: Row, column: str, found: str | None, context: Any) -> None:
        expected = row.cells.get(column, "*")
        if expected != "*":
            _expect(row, column, found or ".", expected, context)

    def _own_balances(self, answer: Json) -> str | None:
        """`main 100 EUR, savings/held 3 EUR`, in the order of the journal."""
        return ", ".join(
            f"{b['account'].partition('/')[2].removesuffix('/available')} {b['balance_minor']} {b['asset']}"
            for b in answer.get("balances", ())
        )

    def _transaction_id(self, key: str) -> str:
        """The transaction that the command under this key began."""
        found = [
            outcome["transaction_id"]
            for outcome in self.world.outcomes
            if outcome["idempotency_key"] == key and outcome["code"] == "ok"
        ]
        return str(found[0])

    def _id(self, name: str) -> str:
        return self._names.get(name, name)

    def _account(self, name: str) -> str:
        """`alice`, `alice/savings` or `alice/savings/held`."""
        wallet, sub_wallet, bucket = (*name.split("/"), *("main", "available")[name.count("/") :])
        return f"{self._id(wallet)}/{sub_wallet}/{bucket}"


_SENTENCES: list[tuple[str, Callable[..., None]]] = [
    (r"partitions (\d+)", Player._set_partitions),
    (r"register ([A-Z]+) with (\d+) decimals", Player._register),
    (
        r"rail (\w+) is (instant|deferred)(?: and screened for (\d+) seconds, then (fail|review))?",
        Player._configure_rail,
    ),
    (r"tier (\w+) version (\d+): (.*)", Player._configure_tier),
    (r"fee schedule (.*)", Player._configure_fee),
    (r"rate (\w+) of (\w+)/(\w+) is ([0-9.]+) to ([0-9.]+)(?: until (.*))?", Player._configure_rate),
    (r"(\w+(?:, \w+)*) lives? in (\d+)", Player._place),
    (r"open (\d+) sub-wallets of (\w+)", Player._open_sub_wallets),
    (r"wait (\d+) (ms|second|hour|day)s?", Player._wait),
    (r"tick (\d+)(?: and nothing ends)?", Player._tick),
    (r"tick (\d+) and (\d+) ends?", Player._tick),
    (r"portions of (\d+)", Player._execute_portions),
    (r"hold internal commands", Player._hold),
    (r"deliver internal commands", Player._deliver),
    (r"deliver the last internal command from (\d+) to (\d+) again", Player._deliver_again),
    (r"the ledger fails on (\w+)", Player._fail_on),
    (r"the ledger fails on what is due of (\w+)", Player._fail_on_due),
    (r"the ledger works again", Player._work_again),
]


def _given(row: Row, column: str) -> str | None:
    """The cell of an input column, or None where it is empty or absent."""
    cell = row.cells.get(column, ".")
    return None if cell == "." else cell


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _expect(row: Row, column: str, found: str, expected: str, context: Any = None) -> None:
    if found != expected:
        raise Mismatch(f"{row.where}: {column} is {found!r}, the table says {expected!r}; {context}")
