"""Two things at once: what each of them does alone is tested elsewhere."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

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
from tests.ledger.commands import command, credit, debit, open_wallet, operator, set_state, transfer
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


# ---- refunds and rails -------------------------------------------------------------------------------


def test_what_went_over_an_instant_rail_of_a_name_comes_back_at_once() -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="card"))
    hold = bank.ask(command("authorize", bank.anna, amount_minor=50, asset="EUR", expires_in_s=60))
    taken = bank.on("capture", hold, amount_minor=50, rail="card")
    bank.on("refund", paid, amount_minor=40)
    bank.on("refund", taken)
    assert (bank.has(), bank.has("incoming")) == (10_000 - 60, 0)
    assert bank.of_system("rail:card") == 60
    bank.audit()


def test_a_fee_comes_back_once_where_a_refund_has_settled_in_part() -> None:
    bank = Bank(FEE)
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    bank.on("settle", paid, rail_reference="out")
    first = bank.on("refund", paid)
    bank.on("settle", first, rail_reference="in-1", settled_minor=10)
    assert bank.of_system("fees") == 0, "all of it came back with the refund of all"
    for number, amount_minor in ((2, 50), (3, 40)):
        back = bank.on("refund", paid, amount_minor=amount_minor)
        assert bank.of_system("fees") == 0
        bank.on("settle", back, rail_reference=f"in-{number}")
    bank.on("refund", paid, "exceeds_remaining")
    assert bank.has() == 10_000
    bank.audit()


# ---- limits and what does not leave after all --------------------------------------------------------


@pytest.mark.parametrize("way", ["final", "released", "expired"])
@pytest.mark.parametrize("others", [0, 20])
def test_a_capture_that_fails_when_its_authorization_is_over_counts_no_more(way: str, others: int) -> None:
    """Nor does the authorization, if nothing else of it was captured: as where it failed before."""
    bank = Bank()
    bank.ask(limits(bank.anna, day={"sum_minor": 100, "count": 2 if others else 1}))
    hold = bank.ask(command("authorize", bank.anna, amount_minor=100, asset="EUR", expires_in_s=60))
    if others:
        bank.on("capture", hold, amount_minor=others)
    taken = bank.on("capture", hold, amount_minor=30, rail="sepa", final=way == "final")
    if way == "released":
        bank.on("release", hold)
    elif way == "expired":
        bank.world.wait(60_000)
    bank.on("fail", taken, code="AC01")
    bank.ask(debit(bank.anna, 101 - others), "limit_exceeded")
    bank.ask(debit(bank.anna, 100 - others))
    bank.audit()


def test_a_capture_that_a_payee_elsewhere_refuses_counts_no_more() -> None:
    bank = Bank()
    bank.ask(limits(bank.anna, month={"sum_minor": 100, "count": 1}))
    hold = bank.ask(command("authorize", bank.anna, amount_minor=100, asset="EUR", expires_in_s=60))
    bank.ask(set_state(bank.bert, "disabled"))
    taken = bank.on("capture", hold, to_wallet_id=bank.bert)
    assert bank.told(taken) == [("failed", "payee_refused")]
    bank.ask(debit(bank.anna, 100))
    bank.audit()


def test_a_capture_that_fails_while_its_authorization_is_open_counts_on() -> None:
    bank = Bank()
    bank.ask(limits(bank.anna, day={"sum_minor": 100}))
    hold = bank.ask(command("authorize", bank.anna, amount_minor=100, asset="EUR", expires_in_s=60))
    taken = bank.on("capture", hold, amount_minor=30, rail="sepa")
    bank.on("fail", taken, code="AC01")
    bank.ask(debit(bank.anna, 1), "limit_exceeded")
    bank.on("release", hold)
    bank.ask(debit(bank.anna, 100))
    bank.audit()


def test_what_a_rail_does_not_settle_counts_no_more() -> None:
    """The transaction itself has been: how many there were does not change."""
    bank = Bank()
    bank.ask(limits(bank.anna, day={"sum_minor": 100, "count": 3}))
    paid = bank.ask(debit(bank.anna, 50, rail="sepa"))
    bank.on("settle", paid, rail_reference="out", settled_minor=30)
    hold = bank.ask(command("authorize", bank.anna, amount_minor=70, asset="EUR", expires_in_s=60))
    taken = bank.on("capture", hold, amount_minor=60, rail="sepa")
    bank.on("settle", taken, rail_reference="taken", settled_minor=20)
    bank.ask(debit(bank.anna, 41), "limit_exceeded")
    bank.ask(debit(bank.anna, 40))
    bank.ask(debit(bank.anna, 1), "limit_exceeded")
    bank.on("release", hold)
    bank.audit()


# ---- batches and the order of codes ------------------------------------------------------------------


def batch(wallet_id: str, *items: Json) -> Json:
    """A batch of a wallet."""
    return command("batch", wallet_id, items=list(items))


@pytest.mark.parametrize(
    ("item", "code", "field"),
    [
        ({"asset": "QQQ"}, "asset_unknown", "asset"),
        ({"asset": "JPY"}, "asset_not_enabled", "asset"),
        ({"sub_wallet": "gone"}, "sub_wallet_not_found", "sub_wallet"),
        ({"amount_minor": 99_999}, "illegal_in_batch", None),
        ({}, "illegal_in_batch", None),
    ],
)
def test_an_item_that_posts_elsewhere_is_told_so_where_nothing_comes_before(
    item: Json, code: str, field: str | None
) -> None:
    bank = Bank()
    over: Json = {"operation": "debit", "amount_minor": 1, "asset": "EUR", "rail": "sepa"}
    to: Json = {"operation": "transfer", "amount_minor": 1, "asset": "EUR", "to_wallet_id": bank.bert}
    for elsewhere, own_field in ((over, "rail"), (to, "to_wallet_id")):
        good: Json = {"operation": "credit", "amount_minor": 1, "asset": "EUR"}
        answer = bank.world.submit(batch(bank.anna, good, elsewhere | item))
        assert (answer["code"], answer["field"]) == (code, f"items.1.{field or own_field}")
    bank.ask(set_state(bank.anna, "locked"))
    bank.ask(batch(bank.anna, over), "wallet_locked")
    assert bank.has() == 10_000
    bank.audit()


def test_the_amounts_of_a_batch_come_before_all_else() -> None:
    bank = Bank()
    unknown: Json = {"operation": "debit", "amount_minor": 1, "asset": "QQQ"}
    nothing: Json = {"operation": "debit", "amount_minor": 0, "asset": "EUR"}
    for wallet_id in (bank.anna, bank.world.name_in(0, "nobody")):
        answer = bank.world.submit(batch(wallet_id, unknown, nothing))
        assert (answer["code"], answer["field"]) == ("amount_out_of_range", "items.1.amount_minor")
    bank.audit()


@pytest.mark.parametrize("wrong", [{"amount_minor": 99_999}, {"min_to_amount_minor": 10**6}, {"rate_id": "r1"}])
def test_what_a_wallet_may_hold_comes_before_funds_and_rates(wrong: Json) -> None:
    bank = Bank()
    bank.ask(operator("set_limits", bank.anna, limits={"USD": {"balance_cap_minor": 5}}))
    given: Json = {"amount_minor": 100, "asset": "EUR", "to_asset": "USD"}
    bank.ask(command("convert", bank.anna, **(given | wrong)), "limit_exceeded")
    bank.ask(
        command("convert", bank.anna, **(given | wrong | {"rate_id": "gone"})),
        "rate_unavailable" if "amount_minor" not in wrong else "insufficient_funds",
    )
    bank.audit()


# ---- rewards that come back by way of another transaction --------------------------------------------


def refunded_capture(bank: Bank, hold: str) -> None:
    bank.on("refund", bank.on("capture", hold, wallet_id=bank.carl), wallet_id=bank.carl)


def refunded_before_it_is_over(bank: Bank, hold: str) -> None:
    taken = bank.on("capture", hold, wallet_id=bank.carl, amount_minor=20)
    bank.on("refund", taken, wallet_id=bank.carl)
    bank.on("release", hold, wallet_id=bank.carl)


def failed_capture(bank: Bank, hold: str) -> None:
    bank.on("fail", bank.on("capture", hold, wallet_id=bank.carl, rail="sepa"), wallet_id=bank.carl, code="AC01")


def failed_before_it_is_over(bank: Bank, hold: str) -> None:
    taken = bank.on("capture", hold, wallet_id=bank.carl, rail="sepa", amount_minor=20)
    bank.on("fail", taken, wallet_id=bank.carl, code="AC01")
    bank.on("release", hold, wallet_id=bank.carl)


def refused_capture(bank: Bank, hold: str) -> None:
    bank.on("capture", hold, wallet_id=bank.carl, to_wallet_id=bank.world.name_in(1, "nobody"))


def won_capture(bank: Bank, hold: str) -> None:
    taken = bank.on("capture", hold, wallet_id=bank.carl)
    contested = bank.on("dispute", taken, wallet_id=bank.carl, reason="no parcel")
    bank.ask(operator("resolve_dispute", bank.carl, transaction_id=contested, won=True))


def returned_capture(bank: Bank, hold: str) -> None:
    taken = bank.on("capture", hold, wallet_id=bank.carl, rail="sepa")
    bank.on("settle", taken, wallet_id=bank.carl, rail_reference="out", settled_minor=50)
    bank.on("return", taken, wallet_id=bank.carl, amount_minor=50, rail_reference="back", code="AC04")


def reversed_capture(bank: Bank, hold: str) -> None:
    taken = bank.on("capture", hold, wallet_id=bank.carl)
    bank.ask(operator("reverse", bank.carl, transaction_id=taken))


@pytest.mark.parametrize(
    "way",
    [
        *(refunded_capture, refunded_before_it_is_over, failed_capture, failed_before_it_is_over),
        *(refused_capture, won_capture, returned_capture, reversed_capture),
    ],
)
def test_a_reward_that_was_held_and_captured_comes_back_as_a_reward(way: Callable[[Bank, str], None]) -> None:
    bank = Bank()
    bank.ask(command("reward", bank.carl, amount_minor=100, asset="EUR", code="welcome", expires_in_s=100))
    way(bank, bank.ask(command("authorize", bank.carl, amount_minor=60, asset="EUR", expires_in_s=60)))
    assert bank.has(wallet_id=bank.carl) == 100
    bank.world.wait(7 * DAY_MS)
    bank.ask(debit(bank.carl, 1), "insufficient_funds")
    assert (bank.has(wallet_id=bank.carl), bank.of_system("rewards")) == (0, 0)
    bank.audit()


# ---- what another partition takes back ---------------------------------------------------------------


@pytest.mark.parametrize("is_captured", [False, True])
@pytest.mark.parametrize("payee", ["bert", "carl"])
def test_who_paid_is_told_of_a_reversal_wherever_the_payee_lives(payee: str, is_captured: bool) -> None:
    bank = Bank()
    to = getattr(bank, payee)
    if is_captured:
        hold = bank.ask(command("authorize", bank.anna, amount_minor=100, asset="EUR", expires_in_s=60))
        asked = command("capture", bank.anna, transaction_id=hold, to_wallet_id=to)
    else:
        asked = transfer(bank.anna, to, 100)
    paid = bank.ask(asked)
    bank.on("refund", paid, wallet_id=to, amount_minor=30)
    bank.ask(operator("reverse", to, transaction_id=paid))
    assert bank.told(paid)[-1] == ("reversed", "ok")
    again = bank.world.submit(asked)
    assert (again["replayed"], again["current_state"]) == (True, "reversed")
    bank.ask(operator("reverse", to, transaction_id=paid), "illegal_transition")
    assert bank.has() == 10_000
    bank.audit()


def test_who_paid_is_told_nothing_where_a_refund_is_refused_and_something_is_left() -> None:
    """The refund is under way when the rest is reversed: what it could not give back is still the payee's."""
    bank = Bank()
    paid = bank.ask(transfer(bank.anna, bank.bert, 100))
    bank.ask(set_state(bank.anna, "disabled"))
    for asked in (
        command("refund", bank.bert, transaction_id=paid, amount_minor=30),
        operator("reverse", bank.bert, transaction_id=paid),
    ):
        bank.world.put(asked)
        bank.world.decide(1)
    bank.world.settle()
    assert [state for state, _ in bank.told(paid)] == ["settled"]
    assert (bank.has(), bank.has(wallet_id=bank.bert)) == (10_000 - 30, 30)
    bank.ask(operator("reverse", bank.bert, transaction_id=paid))
    assert [state for state, _ in bank.told(paid)] == ["settled", "reversed"]
    bank.audit()


