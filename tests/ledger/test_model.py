"""The ledger against its reference model: random commands, orders of delivery, bugs, losses, repetitions and time."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from schemas.assets import ISO_4217
from schemas.clock import rfc3339
from schemas.topics import INPUTS, INTERNAL_COMMANDS
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import Json, command, credit, debit, open_wallet, operator, release
from tests.ledger.drawn import APPROVERS, NUMBERED, PARTITION, PARTITIONS, WAITS_MS, commands, on_transactions
from tests.ledger.model import Model
from tests.ledger.model.refusals import BY_HOLDER, MAY, may
from tests.ledger.priced import FOR_MODEL, REFERENCE
from tests.ledger.profiles import runs, seeded
from tests.ledger.shown import left_of, shown, told_by_model, told_on_wire
from tests.ledger.world import DAY_MS, START_MS, TOPIC_OF, World

RETAINED_MS = 40 * DAY_MS
#: So few parked records are executed, and so few holds end at once, that both take several portions.
PORTIONS = {"release": 2, "tick": 2}

#: When the transfers are due that wait at first.
SOON_MS = START_MS + 5_000


class LedgerAgainstModel(RuleBasedStateMachine):
    """Records wait in the inputs of each partition, and internal commands between partitions, as the test wants it."""

    asked: Bundle[Json] = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(PARTITIONS, reference=REFERENCE, retained_ms=RETAINED_MS)
        self.model = Model(self.world.owner, set(ISO_4217), FOR_MODEL, RETAINED_MS, PORTIONS)
        self.names = [self.world.name_in(p, name) for name in ("anna", "bert", "ghost") for p in range(PARTITIONS)]
        self.waiting: list[dict[str, deque[Any]]] = [{t: deque() for t in INPUTS} for _ in range(PARTITIONS)]
        self.under_way: dict[tuple[int, int], deque[Any]] = defaultdict(deque)
        self.times = [0] * PARTITIONS
        self.told: list[tuple[int, Any, Any]] = []
        self.bugs = 0
        #: The ledger is known to be wrong from here on: nothing more is compared.

    # ---- what happens --------------------------------------------------------------------------------

    @initialize()
    def open_wallets(self) -> None:
        """Two wallets in each partition, one with something of each kind under way; a third name is none for now.

        One of them has a tier.
        """
        for number, wallet_id in enumerate(self.names[: 2 * PARTITIONS]):
            kind = "merchant" if number % 2 else "customer"
            self._put(open_wallet(wallet_id, "EUR", "USD", "JPY", kind=kind, sub_wallet="main"))
            self._put(credit(wallet_id, 100, rail="instant", sub_wallet="main"))
        for number, wallet_id in enumerate(self.names[:PARTITIONS]):
            money: Json = {"asset": "EUR", "sub_wallet": "main"}
            self._put(command("authorize", wallet_id, **money, amount_minor=30, expires_in_s=3_600))
            for operation in ("credit", "debit"):
                self._put(command(operation, wallet_id, **money, amount_minor=12, rail="sepa"))
            to: Json = {"to_wallet_id": self.names[(number + 1) % PARTITIONS], "to_sub_wallet": "main"}
            self._put(command("transfer", wallet_id, **money, **to, amount_minor=9))
            self._put(command("transfer", wallet_id, **money, **to, amount_minor=7, to_asset="USD"))
            self._put(command("transfer", wallet_id, **money, **to, amount_minor=4, execute_at=rfc3339(SOON_MS)))
            self._put(command("convert", wallet_id, **money, amount_minor=8, to_asset="USD"))
            self._put(command("reward", wallet_id, **money, amount_minor=20, code="welcome", expires_in_s=7_200))
        self._put(operator("set_tier", self.names[0], tier="basic", sub_wallet="main"))
        for partition in range(PARTITIONS):
            self._decide(partition, 1_000)

    @rule(target=asked, drawn=commands(), wrong=st.integers(0, 9), lost=st.integers(0, 9))
    def ask(self, drawn: Json, wrong: int, lost: int) -> Json:
        """A request; now and then in a wrong partition, or lost on its way."""
        asked = self._named(drawn)
        if lost:
            self._put(asked, wrong_partition=not wrong)
        return asked

    @rule(target=asked, drawn=on_transactions(), wrong=st.integers(0, 19), pick=st.integers(0, 999), now=st.booleans())
    def act(self, drawn: Json, wrong: int, pick: int, now: bool) -> Json:
        """Something is done to a transaction, mostly to one that it may be done to."""
        asked = self._on_transaction(drawn, pick)
        self._put(asked, wrong_partition=not wrong)
        if now:
            self._decide(self.world.owner(asked["wallet_id"]), 100)
        return asked

    @rule(drawn=st.lists(on_transactions(), min_size=1, max_size=4), pick=st.integers(0, 2))
    def go_on(self, drawn: list[Json], pick: int) -> None:
        """One thing after the other is done to the newest transactions that it may be done to."""
        for one in drawn:
            asked = self._on_transaction(one, -1 - pick)
            self._put(asked)
            self._decide(self.world.owner(asked["wallet_id"]), 100)

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
    @rule(pick=st.randoms(use_true_random=False), approved_by=APPROVERS)
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

    @rule(ms=WAITS_MS)
    def wait(self, ms: int) -> None:
        """Time passes; in all less than transactions are kept for."""
        if self.world.now_ms + ms < START_MS + 400 * DAY_MS:
            self.world.wait(ms)

    @precondition(lambda self: any(t["due"] for t in self.model.transactions.values()))
    @rule(late_ms=st.sampled_from([-1, 0, 0, 1]), pick=st.integers(0, 9))
    def wait_for_what_is_due(self, late_ms: int, pick: int) -> None:
        """Until the millisecond at which a hold or a reward ends, or something is to be done; or one off."""
        due = [t["due"] for t in self.model.transactions.values() if t["due"]]
        self.world.wait(max(0, due[pick % len(due)] + late_ms - self.world.now_ms))

    @rule(partition=PARTITION)
    def tick(self, partition: int) -> None:
        """The clock of a partition."""
        tick = self.world.machine.tick(self.world.now_ms, partition)
        self.world.append(tick.topic, tick.value, key=tick.key, partition=partition)
        self.waiting[partition][INTERNAL_COMMANDS].append((("tick",), self.world.now_ms))

    @rule()
    def settle(self) -> None:
        """All that waits is decided, all that is under way arrives."""
        while self._is_more():
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
        self._compare_states()
        audit(self.world, bugs=self.bugs)
        audit_fold(self.world)

    # ---- both sides ----------------------------------------------------------------------------------

    def _is_more(self) -> bool:
        """True where something waits or is under way."""
        return any(any(inputs.values()) for inputs in self.waiting) or any(self.under_way.values())

    def _named(self, drawn: Json) -> Json:
        """A drawn command with wallet ids for numbers."""
        asked = {name: value for name, value in drawn.items() if name not in (*NUMBERED, "accounts")}
        for name in NUMBERED:
            if name in drawn:
                number = drawn[name]
                asked[f"{name}_id"] = number if isinstance(number, str) else self.names[number]
        if "later_ms" in asked:
            asked["execute_at"] = rfc3339(self.world.now_ms + asked.pop("later_ms"))
        if "items" in asked:
            asked["items"] = [self._named_item(item, asked["wallet_id"]) for item in asked["items"]]
        asked = _sensible(asked, asked["wallet_id"])
        if "accounts" in drawn:
            from_, to = (
                one if isinstance(one, str) else "/".join([self.names[one[0]], *one[1:]]) for one in drawn["accounts"]
            )
            asked |= {"from_account": from_, "to_account": "system/writeoffs" if to == from_ else to}
        return asked

    def _named_item(self, drawn: Json, wallet_id: str) -> Json:
        """A drawn item of a batch: most transfers are within the wallet."""
        item = {name: value for name, value in drawn.items() if name != "to_wallet"}
        if "to_wallet" in drawn:
            item["to_wallet_id"] = wallet_id if drawn["to_wallet"] == "own" else self.names[drawn["to_wallet"]]
        return _sensible(item, wallet_id)

    def _on_transaction(self, drawn: Json, pick: int) -> Json:
        """A drawn command with the transaction and, if no other is drawn, the wallet that may ask for it."""
        verb, known = drawn["operation"], [*self.model.transactions.values()]
        fitting = [t for t in known if may(verb, t)] if pick < 0 or pick % 7 else []
        chosen = fitting or known
        of = chosen[pick % len(chosen)] if chosen else None
        asked = {"transaction_id": "0" * 32, **drawn}
        near = asked.pop("near", None)
        if of is not None:
            if near is not None:
                asked[near[0]] = near[1] + left_of(of, verb)
            has_money = of["to"][0] if of["to"] and verb in BY_HOLDER else of["wallet"]
            asked = {"wallet": has_money, **asked, "transaction_id": of["id"]}
        return self._named({"wallet": 0, **asked})

    def _put(self, asked: Json, *, wrong_partition: bool = False, record_key: str | None = None) -> None:
        owner = self.world.owner(asked["wallet_id"])
        partition = (owner + wrong_partition) % PARTITIONS
        topic = TOPIC_OF[asked["operation"]]
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
                self.times[p] = self.model.now = max(self.times[p], at_ms)
                expected += self._modelled(p, topic, item, bug)
        assert [shown(outcome) for outcome in self.world.outcomes[before:]] == expected
        for source, target, item in self.model.sent:
            self.under_way[source, target].append(item)
        self.model.sent.clear()
        assert self._told() == {
            pair: [told_by_model(item) for item in items] for pair, items in self.under_way.items() if items
        }
        self._compare_balances(p)

    def _modelled(self, p: int, topic: str, item: Any, bug: bool) -> list[Json]:
        if topic != INTERNAL_COMMANDS:
            return self.model.request(p, topic, *item, bug=bug)
        if item[0] == "forward":
            return self.model.request(p, *item[1:], bug=bug, forwarded=True)
        return self.model.told(p, item, bug)

    def _told(self) -> dict[tuple[int, int], list[Any]]:
        """The internal commands that are under way in the world."""
        read = {pair: [json.loads(m.value or b"") for m in ms] for pair, ms in self.world.under_way.items() if ms}
        return {pair: [told_on_wire(told) for told in tolds] for pair, tolds in read.items()}

    def _compare_states(self) -> None:
        """Every transaction that there is, and no other, is in the same state on both sides."""
        moved = [event for event in self.world.events if "to_state" in event and "leg" not in event]
        found = {event["transaction_id"]: event["to_state"] for event in moved}
        assert found == {t["id"]: t["state"] for t in self.model.transactions.values()}

    def _compare_balances(self, p: int) -> None:
        """Every account of the partition, the system's too, and no other."""
        found = {
            (one["account"], one["asset"]): one["balance_minor"]
            for (index, _), read in self.world.holdings.items()
            for one in read["accounts"]
            if index == p
        }
        expected = {
            (name, asset): minor for (at, name, asset), minor in self.model.balances.items() if at == p and minor
        }
        assert {name: minor for name, minor in found.items() if minor} == expected


def _sensible(asked: Json, wallet_id: str) -> Json:
    """A command, or an item of a batch, that is not malformed for want of a second sub-wallet or asset."""
    asked = dict(asked)
    if asked["operation"] == "transfer" and asked["to_wallet_id"] == wallet_id:
        is_same = asked["to_sub_wallet"] == asked["sub_wallet"]
        asked["to_sub_wallet"] = "other" if is_same else asked["to_sub_wallet"]
    if asked.get("to_asset") == asked.get("asset") and "to_asset" in asked:
        asked["to_asset"] = "USD" if asked["asset"] == "EUR" else "EUR"
    return asked


def test_the_ledger_does_what_its_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAY.keys() == {verb for verb in TOPIC_OF if verb in MAY}
    monkeypatch.setattr("agents.ledger.operations.release_quarantine.PORTION", PORTIONS["release"])
    monkeypatch.setattr("agents.ledger.due.TICK_PORTION", PORTIONS["tick"])
    seeded(
        lambda seed: run_state_machine_as_test(hypothesis.seed(seed)(LedgerAgainstModel), settings=runs(100, 3_000, 80))
    )
