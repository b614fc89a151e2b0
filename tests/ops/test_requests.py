"""Requests from lines of JSON."""

from __future__ import annotations

import pytest

from ops.errors import OperationError
from ops.requests import Request, read_lines, read_unchecked

CREDIT = b'{"operation":"credit","idempotency_key":"k","wallet_id":"w-1","amount_minor":5,"asset":"EUR"}'


def test_each_line_is_a_request_keyed_by_its_wallet() -> None:
    lines = iter([CREDIT + b"\r\n", b"\n", b"  " + CREDIT])
    assert list(read_lines(lines, "transaction-requests")) == [Request(b"w-1", CREDIT)] * 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "Invalid JSON"),
        (b"[]", "Input should be an object; a command is one JSON object on one line"),
        (CREDIT.replace(b":5", b":5.0"), "(amount_minor)"),
        (CREDIT.replace(b"credit", b"steal"), "does not match any of the expected tags"),
        (CREDIT[:-1] + b',"extra":1}', "(extra)"),
    ],
)
def test_a_wrong_line_is_told_with_its_number(line: bytes, reason: str) -> None:
    with pytest.raises(OperationError) as caught:
        list(read_lines(iter([CREDIT, b"", line]), "transaction-requests"))
    assert str(caught.value).startswith("line 3: ")
    assert reason in str(caught.value)


def test_every_wrong_line_is_told_with_every_field() -> None:
    settle = b'{"operation":"settle","idempotency_key":"k","wallet_id":"w-1","transaction_id":"x"}'
    with pytest.raises(OperationError) as caught:
        list(read_lines(iter([settle, b"{}", CREDIT]), "settlement-updates"))
    first, second, third, last = str(caught.value).splitlines()
    assert first.startswith("line 1: ")
    assert "(transaction_id)" in first
    assert "(rail_reference)" in first
    assert second.startswith("line 2: ")
    assert third.startswith("line 3: ")
    assert "'submit', 'settle', 'fail', 'return'" in third
    assert last.startswith("nothing was sent")


def test_a_command_over_several_lines_is_told_to_be_written_on_one() -> None:
    with pytest.raises(OperationError, match=r"^line 1: Invalid JSON.* a command is one JSON object on one line"):
        list(read_lines(iter(CREDIT.replace(b",", b",\n").splitlines()), "transaction-requests"))


def test_of_very_many_wrong_lines_the_first_are_told() -> None:
    with pytest.raises(OperationError) as caught:
        list(read_lines(iter([b"{}"] * 25), "transaction-requests"))
    assert str(caught.value).splitlines()[19:21] == [
        "line 20: Unable to extract tag using discriminator 'operation' (the whole line)",
        "and 5 lines more",
    ]


def test_an_operators_command_is_no_request() -> None:
    with pytest.raises(OperationError, match="line 1"):
        list(read_lines(iter([CREDIT]), "operator-commands"))


def test_unchecked_lines_go_as_they_are_with_the_key_that_can_be_read() -> None:
    lines = [b'{"wallet_id":"w-1","amount_minor":"x"}\n', b'{"wallet_id":7}\n', b"[1]\n", b"\xff broken \n", b"\n"]
    assert list(read_unchecked(iter(lines))) == [
        Request(b"w-1", b'{"wallet_id":"w-1","amount_minor":"x"}'),
        Request(None, b'{"wallet_id":7}'),
        Request(None, b"[1]"),
        Request(None, b"\xff broken "),
    ]
