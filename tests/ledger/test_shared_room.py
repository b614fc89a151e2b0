"""int64, where all wallets of a partition meet: transit, fees and exchanges leave room for what is taken back too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.money import INT64_MAX, INT64_MIN
from tests.ledger.bank import FEE, Bank
from tests.ledger.commands import Json, command, credit, debit, operator, set_state, transfer

#: Seven percent of a transfer, given back with what is refunded.
OF_TRANSFERS: Json = {**FEE, "name": "transfer-eur", "operation": "transfer"}


def code_of(bank: Bank, asked: Json) -> str:
    """What is answered at once; nothing that is under way is delivered."""
    at = bank.world.put(asked)
    bank.world.decide(at.partition)
    return str(bank.world.answer(at)["code"])


def adjust(bank: Bank, from_: str, to: str, amount_minor: int, asset: str = "EUR") -> Json:
    accounts: Json = {"from_account": f"system/{from_}", "to_account": f"system/{to}"}
    return operator("adjust", bank.anna, **accounts, amount_minor=amount_minor, asset=asset)


def in_shard(bank: Bank, name: str, asset: str = "EUR") -> int:
    """The balance of a system account in anna's partition."""
    return bank.world.balance(f"system/{name}", asset, 0)


def to_bert(bank: Bank, operation: str, payer: str, amount_minor: int) -> Json:
    """What sends an amount of a wallet of the first partition to the other one."""
    if operation == "transfer":
        return transfer(payer, bank.bert, amount_minor)
    hold = bank.ask(command("authorize", payer, amount_minor=amount_minor, asset="EUR", expires_in_s=60))
    return command("capture", payer, transaction_id=hold, to_wallet_id=bank.bert)


@pytest.mark.parametrize("operation", ["transfer", "capture", "refund"])
def test_more_than_int64_is_never_on_its_way_out_of_a_partition(operation: str) -> None:
    """What comes in meanwhile is taken from transit, whose balance does not tell how much is on its way."""
    bank = Bank()
    bank.ask(debit(bank.anna, 10_000))
    bank.ask(credit(bank.bert, 1_000, rail="card"))
    received = bank.ask(transfer(bank.bert, bank.carl, 20))
    more = (
        command("refund", bank.carl, transaction_id=received, amount_minor=6)
        if operation == "refund"
        else to_bert(bank, operation, bank.carl, 6)
    )
    bank.ask(credit(bank.anna, INT64_MAX))
    assert code_of(bank, transfer(bank.anna, bank.bert, INT64_MAX - 5)) == "ok"
    assert code_of(bank, transfer(bank.bert, bank.carl, 9)) == "ok"
    bank.world.deliver(1, 0)
    bank.world.decide(0)
    assert in_shard(bank, "transit") < INT64_MAX - 20
    assert code_of(bank, more) == "amount_out_of_range"
    assert code_of(bank, transfer(bank.carl, bank.bert, 5)) == "ok"
    bank.world.settle()
    assert in_shard(bank, "transit") + bank.world.balance("system/transit", "EUR", 1) == 0
    bank.audit()


def test_what_was_exchanged_can_be_taken_back_whatever_others_exchange_meanwhile() -> None:
    bank = Bank()
    assert code_of(bank, transfer(bank.anna, bank.bert, 100, to_asset="USD")) == "ok"
    assert (in_shard(bank, "fx"), in_shard(bank, "fx", "USD")) == (100, -110)
    for asset, from_, to, most_minor in (("EUR", "fx", "suspense", -INT64_MIN), ("USD", "suspense", "fx", INT64_MAX)):
        assert code_of(bank, adjust(bank, from_, to, INT64_MAX, asset)) == "ok"
        left_minor = most_minor - INT64_MAX
        from_, to = (name.replace("suspense", "writeoffs") for name in (from_, to))
        assert code_of(bank, adjust(bank, from_, to, left_minor + 1, asset)) == "amount_out_of_range"
        if left_minor:
            assert code_of(bank, adjust(bank, from_, to, left_minor, asset)) == "ok"
    assert code_of(bank, set_state(bank.bert, "disabled")) == "ok"
    bank.world.settle()
    assert (in_shard(bank, "fx"), in_shard(bank, "fx", "USD")) == (INT64_MIN, INT64_MAX)
    assert bank.has() == 10_000
    bank.audit()


