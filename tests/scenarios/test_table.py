"""The tables themselves: what is understood, what is refused with line and reason, and that a wrong table fails."""

from __future__ import annotations

import pytest

from tests.scenarios.play import Mismatch, play
from tests.scenarios.table import Row, ScenarioError, Sentence, Table, parse_scenarios

GOOD = """\
# A comment.

== the first
partitions 3
wallet  operation    key  amount   with        |  code
alice   open_wallet  k0   .        assets=EUR  |  ok
# A comment within a table.
alice   credit       k1   100 EUR  .           |  ok

account  asset  balance
alice    EUR    100

== the second
wallet   operation    key  with        |  code
someone  open_wallet  k0   assets=EUR  |  ok
"""


def test_what_is_understood() -> None:
    first, second = parse_scenarios(GOOD, "a.scenario")
    assert (first.name, second.name) == ("the first", "the second")
    sentence, commands, balances = first.steps
    assert sentence == Sentence("a.scenario:4", "partitions 3")
    assert isinstance(commands, Table)
    assert [row.where for row in commands.rows] == ["a.scenario:6", "a.scenario:8"]
    assert commands.rows[1].cells == {
        "wallet": "alice",
        "operation": "credit",
        "key": "k1",
        "amount": "100 EUR",
        "with": ".",
        "|": "|",
        "code": "ok",
    }
    assert balances == Table("account", [Row("a.scenario:11", {"account": "alice", "asset": "EUR", "balance": "100"})])
    for scenario in (first, second):
        play(scenario)


HEADER = "== x\nwallet  operation  key  |  code\n"


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("partitions 3\n", "f:1", "a scenario begins with a line `== name`"),
        ("== x\nwallet  colour  key\n", "f:2", "no column is called 'colour'; there are wallet, operation"),
        (HEADER + "alicealice credit  k    |  ok\n", "f:3", "text crosses into column 'operation', which begins at 9"),
        (HEADER + "alice    credit    k    |  ok\n", "f:3", "the cell 'credit' is not aligned with 'operation'"),
        (HEADER + "alice   credit          |  ok\n", "f:3", "column 'key' has no cell; write `.`"),
        (HEADER + "alice   credit     k    |\n", "f:3", "column 'code' has no cell"),
        (HEADER + "alice\tcredit     k    |  ok\n", "f:3", "there is a tab; align with spaces"),
    ],
)
def test_what_is_refused(text: str, where: str, why: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse_scenarios(text, "f")
    assert str(refused.value).startswith(f"{where}: {why}")


def test_a_sentence_that_is_not_understood() -> None:
    (scenario,) = parse_scenarios("== x\nmake tea\n", "f")
    with pytest.raises(ScenarioError, match="f:2: 'make tea' is not understood; there are: partitions"):
        play(scenario)


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        ("code", "wallet_locked"),
        ("field", "asset"),
        ("state", "processed"),
        ("replayed", "yes"),
        ("current", "settled ok"),
        ("balances", "main 99 EUR"),
        ("event", "transaction.failed"),
        ("then", "settled ok"),
        ("code", "."),
    ],
)
def test_every_expected_column_can_fail(column: str, wrong: str) -> None:
    expected = {"code": "ok", column: wrong}
    header = "wallet  operation    key  amount   with        |"
    opening = "alice   open_wallet  k0   .        assets=EUR  |"
    credit = "alice   credit       k1   100 EUR  .           |"
    for name, value in expected.items():
        width = max(len(name), len(value)) + 2
        header += f"  {name:{width}}"
        opening += f"  {'*':{width}}"
        credit += f"  {value:{width}}"
    (scenario,) = parse_scenarios(f"== x\n{header}\n{opening}\n{credit}\n", "f")
    with pytest.raises(Mismatch, match="f:4: "):
        play(scenario)


def test_a_wrong_balance_fails() -> None:
    (scenario,) = parse_scenarios("== x\naccount  asset  balance\nalice    EUR    1\n", "f")
    with pytest.raises(Mismatch, match="f:3: balance is '0', the table says '1'"):
        play(scenario)