@pytest.mark.parametrize("operation", ["refund", "reverse"])
@pytest.mark.parametrize("payee", ["bert", "carl"])
def test_a_reward_comes_back_as_a_reward_wherever_the_payee_lives(payee: str, operation: str) -> None:
    bank = Bank()
    bank.ask(command("reward", bank.anna, amount_minor=100, asset="EUR", code="welcome", expires_in_s=100))
    to = getattr(bank, payee)
    paid = bank.ask(transfer(bank.anna, to, 60))
    fields: Json = {"transaction_id": paid}
    bank.ask(command("refund", to, **fields) if operation == "refund" else operator("reverse", to, **fields))
    assert bank.has() == 10_100
    bank.world.wait(7 * DAY_MS)
    bank.ask(debit(bank.anna, 10_001), "insufficient_funds")
    assert (bank.has(), bank.of_system("rewards")) == (10_000, 0)
    bank.audit()


# ---- screening and rails -----------------------------------------------------------------------------


def test_a_rail_settles_what_was_refused_when_its_verdict_had_come() -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="wire"))
    bank.ask(set_state(bank.anna, "locked"))
    bank.on("screening_verdict", paid, verdict="allow", rule_ids=["ok"])
    assert bank.told(paid) == [("failed", "wallet_locked")]
    bank.on("settle", paid, rail_reference="out")
    assert (bank.of_system("suspense"), bank.of_system("rail:wire"), bank.has()) == (-100, 100, 10_000)
    bank.audit()
