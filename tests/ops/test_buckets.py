"""What a wallet has, by bucket."""

from __future__ import annotations

from ops.amounts import Amounts
from ops.buckets import bucket_table, by_bucket
from schemas.assets import AssetRegistry

BALANCES = {
    ("alice/main/available", "EUR"): -5,
    ("alice/main/disputed", "EUR"): 300,
    ("alice/main/held", "USD"): 20,
    ("alice/savings/available", "EUR"): 0,
    ("alice2/main/available", "EUR"): 7,
    ("system/fees", "EUR"): 9,
}


def test_a_row_for_each_sub_wallet_and_asset_of_these_wallets_only() -> None:
    assert by_bucket(BALANCES, ["alice"]) == [
        ("alice", "main", "EUR", (-5, 0, 0, 0, 300)),
        ("alice", "main", "USD", (0, 20, 0, 0, 0)),
        ("alice", "savings", "EUR", (0, 0, 0, 0, 0)),
    ]
    assert [row.wallet_id for row in by_bucket(BALANCES, ["alice2", "alice"])] == ["alice2", *["alice"] * 3]


def test_columns_align_and_what_is_zero_is_blank_but_available() -> None:
    head, main, usd, savings = bucket_table(by_bucket(BALANCES, ["alice"]), Amounts(AssetRegistry()))
    ends = {name: head.index(name) + len(name) for name in ("available", "held", "disputed")}
    assert main[: ends["available"]].endswith(" -0.05")
    assert main == f"{main[: ends['disputed'] - 4]}3.00"
    assert usd[: ends["held"]].endswith(" 0.20")
    assert savings.startswith("alice/savings")
    assert len(savings) == ends["available"]
    assert savings.endswith(" 0.00")
