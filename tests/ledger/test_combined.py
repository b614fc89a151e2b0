"""Two things at once: what each of them does alone is tested elsewhere."""

from __future__ import annotations

import pytest

from schemas.clock import rfc3339
from schemas.money import INT64_MAX
from tests.ledger.bank import FEE, Bank, limits
from tests.ledger.commands import command, credit, debit, operator, set_state, transfer
from tests.ledger.world import DAY_MS, Json


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


def test_more_may_leave_a_wallet_in_a_month_than_one_balance_can_hold() -> None:
    bank = Bank()
    bank.ask(debit(bank.anna, 10_000))
    bank.ask(limits(bank.anna, day={"count": 9}))
    for _ in range(4):
        bank.ask(credit(bank.anna, INT64_MAX))
        bank.ask(debit(bank.anna, INT64_MAX))
    bank.ask(credit(bank.anna, INT64_MAX))
    bank.ask(limits(bank.anna, month={"sum_minor": INT64_MAX}))
    bank.ask(debit(bank.anna, 1), "limit_exceeded")
    bank.ask(limits(bank.anna))
    for _ in range(3):
        paid = bank.ask(debit(bank.anna, INT64_MAX, rail="sepa"))
        bank.on("fail", paid, code="AC01")
    bank.audit()


def test_what_is_refused_at_its_time_names_the_limit_as_an_answer_does() -> None:
    bank = Bank()
    bank.ask(limits(bank.anna, day={"sum_minor": 100}))
    waiting = bank.ask(debit(bank.anna, 80, execute_at=rfc3339(bank.world.now_ms + 60_000)))
    bank.ask(debit(bank.anna, 50))
    refused = bank.world.submit(debit(bank.anna, 80))
    bank.world.wait(60_000)
    bank.ask(credit(bank.anna, 1))
    (told,) = bank.world.updates(waiting)
    said = ("code", "message", "field", "limit")
    assert [told[name] for name in said] == [refused[name] for name in said]
    assert (told["code"], told["limit"]["limit"]) == ("limit_exceeded", 100)


#: A refund costs one, and that is kept.
COSTS: Json = {
    "name": "refund-eur",
    "version": 1,
    "operation": "refund",
    "asset": "EUR",
    "tiers": [{"flat_minor": 1, "basis_points": 0}],
    "refundable": False,
}


def test_refunds_that_may_go_below_zero_may_do_so_with_what_they_cost() -> None:
    bank = Bank(COSTS)
    to_carl, to_bert = (bank.ask(transfer(bank.anna, to, 100)) for to in (bank.carl, bank.bert))
    paid = bank.ask(debit(bank.carl, 100, rail="sepa"))
    bank.on("settle", paid, wallet_id=bank.carl, rail_reference="out")
    bank.ask(debit(bank.bert, 100))
    bank.on("refund", to_carl, "insufficient_funds", wallet_id=bank.carl)
    bank.on("refund", paid, "insufficient_funds", wallet_id=bank.carl)
    for wallet_id in (bank.carl, bank.bert):
        bank.ask(operator("set_limits", wallet_id, limits={}, refunds_below_zero=True))
    bank.on("refund", paid, wallet_id=bank.carl)
    assert bank.has(wallet_id=bank.carl) == -1
    bank.on("refund", to_carl, wallet_id=bank.carl)
    bank.on("refund", to_bert, wallet_id=bank.bert)
    assert (bank.has(wallet_id=bank.carl), bank.has(wallet_id=bank.bert)) == (-102, -101)
    bank.audit()


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


def test_a_cap_refuses_what_a_transfer_exchanges_within_the_wallet() -> None:
    bank = Bank()
    bank.ask(operator("set_limits", bank.anna, limits={"USD": {"balance_cap_minor": 110}}))
    bank.ask(command("open_sub_wallet", bank.anna, sub_wallet="savings", kind="savings"))
    given: Json = {"to_sub_wallet": "savings", "to_asset": "USD"}
    moved = bank.world.submit(transfer(bank.anna, bank.anna, 101, **given))
    assert (moved["state"], moved["message"]) == ("failed", "the payee's wallet answered limit_exceeded")
    item: Json = {"operation": "transfer", "to_wallet_id": bank.anna, "amount_minor": 101, "asset": "EUR"}
    bank.ask(batch(bank.anna, item | given), "payee_refused")
    bank.ask(transfer(bank.anna, bank.anna, 100, **given))
    # What is there already may move within the wallet.
    bank.ask(transfer(bank.anna, bank.anna, 110, "USD", sub_wallet="savings"))
    bank.audit()


