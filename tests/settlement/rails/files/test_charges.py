"""What banks charge, as a camt.054 books it: with a payment, with a batch, or apart. It is no payment of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from schemas.rail_batches import RailAnswer
from tests.settlement.rails.files.messages import Booking, camt054
from tests.settlement.rails.files.test_iso20022 import BATCH, IDS, Bank


def split(amount: str, of_payments: Sequence[str] = ("1.00", "2.00", "3.00"), charges: str = "") -> bytes:
    """A batch that is booked as one sum, with the amount of each payment; `charges` are of the whole."""
    details = "".join(
        f'<TxDtls><Refs><EndToEndId>{name}</EndToEndId></Refs><Amt Ccy="EUR">{one}</Amt></TxDtls>'
        for name, one in zip(IDS, of_payments, strict=True)
    ).encode()
    whole = camt054([Booking(-1, block_id=BATCH.batch_id, charges=charges)])
    return whole.replace(b'<Amt Ccy="EUR">0.01<', f'<Amt Ccy="EUR">{amount}<'.encode(), 1).replace(
        b"</NtryDtls>", details + b"</NtryDtls>"
    )


def told(answers: Sequence[RailAnswer]) -> list[tuple[str, int | None, int]]:
    """(state, settled_minor, fee_minor) of every instruction named."""
    return [(one.state, one.settled_minor, one.fee_minor) for answer in answers for one in answer.instructions]


def test_charges_of_a_batch_stand_on_its_first_payment_and_nothing_is_unknown(tmp_path: Path) -> None:
    (answer,) = Bank(tmp_path).answer(split("6.05", charges="0.05"))
    assert answer.state == "partially_settled"
    assert told([answer]) == [("settled", 100, 5), ("settled", 200, 0), ("settled", 300, 0)]


def test_what_was_booked_in_full_is_settled_in_full_whatever_else_is_charged(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    assert told(bank.answer(camt054([Booking(-100, IDS[0], charges="0.05")]))) == [("settled", 100, 0)]
    assert told(bank.answer(camt054([Booking(-205, IDS[1], charges="0.05")]))) == [("settled", 200, 5)]
    assert told(bank.answer(camt054([Booking(-100, IDS[1], "R-2", charges="0.05")]))) == [("settled", 95, 5)]
    assert told(bank.answer(camt054([Booking(100, IDS[0], "R-3", charges="0.05")]))) == [("returned", 100, 0)]
    assert told(bank.answer(camt054([Booking(-600, block_id=BATCH.batch_id, charges="0.05")]))) == [
        ("settled", 100, 0),
        ("settled", 200, 0),
        ("settled", 300, 0),
    ]


@pytest.mark.parametrize("code", ["CHRG", "COMM", "FEES"])
@pytest.mark.parametrize("amount_minor", [-5, 5])
@pytest.mark.parametrize("booking", [Booking(0, IDS[0]), Booking(0, block_id=BATCH.batch_id)])
def test_charges_that_are_booked_apart_settle_nothing_and_return_nothing(
    tmp_path: Path, code: str, amount_minor: int, booking: Booking
) -> None:
    content = camt054([booking._replace(amount_minor=amount_minor)])
    own = f"<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>{code}</SubFmlyCd></Fmly></Domn></BkTxCd>"
    content = content.replace(b"<BkTxCd><Prtry><Cd>X</Cd></Prtry></BkTxCd>", own.encode())
    assert own.encode() in content
    assert Bank(tmp_path).answer(content) == []


@pytest.mark.parametrize(
    "booking", [Booking(0, IDS[0]), Booking(-5, IDS[0], charges="0.05"), Booking(-5, charges="0.05")]
)
def test_a_booking_of_nothing_but_charges_refuses_no_payment(tmp_path: Path, booking: Booking) -> None:
    assert Bank(tmp_path).answer(camt054([booking])) == []