def failed_payout(bank: Bank) -> tuple[Json, int]:
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    return command("fail", bank.anna, transaction_id=paid, code="AC04"), -7


def refused_transfer(bank: Bank) -> tuple[Json, int]:
    assert code_of(bank, transfer(bank.anna, bank.bert, 100)) == "ok"
    return set_state(bank.bert, "disabled"), -7


def failed_refund(bank: Bank) -> tuple[Json, int]:
    refund = bank.on("refund", bank.payout(has_failed=False))
    return command("fail", bank.anna, transaction_id=refund, code="AC04"), 7


def _way(other: str, *, away: bool) -> tuple[str, str]:
    return ("fees", other) if away else (other, "fees")


@pytest.mark.parametrize("begin", [failed_payout, refused_transfer, failed_refund])
def test_a_fee_can_be_given_back_whatever_becomes_of_fees_meanwhile(begin: Callable[[Bank], tuple[Json, int]]) -> None:
    bank = Bank(FEE, OF_TRANSFERS)
    ends, comes_minor = begin(bank)
    has_minor = in_shard(bank, "fees")
    away = comes_minor < 0
    edge_minor = INT64_MIN if away else INT64_MAX
    left_minor = abs(edge_minor - has_minor - comes_minor) - 1
    assert code_of(bank, adjust(bank, *_way("suspense", away=away), left_minor)) == "ok"
    way = _way("writeoffs", away=away)
    assert code_of(bank, adjust(bank, *way, 2)) == "amount_out_of_range"
    paid = bank.world.submit(command("fee", bank.anna, amount_minor=2, asset="EUR", code="x")) if not away else None
    assert paid is None or paid["code"] == "amount_out_of_range"
    assert code_of(bank, adjust(bank, *way, 1)) == "ok"
    bank.world.submit(ends)
    assert in_shard(bank, "fees") == edge_minor
    bank.audit()


def test_room_for_fees_is_given_free_once_nothing_is_under_way() -> None:
    bank = Bank(FEE)
    bank.payout(has_failed=True)
    bank.payout(has_failed=False)
    bank.ask(adjust(bank, "suspense", "fees", INT64_MAX - in_shard(bank, "fees")))
    bank.ask(adjust(bank, "suspense", "fees", 1), "amount_out_of_range")
    bank.ask(adjust(bank, "fees", "adjustments", INT64_MAX))
    bank.ask(adjust(bank, "fees", "writeoffs", -INT64_MIN - 1))
    bank.ask(adjust(bank, "fees", "rewards", 1))
    assert in_shard(bank, "fees") == INT64_MIN
    bank.audit()


@pytest.mark.parametrize("payee", ["carl", "bert"])
def test_where_a_system_account_is_full_its_payee_has_not_refused(payee: str) -> None:
    """Wherever that lives: the payee would have room."""
    bank = Bank({**FEE, "name": "capture-eur", "operation": "capture"})
    hold = bank.ask(command("authorize", bank.anna, amount_minor=100, asset="EUR", expires_in_s=60))
    for name, asset in (("fees", "EUR"), ("fx", "EUR")):
        bank.ask(adjust(bank, "suspense" if name == "fees" else "writeoffs", name, INT64_MAX, asset))
    to: str = getattr(bank, payee)
    bank.ask(transfer(bank.anna, to, 100, to_asset="USD"), "amount_out_of_range")
    bank.on("capture", hold, "amount_out_of_range", to_wallet_id=to)
    bank.ask(transfer(bank.anna, to, 100))
    bank.audit()