@pytest.mark.parametrize("rail", ["sepa", "card"])
@pytest.mark.parametrize("operation", ["credit", "debit"])
def test_a_return_that_a_reversal_was_proven_by_is_booked_once(operation: str, rail: str) -> None:
    bank = Bank()
    moved = bank.ask(command(operation, bank.anna, amount_minor=100, asset="EUR", rail=rail))
    if rail == "sepa":
        bank.on("settle", moved, rail_reference="there")
    bank.ask(operator("reverse", bank.anna, transaction_id=moved, rail_reference="back"))
    for amount_minor in (100, 60):
        back = bank.world.submit(
            command(
                "return", bank.anna, transaction_id=moved, amount_minor=amount_minor, rail_reference="back", code="x"
            )
        )
        assert (back["code"], back["state"]) == ("ok", "reversed")
    assert (bank.of_system(f"rail:{rail}"), bank.of_system("suspense"), bank.has()) == (0, 0, 10_000)
    bank.on("return", moved, amount_minor=100, rail_reference="another", code="x")
    assert abs(bank.of_system("suspense")) == 100
    bank.audit()


def test_of_a_return_of_more_than_was_reversed_by_it_the_rest_is_booked() -> None:
    bank = Bank()
    moved = bank.ask(debit(bank.anna, 100, rail="card"))
    bank.on("refund", moved, amount_minor=40)
    bank.ask(operator("reverse", bank.anna, transaction_id=moved, rail_reference="back"))
    bank.on("return", moved, amount_minor=60, rail_reference="back", code="x")
    for _ in range(2):
        bank.on("return", moved, amount_minor=100, rail_reference="back", code="x")
        # 100 went out over the rail; 40 and 100 came back.
        assert (bank.of_system("rail:card"), bank.of_system("suspense")) == (-40, 40)
    bank.on("return", moved, amount_minor=7, rail_reference="another", code="x")
    assert (bank.of_system("rail:card"), bank.of_system("suspense")) == (-47, 47)
    bank.audit()


@pytest.mark.parametrize(("room_minor", "kept_minor"), [(0, 100), (40, 60), (100, 0)])
def test_a_return_that_the_account_has_no_room_for_is_kept_in_suspense(room_minor: int, kept_minor: int) -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="card"))
    # All of this may yet come to what is available, beside what is there.
    hold = bank.ask(command("authorize", bank.anna, amount_minor=50, asset="EUR", expires_in_s=600))
    bank.on("capture", hold, amount_minor=10, rail="sepa")
    bank.ask(credit(bank.anna, 33, rail="sepa"))
    bank.ask(debit(bank.anna, 21, rail="wire"))
    bank.on("dispute", bank.ask(debit(bank.anna, 15, rail="card")), reason="x")
    bank.ask(credit(bank.anna, INT64_MAX - (10_000 - 100 + 33) - room_minor, rail="card"))
    back: Json = {"transaction_id": paid, "amount_minor": 100, "rail_reference": "back", "code": "x"}
    for asked in (transfer(bank.anna, bank.bert, 60), command("return", bank.anna, **back)):
        bank.world.put(asked)
        bank.world.decide(0)
    bank.world.settle()
    assert bank.of_system("suspense") == kept_minor
    bank.audit()


def test_a_rail_may_say_again_years_later_what_it_has_done_to_something_open() -> None:
    bank = Bank()
    paid = bank.ask(credit(bank.anna, 100, rail="card"))
    bank.on("dispute", paid, amount_minor=50, reason="x")
    bank.on("return", paid, amount_minor=10, rail_reference="back", code="x")
    for _ in range(2):
        bank.world.wait(700 * DAY_MS)
        bank.ask(credit(bank.anna, 1))
    bank.on("return", paid, amount_minor=10, rail_reference="back", code="x")
    bank.audit()
