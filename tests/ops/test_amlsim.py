"""AMLSim's accounts and transfers as requests."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.amlsim import Account, Dataset, Funding, Payment, expected_balances, funding_minor, generate, parse, phases
from ops.amlsim_files import read_dataset, sample_folder
from ops.errors import OperationError
from schemas.commands import CONTRACTS

SAMPLE = sample_folder()
NODES = ["nodeid,isFraud,init_balance,fraudStep", "0,0,184.44,-1", "1,1,0.29,5", "2,0,0.00,-1"]
TRANSACTIONS = ["sourceNodeId,targetNodeId,value,time", "1,0,0.07,2", "0,1,103.55,1", "0,0,1.00,3"]
SMALL = Dataset(
    [Account(0, 18_444, False), Account(1, 29, True, 5), Account(2, 0, False)],
    [Payment(0, 1, 10_355, 1), Payment(1, 0, 7, 2), Payment(0, 0, 100, 3)],
)
FUNDINGS: list[Funding] = ["opening-balance", "sum-of-outgoing"]


def requests_of(data: Dataset, funding: Funding) -> list[tuple[bytes | None, dict[str, object]]]:
    return [(request.key, orjson.loads(request.value)) for phase in phases(data, funding) for request in phase.requests]


def test_the_files_lines_become_cents_in_time_order() -> None:
    assert parse(NODES, TRANSACTIONS) == SMALL


@pytest.mark.parametrize(
    ("nodes", "transactions", "message"),
    [
        (["nodeid,isFraud"], TRANSACTIONS, "nodes has no column init_balance"),
        (NODES, ["sourceNodeId,value,time"], "transactions has no column targetNodeId"),
        ([*NODES, "3,0,1.234,-1"], TRANSACTIONS, "nodes, line 5: '1.234' has 3 decimals, but USD has 2"),
        ([*NODES, "x,0,1.23,-1"], TRANSACTIONS, "nodes, line 5: invalid literal"),
        ([*NODES, "3,0,-1.23,-1"], TRANSACTIONS, "nodes, line 5: -1.23 is negative"),
        (NODES, [*TRANSACTIONS, "0,9,1.00,4"], "transactions, line 5: account 0 or 9 is not among the nodes"),
        (NODES, [*TRANSACTIONS, "0,1"], "transactions, line 5: it has fewer fields than the header"),
        (NODES, [*TRANSACTIONS, "0,1,1e3,4"], "transactions, line 5: '1e3' is no amount"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(nodes: list[str], transactions: list[str], message: str) -> None:
    with pytest.raises(OperationError) as caught:
        parse(nodes, transactions)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("day", ["-1", "99999999"])
def test_a_day_that_is_none_is_told(day: str) -> None:
    with pytest.raises(OperationError, match=rf"transactions, line 2: {day} is no day"):
        parse(NODES, [TRANSACTIONS[0], f"{TRANSACTIONS[1].rpartition(',')[0]},{day}"])


@pytest.mark.parametrize("prefix", ["a b", 'a"b', "x" * 64])
def test_a_prefix_that_makes_no_wallet_ids_is_told(prefix: str) -> None:
    with pytest.raises(OperationError, match="is no id of a wallet"):
        phases(SMALL, "opening-balance", prefix)


def test_wallets_are_opened_and_funded_before_transfers_are_sent() -> None:
    opening, transfers = phases(SMALL, "opening-balance", prefix="x", asset="EUR")
    assert (opening.count, transfers.count) == (5, 3)
    first, second, *rest = [(request.key, orjson.loads(request.value)) for request in opening.requests]
    assert first == (
        b"x-0",
        {
            "operation": "open_wallet",
            "idempotency_key": "x-open-0",
            "wallet_id": "x-0",
            "owner_ref": "x-account-0",
            "assets": ["EUR"],
        },
    )
    assert second == (
        b"x-0",
        {
            "operation": "credit",
            "idempotency_key": "x-fund-0",
            "wallet_id": "x-0",
            "amount_minor": 18_444,
            "asset": "EUR",
        },
    )
    assert [value["operation"] for _, value in rest] == ["open_wallet", "credit", "open_wallet"]
    assert orjson.loads(next(transfers.requests).value) == {
        "operation": "transfer",
        "idempotency_key": "x-transfer-0",
        "wallet_id": "x-0",
        "to_wallet_id": "x-1",
        "amount_minor": 10_355,
        "asset": "EUR",
        "occurred_at": "2026-01-02T00:00:00Z",
    }


def test_funding_is_the_opening_balance_or_exactly_what_is_paid_out() -> None:
    assert funding_minor(SMALL, "opening-balance") == {0: 18_444, 1: 29, 2: 0}
    # A transfer to oneself is refused, so that it needs no money.
    assert funding_minor(SMALL, "sum-of-outgoing") == {0: 10_355, 1: 7, 2: 0}
    assert expected_balances(SMALL, "sum-of-outgoing", "x") == {"x-0": 7, "x-1": 10_355, "x-2": 0}


@pytest.mark.parametrize("funding", FUNDINGS)
@pytest.mark.parametrize("data", [SMALL, generate(300, seed=7)])
def test_every_request_meets_the_contract_and_counts_and_keys_are_right(data: Dataset, funding: Funding) -> None:
    for phase in phases(data, funding):
        requests = list(phase.requests)
        assert len(requests) == phase.count
        for key, value in requests:
            command = CONTRACTS["transaction-requests"].validate_json(value)
            assert command.wallet_id.encode() == key
    keys = Counter(value["idempotency_key"] for _, value in requests_of(data, funding))
    assert set(keys.values()) == {1}
    assert requests_of(data, funding) == requests_of(data, funding)


@given(st.integers(1, 2_000), st.integers(0, 5), st.sampled_from(FUNDINGS))
def test_money_is_neither_made_nor_lost(transfers: int, seed: int, funding: Funding) -> None:
    data = generate(transfers, seed)
    assert sum(expected_balances(data, funding).values()) == sum(funding_minor(data, funding).values())


@given(st.integers(1, 2_000), st.integers(0, 5))
def test_accounts_funded_with_what_they_pay_out_are_never_short(transfers: int, seed: int) -> None:
    data = generate(transfers, seed)
    balances = funding_minor(data, "sum-of-outgoing")
    for payment in data.payments:
        balances[payment.payer] -= payment.amount_minor
        balances[payment.payee] += payment.amount_minor
        assert balances[payment.payer] >= 0


def test_generated_sets_have_the_samples_shape_and_depend_on_the_seed_alone() -> None:
    data = generate(11_825, seed=3)
    assert data == generate(11_825, seed=3)
    assert data != generate(11_825, seed=4)
    days = [payment.day for payment in data.payments]
    assert (len(data.payments), len(data.accounts)) == (11_825, 1_970)
    assert days == sorted(days)
    assert 1 <= days[0] <= days[-1] <= 149
    received = Counter(payment.payee for payment in data.payments)
    assert received.most_common(1)[0][1] > 10 * (len(data.payments) / len(data.accounts)) / 2
    assert 0.05 < sum(account.flagged for account in data.accounts) / len(data.accounts) < 0.35
    assert all(payment.payer != payment.payee for payment in data.payments)


@pytest.mark.slow
@pytest.mark.skipif(SAMPLE is None, reason="without AMLSim's sample its own figures are not checked")
def test_the_sample_is_read_whole_and_to_the_cent() -> None:
    assert SAMPLE is not None
    data = read_dataset([SAMPLE])
    assert (len(data.accounts), len(data.payments)) == (20_000, 118_250)
    assert data.accounts[0] == Account(0, 18_444, False)
    assert data.payments[0] == Payment(360, 18_984, 10_355, 1)
    assert sum(account.flagged for account in data.accounts) == 954
    balances = expected_balances(data, "sum-of-outgoing")
    assert len(balances) == 20_000
    assert min(balances.values()) == 0
