"""Entries of camt that are several batches: each has its own count, sum and id, or says none of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.statements.files import camt, entry, lines_of, read, refused, whole


def block(*names: str, batch: str = "") -> str:
    """`NtryDtls` with transactions of 2.00 each, named."""
    said = f"<Btch>{batch}</Btch>" if batch else ""
    return f"<NtryDtls>{said}{''.join(map(transaction, names))}</NtryDtls>"


def transaction(name: str) -> str:
    return f'<TxDtls><Refs><EndToEndId>{name}</EndToEndId></Refs><Amt Ccy="EUR">2.00</Amt></TxDtls>'


def of_blocks(*blocks: str) -> bytes:
    """An entry of 6.00 with these `NtryDtls`."""
    return camt(whole(entry("6.00").replace("</Ntry>", "".join(blocks) + "</Ntry>"), closing="106.00"))


def named(data: bytes) -> list[tuple[Any, Any]]:
    return [(line.references.get("end_to_end_id"), line.references.get("batch_id")) for line in lines_of(read(data))]


def test_a_batch_beside_transactions_of_none() -> None:
    said = '<PmtInfId>P</PmtInfId><NbOfTxs>2</NbOfTxs><TtlAmt Ccy="EUR">4.00</TtlAmt>'
    data = of_blocks(block("a", "b", batch=said), block("c"))
    assert named(data) == [("a", "P"), ("b", "P"), ("c", None)]


@pytest.mark.parametrize(
    "said",
    [
        "<NbOfTxs>3</NbOfTxs>",
        '<TtlAmt Ccy="EUR">6.00</TtlAmt>',
        '<NbOfTxs>3</NbOfTxs><TtlAmt Ccy="EUR">6.00</TtlAmt>',
    ],
)
@pytest.mark.parametrize("own", [(), ("a",)])
def test_a_batch_may_be_said_once_for_transactions_that_stand_apart(said: str, own: tuple[str, ...]) -> None:
    others = [block(name) for name in "abc"[len(own) :]]
    data = of_blocks(block(*own, batch=f"<PmtInfId>P</PmtInfId>{said}"), *others)
    assert named(data) == [("a", "P"), ("b", "P"), ("c", "P")]
    wrong = data.replace(b"<NbOfTxs>3", b"<NbOfTxs>2").replace(b"6.00</TtlAmt>", b"5.00</TtlAmt>")
    assert refused(wrong).reason == "totals"


def test_lines_of_two_batches_have_each_its_own_id() -> None:
    data = of_blocks(block("a", "b", batch="<PmtInfId>P</PmtInfId>"), block("c", batch="<MsgId>Q</MsgId>"))
    assert named(data) == [("a", "P"), ("b", "P"), ("c", "Q")]


def test_two_batches_without_transactions_are_one_line_of_neither() -> None:
    assert named(of_blocks(block(batch="<PmtInfId>P</PmtInfId>"), block(batch="<PmtInfId>Q</PmtInfId>"))) == [
        (None, None)
    ]
    assert named(of_blocks(block(batch="<PmtInfId>P</PmtInfId>"), block(batch="<PmtInfId>P</PmtInfId>"))) == [
        (None, "P")
    ]


@pytest.mark.parametrize(
    "batch", ["<NbOfTxs>1</NbOfTxs>", "<NbOfTxs>4</NbOfTxs>", '<NbOfTxs>2</NbOfTxs><TtlAmt Ccy="EUR">4.01</TtlAmt>']
)
def test_a_batch_that_is_not_what_its_own_transactions_are(batch: str) -> None:
    found = refused(of_blocks(block("a", "b", batch=batch), block("c")))
    assert (found.reason, "Btch/" in found.detail) == ("totals", True)
