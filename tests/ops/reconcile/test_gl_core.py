"""A core-banking file against the trial balance: every difference by name, every bad cell by its row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.reconciliation.proofs.books import AccountTotal
from ops.errors import OperationError
from ops.reconcile.gl import core_of
from ops.reconcile.gl_core import CoreMapping, CoreTotal, Difference, differences, read_core, read_mapping
from schemas.assets import AssetRegistry

OURS = (
    AccountTotal("system/rail:cards", "EUR", 0, 1_000, 300),
    AccountTotal("system/rail:sepa", "EUR", 0, 200, 0),
    AccountTotal("wallets/available", "EUR", 0, 300, 1_190),
    AccountTotal("system/fees", "EUR", 0, 0, 10),
)


def mapping(**fields: Any) -> CoreMapping:
    return read_mapping(orjson.dumps({"account": "a", "asset": {"const": "EUR"}, "balance": "b", **fields}))


def core(**balances: int) -> dict[tuple[str, str], CoreTotal]:
    return {(account, "EUR"): CoreTotal(None, None, minor) for account, minor in balances.items()}


AS_CLASSES = {"R": ["1100"], "W": ["2100"], "F": ["system/fees"]}


def test_both_sides_agree() -> None:
    assert differences(core(R=-900, W=890, F=10), OURS, mapping(accounts=AS_CLASSES)) == []


def test_every_difference_is_named() -> None:
    found = differences(core(R=-890, X=5), OURS, mapping(accounts={"R": ["1100"]}))
    assert found == [
        Difference("differs", "R", "EUR", "balance", -900, -890),
        Difference("unmapped", "X", "EUR", None, None, None),
        Difference("missing_in_core", "wallets/available", "EUR", "balance", 890, None),
        Difference("missing_in_core", "system/fees", "EUR", "balance", 10, None),
    ]
    assert found[0].sentence == "R EUR: balance is -890 in the file, -900 with us: +10"
    assert all(one.account in one.sentence for one in found)


def test_debits_and_credits_are_compared_each() -> None:
    columns = mapping(balance=None, debit="d", credit="c", accounts={"R": ["1100"], "rest": ["2100", "4100"]})
    file = {("R", "EUR"): CoreTotal(1_200, 301, None), ("rest", "EUR"): CoreTotal(300, 1_200, None)}
    assert differences(file, OURS, columns) == [Difference("differs", "R", "EUR", "credit", 300, 301)]


def test_accounts_of_the_same_name_need_no_mapping() -> None:
    file = core(**{"system/rail:cards": -700, "system/rail:sepa": -200, "wallets/available": 890, "4100": 10})
    assert differences(file, OURS, mapping()) == []


@pytest.mark.parametrize(
    ("file", "accounts"),
    [
        ({"A": -900, "B": -700}, {"A": ["1100"], "B": ["system/rail:cards"]}),
        ({"A": -700, "system/rail:cards": -700}, {"A": ["system/rail:cards"]}),
        ({"1100": -900, "system/rail:cards": -700}, {}),
    ],
)
def test_what_stands_in_the_file_twice_does_not_agree(file: dict[str, int], accounts: dict[str, list[str]]) -> None:
    with pytest.raises(OperationError, match="system/rail:cards EUR is counted under both"):
        differences(core(**file), OURS, mapping(accounts=accounts))


def test_an_account_that_we_do_not_have_is_named_unless_it_is_empty() -> None:
    accounts = {**AS_CLASSES, "B": ["system/bank:house"]}
    assert differences(core(R=-900, W=890, F=10, B=0), OURS, mapping(accounts=accounts)) == []
    (found,) = differences(core(R=-900, W=890, F=10, B=7), OURS, mapping(accounts=accounts))
    assert found == Difference("missing_with_us", "B", "EUR", "balance", None, 7)


def test_classes_and_accounts_of_ours_need_no_mapping_before_anything_is_posted_on_them() -> None:
    rest = {"1100": -900, "2100": 890, "4100": 10}
    empty = {"5200": 0, "system/rewards": 0, "system/rail:new": 0, "wallets/held": 0}
    assert differences(core(**rest, **empty), OURS, mapping()) == []
    assert differences(core(**rest, **empty | {"5200": 7}), OURS, mapping()) == [
        Difference("missing_with_us", "5200", "EUR", "balance", None, 7)
    ]
    unknown = differences(core(**rest, **{"5201": 0, "system/unheard": 0}), OURS, mapping())
    assert [(one.kind, one.account) for one in unknown] == [("unmapped", "5201"), ("unmapped", "system/unheard")]


def test_rows_are_read_in_whole_units_and_added_up() -> None:
    rows = [{"a": " R ", "b": "-5.00"}, {"a": "R", "b": "-4.00"}, {"a": "W", "b": ""}]
    read = read_core(rows, mapping(), AssetRegistry())
    assert read == {("R", "EUR"): CoreTotal(None, None, -900), ("W", "EUR"): CoreTotal(None, None, 0)}


def test_signs_and_decimal_marks() -> None:
    read = read_core(
        [{"a": "R", "b": "9,00"}], mapping(decimal_mark=",", balance_sign="debit_positive"), AssetRegistry()
    )
    assert read[("R", "EUR")].balance_minor == -900


@pytest.mark.parametrize(
    ("fields", "row", "message"),
    [
        ({}, {"a": "R", "b": "1.234"}, r"row 1: '1.234' has 3 decimals"),
        ({}, {"a": "R", "b": "1,234.00"}, r"row 1: '1,234.00' is no amount"),
        ({}, {"a": "R", "b": "1e5"}, "row 1: '1e5' is no amount"),
        ({"decimal_mark": ","}, {"a": "R", "b": "1.50"}, "row 1: '1.50' is no amount: .* a comma before decimals"),
        ({"decimal_mark": ","}, {"a": "R", "b": "1.000,50"}, "row 1: '1.000,50' is no amount"),
        ({}, {"a": " ", "b": "1"}, "row 1: a is empty"),
        ({}, {"a": "R"}, "row 1: there is no column 'b'"),
        ({"amount_unit": "minor"}, {"a": "R", "b": "1.0"}, "row 1: '1.0' is no integer of minor units"),
        ({"amount_unit": "minor"}, {"a": "R", "b": "٣"}, "is no integer of minor units"),
        ({"amount_unit": "minor"}, {"a": "R", "b": "9" * 10_000}, "is no integer of minor units"),
        ({"asset": "c"}, {"a": "R", "b": "1", "c": "XAU"}, "row 1: asset 'XAU' is not known"),
    ],
)
def test_a_cell_that_cannot_be_read_is_told_by_its_row(
    fields: dict[str, Any], row: dict[str, str], message: str
) -> None:
    with pytest.raises(OperationError, match=message):
        read_core([row], mapping(**fields), AssetRegistry())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"debit": "d"}, "debit and credit belong together"),
        ({"balance": None}, "name the columns of debit and credit"),
        ({"accounts": {"A": ["1100"], "B": ["1100"]}}, "1100 is counted under both A and B"),
        ({"acounts": {}}, "acounts: Extra inputs"),
        ({"delimiter": ";;"}, "delimiter: "),
    ],
)
def test_a_mapping_that_cannot_be_used(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OperationError, match=message):
        mapping(**fields)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"account": 1}', b"\xff"])
def test_a_mapping_that_is_none(text: bytes) -> None:
    with pytest.raises(OperationError, match="the mapping cannot be used"):
        read_mapping(text)


def test_a_mapping_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="cannot be read"):
        core_of(tmp_path / "c.csv", tmp_path / "m.json")
