"""The ledger against its reference model: random commands, orders of delivery, bugs, losses and repetitions."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from schemas.assets import ISO_4217
from schemas.topics import INPUTS, INTERNAL_COMMANDS
from streams.machine import Message
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import Json, command, credit, debit, open_wallet, operator, release
from tests.ledger.model import Model
from tests.ledger.profiles import runs, seeded
from tests.ledger.world import DAY_MS, OPERATORS, START_MS, World

PARTITIONS = 3
RETAINED_MS = 40 * DAY_MS

AMOUNTS = st.integers(1, 60) | st.sampled_from([0, -1, 2**63, 2**63 - 1, 2**62, 1, 2, 3, 5, 8])
ASSETS = st.sampled_from(["EUR"] * 6 + ["USD", "JPY", "DUCATS"])
SUB_WALLETS = st.sampled_from(["main"] * 6 + ["savings", "gone"])
STATES = st.sampled_from(["active", "active", "locked", "locked", "disabled", "closed"])
KEYS = st.integers(0, 9).map("k{}".format) | st.uuids().map(str)
RAILS = st.sampled_from(["instant"] * 8 + ["sepa"])
PARTITION = st.integers(0, PARTITIONS - 1)
#: Two wallets of each partition, opened at first, and more rarely a third that is not.
WALLETS = st.sampled_from([*range(2 * PARTITIONS)] * 3 + [*range(2 * PARTITIONS, 3 * PARTITIONS)])

_OTHERS = ["open_wallet", "open_sub_wallet", "enable_asset", *["set_wallet_state"] * 3, *["release_quarantine"] * 3]
#: Fields that name a wallet by its number.
NUMBERED = ("wallet", "to_wallet", "payee_wallet")
#: So few parked records are executed at once, that a release takes several portions.
PORTION = 2
_APPROVERS = st.sampled_from(["piet"] * 5 + ["olga"])


@st.composite
def commands(draw: st.DrawFn) -> Json:
    """A command on a wallet given as a number, with all fields that have a default."""
    operation = draw(st.sampled_from(["credit"] * 3 + ["debit"] * 3 + ["transfer"] * 8 + _OTHERS))
    wallet, sub_wallet = draw(WALLETS), "main"
    if operation not in (*OPERATORS, "open_wallet", "enable_asset"):
        sub_wallet = draw(SUB_WALLETS)
    drawn = command(operation, "", draw(KEYS), wallet=wallet, sub_wallet=sub_wallet)
    if operation in ("credit", "debit", "transfer"):
        drawn |= {"amount_minor": draw(AMOUNTS), "asset": draw(ASSETS)}
    if operation in ("credit", "debit"):
        drawn["rail"] = draw(RAILS)
    elif operation == "transfer":
        drawn |= {"to_wallet": draw(WALLETS), "to_sub_wallet": draw(SUB_WALLETS)}
    elif operation == "open_wallet":
        assets = draw(st.lists(ASSETS, min_size=1, max_size=3, unique=True))
        drawn |= {"owner_ref": "o", "assets": assets, "kind": "customer"}
    elif operation == "open_sub_wallet":
        drawn["kind"] = draw(st.sampled_from(["savings", "savings", "escrow"]))
        if drawn["kind"] == "escrow":
            drawn["payee_wallet"] = draw(WALLETS)
    elif operation == "enable_asset":
        drawn["asset"] = draw(ASSETS)
    else:
        drawn |= operator(operation, "", drawn["idempotency_key"], approved_by=draw(_APPROVERS))
        if operation == "set_wallet_state":
            drawn["state"] = draw(STATES)
    return drawn


def shown(outcome: Json) -> Json:
    """An outcome as the model says it."""
    replayed = outcome.get("replayed", False)
    return {
        "kind": outcome["kind"],
        "wallet_id": outcome["wallet_id"],
        "key": outcome["idempotency_key"],
        "code": outcome["code"],
        "field": outcome.get("field"),
        "state": outcome.get("state"),
        "balances": [
            (one["account"].removesuffix("/available"), one["balance_minor"]) for one in outcome.get("balances", ())
        ],
        "replayed": replayed,
        "current": (outcome.get("current_state"), outcome["current_code"]) if replayed else None,
    }


class LedgerAgainstModel(RuleBasedStateMachine):
    """Records wait in the inputs of each partition, and internal commands between partitions, as the test wants it."""

    asked: Bundle[Json] = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(PARTITIONS, retained_ms=RETAINED_MS)
        self.model = Model(self.world.owner, set(ISO_4217), RETAINED_MS, PORTION)
        self.names = [self.world.name_in(p, name) for name in ("anna", "bert", "ghost") for p in range(PARTITIONS)]
        self.waiting: list[dict[str, deque[Any]]] = [{t: deque() for t in INPUTS} for _ in range(PARTITIONS)]
        self.under_way: dict[tuple[int, int], deque[Any]] = defaultdict(deque)
        self.times = [0] * PARTITIONS
        self.told: list[tuple[int, Any, Any]] = []
        self.bugs = 0

    # ---- what happens --------------------------------------------------------------------------------

    @initialize()
    def open_wallets(self) -> None:
        """Two wallets in each partition, one with some money; a third name stays without a wallet for now."""
        for wallet_id in self.names[: 2 * PARTITIONS]:
            self._put(open_wallet(wallet_id, "EUR", "USD", kind="customer", sub_wallet="main"))
            self._put(credit(wallet_id, 100, rail="instant", sub_wallet="main"))
        for partition in range(PARTITIONS):
            self._decide(partition, 1_000)

    @rule(target=asked, drawn=commands(), wrong=st.integers(0, 9), lost=st.integers(0, 9))
    def ask(self, drawn: Json, wrong: int, lost: int) -> Json:
        """A request; now and then in a wrong partition, or lost on its way."""
        asked = self._named(drawn)
        if lost:
            self._put(asked, wrong_partition=not wrong)
        return asked

    @rule(again=asked, wrong=st.integers(0, 3), key=st.integers(0, 5))
    def ask_again(self, again: Json, wrong: int, key: int) -> None:
        """The same request: lost and tried again, or a duplicate; now and then under a wrong record key."""
        self._put(again, wrong_partition=not wrong, record_key=None if key else self.names[0])

    @rule(again=asked, drawn=commands())
    def use_key_again(self, again: Json, drawn: Json) -> None:
        """Another request under a key that was used before."""
        self._put(self._named({**drawn, "wallet": again["wallet_id"], "idempotency_key": again["idempotency_key"]}))

    @rule(partition=PARTITION, limit=st.sampled_from([1, 2, 5, 100]))
    def decide(self, partition: int, limit: int) -> None:
        """A batch in one partition."""
        self._decide(partition, limit)

    @rule(partition=PARTITION, rarely=st.integers(0, 2))
    def decide_with_a_bug(self, partition: int, rarely: int) -> None:
        """One record on which the ledger fails."""
        if rarely == 0 and any(self.waiting[partition].values()):
            self.bugs += 1
            self.world.machine.fails = lambda _record, _context: True
            self._decide(partition, 1, bug=True)
            self.world.machine.fails = lambda _record, _context: False

    @precondition(lambda self: any(wallet["quarantined"] for wallet in self.model.wallets.values()))
    @rule(pick=st.randoms(use_true_random=False), approved_by=_APPROVERS)
    def release_a_wallet(self, pick: Any, approved_by: str) -> None:
        """Operators release a wallet under quarantine."""
        ill = sorted(name for name, wallet in self.model.wallets.items() if wallet["quarantined"])
        self._put(release(pick.choice(ill), sub_wallet="main", approved_by=approved_by))

    @rule(from_=PARTITION, to=PARTITION, count=st.integers(1, 3))
    def deliver(self, from_: int, to: int, count: int) -> None:
        """Internal commands of one partition reach another, before or after those of a third."""
        delivered = self.world.deliver(from_, to, count)
        for record in self.world.shards[to].inputs[INTERNAL_COMMANDS][-delivered:] if delivered else ():
            item = self.under_way[from_, to].popleft()
            self.told.append((to, item, record))
            self.waiting[to][INTERNAL_COMMANDS].append((item, self.world.now_ms))

    @precondition(lambda self: self.told)
    @rule(pick=st.randoms(use_true_random=False))
    def deliver_again(self, pick: Any) -> None:
        """A leg or an answer to one arrives twice."""
        target, item, record = pick.choice(self.told)
        if item[0] != "forward":
            self.world.append(INTERNAL_COMMANDS, record.value, key=record.key, partition=target)
            self.waiting[target][INTERNAL_COMMANDS].append((item, self.world.now_ms))

    @rule(ms=st.sampled_from([0, 1, 999, DAY_MS, 8 * DAY_MS, 40 * DAY_MS]))
    def wait(self, ms: int) -> None:
        """Time passes; in all less than transactions are kept for."""
        if self.world.now_ms + ms < START_MS + 400 * DAY_MS:
            self.world.wait(ms)

    @rule()
    def settle(self) -> None:
        """All that waits is decided, all that is under way arrives."""
        while any(any(inputs.values()) for inputs in self.waiting) or any(self.under_way.values()):
            for partition in range(PARTITIONS):
                self._decide(partition, 1_000)
            for source, target in list(self.under_way):
                self.deliver(source, target, 1_000)

    def teardown(self) -> None:
        """Everything settles; then each wallet is probed, and the books are audited."""
        self.settle()
        for wallet_id in self.names:
            for probe in (credit, debit):
                self._put(probe(wallet_id, 1, rail="instant", sub_wallet="main"))
        self.settle()
        audit(self.world, bugs=self.bugs)
        audit_fold(self.world)

    # ---- both sides ----------------------------------------------------------------------------------

    def _named(self, drawn: Json) -> Json:
        """A drawn command with wallet ids for numbers."""
        asked = {name: value for name, value in drawn.items() if name not in NUMBERED}
        wallet = drawn["wallet"]
        asked["wallet_id"] = wallet if isinstance(wallet, str) else self.names[wallet]
        if "payee_wallet" in drawn:
            asked["payee_wallet_id"] = self.names[drawn["payee_wallet"]]
        if "to_wallet" in drawn:
            asked["to_wallet_id"] = self.names[drawn["to_wallet"]]
            if (asked["to_wallet_id"], asked["to_sub_wallet"]) == (asked["wallet_id"], asked["sub_wallet"]):
                asked["to_sub_wallet"] = "other"
        return asked

    def _put(self, asked: Json, *, wrong_partition: bool = False, record_key: str | None = None) -> None:
        owner = self.world.owner(asked["wallet_id"])
        partition = (owner + wrong_partition) % PARTITIONS
        topic = "operator-commands" if asked["operation"] in OPERATORS else "transaction-requests"
        key = record_key or asked["wallet_id"]
        self.world.append(topic, json.dumps(asked).encode(), key=key.encode(), partition=partition)
        self.waiting[partition][topic].append(((asked, key), self.world.now_ms))

    def _decide(self, p: int, limit: int, *, bug: bool = False) -> None:
        """Decide on both sides and compare outcomes, what partitions tell each other, and balances."""
        before = len(self.world.outcomes)
        decided = self.world.decide(p, limit)
        expected: list[Json] = []
        for topic in INPUTS:
            waiting = self.waiting[p][topic]
            while waiting and decided:
                decided -= 1
                item, at_ms = waiting.popleft()
                self.times[p] = max(self.times[p], at_ms)
                expected += self._modelled(p, topic, item, bug)
        assert [shown(outcome) for outcome in self.world.outcomes[before:]] == expected
        for source, target, item in self.model.sent:
            self.under_way[source, target].append(item)
        self.model.sent.clear()
        kinds = {
            "forward": "forward",
            "transfer_credit": "leg",
            "transfer_answer": "answer",
            "release_portion": "portion",
        }
        told = {pair: [kinds[json.loads(m.value or b"")["operation"]] for m in ms] for pair, ms in self._told()}
        assert told == {pair: [item[0] for item in items] for pair, items in self.under_way.items() if items}
        self._compare_balances(p)

    def _told(self) -> list[tuple[tuple[int, int], deque[Message]]]:
        return [(pair, messages) for pair, messages in self.world.under_way.items() if messages]

    def _modelled(self, p: int, topic: str, item: Any, bug: bool) -> list[Json]:
        if topic != INTERNAL_COMMANDS:
            asked, key = item
            return self.model.request(p, self.times[p], topic, asked, key, bug, forwarded=False)
        if item[0] == "forward":
            _, topic, asked, key = item
            return self.model.request(p, self.times[p], topic, asked, key, bug, forwarded=True)
        return self.model.told(p, item, bug)

    def _compare_balances(self, p: int) -> None:
        system = {"rail": "system/rail:instant", "transit": "system/transit"}
        for (partition, name, asset), expected in self.model.balances.items():
            if partition == p:
                assert self.world.balance(system.get(name, f"{name}/available"), asset, p) == expected, (name, asset)


def test_the_ledger_does_what_its_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.ledger.operations.release_quarantine.PORTION", PORTION)
    seeded(
        lambda seed: run_state_machine_as_test(hypothesis.seed(seed)(LedgerAgainstModel), settings=runs(40, 2_000, 80))
    )
